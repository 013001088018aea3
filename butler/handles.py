"""Handles: datasets that are read when, and as far as, they are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .datasets import DatasetRef, StorageClass, get_storage_class
from .dimensions import DataCoordinate
from .errors import StorageClassError

__all__ = [
    "DatasetReader",
    "DeferredDatasetHandle",
    "InMemoryDatasetHandle",
    "check_request",
    "converted",
    "read_part",
]


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
    storageClass
        Storage class that the whole is read as; its own if None.
    expand
        What knows the dimension records of data IDs.
    """

    reader: DatasetReader
    ref: DatasetRef
    parameters: Mapping[str, Any] = field(default_factory=dict)
    storageClass: str | StorageClass | None = None
    expand: Callable[[DataCoordinate], DataCoordinate] | None = field(default=None, repr=False, compare=False)

    @property
    def dataId(self) -> DataCoordinate:
        """Data ID of the dataset, with its dimension records; they are looked up once they are wanted."""
        if self.expand is not None and not self.ref.dataId.hasRecords():
            object.__setattr__(self, "ref", self.ref.expanded(self.expand(self.ref.dataId)))
        return self.ref.dataId

    def get(
        self,
        *,
        component: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        storageClass: str | StorageClass | None = None,
    ) -> Any:
        """Read the dataset.

        Parameters
        ----------
        component
            Part to read, for example ``"wcs"``; everything if None.
        parameters
            Read parameters, over those of the handle; ``bbox`` reads only the rows of a box, and pixels
            ``inPlace`` are, where the file allows it, a read-only view of its own bytes in its byte order.
        storageClass
            Storage class to read it as: of the part if there is one, else in place of the handle's.

        Raises
        ------
        UnknownComponentError
            Raised if there is no such component.
        StorageClassError
            Raised for a parameter that is not understood, or a storage class that cannot be had.
        BoxError
            Raised if a box is not inside the image.
        ArtifactMissingError
            Raised if the file is gone.
        FileFormatError
            Raised if the file is broken.
        """
        wanted = {**self.parameters, **(parameters or {})} if parameters else self.parameters
        if component is None:
            whole = self.reader.read(self.ref, None, wanted)
            if storageClass is None and self.storageClass is None:
                return whole
            return converted(whole, self.ref.datasetType.storageClass, storageClass or self.storageClass)
        part_class = self.ref.datasetType.storageClass.component(component)
        if self.storageClass is None:
            part = self.reader.read(self.ref, component, wanted)
        else:
            whole = self.reader.read(self.ref, None, wanted)
            part = read_part(
                converted(whole, self.ref.datasetType.storageClass, self.storageClass), component, {}
            )
        return converted(part, part_class, storageClass)


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

    def get(
        self,
        *,
        component: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        storageClass: str | StorageClass | None = None,
    ) -> Any:
        """Return the object or a part of it, as `DeferredDatasetHandle.get`; pixels are shared with it."""
        own = None if self.storageClass is None else get_storage_class(self.storageClass)
        if own is not None:
            check_request(own, component, parameters or {})
        part = read_part(self.inMemoryDataset, component, parameters or {})
        if storageClass is None or own is None:
            return part
        return converted(part, own if component is None else own.component(component), storageClass)


def converted(obj: Any, given: StorageClass, wanted: str | StorageClass | None) -> Any:
    """Return an object of one storage class as one of another."""
    if wanted is None:
        return obj
    target = wanted if isinstance(wanted, StorageClass) else get_storage_class(wanted)
    if not target.can_convert(given):
        raise StorageClassError(f"a {given.name} cannot be had as a {target.name}")
    return target.coerce_type(obj)


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
    if not parameters:
        return
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
        ``bbox`` and ``origin`` (``PARENT`` by default); components without pixels ignore them, and objects in
        memory ``inPlace``. For tables ``columns`` and ``filters``.
    """
    if component is None and not parameters:
        return obj
    from .tables import is_table, table_part

    if is_table(obj):
        return table_part(obj, component, parameters)
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
