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
    GOVERNORS,
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
from .collections import CollectionInfo, CollectionStore, CollectionType
from .database import Database
from .dataset_store import DatasetStore, FoundDataset
from .defaults import RegistryDefaults
from .dimension_store import DimensionRecordStore
from .file_store import FileRecordStore
from .tag_store import TagStore

__all__ = ["CollectionSummary", "DatasetAssociation", "LsstRegistry"]

_Types = str | Iterable[str] | EllipsisType
_Row = Mapping[str, Any] | DimensionRecord


@dataclass(frozen=True, slots=True)
class CollectionSummary:
    """What a collection, or the members of a chain, hold.

    Parameters
    ----------
    dataset_types
        Dataset types of which there is a dataset.
    governors
        Values of instrument and sky map among the datasets.
    """

    dataset_types: frozenset[DatasetType]
    governors: Mapping[str, frozenset[str]]


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


class LsstRegistry(ABC):
    """What a script that was written for LSST's registry calls."""

    database: Database
    collections: CollectionStore
    datasets: DatasetStore
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

    # Collections

    def registerCollection(
        self, name: str, type: CollectionType = CollectionType.TAGGED, doc: str | None = None
    ) -> bool:
        """Register a collection; see `CollectionStore.register`."""
        return self.collections.register(name, type, doc)

    def registerRun(self, name: str, doc: str | None = None) -> bool:
        """Register a RUN collection; see `CollectionStore.register`."""
        return self.collections.register(name, CollectionType.RUN, doc)

    def removeCollection(self, name: str) -> None:
        """Remove a collection; see `CollectionStore.remove`."""
        self.collections.remove(name)

    def getCollectionType(self, name: str) -> CollectionType:
        """Return what kind a collection is; raises as `CollectionStore.get_info`."""
        return self.collections.get_info(name).type

    def getCollectionChain(self, parent: str) -> tuple[str, ...]:
        """Return the children of a chain.

        Raises
        ------
        MissingCollectionError
            Raised if it does not exist.
        CollectionTypeError
            Raised if it is no chain.
        """
        info = self.collections.get_info(parent)
        if info.type is not CollectionType.CHAINED:
            raise CollectionTypeError(f"{parent!r} is a {info.type} collection, and has no children")
        return info.children

    def setCollectionChain(
        self, parent: str, children: str | Iterable[str], *, flatten: bool = False
    ) -> None:
        """Replace the children of a chain; see `CollectionStore.redefine_chain`.

        Parameters
        ----------
        parent
            The chain.
        children
            Its new children.
        flatten
            Whether chains among these are replaced by their members.
        """
        names = [children] if isinstance(children, str) else list(children)
        if flatten:
            names = [info.name for info in self.collections.flatten(names)]
        self.collections.redefine_chain(parent, names)

    def getCollectionParentChains(self, collection: str) -> set[str]:
        """Return the chains that a collection is a direct child of; raises if it does not exist."""
        return set(self.collections.parents(self.collections.get_info(collection).name))

    def getCollectionDocumentation(self, collection: str) -> str | None:
        """Return what a collection is for, None if nobody said; raises if it does not exist."""
        return self.collections.get_info(collection).doc or None

    def setCollectionDocumentation(self, collection: str, doc: str | None) -> None:
        """Say what a collection is for; see `CollectionStore.set_doc`."""
        self.collections.set_doc(collection, doc or "")

    def queryCollections(
        self,
        expression: _Types = ...,
        datasetType: str | DatasetType | None = None,
        collectionTypes: CollectionType | Iterable[CollectionType] | None = None,
        flattenChains: bool = False,
        includeChains: bool | None = None,
    ) -> list[str]:
        """Return names of collections; see `CollectionStore.query`.

        Parameters
        ----------
        expression
            Name or glob, or several; ``...`` for all.
        datasetType
            Dataset type that they must hold.
        collectionTypes, flattenChains, includeChains
            As of `CollectionStore.query`.
        """
        pattern = "*" if isinstance(expression, EllipsisType) else expression
        names = self.collections.query(pattern, collectionTypes, flattenChains, includeChains)
        if datasetType is None:
            return names
        wanted = datasetType if isinstance(datasetType, str) else datasetType.name
        infos = self.collections.query_info(names, include_summary=True)
        return [info.name for info in infos if wanted in (info.dataset_types or ())]

    def getCollectionSummary(self, collection: str) -> CollectionSummary:
        """Return what a collection holds, as it is now.

        Raises
        ------
        MissingCollectionError
            Raised if it does not exist.
        """
        (info,) = self.collections.query_info([collection], include_summary=True)
        members = self.collections.flatten([collection])
        types = frozenset(self.datasets.get_type(name).type for name in info.dataset_types or ())
        held = {name: frozenset(self.datasets.governor_values(members, name)) for name in GOVERNORS}
        return CollectionSummary(types, {name: values for name, values in held.items() if values})

    # Dataset types and datasets

    def registerDatasetType(self, datasetType: DatasetType) -> bool:
        """Register a dataset type; see `DatasetStore.register_type`."""
        return self.datasets.register_type(datasetType)

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
        refs = []
        for given in dataIds:
            expanded = self.records.expand(self.defaults.data_id(kind.dimensions, given))
            refs.append(DatasetRef(kind, expanded, chosen, id_generation_mode=idGenerationMode))
        self.datasets.insert(self._run(chosen), refs)
        return refs

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

    def associate(self, collection: str, refs: Iterable[DatasetRef]) -> None:
        """Put datasets into a TAGGED collection; see `TagStore.associate`."""
        self.tags.associate(self.collections.get_info(collection), refs)

    def disassociate(self, collection: str, refs: Iterable[DatasetRef]) -> None:
        """Take datasets out of a TAGGED collection; see `TagStore.disassociate`."""
        self.tags.disassociate(self.collections.get_info(collection), refs)

    def certify(self, collection: str, refs: Iterable[DatasetRef], timespan: Timespan) -> None:
        """Let datasets be valid in a CALIBRATION collection; see `CalibrationStore.certify`."""
        self.calibrations.certify(self.collections.get_info(collection), refs, timespan)

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

    # Dimension records

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
