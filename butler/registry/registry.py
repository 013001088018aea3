"""Registry: what exists, where on the sky, and in which collection."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from ..datasets import DatasetRef, DatasetType
from ..dimensions import UNIVERSE, DataCoordinate, DataId, DimensionGroup, DimensionRecord
from ..errors import (
    CollectionTypeError,
    DataIdValueError,
    DimensionNameError,
    EmptyQueryResultError,
    RepositoryCorruptionError,
    RepositoryExistsError,
    did_you_mean,
)
from .collections import CollectionInfo, CollectionStore, CollectionType
from .database import Database
from .dataset_store import DatasetStore, FoundDataset
from .defaults import RegistryDefaults
from .dimension_store import DimensionRecordStore
from .file_store import FileRecordStore
from .memory import MARK, Memory
from .queries import DatasetSearch, QueryBuilder, QuerySpec
from .schema import SCHEMA_VERSION, Schema
from .tag_store import TagStore
from .where import Where

__all__ = ["Registry"]

_Found = TypeVar("_Found")
_TRUE: Final = Where("", None)
_MAX_TOLD: Final = 30
"""Most values of a dimension that an explanation lists."""


class Registry:
    """Collections, dataset types, dimension records and datasets of one repository.

    Parameters
    ----------
    database
        Where they are kept.

    Attributes
    ----------
    repository_id
        Random number that the repository was given when it was made.

    Raises
    ------
    RepositoryCorruptionError
        Raised if the database has no registry, or one of another schema version.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.schema = Schema()
        self.repository_id = self._read_attributes().get("repository_id")
        memory = Memory(database, self.schema)
        self.collections = CollectionStore(database, self.schema, memory)
        self.datasets = DatasetStore(database, self.schema, memory)
        self.tags = TagStore(database, self.schema, self.datasets)
        self.records = DimensionRecordStore(database, self.schema, memory)
        self.files = FileRecordStore(database, self.schema, memory)
        self._queries = QueryBuilder(database, self.schema)
        self._defaults = RegistryDefaults(self)

    @classmethod
    def create(cls, database: Database) -> Registry:
        """Make the tables of a new registry.

        Raises
        ------
        RepositoryExistsError
            Raised if the database has a registry.
        """
        schema = Schema()
        attributes = {
            "schema_version": SCHEMA_VERSION,
            "universe_version": UNIVERSE.version,
            "repository_id": uuid.uuid4(),
            MARK: "",
        }
        with database.transaction():
            database.lock("create")
            if cls.exists(database):
                raise RepositoryExistsError(
                    f"{database.place} has the registry of another repository; choose another namespace"
                )
            database.create_tables(schema.metadata)
            rows = [{"name": name, "value": str(value)} for name, value in attributes.items()]
            database.execute(schema.attributes.insert(), rows)
        return cls(database)

    @staticmethod
    def exists(database: Database) -> bool:
        """Tell whether a database has a registry."""
        return database.has_table(Schema().attributes.name)

    def _read_attributes(self) -> dict[str, str]:
        if not self.database.has_table(self.schema.attributes.name):
            raise RepositoryCorruptionError(f"there is no registry in {self.database.place}")
        rows = self.database.query(sa.select(self.schema.attributes))
        attributes: dict[str, str] = {row.name: row.value for row in rows}
        found = attributes.get("schema_version")
        if found != str(SCHEMA_VERSION):
            raise RepositoryCorruptionError(
                f"the registry has schema version {found}, this program reads {SCHEMA_VERSION}"
            )
        return attributes

    @property
    def defaults(self) -> RegistryDefaults:
        """What is filled in where a call says nothing."""
        return self._defaults

    @defaults.setter
    def defaults(self, defaults: RegistryDefaults) -> None:
        self._defaults = defaults
        self.collections.defaults = defaults.collections

    # Names below that LSST's registry has keep its spelling.

    def registerDatasetType(self, dataset_type: DatasetType) -> bool:
        """Register a dataset type; see `DatasetStore.register_type`."""
        return self.datasets.register_type(dataset_type)

    def registerRun(self, name: str, doc: str = "") -> bool:
        """Register a RUN collection; see `CollectionStore.register`."""
        return self.collections.register(name, CollectionType.RUN, doc)

    def insertDimensionData(
        self, element: str, *rows: Mapping[str, Any] | DimensionRecord, skip_existing: bool = False
    ) -> None:
        """Insert records of a dimension element; see `DimensionRecordStore.insert`."""
        records = [as_record(element, row) for row in rows]
        self.records.insert(element, records, skip_existing=skip_existing)

    def syncDimensionData(
        self, element: str, row: Mapping[str, Any] | DimensionRecord, *, update: bool = False
    ) -> bool | dict[str, Any]:
        """Insert a record, or compare it with the existing one; see `DimensionRecordStore.sync`."""
        return self.records.sync(as_record(element, row), update=update)

    def expandDataId(
        self, data_id: DataId | None = None, *, dimensions: DimensionGroup | None = None, **kwargs: Any
    ) -> DataCoordinate:
        """Return a data ID with its dimension records; see `DimensionRecordStore.expand`."""
        given = {**(data_id or {}), **kwargs}
        group = dimensions if dimensions is not None else UNIVERSE.conform(given)
        if isinstance(data_id, DataCoordinate) and dimensions is None and not kwargs:
            return self.records.expand(data_id)
        return self.records.expand(DataCoordinate.standardize(given, dimensions=group))

    def associate(self, collection: str, refs: Iterable[DatasetRef]) -> None:
        """Put datasets into a TAGGED collection; see `TagStore.associate`."""
        self.tags.associate(self.collections.get_info(collection), refs)

    def disassociate(self, collection: str, refs: Iterable[DatasetRef]) -> None:
        """Take datasets out of a TAGGED collection; see `TagStore.disassociate`."""
        self.tags.disassociate(self.collections.get_info(collection), refs)

    def getCollectionDocumentation(self, collection: str) -> str:
        """Return what a collection is for; empty if nobody said."""
        return self.collections.get_info(collection).doc

    def setCollectionDocumentation(self, collection: str, doc: str) -> None:
        """Say what a collection is for; see `CollectionStore.set_doc`."""
        self.collections.set_doc(collection, doc)

    def insert_datasets(self, run: str, refs: Sequence[DatasetRef]) -> None:
        """Insert datasets into a run; see `DatasetStore.insert`."""
        self.datasets.insert(self._run(run), refs)

    def check_datasets(self, run: str, refs: Sequence[DatasetRef]) -> None:
        """Refuse datasets that `insert_datasets` would refuse; see `DatasetStore.check`."""
        self.datasets.check(self._run(run), refs)

    def _run(self, name: str) -> CollectionInfo:
        info = self.collections.get_info(name)
        if info.type is not CollectionType.RUN:
            raise CollectionTypeError(f"{name!r} is a {info.type} collection; datasets go into a RUN")
        return info

    def find_dataset(
        self, dataset_type: str, data_id: DataCoordinate, collections: Sequence[str]
    ) -> DatasetRef | None:
        """Return the first dataset of a data ID along a search path."""
        found = self.find_stored(dataset_type, data_id, collections)
        return None if found is None else found.ref

    def find_stored(
        self, dataset_type: str, data_id: DataCoordinate, collections: Sequence[str]
    ) -> FoundDataset | None:
        """Return the first dataset of a data ID along a search path, with its file."""
        registered = self.datasets.get_type(dataset_type)
        return self.datasets.find(registered, self.collections.flatten(collections), data_id)

    def search(self, dataset_type: str, collections: Sequence[str]) -> DatasetSearch:
        """Return the search for a dataset type along a path of collections."""
        runs = self.collections.flatten(collections)
        return DatasetSearch(self.datasets.get_type(dataset_type), runs)

    def query_data_ids(self, spec: QuerySpec, *, explain: bool = True) -> list[DataCoordinate]:
        """Return data IDs that exist; see `Butler.query_data_ids`."""
        return self._explained(self._queries.data_ids, spec, explain)

    def query_datasets(
        self, spec: QuerySpec, search: DatasetSearch, *, explain: bool = True
    ) -> list[DatasetRef]:
        """Return datasets; see `Butler.query_datasets`."""
        return self._explained(lambda asked: self._queries.datasets(asked, search), spec, explain, search)

    def query_dimension_records(
        self, spec: QuerySpec, element: str, *, explain: bool = True
    ) -> list[DimensionRecord]:
        """Return dimension records; see `Butler.query_dimension_records`."""
        return self._explained(lambda asked: self._queries.records(asked, element), spec, explain)

    def _explained(
        self,
        find: Callable[[QuerySpec], list[_Found]],
        spec: QuerySpec,
        explain: bool,
        search: DatasetSearch | None = None,
    ) -> list[_Found]:
        """Run a query; if it finds nothing, say why."""
        found = find(spec)
        if found or not explain or spec.limit == 0:
            return found
        searches = [*spec.joined, *([search] if search else [])]
        raise EmptyQueryResultError(self._missing_datasets(searches) or _why_empty(find, spec, self.records))

    def _missing_datasets(self, searches: Sequence[DatasetSearch]) -> str:
        """Name a dataset type of which there is nothing at all; empty if there is none such."""
        for search in searches:
            dimensions = search.registered.type.dimensions
            if not self._queries.data_ids(QuerySpec(dimensions, _TRUE, {}, (search,), limit=1)):
                path = ", ".join(run.name for run in search.runs) or "no run at all"
                return f"no dataset of type {search.registered.type.name!r} in {path}"
        return ""


