"""Locating: how far datasets exist, and where their files are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..datasets import DatasetRef, require_same
from ..datastore import RemoteResource, as_resource, retrieve_files
from ..dimensions import DataId
from ..errors import (
    ArtifactMissingError,
    CollectionError,
    DataIdValueError,
    DatasetNotFoundError,
    MissingDatasetTypeError,
)
from ..user_paths import checked_path
from .existence import DatasetExistence
from .reading import DatasetName, ReadingButler, merged

__all__ = ["DatasetRefURIs", "LocatingButler"]


@dataclass(frozen=True, slots=True)
class DatasetRefURIs:
    """Where the files of a dataset are.

    Parameters
    ----------
    primaryURI
        The file of the whole.
    componentURIs
        Files of components by name; empty, because a dataset has one file here.
    """

    primaryURI: Path | RemoteResource
    componentURIs: Mapping[str, Path | RemoteResource] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Any]:
        yield from (self.primaryURI, self.componentURIs)


class LocatingButler(ReadingButler):
    """The part of the butler that knows of files without reading them."""

    def exists(
        self,
        dataset_ref_or_type: DatasetName,
        /,
        data_id: DataId | None = None,
        *,
        full_check: bool = True,
        collections: str | Iterable[str] | None = None,
        **kwargs: Any,
    ) -> DatasetExistence:
        """Tell how far a dataset exists; true if it is registered and its file is there.

        Parameters
        ----------
        dataset_ref_or_type, data_id
            What is meant, as for `get`.
        full_check
            Whether to look at the file; if not, it is taken to be there.
        collections
            Collections to search, in order.

        Raises
        ------
        ConflictingDefinitionError
            Raised for a ref whose UUID belongs to another dataset.
        DimensionNameError
            Raised for a data ID that lacks a value, or has a name that means nothing.
        """
        try:
            resolved = self._resolve(dataset_ref_or_type, data_id, collections, kwargs)
        except (CollectionError, MissingDatasetTypeError, DatasetNotFoundError, DataIdValueError):
            return DatasetExistence.UNRECOGNIZED
        if isinstance(dataset_ref_or_type, DatasetRef):
            known = self.registry.datasets.get(dataset_ref_or_type.id)
            if known is None:
                return DatasetExistence.UNRECOGNIZED
            require_same(dataset_ref_or_type, known)
        record = resolved.record
        found = DatasetExistence.RECORDED
        if record is not None:
            found |= DatasetExistence.DATASTORE
        if not full_check:
            return found | DatasetExistence._ASSUMED
        if record is not None and self.datastore.size(record.path) is not None:
            found |= DatasetExistence._ARTIFACT
        return found

    def stored(self, ref: DatasetRef) -> bool:
        """Tell whether the file of a dataset is there."""
        return self.stored_many([ref])[ref]

    def stored_many(self, refs: Iterable[DatasetRef]) -> dict[DatasetRef, bool]:
        """Tell of each dataset whether its file is there."""
        asked = list(refs)
        records = self.registry.files.get([ref.id for ref in asked])
        return {
            ref: ref.id in records and self.datastore.size(records[ref.id].path) is not None for ref in asked
        }

    def getURI(
        self,
        datasetRefOrType: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        predict: bool = False,
        collections: str | Iterable[str] | None = None,
        run: str | None = None,
        **kwargs: Any,
    ) -> Path | RemoteResource:
        """Return where the file of a dataset is.

        Parameters
        ----------
        datasetRefOrType, dataId
            What is meant, as for `get`.
        predict
            Whether to say of a dataset without a file where it would be written; if that is taken, and always
            in an object store, the file gets a token besides.
        collections
            Collections to search, in order.
        run
            RUN that a dataset which does not exist would be put into.

        Raises
        ------
        DatasetNotFoundError
            Raised if there is no such dataset, and `predict` is not set.
        ArtifactMissingError
            Raised if it has no stored file, and `predict` is not set.
        """
        if predict and not isinstance(datasetRefOrType, DatasetRef):
            registered, _ = self._named_type(datasetRefOrType)
            try:
                ref = self._resolve(datasetRefOrType, dataId, collections, kwargs).ref
            except (CollectionError, DatasetNotFoundError):
                given = self.defaults.data_id(registered.dimensions, merged(dataId, kwargs))
                ref = DatasetRef(registered, given, self.defaults.run_or(run))
        else:
            ref = self._resolve(datasetRefOrType, dataId, collections, kwargs).ref
        return self.get_many_uris([ref], predict=predict)[ref].primaryURI

    def getURIs(
        self,
        datasetRefOrType: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        predict: bool = False,
        collections: str | Iterable[str] | None = None,
        run: str | None = None,
        **kwargs: Any,
    ) -> DatasetRefURIs:
        """Return where the files of a dataset are, which is one; arguments and errors as `getURI`."""
        return DatasetRefURIs(
            self.getURI(datasetRefOrType, dataId, predict=predict, collections=collections, run=run, **kwargs)
        )

    def get_many_uris(
        self, refs: Iterable[DatasetRef], predict: bool = False, allow_missing: bool = False
    ) -> dict[DatasetRef, DatasetRefURIs]:
        """Return where the files of datasets are.

        Parameters
        ----------
        refs
            The datasets.
        predict
            Whether to say of datasets without a file where it would be written.
        allow_missing
            Whether to leave out those that have no stored file.

        Raises
        ------
        ArtifactMissingError
            Raised if one has no stored file, and neither `predict` nor `allow_missing` is set.
        """
        asked = list(refs)
        records = self.registry.files.get([ref.id for ref in asked])
        found = {}
        for ref in asked:
            if ref.id in records:
                found[ref] = DatasetRefURIs(as_resource(self.datastore, records[ref.id].path))
            elif predict:
                expanded = ref.expanded(self.registry.records.expand(ref.dataId))
                found[ref] = DatasetRefURIs(as_resource(self.datastore, self.datastore.path_for(expanded)))
            elif not allow_missing:
                n_missing = sum(ref.id not in records for ref in asked)
                if n_missing == 1:
                    raise self.no_file(ref)
                raise ArtifactMissingError(f"{n_missing} datasets have no stored file, among them {ref}")
        return found

    def retrieveArtifacts(
        self,
        refs: Iterable[DatasetRef],
        destination: str | os.PathLike[str],
        transfer: str = "auto",
        preserve_path: bool = True,
        overwrite: bool = False,
    ) -> list[Path]:
        """Bring the files of datasets into a directory, for use outside the repository.

        Parameters
        ----------
        refs
            The datasets.
        destination
            Directory; made if needed.
        transfer
            ``copy``, ``link``, ``hardlink``, ``symlink`` or ``relsymlink``; ``auto`` copies.
        preserve_path
            Whether files keep their directories, or stand side by side.
        overwrite
            Whether files that are there already may be replaced.

        Returns
        -------
        paths
            Where the files are now.

        Raises
        ------
        ArtifactMissingError
            Raised if a file is gone; nothing is brought then.
        ArtifactExistsError
            Raised if a file is there already, or if two would get the same name; nothing is brought then.
        """
        asked = list(refs)
        records = self.registry.files.get([ref.id for ref in asked])
        for ref in asked:
            if ref.id not in records:
                raise ArtifactMissingError(f"{ref} has no stored file")
        return retrieve_files(
            self.datastore,
            [records[ref.id] for ref in asked],
            checked_path(destination),
            transfer=transfer,
            preserve_path=preserve_path,
            overwrite=overwrite,
        )
