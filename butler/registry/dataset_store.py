"""Dataset types and datasets: what exists, in which run, under which data ID."""

from __future__ import annotations

import fnmatch
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from ..datasets import DatasetRef, DatasetType
from ..dimensions import DataCoordinate
from ..errors import (
    ConflictingDefinitionError,
    DatasetTypeError,
    MissingDatasetTypeError,
    OrphanedRecordError,
    did_you_mean,
)
from .chunks import chunks
from .collections import CollectionInfo
from .database import Database
from .dataset_statements import MANY, DatasetStatements
from .file_store import FileRecord
from .memory import Memory
from .prepared import Prepared
from .schema import Schema
from .summaries import CollectionSummaries

__all__ = ["DatasetSearchPath", "DatasetStore", "FoundDataset", "HeldDataset", "RegisteredType"]


@dataclass(frozen=True, slots=True)
class RegisteredType:
    """A dataset type with its number in this registry, and the tables that name its datasets."""

    id: int
    type: DatasetType
    tags: sa.Table
    calibs: sa.Table | None


@dataclass(frozen=True, slots=True)
class HeldDataset:
    """Row number and UUID of a dataset."""

    number: int
    id: uuid.UUID


@dataclass(frozen=True, slots=True)
class DatasetSearchPath:
    """A dataset type and the collections to find it in, as prepared statements with their first values."""

    type: DatasetType
    steps: tuple[tuple[Prepared, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class FoundDataset:
    """A dataset, and its file if it has one."""

    ref: DatasetRef
    record: FileRecord | None


class DatasetStore:
    """The rows of dataset types and datasets.

    Parameters
    ----------
    database, schema, memory
        The registry's.
    """

    def __init__(self, database: Database, schema: Schema, memory: Memory) -> None:
        self._db = database
        self._schema = schema
        self._memory = memory
        self._summaries = CollectionSummaries(database, schema)
        self._statements = DatasetStatements(database, schema)

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
        DatasetTypeError
            Raised for a component.
        """
        if dataset_type.isComponent():
            raise DatasetTypeError(f"{dataset_type.name!r} is a component; register the whole")
        if self._is_registered(dataset_type):
            return False
        with self._db.transaction():
            group_id = self._tag_group(dataset_type)
            row = {
                "name": dataset_type.name,
                "tag_group_id": group_id,
                "dimensions": " ".join(dataset_type.dimensions.names),
                "storage_class": dataset_type.storageClass_name,
                "is_calibration": dataset_type.isCalibration,
            }
            if self._db.insert_missing(self._schema.dataset_type, [row], "name"):
                return True
            # Another process was faster.
            return not self._is_registered(dataset_type)

    def _is_registered(self, dataset_type: DatasetType) -> bool:
        existing = self.find_type(dataset_type.name)
        if existing is not None and existing.type != dataset_type:
            raise ConflictingDefinitionError(
                f"dataset type {dataset_type.name!r} is registered as <{existing.type}>, "
                f"which differs from <{dataset_type}>"
            )
        return existing is not None

    def remove_type(self, name: str) -> None:
        """Remove a dataset type of which there is no dataset.

        Raises
        ------
        MissingDatasetTypeError
            Raised if there is none.
        OrphanedRecordError
            Raised if there are datasets.
        """
        table, dataset = self._schema.dataset_type, self._schema.dataset
        with self._db.transaction():
            registered = self.get_type(name)
            held = sa.select(dataset.c.id).where(dataset.c.dataset_type_id == registered.id).limit(1)
            if self._db.query(held):
                raise OrphanedRecordError(f"there are datasets of type {name!r}; remove these first")
            self._db.execute(table.delete().where(table.c.id == registered.id))
            self._memory.changed()

    def _tag_group(self, dataset_type: DatasetType) -> int:
        """Return the number of the tag table for these required dimensions; make it if needed."""
        table = self._schema.tag_group
        key = " ".join(dataset_type.dimensions.required)
        asked = sa.select(table.c.id).where(table.c.dimensions == key)
        if (found := self._db.query(asked)) and not dataset_type.isCalibration:
            return int(found[0].id)
        self._db.lock("tag tables")
        if not self._db.query(asked):
            self._db.execute(table.insert(), [{"dimensions": key}])
        group_id = int(self._db.query(asked)[0].id)
        tables = [self._schema.tags(group_id, dataset_type.dimensions)]
        if dataset_type.isCalibration:
            tables.append(self._schema.calibs(group_id, dataset_type.dimensions))
        self._db.create_tables(self._schema.metadata, tables)
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
        return self._memory.recall(("dataset type", name), lambda: self._read_type(name))

    def _read_type(self, name: str) -> RegisteredType | None:
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
        calibs = None
        if row.is_calibration:
            calibs = self._schema.calibs(row.tag_group_id, dataset_type.dimensions)
        return RegisteredType(row.id, dataset_type, tags, calibs)

    def insert(self, run: CollectionInfo, refs: Sequence[DatasetRef]) -> None:
        """Insert datasets into a run.

        Raises
        ------
        ConflictingDefinitionError
            Raised as by `check`.
        """
        try:
            # A transaction of its own: after an error a database may answer nothing until it is undone.
            with self._db.transaction():
                self.add(run, refs)
        except (ConflictingDefinitionError, OrphanedRecordError):
            self.check(run, refs)
            raise

    def add(self, run: CollectionInfo, refs: Sequence[DatasetRef]) -> None:
        """Insert datasets into a run, inside a transaction that is undone if one is refused.

        Raises
        ------
        ConflictingDefinitionError, OrphanedRecordError
            Raised if one of them cannot be inserted; `check` says which one.
        """
        now, run_id = time.time_ns(), run.id
        for registered, members in self._by_registered_type(refs):
            number, tag = registered.id, self._statements.tag(registered.tags)
            # All writers in the same order, so that none waits for one that waits for it.
            members.sort(key=lambda ref: ref.dataId.required_values)
            ids = [ref.id.bytes for ref in members]
            self._db.run_many(self._statements.insert, [(i, number, run_id, now) for i in ids])
            keys = [ref.dataId.required_values for ref in members]
            rows = [(number, run_id, *key, i) for key, i in zip(keys, ids, strict=True)]
            self._db.run_many(tag, rows)

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
        for registered, members in self._by_registered_type(refs):
            held = self.held(registered, run, [ref.dataId.required_values for ref in members])
            seen: set[tuple[Any, ...]] = set()
            for ref in members:
                key = ref.dataId.required_values
                if key in held or key in seen:
                    which = f"as {held[key].id}" if key in held else "twice in one call"
                    raise ConflictingDefinitionError(
                        f"{registered.type.name} {ref.dataId} exists in run {run.name!r} {which}; "
                        "use another run"
                    )
                seen.add(key)
        ids = [ref.id for ref in refs]
        if taken := self.numbers(ids):
            raise ConflictingDefinitionError(f"a dataset with the UUID {min(taken)} exists already")
        if len(set(ids)) < len(ids):
            raise ConflictingDefinitionError("two datasets of one call have the same UUID")

    def _by_registered_type(
        self, refs: Iterable[DatasetRef]
    ) -> Iterator[tuple[RegisteredType, list[DatasetRef]]]:
        """Yield refs by their dataset type; refuse those that say other things of it than the registry."""
        for name, members in _by_type(refs):
            registered = self.get_type(name)
            for said in {ref.datasetType for ref in members}:
                if said != registered.type:
                    raise ConflictingDefinitionError(
                        f"dataset type {name!r} is registered as <{registered.type}>, not <{said}>"
                    )
            yield registered, members

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
        found: dict[tuple[Any, ...], HeldDataset] = {}
        for chunk in chunks(keys, MANY):
            # Two statements serve all numbers of keys; what is missing to the large one is filled up.
            few = len(chunk) < MANY // 8
            statement = self._statements.held(registered.tags, 1 if few else MANY)
            asked = [[key] for key in chunk] if few else [[*chunk, *[chunk[-1]] * (MANY - len(chunk))]]
            for together in asked:
                values = [value for key in together for value in key]
                for row in self._db.run(statement, (registered.id, collection.id, *values)):
                    found[row[2:]] = HeldDataset(row[0], uuid.UUID(bytes=row[1]))
        return found

    def search_path(
        self, registered: RegisteredType, collections: Sequence[CollectionInfo]
    ) -> DatasetSearchPath:
        """Return what `find` needs in order to look into RUN and TAGGED collections."""
        steps = []
        for chunk in chunks(collections):
            numbers = [collection.id for collection in chunk]
            steps.append((self._statements.find(registered.tags, len(numbers)), (registered.id, *numbers)))
        return DatasetSearchPath(registered.type, tuple(steps))

    def find(self, path: DatasetSearchPath, data_id: DataCoordinate) -> FoundDataset | None:
        """Return the dataset of a data ID in the first of the collections of a path that has it.

        All are asked at once, each by one look into a primary key; which comes first is decided here.
        """
        if not data_id.hasRecords():
            # Implied values are what a caller says, not what the registry knows.
            data_id = DataCoordinate(data_id.dimensions, data_id.required_values)
        for statement, numbers in path.steps:
            rows = self._db.run(statement, numbers + data_id.required_values)
            if rows:
                row = min(rows, key=lambda row: numbers.index(row[0], 1)) if len(rows) > 1 else rows[0]
                ref = DatasetRef(path.type, data_id, row[2], uuid.UUID(bytes=row[1]))
                # Written out as `file_record` would do it: this is the way of every get.
                place, formatter, size, checksum, layout = row[3:]
                if place is None:
                    return FoundDataset(ref, None)
                digits = None if checksum is None else bytes(checksum).hex()
                return FoundDataset(ref, FileRecord(place, formatter, size, digits, layout))
        return None

    def get(self, dataset_id: uuid.UUID) -> DatasetRef | None:
        """Return a dataset by UUID, None if there is none."""
        found = self.get_many([dataset_id])
        return found[0] if found else None

    def get_many(self, ids: Sequence[uuid.UUID]) -> list[DatasetRef]:
        """Return the datasets that exist among some UUIDs, by dataset type."""
        dataset, types, owner = self._schema.dataset, self._schema.dataset_type, self._schema.collection
        found: list[DatasetRef] = []
        for chunk in chunks(list(dict.fromkeys(ids))):
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
            for chunk in chunks(ids):
                self._db.execute(table.delete().where(table.c.uuid.in_([i.bytes for i in chunk])))

    def in_run(self, run: CollectionInfo) -> list[uuid.UUID]:
        """Return the UUIDs of all datasets of a run."""
        table = self._schema.dataset
        rows = self._db.query(sa.select(table.c.uuid).where(table.c.run_id == run.id).order_by(table.c.id))
        return [uuid.UUID(bytes=bytes(row.uuid)) for row in rows]

    def numbers(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
        """Return the row numbers of the datasets that exist."""
        if len(ids) < MANY // 8:
            return {i: row[0] for i in ids for row in self._db.run(self._statements.number, (i.bytes,))}
        table = self._schema.dataset
        found: dict[uuid.UUID, int] = {}
        for chunk in chunks(ids):
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
        """Return the values of instrument or skymap among the datasets of collections, but no chains."""
        ids = [collection.id for collection in collections]
        found: set[str] = set()
        for name in {name for names in self._summaries.dataset_types(ids).values() for name in names}:
            registered = self.get_type(name)
            if governor in registered.type.dimensions.required:
                for table in (registered.tags, registered.calibs):
                    if table is None:
                        continue
                    held = sa.select(table.c[governor]).where(table.c.dataset_type_id == registered.id)
                    rows = self._db.query(held.where(table.c.collection_id.in_(ids)).distinct())
                    found |= {str(row[0]) for row in rows}
        return sorted(found)


def _by_type(refs: Iterable[DatasetRef]) -> Iterator[tuple[str, list[DatasetRef]]]:
    """Yield refs by the name of their dataset type."""
    ordered = sorted(refs, key=lambda ref: ref.datasetType.name)
    for name, group in groupby(ordered, key=lambda ref: ref.datasetType.name):
        yield name, list(group)
