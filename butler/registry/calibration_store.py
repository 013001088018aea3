"""CalibrationStore: datasets that CALIBRATION collections hold, each for a range of times."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from ..datasets import DatasetRef
from ..dimensions import DataCoordinate, Timespan
from ..errors import (
    AmbiguousCalibrationError,
    CollectionTypeError,
    ConflictingDefinitionError,
    DataIdValueError,
    DatasetTypeError,
)
from .collections import CollectionInfo, CollectionType
from .database import Database
from .dataset_store import RegisteredType
from .schema import UNBOUNDED, Schema
from .tag_store import TagStore

__all__ = ["CalibrationStore"]


class CalibrationStore:
    """The rows by which CALIBRATION collections hold datasets that a RUN owns.

    A collection may hold several datasets of one type and data ID, but never two at the same time.

    Parameters
    ----------
    database, schema
        The registry's.
    tags
        What knows the data IDs of datasets.
    """

    def __init__(self, database: Database, schema: Schema, tags: TagStore) -> None:
        self._db = database
        self._schema = schema
        self._tags = tags

    def certify(self, collection: CollectionInfo, refs: Iterable[DatasetRef], timespan: Timespan) -> None:
        """Let datasets be valid for some time.

        Raises
        ------
        CollectionTypeError
            Raised if the collection is no CALIBRATION collection.
        DatasetTypeError
            Raised for a dataset type that is not one of calibrations.
        DatasetNotFoundError
            Raised if a dataset is not registered.
        DataIdValueError
            Raised if the timespan is empty.
        ConflictingDefinitionError
            Raised if a dataset of the same type and data ID is valid at a part of the time.
        """
        _require_calibration(collection)
        begin, end = _bounds(timespan)
        with self._db.transaction():
            self._db.lock(f"members of {collection.id}")
            for registered, wanted in self._tags.known(refs):
                calibs = _table(registered)
                for values in wanted:
                    key = self._matches(registered, calibs, collection, values)
                    held = self._db.query(
                        sa.select(calibs.c.valid_begin, calibs.c.valid_end).where(
                            *key, *_overlap(calibs, begin, end)
                        )
                    )
                    if held:
                        other = _timespan(held[0].valid_begin, held[0].valid_end)
                        raise ConflictingDefinitionError(
                            f"collection {collection.name!r} holds a {registered.type.name} with data ID "
                            f"{_data_id(registered, values)} in {other}, which overlaps {timespan}"
                        )
                rows = [
                    {**_row(registered, collection, values), "valid_begin": begin, "valid_end": end}
                    | {"dataset_id": number}
                    for values, number in wanted.items()
                ]
                if rows:
                    self._db.execute(calibs.insert(), rows)

    def decertify(
        self,
        collection: CollectionInfo,
        registered: RegisteredType,
        timespan: Timespan,
        data_ids: Sequence[DataCoordinate] | None = None,
    ) -> None:
        """Take some time out of the validity of datasets; a range around it becomes two.

        Parameters
        ----------
        collection, registered
            Collection and dataset type.
        timespan
            The time; for an empty one nothing happens.
        data_ids
            Data IDs; all if None.

        Raises
        ------
        CollectionTypeError
            Raised if the collection is no CALIBRATION collection.
        DatasetTypeError
            Raised for a dataset type that is not one of calibrations.
        """
        _require_calibration(collection)
        calibs = _table(registered)
        if timespan.isEmpty():
            return
        begin, end = _bounds(timespan)
        keys = None if data_ids is None else {data_id.required_values for data_id in data_ids}
        with self._db.transaction():
            self._db.lock(f"members of {collection.id}")
            mine = self._matches(registered, calibs, collection)
            cut = self._db.query(sa.select(calibs).where(*mine, *_overlap(calibs, begin, end)))
            for row in cut:
                values = tuple(row._mapping[name] for name in registered.type.dimensions.required)
                if keys is not None and values not in keys:
                    continue
                key = self._matches(registered, calibs, collection, values)
                self._db.execute(calibs.delete().where(*key, calibs.c.valid_begin == row.valid_begin))
                left = _timespan(row.valid_begin, row.valid_end).difference(timespan)
                for piece in map(_bounds, left):
                    kept = {**row._mapping, "valid_begin": piece[0], "valid_end": piece[1]}
                    self._db.execute(calibs.insert(), [kept])

    def find(
        self,
        registered: RegisteredType,
        collection: CollectionInfo,
        data_id: DataCoordinate,
        timespan: Timespan,
    ) -> DatasetRef | None:
        """Return the dataset of a data ID that is valid at some time, None if there is none.

        Raises
        ------
        AmbiguousCalibrationError
            Raised if several are valid, each at a part of the time.
        """
        if registered.calibs is None or timespan.isEmpty():
            return None
        found = {
            ref.id: ref
            for ref, valid in self._rows(registered, collection, data_id.required_values)
            if valid.overlaps(timespan)
        }
        if len(found) > 1:
            raise AmbiguousCalibrationError(
                f"{len(found)} datasets {registered.type.name} with data ID {data_id} are valid in "
                f"{collection.name!r} within {timespan}; give a shorter timespan, or a data ID that has one"
            )
        ref = next(iter(found.values()), None)
        return ref and (ref.expanded(data_id) if data_id.hasRecords() else ref)

    def members(
        self, registered: RegisteredType, collection: CollectionInfo
    ) -> Iterator[tuple[DatasetRef, Timespan]]:
        """Yield the datasets of a type that a collection holds with their validity, by data ID and time."""
        if registered.calibs is not None:
            yield from self._rows(registered, collection)

    def _rows(
        self, registered: RegisteredType, collection: CollectionInfo, values: Sequence[Any] | None = None
    ) -> Iterator[tuple[DatasetRef, Timespan]]:
        calibs, dataset, owner = _table(registered), self._schema.dataset, self._schema.collection
        dimensions = registered.type.dimensions
        keys: list[Any] = [calibs.c[name] for name in dimensions.required]
        rows = self._db.query(
            sa.select(dataset.c.uuid, owner.c.name, calibs.c.valid_begin, calibs.c.valid_end, *keys)
            .join_from(calibs, dataset, calibs.c.dataset_id == dataset.c.id)
            .join(owner, dataset.c.run_id == owner.c.id)
            .where(*self._matches(registered, calibs, collection, values))
            .order_by(*keys, calibs.c.valid_begin)
        )
        for row in rows:
            data_id = DataCoordinate(dimensions, tuple(row[4:]))
            ref = DatasetRef(registered.type, data_id, row.name, uuid.UUID(bytes=bytes(row.uuid)))
            yield ref, _timespan(row.valid_begin, row.valid_end)

    def _matches(
        self,
        registered: RegisteredType,
        calibs: sa.Table,
        collection: CollectionInfo,
        values: Sequence[Any] | None = None,
    ) -> list[sa.ColumnElement[bool]]:
        """Return what rows of a collection, of one data ID if given, fulfil."""
        key = _row(registered, collection, values)
        return [calibs.c[name] == value for name, value in key.items()]


def _row(
    registered: RegisteredType, collection: CollectionInfo, values: Sequence[Any] | None = None
) -> dict[str, Any]:
    both = {"dataset_type_id": registered.id, "collection_id": collection.id}
    return both if values is None else {**both, **_data_id(registered, values)}


def _data_id(registered: RegisteredType, values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(registered.type.dimensions.required, values, strict=True))


def _table(registered: RegisteredType) -> sa.Table:
    if registered.calibs is None:
        raise DatasetTypeError(
            f"{registered.type.name} is no calibration; only types registered with isCalibration=True are "
            "valid for some time"
        )
    return registered.calibs


def _require_calibration(collection: CollectionInfo) -> None:
    if collection.type is not CollectionType.CALIBRATION:
        raise CollectionTypeError(
            f"collection {collection.name!r} is a {collection.type} collection; only CALIBRATION ones know "
            "when a dataset is valid"
        )


def _bounds(timespan: Timespan) -> tuple[int, int]:
    """Return begin and end as columns have them."""
    if timespan.isEmpty():
        raise DataIdValueError("a dataset cannot be valid in an empty timespan")
    begin = -UNBOUNDED if timespan.begin_ns is None else timespan.begin_ns
    return begin, UNBOUNDED if timespan.end_ns is None else timespan.end_ns


def _timespan(begin: int, end: int) -> Timespan:
    return Timespan(None if begin == -UNBOUNDED else begin, None if end == UNBOUNDED else end)


def _overlap(calibs: sa.Table, begin: int, end: int) -> tuple[sa.ColumnElement[bool], ...]:
    return calibs.c.valid_begin < end, calibs.c.valid_end > begin
