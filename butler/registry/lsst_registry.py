"""LsstRegistry: the methods of LSST's registry, in its spelling, over our stores."""

from __future__ import annotations

import fnmatch
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

from ..datasets import DatasetIdGenEnum, DatasetRef, DatasetType
from ..dimensions import (
    UNIVERSE,
    DataCoordinate,
    DataId,
    DimensionElement,
    DimensionGroup,
    DimensionRecord,
    DimensionUniverse,
    Timespan,
)
from ..errors import CollectionTypeError, DataIdValueError, OrphanedRecordError
from .calibration_store import CalibrationStore
from .collecting import without_collection
from .collections import CollectionInfo, CollectionType
from .database import Database
from .dataset_store import FoundDataset
from .defaults import RegistryDefaults
from .dimension_store import DimensionRecordStore
from .file_store import FileRecordStore
from .lsst_collections import LsstCollections
from .repeating import repeated
from .tag_store import TagStore

__all__ = ["DatasetAssociation", "LsstRegistry"]

_Types = str | Iterable[str] | EllipsisType
_Row = Mapping[str, Any] | DimensionRecord


@dataclass(frozen=True, slots=True)
class DatasetAssociation:
    """A dataset in a collection.

    Parameters
    ----------
    ref
        The dataset.
    collection
        Name of the collection.
    timespan
        When it is valid; None in a collection that knows no validity.
    """

    ref: DatasetRef
    collection: str
    timespan: Timespan | None


