"""Handles: datasets that are read when, and as far as, they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .datasets import DatasetRef, StorageClass, get_storage_class
from .dimensions import DataCoordinate
from .errors import StorageClassError

__all__ = ["DatasetReader", "DeferredDatasetHandle", "InMemoryDatasetHandle", "read_part"]


class DatasetReader(Protocol):
    """What a handle needs in order to read: a butler, or the store of a worker."""

    def read(self, ref: DatasetRef, component: str | None, parameters: Mapping[str, Any]) -> Any:
        """Read a dataset or a part of it."""


@dataclass(frozen=True, slots=True)
class DeferredDatasetHandle:
    """A dataset in a repository, to be read later, in whole or in part.

    Parameters
    ----------
    reader
        What reads it.
    ref
        The dataset.
    parameters
        Read parameters that every `get` starts from.
    """

    reader: DatasetReader
    ref: DatasetRef
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dataId(self) -> DataCoordinate:
        """Data ID of the dataset."""
        return self.ref.dataId

    def get(self, *, component: str | None = None, parameters: Mapping[str, Any] | None = None) -> Any:
        """Read the dataset.

        Parameters
        ----------
        component
            Part to read, for example ``"wcs"``; everything if None.
        parameters
            Read parameters, over those of the handle; ``bbox`` reads only the rows of a box.

        Raises
        ------
        UnknownComponentError
            Raised if there is no such component.
        StorageClassError
            Raised for a parameter that is not understood.
        BoxError
            Raised if a box is not inside the image.
        ArtifactMissingError
            Raised if the file is gone.
        FileFormatError
            Raised if the file is broken.
        """
        return self.reader.read(self.ref, component, {**self.parameters, **(parameters or {})})


@dataclass(frozen=True, slots=True)
class InMemoryDatasetHandle:
    """An object in memory that reads like a dataset: a double for tests and scripts.

    Parameters
    ----------
    inMemoryDataset
        The object.
    dataId
        Its data ID, any mapping.
    storageClass
        Name of the storage class, if its rules for components and parameters are to be checked.
    """

    inMemoryDataset: Any
    dataId: Mapping[str, Any] = field(default_factory=dict)
    storageClass: str | None = None

    def get(self, *, component: str | None = None, parameters: Mapping[str, Any] | None = None) -> Any:
        """Return the object or a part of it; pixels are shared with the object."""
        if self.storageClass is not None:
            check_request(get_storage_class(self.storageClass), component, parameters or {})
        return read_part(self.inMemoryDataset, component, parameters or {})


def check_request(storage_class: StorageClass, component: str | None, parameters: Mapping[str, Any]) -> None:
    """Refuse a component or a parameter that a storage class does not have.

    Raises
    ------
    UnknownComponentError
        Raised for the component.
    StorageClassError
        Raised for a parameter, or for an origin other than PARENT.
    """
    if component is not None:
        storage_class.component(component)
    storage_class.check_parameters(parameters)
    origin = getattr(parameters.get("origin"), "name", parameters.get("origin"))
    if origin not in (None, "PARENT", "LOCAL"):
        raise StorageClassError(f"origin is PARENT or LOCAL, not {origin!r}")


def read_part(obj: Any, component: str | None, parameters: Mapping[str, Any]) -> Any:
    """Return a component and box of an object in memory.

    Parameters
    ----------
    obj
        The whole object.
    component
        Attribute to return; the object itself if None.
    parameters
        ``bbox`` and ``origin`` (``PARENT`` by default); components without pixels ignore them.
    """
    bbox = parameters.get("bbox")
    part = obj if component is None else getattr(obj, component)
    if bbox is None or not hasattr(part, "getBBox"):
        return part
    if is_local(parameters):
        bbox = bbox.shiftedBy(part.getBBox().minimum)
    return part[bbox]


def is_local(parameters: Mapping[str, Any]) -> bool:
    """Tell whether ``bbox`` is counted from the first pixel of the image, not of its parent."""
    return getattr(parameters.get("origin"), "name", parameters.get("origin")) == "LOCAL"
