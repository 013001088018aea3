"""Reading: get, handles, what exists, and where files are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..datasets import DatasetRef
from ..datastore import retrieve_files
from ..dimensions import DataId
from ..errors import (
    ArtifactMissingError,
    CollectionError,
    ConflictingDefinitionError,
    DatasetNotFoundError,
    MissingDatasetTypeError,
)
from ..handles import DeferredDatasetHandle
from ..registry import FileRecord, FoundDataset
from .core import ButlerCore, DatasetName
from .existence import DatasetExistence

__all__ = ["ReadingButler"]


class ReadingButler(ButlerCore):
    """The part of the butler that reads datasets."""

    def get(
        self,
        dataset: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        collections: str | Iterable[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Read a dataset.

        Parameters
        ----------
        dataset
            Name (``type`` or ``type.component``), dataset type or ref.
        dataId
            Data ID; keyword arguments add to it.
        parameters
            Read parameters, for example ``{"bbox": Box2I(...)}``.
        collections
            Collections to search, in order.

        Raises
        ------
        DatasetNotFoundError
            Raised if there is no such dataset.
        ArtifactMissingError
            Raised if its file is gone.
        """
        handle = self.getDeferred(dataset, dataId, parameters=parameters, collections=collections, **kwargs)
        return handle.get()

    def getDeferred(
        self,
        dataset: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        collections: str | Iterable[str] | None = None,
        **kwargs: Any,
    ) -> DeferredDatasetHandle:
        """Return a handle that reads a dataset, or parts of it, later; arguments as `get`."""
        found = self._resolve(dataset, dataId, collections, kwargs)
        registered, component = self._named_type(found.ref.datasetType)
        stored = self.datastore.stored(_record(found), registered, component)
        return DeferredDatasetHandle(stored, found.ref, dict(parameters or {}))

    def exists(
        self,
        dataset: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        full_check: bool = True,
        collections: str | Iterable[str] | None = None,
        **kwargs: Any,
    ) -> DatasetExistence:
        """Tell how far a dataset exists; true if it is registered and its file is there.

        Parameters
        ----------
        dataset, dataId
            What is meant, as for `get`.
        full_check
            Whether to look at the file; if not, it is taken to be there.
        collections
            Collections to search, in order.

        Raises
        ------
        ConflictingDefinitionError
            Raised for a ref whose UUID belongs to another dataset.
        """
        try:
            resolved = self._resolve(dataset, dataId, collections, kwargs)
        except (CollectionError, MissingDatasetTypeError, DatasetNotFoundError):
            return DatasetExistence.UNRECOGNIZED
        if isinstance(dataset, DatasetRef):
            known = self.registry.datasets.get(dataset.id)
            if known is None:
                return DatasetExistence.UNRECOGNIZED
            _require_same(dataset, known)
        record = resolved.record
        found = DatasetExistence.RECORDED
        if record is not None:
            found |= DatasetExistence.DATASTORE
        if not full_check:
            return found | DatasetExistence._ASSUMED
        if record is not None and self.datastore.resolve(record.path).exists():
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
            ref: ref.id in records and self.datastore.resolve(records[ref.id].path).exists() for ref in asked
        }

    def getURI(self, dataset: DatasetName, /, dataId: DataId | None = None, **kwargs: Any) -> Path:
        """Return where the file of a dataset is; arguments as `get`."""
        collections = kwargs.pop("collections", None)
        found = self._resolve(dataset, dataId, collections, kwargs)
        return self.datastore.resolve(_record(found).path)

    def get_many_uris(
        self, refs: Iterable[DatasetRef], *, allow_missing: bool = False
    ) -> dict[DatasetRef, Path]:
        """Return where the files of datasets are.

        Parameters
        ----------
        refs
            The datasets.
        allow_missing
            Whether to leave out those that have no stored file.

        Raises
        ------
        ArtifactMissingError
            Raised if one has no stored file and `allow_missing` is not set.
        """
        asked = list(refs)
        records = self.registry.files.get([ref.id for ref in asked])
        missing = [ref for ref in asked if ref.id not in records]
        if missing and not allow_missing:
            raise ArtifactMissingError(
                f"{len(missing)} datasets have no stored file, among them {missing[0]}"
            )
        return {ref: self.datastore.resolve(records[ref.id].path) for ref in asked if ref.id in records}

    def retrieveArtifacts(
        self,
        refs: Iterable[DatasetRef],
        destination: str | os.PathLike[str],
        transfer: str = "copy",
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
            ``copy``, ``link``, ``hardlink``, ``symlink`` or ``relsymlink``.
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
            Path(destination),
            transfer=transfer,
            preserve_path=preserve_path,
            overwrite=overwrite,
        )


def _record(found: FoundDataset) -> FileRecord:
    if found.record is None:
        raise ArtifactMissingError(f"{found.ref} has no stored file")
    return found.record


def _require_same(ref: DatasetRef, known: DatasetRef) -> None:
    """Refuse a ref that says other things of a UUID than the registry does."""
    name = ref.datasetType.nameAndComponent()[0]
    if (name, ref.run) != (known.datasetType.name, known.run) or (
        ref.dataId.required_values != known.dataId.required_values
    ):
        raise ConflictingDefinitionError(f"the UUID {ref.id} belongs to {known}, not to {ref}")
