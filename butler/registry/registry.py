"""Registry: what exists, where on the sky, and in which collection."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ..datasets import DatasetRef, DatasetType
from ..dimensions import UNIVERSE, DataCoordinate, DataId, DimensionGroup, DimensionRecord
from ..errors import (
    DataIdValueError,
    DimensionNameError,
    EmptyQueryResultError,
    MissingCollectionError,
    RepositoryCorruptionError,
    did_you_mean,
)
from .collections import CollectionStore, CollectionType
from .database import Database
from .dataset_store import DatasetStore
from .dimension_store import DimensionRecordStore
from .file_store import FileRecordStore
from .queries import DatasetSearch, QueryBuilder, QuerySpec
from .schema import SCHEMA_VERSION, Schema
from .where import Where

__all__ = ["Registry"]


class Registry:
    """Collections, dataset types, dimension records and datasets of one repository.

    Parameters
    ----------
    database
        Where they are kept.

    Raises
    ------
    RepositoryCorruptionError
        Raised if the database has no registry, or one of another schema version.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.schema = Schema()
        self._check_version()
        self.collections = CollectionStore(database, self.schema)
        self.datasets = DatasetStore(database, self.schema)
        self.records = DimensionRecordStore(database, self.schema)
        self.files = FileRecordStore(database, self.schema)
        self._queries = QueryBuilder(database, self.schema)

    @classmethod
    def create(cls, database: Database) -> Registry:
        """Make the tables of a new registry."""
        schema = Schema()
        versions = {"schema_version": SCHEMA_VERSION, "universe_version": UNIVERSE.version}
        with database.transaction():
            database.create_tables(schema.metadata)
            rows = [{"name": name, "value": str(value)} for name, value in versions.items()]
            database.execute(schema.attributes.insert(), rows)
        return cls(database)

    def _check_version(self) -> None:
        if not self.database.has_tables():
            raise RepositoryCorruptionError(f"there is no registry in {self.database.url.database}")
        rows = self.database.query(sa.select(self.schema.attributes))
        versions = {row.name: row.value for row in rows}
        found = versions.get("schema_version")
        if found != str(SCHEMA_VERSION):
            raise RepositoryCorruptionError(
                f"the registry has schema version {found}, this program reads {SCHEMA_VERSION}"
            )

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

    def insert_datasets(self, run: str, refs: Sequence[DatasetRef]) -> dict[uuid.UUID, int]:
        """Insert datasets into a run; see `DatasetStore.insert`."""
        info = self.collections.get_info(run)
        if info.type is not CollectionType.RUN:
            raise MissingCollectionError(f"{run!r} is a {info.type} collection; datasets go into a RUN")
        return self.datasets.insert(info, refs)

    def find_dataset(
        self, dataset_type: str, data_id: DataCoordinate, collections: Sequence[str]
    ) -> DatasetRef | None:
        """Return the first dataset of a data ID along a search path."""
        registered = self.datasets.get_type(dataset_type)
        return self.datasets.find(registered, self.collections.flatten(collections), data_id)

    def search(self, dataset_type: str, collections: Sequence[str]) -> DatasetSearch:
        """Return the search for a dataset type along a path of collections."""
        runs = self.collections.flatten(collections)
        return DatasetSearch(self.datasets.get_type(dataset_type), runs)

    def query_data_ids(
        self,
        dimensions: Iterable[str] | DimensionGroup,
        *,
        where: Where,
        data_id: DataId | None = None,
        joined: Sequence[DatasetSearch] = (),
        order_by: Sequence[str] = (),
        limit: int | None = None,
        explain: bool = True,
    ) -> list[DataCoordinate]:
        """Return data IDs that exist; see `Butler.query_data_ids`."""
        spec = QuerySpec(UNIVERSE.conform(dimensions), where, data_id or {}, joined, order_by, limit)
        found = self._queries.data_ids(spec)
        if not found and explain:
            raise EmptyQueryResultError(self._why_empty(spec))
        return found

    def query_datasets(
        self,
        search: DatasetSearch,
        *,
        where: Where,
        data_id: DataId | None = None,
        order_by: Sequence[str] = (),
        limit: int | None = None,
        explain: bool = True,
    ) -> list[DatasetRef]:
        """Return datasets; see `Butler.query_datasets`."""
        dimensions = search.registered.type.dimensions
        spec = QuerySpec(dimensions, where, data_id or {}, (), order_by, limit)
        found = self._queries.datasets(spec, search)
        if not found and explain:
            joined = QuerySpec(dimensions, where, data_id or {}, (search,))
            raise EmptyQueryResultError(self._why_empty(joined))
        return found

    def query_dimension_records(
        self,
        element: str,
        *,
        where: Where,
        data_id: DataId | None = None,
        order_by: Sequence[str] = (),
        limit: int | None = None,
        explain: bool = True,
    ) -> list[DimensionRecord]:
        """Return dimension records; see `Butler.query_dimension_records`."""
        definition = UNIVERSE[element]
        spec = QuerySpec(UNIVERSE.conform(definition.required), where, data_id or {}, (), order_by, limit)
        found = self._queries.records(spec, element)
        if not found and explain:
            raise EmptyQueryResultError(self._why_empty(spec))
        return found

    def _why_empty(self, spec: QuerySpec) -> str:
        """Say which part of a query removes all rows."""
        free = Where.parse("")
        for joined in spec.joined:
            name = joined.registered.type.name
            path = ", ".join(run.name for run in joined.runs) or "no run at all"
            alone = QuerySpec(joined.registered.type.dimensions, free, {}, (joined,), limit=1)
            if not self._queries.data_ids(alone):
                return f"no dataset of type {name!r} in {path}"
        for term in spec.where.terms:
            only = Where(spec.where.text, term, spec.where.bind)
            if not self._matches(spec, only, {}):
                return f"nothing fulfils {spec.where.text!r}{self._known_values(only)}"
        for key, value in spec.data_id.items():
            if not self._matches(spec, free, {key: value}):
                return f"nothing has {key}={value!r}{self._values_hint(key, value)}"
        if not self._matches(spec, free, {}):
            return f"nothing exists with {spec.dimensions}: records are missing, or nothing overlaps"
        return "each condition is fulfilled by something, but nothing fulfils all of them together"

    def _matches(self, spec: QuerySpec, where: Where, data_id: DataId) -> bool:
        probe = QuerySpec(spec.dimensions, where, data_id, spec.joined, limit=1)
        return bool(self._queries.data_ids(probe))

    def _known_values(self, where: Where) -> str:
        """Return the known values of the dimensions in a condition, if there are few."""
        dimensions, _ = where.referenced(())
        told = [self._values_hint(name, None) for name in sorted(dimensions) if name in where.text]
        return "".join(told)

    def _values_hint(self, name: str, value: Any) -> str:
        known = sorted({str(record[name]) for record in self.records.fetch_all(name)})
        if len(known) > 30:
            return ""
        return f"; {name} is one of: {', '.join(known)}" if known else f"; there is no {name} record"


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
    if element not in UNIVERSE.elements:
        raise DimensionNameError(f"no element {element!r}{did_you_mean(element, UNIVERSE.elements)}")
    return DimensionRecord(element, row)