class LsstRegistry(LsstCollections, ABC):
    """What a script that was written for LSST's registry calls."""

    database: Database
    tags: TagStore
    calibrations: CalibrationStore
    records: DimensionRecordStore
    files: FileRecordStore
    defaults: RegistryDefaults

    @property
    def dimensions(self) -> DimensionUniverse:
        """All dimensions and how they hang together."""
        return UNIVERSE

    def isWriteable(self) -> bool:
        """Tell whether anything may be changed."""
        return self.database.writeable

    @contextmanager
    def transaction(self, *, savepoint: bool = False) -> Iterator[None]:
        """Run a block that is kept whole or undone whole.

        Parameters
        ----------
        savepoint
            For LSST's callers: an inner block is always undone alone.
        """
        with self.database.transaction():
            yield

    @repeated("database")
    def registerDatasetType(self, datasetType: DatasetType) -> bool:
        """Register a dataset type; see `DatasetStore.register_type`."""
        return self.datasets.register_type(datasetType)

    @repeated("database")
    def removeDatasetType(self, name: str | Iterable[str]) -> None:
        """Remove dataset types by name or glob; see `DatasetStore.remove_type`."""
        with self.database.transaction():
            for pattern in [name] if isinstance(name, str) else name:
                for found in self.queryDatasetTypes(pattern):
                    self.datasets.remove_type(found.name)

    def getDatasetType(self, name: str) -> DatasetType:
        """Return a dataset type by name, also of a component.

        Raises
        ------
        MissingDatasetTypeError
            Raised if there is none.
        """
        whole, component = DatasetType.splitDatasetTypeName(name)
        registered = self.datasets.get_type(whole).type
        return registered if component is None else registered.makeComponentDatasetType(component)

    def queryDatasetTypes(
        self, expression: _Types = ..., *, missing: list[str] | None = None
    ) -> list[DatasetType]:
        """Return the dataset types that names or globs mean, by name.

        Parameters
        ----------
        expression
            Name or glob, or several; ``...`` for all.
        missing
            Gets the names that there are not; these are no error.
        """
        known = {registered.type.name: registered.type for registered in self.datasets.query_types()}
        if isinstance(expression, EllipsisType):
            return list(known.values())
        found: set[str] = set()
        for pattern in [expression] if isinstance(expression, str) else expression:
            matching = [name for name in known if fnmatch.fnmatchcase(name, pattern)]
            found.update(matching)
            if missing is not None and not matching and pattern not in missing:
                missing.append(pattern)
        return [dataset_type for name, dataset_type in known.items() if name in found]

    def findDataset(
        self,
        datasetType: str | DatasetType,
        dataId: DataId | None = None,
        *,
        collections: str | Iterable[str] | None = None,
        timespan: Timespan | None = None,
        **kwargs: Any,
    ) -> DatasetRef | None:
        """Return the first dataset of a data ID along the search path; see `Butler.find_dataset`."""
        named = datasetType if isinstance(datasetType, str) else datasetType.name
        whole, component = DatasetType.splitDatasetTypeName(named)
        dimensions = self.datasets.get_type(whole).type.dimensions
        coordinate = self.defaults.data_id(dimensions, {**(dataId or {}), **kwargs})
        found = self.find_stored(whole, coordinate, self.defaults.path(collections), timespan)
        if found is None:
            return None
        return found.ref if component is None else found.ref.makeComponentRef(component)

    def getDataset(self, id: uuid.UUID) -> DatasetRef | None:
        """Return a dataset by UUID, None if there is none."""
        return self.datasets.get(id)

    @repeated("database")
    def insertDatasets(
        self,
        datasetType: str | DatasetType,
        dataIds: Iterable[DataId],
        run: str | None = None,
        expand: bool = True,
        idGenerationMode: DatasetIdGenEnum = DatasetIdGenEnum.UNIQUE,
    ) -> list[DatasetRef]:
        """Register datasets that have no file yet.

        Parameters
        ----------
        datasetType
            Registered dataset type.
        dataIds
            Data ID of each.
        run
            RUN; the default one if None.
        expand
            For LSST's callers: data IDs are always looked up, and come back with their records.
        idGenerationMode
            How their UUIDs are made.

        Raises
        ------
        ConflictingDefinitionError
            Raised if the run has one of them already.
        DataIdValueError
            Raised if a dimension record is missing.
        NoDefaultCollectionError
            Raised if there is no run.
        """
        kind = self.getDatasetType(datasetType if isinstance(datasetType, str) else datasetType.name)
        chosen = self.defaults.run_or(run)
        with without_collection():
            given = [self.defaults.data_id(kind.dimensions, data_id) for data_id in dataIds]
            refs = [
                DatasetRef(kind, data_id, chosen, id_generation_mode=idGenerationMode)
                for data_id in self.records.expand_many(given)
            ]
            self.datasets.insert(self._run(chosen), refs)
        return refs

    @repeated("database")
    def removeDatasets(self, refs: Iterable[DatasetRef]) -> None:
        """Remove datasets that have no files; ones that do not exist are no error.

        Raises
        ------
        OrphanedRecordError
            Raised if one has a file; `Butler.pruneDatasets` removes both.
        """
        doomed = list(refs)
        with self.database.transaction():
            stored = self.files.get([ref.id for ref in doomed])
            for ref in doomed:
                if ref.id in stored:
                    raise OrphanedRecordError(
                        f"{ref} has a file; remove both by pruneDatasets(purge=True, unstore=True)"
                    )
            self.datasets.remove([ref.id for ref in doomed])

    @repeated("database")
    def associate(self, collection: str, refs: Iterable[DatasetRef]) -> None:
        """Put datasets into a TAGGED collection; see `TagStore.associate`."""
        self.tags.associate(self.collections.get_info(collection), refs)

    @repeated("database")
    def disassociate(self, collection: str, refs: Iterable[DatasetRef]) -> None:
        """Take datasets out of a TAGGED collection; see `TagStore.disassociate`."""
        self.tags.disassociate(self.collections.get_info(collection), refs)

    @repeated("database")
    def certify(self, collection: str, refs: Iterable[DatasetRef], timespan: Timespan) -> None:
        """Let datasets be valid in a CALIBRATION collection; see `CalibrationStore.certify`."""
        self.calibrations.certify(self.collections.get_info(collection), refs, timespan)

    @repeated("database")
    def decertify(
        self,
        collection: str,
        datasetType: str | DatasetType,
        timespan: Timespan,
        *,
        dataIds: Iterable[DataId] | None = None,
    ) -> None:
        """Take some time out of the validity of datasets; see `CalibrationStore.decertify`.

        Parameters
        ----------
        collection, datasetType, timespan
            Collection, dataset type and time.
        dataIds
            Data IDs; all if None.
        """
        registered = self.datasets.get_type(datasetType if isinstance(datasetType, str) else datasetType.name)
        dimensions = registered.type.dimensions
        only = None if dataIds is None else [self.defaults.data_id(dimensions, given) for given in dataIds]
        info = self.collections.get_info(collection)
        self.calibrations.decertify(info, registered, timespan, only)

    def queryDatasetAssociations(
        self,
        datasetType: str | DatasetType,
        collections: _Types = ...,
        *,
        collectionTypes: CollectionType | Iterable[CollectionType] | None = None,
        flattenChains: bool = False,
    ) -> Iterator[DatasetAssociation]:
        """Yield the datasets of a type with the collections, as of `queryCollections`, that hold them.

        Raises
        ------
        MissingDatasetTypeError, MissingCollectionError
            Raised if the dataset type, or a collection that is named, does not exist.
        """
        registered = self.datasets.get_type(datasetType if isinstance(datasetType, str) else datasetType.name)
        for name in self.queryCollections(
            collections, collectionTypes=collectionTypes, flattenChains=flattenChains, includeChains=False
        ):
            info = self.collections.get_info(name)
            if info.type is CollectionType.CALIBRATION:
                for ref, timespan in self.calibrations.members(registered, info):
                    yield DatasetAssociation(ref, name, timespan)
            else:
                for ref in self.tags.members(registered, info):
                    yield DatasetAssociation(ref, name, None)

    @abstractmethod
    def find_stored(
        self,
        dataset_type: str,
        data_id: DataCoordinate,
        collections: Sequence[str],
        timespan: Timespan | None = None,
    ) -> FoundDataset | None:
        """Return the first dataset of a data ID along a search path, with its file."""

    def _run(self, name: str) -> CollectionInfo:
        info = self.collections.get_info(name)
        if info.type is not CollectionType.RUN:
            raise CollectionTypeError(f"{name!r} is a {info.type} collection; datasets go into a RUN")
        return info

    @repeated("database")
    def insertDimensionData(
        self,
        element: str | DimensionElement,
        *data: _Row,
        conform: bool = True,
        replace: bool = False,
        skip_existing: bool = False,
    ) -> None:
        """Insert records of a dimension element; see `DimensionRecordStore.insert`.

        Parameters
        ----------
        element
            The element.
        *data
            Records, or their values by column.
        conform
            For LSST's callers: values are always checked.
        replace, skip_existing
            Whether records that exist already are replaced, or left alone.
        """
        name = _name(element)
        records = [as_record(name, row) for row in data]
        self.records.insert(name, records, replace=replace, skip_existing=skip_existing)

    @repeated("database")
    def syncDimensionData(
        self, element: str | DimensionElement, row: _Row, conform: bool = True, update: bool = False
    ) -> bool | dict[str, Any]:
        """Insert a record, or compare it with the existing one; see `DimensionRecordStore.sync`.

        Parameters
        ----------
        element, row
            Element, and record or values by column.
        conform
            For LSST's callers: values are always checked.
        update
            Whether an existing record that differs is replaced.
        """
        return self.records.sync(as_record(_name(element), row), update=update)

    def expandDataId(
        self,
        dataId: DataId | None = None,
        *,
        dimensions: Iterable[str] | DimensionGroup | None = None,
        withDefaults: bool = True,
        **kwargs: Any,
    ) -> DataCoordinate:
        """Return a data ID with its dimension records.

        Parameters
        ----------
        dataId
            Values by dimension, or other columns that tell it; keyword arguments go over them.
        dimensions
            Dimensions of the data ID; those that are named in it by default.
        withDefaults
            Whether instrument and sky map have their defaults.

        Raises
        ------
        DimensionNameError
            Raised if a value is missing, or for a name that is neither a dimension nor a column of one.
        DataIdValueError
            Raised if a value has no record, or contradicts others.
        """
        if isinstance(dataId, DataCoordinate) and dimensions is None and not kwargs:
            return self.records.expand(dataId)
        given = {**(dataId or {}), **kwargs}
        named = (key.partition(".")[0] for key in given) if dimensions is None else dimensions
        group = UNIVERSE.conform(named)
        return self.records.expand(self.defaults.data_id(group, given, filled=withDefaults))


def _name(element: str | DimensionElement) -> str:
    return element if isinstance(element, str) else element.name


def as_record(element: str, row: _Row) -> DimensionRecord:
    """Return a row as a record of an element.

    Raises
    ------
    DimensionNameError
        Raised if there is no such element, or for an unknown or missing column.
    DataIdValueError
        Raised if it is a record of another element, or for a value of another type than its column's.
    """
    if not isinstance(row, DimensionRecord):
        return DimensionRecord(UNIVERSE[element], row)
    if row.definition.name != element:
        raise DataIdValueError(f"a {row.definition.name} record is not a {element} record")
    return row
