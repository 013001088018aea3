"""Dataset types and datasets: what exists, in which run, under which data ID."""

from __future__ import annotations

import fnmatch
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import sqlalchemy as sa

from ..datasets import DatasetRef, DatasetType
from ..dimensions import DataCoordinate
from ..errors import ConflictingDefinitionError, MissingDatasetTypeError, did_you_mean
from .collections import CollectionInfo
from .database import Database
from .schema import Schema
from .summaries import CollectionSummaries

__all__ = ["DatasetStore", "HeldDataset", "RegisteredType"]

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class RegisteredType:
    """A dataset type with its number and tag table in this registry."""

    id: int
    type: DatasetType
    tags: sa.Table


@dataclass(frozen=True, slots=True)
class HeldDataset:
    """Row number and UUID of a dataset."""

    number: int
    id: uuid.UUID


class DatasetStore:
    """The rows of dataset types and datasets.

    Parameters
    ----------
    database, schema
        The registry's.
    """

    def __init__(self, database: Database, schema: Schema) -> None:
        self._db = database
        self._schema = schema
        self._summaries = CollectionSummaries(database, schema)

    def register_type(self, dataset_type: DatasetType) -> bool:
        """Register a dataset type.

        Returns
        -------
        new
            False if the same definition is there already.

        Raises
        ------
        ConflictingDefinitionError
            Raised if the name is registered with another definition.
        """
        if self._is_registered(dataset_type):
            return False
        with self._db.transaction():
            # Another process may have been faster: look again under the lock.
            if self._is_registered(dataset_type):
                return False
            group_id = self._tag_group(dataset_type)
            row = {
                "name": dataset_type.name,
                "tag_group_id": group_id,
                "dimensions": " ".join(dataset_type.dimensions.names),
                "storage_class": dataset_type.storageClass_name,
                "is_calibration": dataset_type.isCalibration,
            }
            self._db.execute(self._schema.dataset_type.insert(), [row])
        return True

    def _is_registered(self, dataset_type: DatasetType) -> bool:
        existing = self.find_type(dataset_type.name)
        if existing is not None and existing.type != dataset_type:
            raise ConflictingDefinitionError(
                f"dataset type {dataset_type.name!r} is registered as <{existing.type}>, "
                f"which differs from <{dataset_type}>"
            )
        return existing is not None

    def _tag_group(self, dataset_type: DatasetType) -> int:
        """Return the number of the tag table for these required dimensions; make it if needed."""
        table = self._schema.tag_group
        key = " ".join(dataset_type.dimensions.required)
        found = self._db.query(sa.select(table.c.id).where(table.c.dimensions == key))
        if found:
            return int(found[0].id)
        self._db.execute(table.insert(), [{"dimensions": key}])
        group_id = int(self._db.query(sa.select(table.c.id).where(table.c.dimensions == key))[0].id)
        self._schema.tags(group_id, dataset_type.dimensions)
        self._db.create_tables(self._schema.metadata)
        return group_id

    def get_type(self, name: str) -> RegisteredType:
        """Return a registered dataset type.

        Raises
        ------
        MissingDatasetTypeError
            Raised if there is none, with the nearest name.
        """
        found = self.find_type(name)
        if found is None:
            known = [registered.type.name for registered in self.query_types()]
            hint = did_you_mean(name, known) or "; none is registered yet"
            raise MissingDatasetTypeError(f"no dataset type {name!r}{hint}")
        return found

    def find_type(self, name: str) -> RegisteredType | None:
        """Return a registered dataset type, None if there is none of that name."""
        rows = self._db.query(self._type_query().where(self._schema.dataset_type.c.name == name))
        return self._registered(rows[0]) if rows else None

    def query_types(self, glob: str = "*") -> list[RegisteredType]:
        """Return the registered dataset types whose name matches, by name."""
        rows = self._db.query(self._type_query().order_by(self._schema.dataset_type.c.name))
        return [self._registered(row) for row in rows if fnmatch.fnmatchcase(row.name, glob)]

    def _type_query(self) -> sa.Select[Any]:
        return sa.select(self._schema.dataset_type)

    def _registered(self, row: sa.Row[Any]) -> RegisteredType:
        dataset_type = DatasetType(
            row.name, row.dimensions.split(), row.storage_class, isCalibration=row.is_calibration
        )
        tags = self._schema.tags(row.tag_group_id, dataset_type.dimensions)
        return RegisteredType(row.id, dataset_type, tags)

    def insert(self, run: CollectionInfo, refs: Sequence[DatasetRef]) -> dict[uuid.UUID, int]:
        """Insert datasets into a run.

        Returns
        -------
        numbers
            Row number of each dataset by UUID.

        Raises
        ------
        ConflictingDefinitionError
            Raised as by `check`.
        """
        table = self._schema.dataset
        now = time.time_ns()
        numbers: dict[uuid.UUID, int] = {}
        with self._db.transaction():
            self.check(run, refs)
            for name, members in _by_type(refs):
                registered = self.get_type(name)
                rows = [
                    {
                        "uuid": ref.id.bytes,
                        "dataset_type_id": registered.id,
                        "run_id": run.id,
                        "ingest_date": now,
                    }
                    for ref in members
                ]
                inserted = self._db.execute(
                    table.insert().returning(table.c.id, table.c.uuid, sort_by_parameter_order=True), rows
                )
                found = {uuid.UUID(bytes=bytes(row.uuid)): int(row.id) for row in inserted}
                tags = [
                    {
                        "dataset_type_id": registered.id,
                        "collection_id": run.id,
                        "dataset_id": found[ref.id],
                        **ref.dataId.required,
                    }
                    for ref in members
                ]
                self._db.execute(registered.tags.insert(), tags)
                numbers |= found
        return numbers

    def check(self, run: CollectionInfo, refs: Sequence[DatasetRef]) -> None:
        """Refuse datasets that cannot be inserted into a run.

        Raises
        ------
        MissingDatasetTypeError
            Raised if a dataset type is not registered.
        ConflictingDefinitionError
            Raised if it is registered otherwise, if the run has a dataset of the same type and data ID, or
            if a UUID is taken.
        """
        for name, members in _by_type(refs):
            registered = self.get_type(name)
            held = self.held(registered, run, [ref.dataId.required_values for ref in members])
            seen: set[tuple[Any, ...]] = set()
            for ref in members:
                if ref.datasetType != registered.type:
                    raise ConflictingDefinitionError(
                        f"dataset type {name!r} is registered as <{registered.type}>, not <{ref.datasetType}>"
                    )
                key = ref.dataId.required_values
                if key in held or key in seen:
                    which = f"as {held[key].id}" if key in held else "twice in one call"
                    raise ConflictingDefinitionError(
                        f"{name} {ref.dataId} exists in run {run.name!r} {which}; use another run"
                    )
                seen.add(key)
        if taken := self.numbers([ref.id for ref in refs]):
            raise ConflictingDefinitionError(f"a dataset with the UUID {min(taken)} exists already")

    def held(
        self, registered: RegisteredType, collection: CollectionInfo, keys: Sequence[tuple[Any, ...]]
    ) -> dict[tuple[Any, ...], HeldDataset]:
        """Return the datasets that a RUN or TAGGED collection holds for some data IDs.

        Parameters
        ----------
        registered
            Their dataset type.
        collection
            Where to look.
        keys
            Required values of the data IDs.
        """
        tags, dataset = registered.tags, self._schema.dataset
        names = registered.type.dimensions.required
        columns: list[Any] = [dataset.c.id, dataset.c.uuid, *[tags.c[name] for name in names]]
        statement = (
            sa.select(*columns)
            .join_from(tags, dataset, tags.c.dataset_id == dataset.c.id)
            .where(tags.c.dataset_type_id == registered.id, tags.c.collection_id == collection.id)
        )
        found: dict[tuple[Any, ...], HeldDataset] = {}
        for chunk in _chunks(keys):
            # A joined list is looked up in the primary key row by row; "(a, b) IN (...)" is not.
            asked = [
                sa.select(*[sa.literal(v).label(n) for n, v in zip(names, key, strict=True)]) for key in chunk
            ]
            for row in self._db.query(_joined(statement, tags, names, asked)):
                found[tuple(row[2:])] = HeldDataset(int(row.id), uuid.UUID(bytes=bytes(row.uuid)))
        return found

    def find(
        self, registered: RegisteredType, collections: Iterable[CollectionInfo], data_id: DataCoordinate
    ) -> DatasetRef | None:
        """Return the dataset of a data ID in the first of the RUN or TAGGED collections that has it."""
        if not data_id.hasRecords():
            # Implied values are what a caller says, not what the registry knows.
            data_id = DataCoordinate(data_id.dimensions, data_id.required_values)
        tags, dataset, owner = registered.tags, self._schema.dataset, self._schema.collection
        for collection in collections:
            rows = self._db.query(
                sa.select(dataset.c.uuid, owner.c.name)
                .join_from(tags, dataset, tags.c.dataset_id == dataset.c.id)
                .join(owner, dataset.c.run_id == owner.c.id)
                .where(tags.c.dataset_type_id == registered.id, tags.c.collection_id == collection.id)
                .where(*[tags.c[name] == value for name, value in data_id.required.items()])
            )
            if rows:
                found = uuid.UUID(bytes=bytes(rows[0].uuid))
                return DatasetRef(registered.type, data_id, rows[0].name, found)
        return None

    def get(self, dataset_id: uuid.UUID) -> DatasetRef | None:
        """Return a dataset by UUID, None if there is none."""
        found = self.get_many([dataset_id])
        return found[0] if found else None

    def get_many(self, ids: Sequence[uuid.UUID]) -> list[DatasetRef]:
        """Return the datasets that exist among some UUIDs, by dataset type."""
        dataset, types, owner = self._schema.dataset, self._schema.dataset_type, self._schema.collection
        found: list[DatasetRef] = []
        for chunk in _chunks(list(dict.fromkeys(ids))):
            wanted = dataset.c.uuid.in_([i.bytes for i in chunk])
            held = sa.select(dataset.c.dataset_type_id).where(wanted)
            types_held = self._type_query().where(types.c.id.in_(held)).order_by(types.c.name)
            for registered in map(self._registered, self._db.query(types_held)):
                tags, dimensions = registered.tags, registered.type.dimensions
                columns: list[Any] = [tags.c[name] for name in dimensions.required]
                rows = self._db.query(
                    sa.select(dataset.c.uuid, owner.c.name, *columns)
                    .join_from(dataset, owner, dataset.c.run_id == owner.c.id)
                    .join(tags, tags.c.dataset_id == dataset.c.id)
                    .where(wanted, dataset.c.dataset_type_id == registered.id)
                    .where(tags.c.collection_id == dataset.c.run_id)
                )
                for row in rows:
                    data_id = DataCoordinate(dimensions, tuple(row[2:]))
                    found.append(
                        DatasetRef(registered.type, data_id, row.name, uuid.UUID(bytes=bytes(row.uuid)))
                    )
        return found

    def remove(self, ids: Sequence[uuid.UUID]) -> None:
        """Remove datasets; ones that do not exist are no error."""
        table = self._schema.dataset
        with self._db.transaction():
            for chunk in _chunks(ids):
                self._db.execute(table.delete().where(table.c.uuid.in_([i.bytes for i in chunk])))

    def in_run(self, run: CollectionInfo) -> list[uuid.UUID]:
        """Return the UUIDs of all datasets of a run."""
        table = self._schema.dataset
        rows = self._db.query(sa.select(table.c.uuid).where(table.c.run_id == run.id).order_by(table.c.id))
        return [uuid.UUID(bytes=bytes(row.uuid)) for row in rows]

    def numbers(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
        """Return the row numbers of the datasets that exist."""
        table = self._schema.dataset
        found: dict[uuid.UUID, int] = {}
        for chunk in _chunks(ids):
            wanted = table.c.uuid.in_([i.bytes for i in chunk])
            rows = self._db.query(sa.select(table.c.uuid, table.c.id).where(wanted))
            found |= {uuid.UUID(bytes=bytes(row.uuid)): int(row.id) for row in rows}
        return found

    def count(self, run: CollectionInfo) -> int:
        """Return the number of datasets of a run."""
        table = self._schema.dataset
        counted = sa.select(sa.func.count()).select_from(table).where(table.c.run_id == run.id)
        return int(self._db.query(counted)[0][0])

    def governor_values(self, collections: Sequence[CollectionInfo], governor: str) -> list[str]:
        """Return the values of instrument or skymap among the datasets of RUN and TAGGED collections."""
        ids = [collection.id for collection in collections]
        found: set[str] = set()
        for name in {name for names in self._summaries.dataset_types(ids).values() for name in names}:
            registered = self.get_type(name)
            if governor in registered.type.dimensions.required:
                column = registered.tags.c[governor]
                rows = self._db.query(
                    sa.select(column)
                    .where(registered.tags.c.dataset_type_id == registered.id)
                    .where(registered.tags.c.collection_id.in_(ids))
                    .distinct()
                )
                found |= {str(row[0]) for row in rows}
        return sorted(found)


def _by_type(refs: Iterable[DatasetRef]) -> Iterator[tuple[str, list[DatasetRef]]]:
    """Yield refs by the name of their dataset type."""
    ordered = sorted(refs, key=lambda ref: ref.datasetType.name)
    for name, group in groupby(ordered, key=lambda ref: ref.datasetType.name):
        yield name, list(group)


def _joined(
    statement: sa.Select[Any], tags: sa.Table, names: Sequence[str], asked: Sequence[sa.Select[Any]]
) -> sa.Select[Any]:
    """Restrict a query of a tag table to the data IDs of a list."""
    if not names:
        return statement
    wanted = sa.union_all(*asked).subquery("wanted")
    return statement.join(wanted, sa.and_(*[tags.c[name] == wanted.c[name] for name in names]))


def _chunks(items: Sequence[_Item], size: int = 500) -> Iterable[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
