"""Reading: get, handles, and where files are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..dimensions import DataId
from ..errors import (
    ArtifactMissingError,
    CollectionError,
    DatasetNotFoundError,
    MissingDatasetTypeError,
)
from ..handles import DeferredDatasetHandle
from .core import ButlerCore, DatasetName

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
        ref = self._resolve(dataset, dataId, collections, kwargs)
        registered, component = self._named_type(ref.datasetType)
        stored = self.datastore.stored(self._file_record(ref), registered, component)
        return DeferredDatasetHandle(stored, ref, dict(parameters or {}))

    def exists(
        self,
        dataset: DatasetName,
        /,
        dataId: DataId | None = None,
        *,
        collections: str | Iterable[str] | None = None,
        **kwargs: Any,
    ) -> bool:
        """Tell whether a dataset is registered and its file is there."""
        try:
            ref = self._resolve(dataset, dataId, collections, kwargs)
            return self.datastore.resolve(self._file_record(ref).path).exists()
        except (CollectionError, MissingDatasetTypeError, DatasetNotFoundError, ArtifactMissingError):
            return False

    def getURI(self, dataset: DatasetName, /, dataId: DataId | None = None, **kwargs: Any) -> Path:
        """Return where the file of a dataset is; arguments as `get`."""
        collections = kwargs.pop("collections", None)
        ref = self._resolve(dataset, dataId, collections, kwargs)
        return self.datastore.resolve(self._file_record(ref).path)
