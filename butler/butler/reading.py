"""Reading: from what a caller says to one dataset, to a handle of it, and to the object."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ..datasets import DatasetRef, DatasetType, StorageClass
from ..dimensions import TEMPORAL_FAMILIES, UNIVERSE, DataCoordinate, DataId, Timespan
from ..errors import ArtifactMissingError, DataIdValueError, DatasetNotFoundError, DatasetTypeError
from ..handles import DatasetReader, DeferredDatasetHandle, converted
from ..registry import FileRecord, FoundDataset
from .core import ButlerCore

__all__ = ["DatasetName", "ReadingButler", "merged"]

DatasetName = str | DatasetType | DatasetRef


class ReadingButler(ButlerCore):
    """The part of the butler that finds and reads single datasets."""

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
        stored, ref, wanted = self._opened(
            datasetRefOrType, dataId, collections, kwargs, timespan, storageClass
        )
        whole = stored.read(ref, None, parameters or {})
        return whole if wanted is None else converted(whole, ref.datasetType.storageClass, wanted)

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
        stored, ref, wanted = self._opened(
            datasetRefOrType, dataId, collections, kwargs, timespan, storageClass
        )
        return DeferredDatasetHandle(
            stored, ref, dict(parameters or {}), wanted, expand=self.registry.records.expand
        )

    def _opened(
        self,
        dataset: DatasetName,
        data_id: DataId | None,
        collections: str | Iterable[str] | None,
        kwargs: Mapping[str, Any],
        timespan: Timespan | None,
        storage_class: str | StorageClass | None,
    ) -> tuple[DatasetReader, DatasetRef, str | StorageClass | None]:
        """Return the reader and ref of a dataset as it is stored, and the storage class to convert it to."""
        found = self._resolve(dataset, data_id, collections, kwargs, timespan)
        ref, record = found.ref, found.record
        registered, component = self._named_type(ref.datasetType)
        if record is None and isinstance(dataset, DatasetRef):
            raise self.no_file(ref)
        stored = _Fileless(self) if record is None else self.datastore.stored(record, registered, component)
        if storage_class is None and ref.datasetType is registered:
            return stored, ref, None
        whole = registered.storageClass
        own = whole if component is None else whole.component(component)
        wanted = storage_class or ref.datasetType.storageClass
        return (
            (stored, ref, None)
            if wanted in (own, own.name)
            else (stored, ref.overrideStorageClass(own), wanted)
        )

    def find_dataset(
        self,
        dataset_type: str | DatasetType,
        data_id: DataId | None = None,
        *,
        collections: str | Iterable[str] | None = None,
        timespan: Timespan | None = None,
        storage_class: str | StorageClass | None = None,
        dimension_records: bool = False,
        datastore_records: bool = False,
        **kwargs: Any,
    ) -> DatasetRef | None:
        """Return the first dataset of a data ID along the search path, None if there is none.

        Parameters
        ----------
        dataset_type
            Name (``type`` or ``type.component``), or a dataset type, whose storage class the ref gets.
        data_id
            Data ID; keyword arguments go over it. Instrument and sky map have defaults, and columns such
            as ``obs_id`` or ``visit.name`` may stand for the dimension that they tell.
        collections
            Collections to search, in order; the butler's own by default.
        timespan
            Times at which a calibration must be valid.
        storage_class
            Storage class of the ref.
        dimension_records
            Whether the data ID gets its dimension records.
        datastore_records
            Whether the ref gets what the datastore knows of its file.

        Raises
        ------
        MissingDatasetTypeError, MissingCollectionError
            Raised if the dataset type, or a collection, does not exist.
        NoDefaultCollectionError
            Raised if there is no collection to search.
        DimensionNameError
            Raised if a value is missing, or for a name that is neither a dimension nor a column of one.
        DataIdValueError
            Raised if a value is wrong, or contradicts others.
        DatasetTypeError
            Raised if the dataset type has other dimensions, or its storage class cannot be had.
        """
        found = self._find(dataset_type, data_id, collections, kwargs, timespan)
        if found is None:
            return None
        ref = found.ref.replace(datastore_records=found.record) if datastore_records else found.ref
        return self._dressed(ref, storage_class, dimension_records)

    def _find(
        self,
        dataset_type: str | DatasetType,
        data_id: DataId | None,
        collections: str | Iterable[str] | None,
        kwargs: Mapping[str, Any],
        timespan: Timespan | None,
        *,
        whenever: bool = False,
    ) -> FoundDataset | None:
        """Return the dataset that `find_dataset` means, with the storage class of the type that was given.

        A calibration for which no time is told is not looked for in CALIBRATION collections, or `whenever` it
        is valid.
        """
        registered, component = self._named_type(dataset_type)
        given = merged(data_id, kwargs)
        if registered.isCalibration and timespan is None:
            timespan, given = self._when(registered, given)
            if timespan is None and whenever:
                timespan = Timespan(None, None)
        defaults = self.registry.defaults
        coordinate = defaults.data_id(registered.dimensions, given)
        path = defaults.path(collections)
        found = self.registry.find_stored(registered.name, coordinate, path, timespan)
        if found is None:
            return None
        ref = found.ref.makeComponentRef(component) if component else found.ref
        if isinstance(dataset_type, DatasetType):
            ref = ref.overrideStorageClass(dataset_type.storageClass)
        return found if ref is found.ref else FoundDataset(ref, found.record)

    def _when(self, calibration: DatasetType, given: DataId) -> tuple[Timespan | None, DataId]:
        """Return the time that a data ID tells beyond the dimensions of a calibration, and what is left."""
        dimensions = calibration.dimensions
        beyond = {key: key.partition(".")[0] for key in given}
        named = {name for name in beyond.values() if name not in dimensions}
        told = next((name for name in TEMPORAL_FAMILIES["observation_timespans"] if name in named), None)
        if told is None:
            return None, given
        own = {key: value for key, value in given.items() if beyond[key] in ("instrument", told)}
        expanded = self.registry.records.expand(self.defaults.data_id(UNIVERSE.conform(told), own))
        if expanded.timespan is None:
            raise DataIdValueError(f"the record of {expanded} has no timespan, which a calibration needs")
        return expanded.timespan, {key: value for key, value in given.items() if beyond[key] in dimensions}

    def get_dataset(
        self,
        id: uuid.UUID | str,
        *,
        storage_class: str | StorageClass | None = None,
        dimension_records: bool = False,
        datastore_records: bool = False,
    ) -> DatasetRef | None:
        """Return a dataset by UUID, None if there is none; arguments as `find_dataset`."""
        ref = self.registry.datasets.get(id if isinstance(id, uuid.UUID) else uuid.UUID(id))
        if ref is not None and datastore_records:
            ref = ref.replace(datastore_records=self.registry.files.get_one(ref.id))
        return ref and self._dressed(ref, storage_class, dimension_records)

    def get_many_datasets(self, ids: Iterable[uuid.UUID | str]) -> list[DatasetRef]:
        """Return the datasets that exist among some UUIDs, by dataset type."""
        wanted = [i if isinstance(i, uuid.UUID) else uuid.UUID(i) for i in ids]
        return self.registry.datasets.get_many(wanted)

    def get_dataset_type(self, name: str) -> DatasetType:
        """Return a dataset type by name, also of a component.

        Raises
        ------
        MissingDatasetTypeError
            Raised if there is none.
        """
        return self.registry.getDatasetType(name)

    def _dressed(
        self,
        ref: DatasetRef,
        storage_class: str | StorageClass | None,
        dimension_records: bool,
    ) -> DatasetRef:
        if storage_class is not None:
            ref = ref.overrideStorageClass(storage_class)
        if dimension_records:
            ref = ref.expanded(self.registry.records.expand(ref.dataId))
        return ref

    def _named_type(self, name: str | DatasetType) -> tuple[DatasetType, str | None]:
        """Return the registered dataset type of a name or type, and the component that is meant.

        Raises
        ------
        DatasetTypeError
            Raised if the given type has other dimensions than the registered one.
        """
        text = name if isinstance(name, str) else name.name
        parent, dot, component = text.partition(".")
        registered = self.registry.datasets.get_type(parent).type
        if dot:
            registered.storageClass.component(component)
        if not isinstance(name, str) and name.dimensions is not registered.dimensions:
            raise DatasetTypeError(f"dataset type {parent!r} is registered as <{registered}>, not <{name}>")
        return registered, component or None

    def _resolve(
        self,
        dataset: DatasetName,
        data_id: DataId | None,
        collections: str | Iterable[str] | None,
        kwargs: Mapping[str, Any],
        timespan: Timespan | None = None,
    ) -> FoundDataset:
        if isinstance(dataset, DatasetRef):
            if collections is not None:
                # Not an error: scripts that were written for LSST's butler do it.
                told = f"{dataset} is one dataset, whatever the collections: {collections!r} is not looked at"
                warnings.warn(told, stacklevel=4)
            known = dataset.datastore_records
            record = known if isinstance(known, FileRecord) else self.registry.files.get_one(dataset.id)
            return FoundDataset(dataset, record)
        found = self._find(dataset, data_id, collections, kwargs, timespan, whenever=True)
        if found is None:
            name = dataset if isinstance(dataset, str) else dataset.name
            path = ", ".join(self.defaults.path(collections)) or "no collection at all"
            shown = {**(data_id or {}), **kwargs}
            raise DatasetNotFoundError(f"no {name} with data ID {shown} in {path}; query what there is")
        return found

    def no_file(self, ref: DatasetRef) -> ArtifactMissingError:
        """Return the error of a dataset without file, which says whether it is registered at all."""
        known = (
            "is registered, but has" if self.registry.datasets.get(ref.id) else "is not registered, and has"
        )
        return ArtifactMissingError(f"{ref} {known} no stored file: it was removed, or never put")


@dataclass(frozen=True, slots=True)
class _Fileless:
    """What a handle of a dataset without file reads."""

    butler: ReadingButler

    def read(self, ref: DatasetRef, component: str | None, parameters: Mapping[str, Any]) -> NoReturn:
        """Say that there is nothing to read, and raise."""
        raise self.butler.no_file(ref)


def merged(data_id: DataId | None, kwargs: Mapping[str, Any]) -> DataId:
    """Return a data ID with keyword arguments over it; it stays what it is if there are none."""
    if data_id is not None and not kwargs:
        return data_id
    # What follows from the required values may be another thing with a keyword over one of these.
    return {**(data_id.required if isinstance(data_id, DataCoordinate) else data_id or {}), **kwargs}
