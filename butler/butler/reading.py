"""Reading: get, handles, what exists, and where files are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ..datasets import DatasetRef, StorageClass
from ..datastore import RemoteResource, as_resource, retrieve_files
from ..dimensions import DataId, Timespan
from ..errors import (
    ArtifactMissingError,
    CollectionError,
    ConflictingDefinitionError,
    DataIdValueError,
    DatasetNotFoundError,
    MissingDatasetTypeError,
)
from ..handles import DeferredDatasetHandle
from ..user_paths import checked_path
from .existence import DatasetExistence
from .finding import DatasetName, FindingButler, merged

__all__ = ["DatasetRefURIs", "ReadingButler"]


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


class ReadingButler(FindingButler):
    """The part of the butler that reads datasets."""

    def get(
        self,
        datasetRefOrType: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        collections: str | Iterable[str] | None = None,
        storageClass: str | StorageClass | None = None,
        timespan: Timespan | None = None,
        **kwargs: Any,
    ) -> Any:
        """Read a dataset.

        Parameters
        ----------
        datasetRefOrType
            Name (``type`` or ``type.component``), dataset type or ref; the storage class of a type or ref is
            what is read.
        dataId
            Data ID; keyword arguments go over it. See `find_dataset` for what may stand in it.
        parameters
            Read parameters, for example ``{"bbox": Box2I(...)}``.
        collections
            Collections to search, in order; not for a ref.
        storageClass
            Storage class to read it as.
        timespan
            Times at which a calibration must be valid.

        Raises
        ------
        DatasetNotFoundError
            Raised if there is no such dataset; besides, all that `find_dataset` raises.
        ArtifactMissingError
            Raised if its file is gone.
        StorageClassError
            Raised for a parameter that is not understood, or a storage class that cannot be had.
        """
        handle = self.getDeferred(
            datasetRefOrType,
            dataId,
            parameters=parameters,
            collections=collections,
            storageClass=storageClass,
            timespan=timespan,
            **kwargs,
        )
        return handle.get()

    def getDeferred(
        self,
        datasetRefOrType: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        collections: str | Iterable[str] | None = None,
        storageClass: str | StorageClass | None = None,
        timespan: Timespan | None = None,
        **kwargs: Any,
    ) -> DeferredDatasetHandle:
        """Return a handle that reads a dataset, or parts of it, later; arguments and errors as `get`.

        A dataset that is found by its data ID may lack its file until it is read.
        """
        found = self._resolve(datasetRefOrType, dataId, collections, kwargs, timespan)
        ref, record = found.ref, found.record
        registered, component = self._named_type(ref.datasetType)
        if record is None and isinstance(datasetRefOrType, DatasetRef):
            raise self.no_file(ref)
        stored = _Fileless(self) if record is None else self.datastore.stored(record, registered, component)
        wanted = None
        if storageClass is not None or ref.datasetType is not registered:
            whole = registered.storageClass
            own = whole if component is None else whole.component(component)
            asked = storageClass or ref.datasetType.storageClass
            if asked not in (own, own.name):
                # The handle converts from what is stored to what is wanted.
                wanted, ref = asked, ref.overrideStorageClass(own)
        return DeferredDatasetHandle(
            stored, ref, dict(parameters or {}), wanted, expand=self.registry.records.expand
        )

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
            _require_same(dataset_ref_or_type, known)
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
            transfer="copy" if transfer == "auto" else transfer,
            preserve_path=preserve_path,
            overwrite=overwrite,
        )


@dataclass(frozen=True, slots=True)
class _Fileless:
    """What a handle of a dataset without file reads."""

    butler: FindingButler

    def read(self, ref: DatasetRef, component: str | None, parameters: Mapping[str, Any]) -> NoReturn:
        """Say that there is nothing to read, and raise."""
        raise self.butler.no_file(ref)


def _require_same(ref: DatasetRef, known: DatasetRef) -> None:
    """Refuse a ref that says other things of a UUID than the registry does."""
    name = ref.datasetType.nameAndComponent()[0]
    if (name, ref.run) != (known.datasetType.name, known.run) or (
        ref.dataId.required_values != known.dataId.required_values
    ):
        raise ConflictingDefinitionError(f"the UUID {ref.id} belongs to {known}, not to {ref}")