def _why_empty(
    find: Callable[[QuerySpec], Sequence[Any]], spec: QuerySpec, records: DimensionRecordStore
) -> str:
    """Say which part of a query removes all rows, by asking again with one part at a time."""
    alone = replace(spec, where=_TRUE, data_id={}, order_by=(), limit=1)
    if not find(alone):
        return f"nothing exists with {spec.dimensions}: records are missing, or nothing overlaps"
    for key, value in spec.data_id.items():
        if not find(replace(alone, data_id={key: value})):
            return f"nothing has {key}={value!r}{_known_values(records, [key])}"
    terms = spec.where.terms
    for term in terms:
        only = replace(spec.where, tree=term)
        if not find(replace(alone, where=only)):
            which = f"the condition at column {term.position + 1} of " if len(terms) > 1 else ""
            keys = only.keys(spec.dimensions.elements)
            return f"nothing fulfils {which}{spec.where.text!r}{_known_values(records, keys)}"
    return "each condition is fulfilled by something, but nothing fulfils all of them together"


def _known_values(records: DimensionRecordStore, dimensions: Iterable[str]) -> str:
    """Return the values that some dimensions have, those that have few."""
    told = []
    for name in dimensions:
        known = records.known_values(name, limit=_MAX_TOLD + 1)
        if not known:
            told.append(f"; there is no {name} record")
        elif len(known) <= _MAX_TOLD:
            told.append(f"; {name} is one of: {', '.join(map(str, known))}")
    return "".join(told)


def as_record(element: str, row: Mapping[str, Any] | DimensionRecord) -> DimensionRecord:
    """Return a row as a record of an element.

    Raises
    ------
    DataIdValueError
        Raised if it is a record of another element.
    """
    if isinstance(row, DimensionRecord):
        if row.definition.name != element:
            raise DataIdValueError(f"a {row.definition.name} record is not a {element} record")
        return row
    if UNIVERSE.find(element) is None:
        raise DimensionNameError(f"no element {element!r}{did_you_mean(element, UNIVERSE.elements)}")
    return DimensionRecord(element, row)
