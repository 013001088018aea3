"""Dimension records: insert, synchronise, look up, attach to data IDs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

import sqlalchemy as sa

from ..dimensions import (
    UNIVERSE,
    DataCoordinate,
    DimensionElement,
    DimensionGroup,
    DimensionRecord,
    SharedRecords,
    Timespan,
)
from ..errors import ButlerUserError, ConflictingDefinitionError, DataIdValueError, DimensionNameError
from .chunks import chunks
from .database import Database
from .memory import MARK, Memory
from .prepared import Prepared
from .schema import BOUND_COLUMNS, Schema
from .sky_cell import cell_of

__all__ = ["DimensionRecordStore"]

_FEW: Final = 4
"""Number of records from which on they are read together."""


class DimensionRecordStore:
    """The rows of the dimension elements.

    Parameters
    ----------
    database, schema, memory
        The registry's.
    """

    def __init__(self, database: Database, schema: Schema, memory: Memory) -> None:
        self._db = database
        self._schema = schema
        self._memory = memory
        self._statements: dict[str, Prepared] = {}
        self._inserts: dict[str, Prepared] = {}

    def insert(
        self,
        element: str,
        records: Sequence[DimensionRecord],
        *,
        replace: bool = False,
        skip_existing: bool = False,
        none_exists: bool = False,
    ) -> None:
        """Insert records of one element.

        Parameters
        ----------
        element
            The element.
        records
            The records.
        replace, skip_existing
            Whether those that exist already are replaced, or left alone; not both.
        none_exists
            Whether the caller has just looked, and none of them does.

        Raises
        ------
        ConflictingDefinitionError
            Raised if a record exists already, and neither may happen to it.
        ButlerUserError
            Raised if both may.
        DataIdValueError
            Raised if a record refers to one that does not exist.
        """
        definition = _stored(element)
        if replace and skip_existing:
            raise ButlerUserError("records that exist are replaced, or skipped, not both")
        with self._db.transaction():
            known = set() if none_exists else self._existing(definition, records)
            fresh = [r for r in records if _key(r) not in known]
            if replace:
                for record in records:
                    if _key(record) in known:
                        self.sync(record, update=True)
            elif len(fresh) < len(records) and not skip_existing:
                clash = next(r for r in records if _key(r) in known)
                raise ConflictingDefinitionError(f"{_describe(clash)} exists already")
            keys = [_key(r) for r in fresh]
            if len(set(keys)) < len(keys):
                raise ConflictingDefinitionError(f"two of the {element} records have the same key")
            self._check_references(definition, fresh)
            if fresh:
                rows = [_to_row(r) for r in fresh]
                try:
                    if skip_existing:
                        # Another process may insert the same at this moment.
                        table = self._schema.elements[element]
                        self._db.insert_missing(table, rows, *definition.required)
                    else:
                        self._db.run_many(
                            self._inserting(element, list(rows[0])), [[*row.values()] for row in rows]
                        )
                        self._keep(definition, fresh)
                except ConflictingDefinitionError as error:
                    raise ConflictingDefinitionError(
                        f"a {element} record has an alternate key that another one has: {error}"
                    ) from error

    def sync(self, record: DimensionRecord, *, update: bool = False) -> bool | dict[str, Any]:
        """Insert a record, or compare it with the one that exists.

        Returns
        -------
        change
            True if inserted, False if the same is there, the replaced values if updated.

        Raises
        ------
        ConflictingDefinitionError
            Raised if the existing record differs and `update` is not set.
        """
        definition = record.definition
        with self._db.transaction():
            self._db.lock(_describe(record))
            existing = self.fetch_one(definition.name, record)
            if existing is None:
                self.insert(definition.name, [record])
                return True
            old, new = existing.toDict(), record.toDict()
            changed = {name: old[name] for name in old if old[name] != new[name]}
            if not changed:
                return False
            if not update:
                told = ", ".join(f"{name} is {old[name]!r}, not {new[name]!r}" for name in changed)
                raise ConflictingDefinitionError(f"{_describe(record)} exists already and differs: {told}")
            self._check_references(definition, [record])
            table = self._schema.elements[definition.name]
            self._db.execute(table.update().where(*_matches(table, record)).values(_to_row(record)))
            self._memory.changed()
            return changed

    def fetch_one(self, element: str, keys: Mapping[str, Any] | DimensionRecord) -> DimensionRecord | None:
        """Return the record of one key, None if there is none."""
        definition = UNIVERSE[element]
        values = tuple(keys[name] for name in definition.required)
        return self._memory.recall(("record", element, *values), lambda: self._read_one(definition, keys))

    def _read_one(
        self, definition: DimensionElement, keys: Mapping[str, Any] | DimensionRecord
    ) -> DimensionRecord | None:
        if definition.pixelization is not None:
            return pixel_record(definition, keys[definition.name])
        if not definition.has_table:
            return self._band(str(keys[definition.name]))
        rows = self._db.run(self._prepared(definition), [keys[name] for name in definition.required])
        return record_from_values(definition, rows[0]) if rows else None

    def _inserting(self, element: str, names: Sequence[str]) -> Prepared:
        """Return the statement that inserts a row of values in the order of `_to_row`."""
        known = self._inserts.get(element)
        if known is None:
            table = self._schema.elements[element]
            values = {name: sa.bindparam(name, type_=table.c[name].type) for name in names}
            known = self._inserts[element] = self._db.prepare(table.insert().values(values), names)
        return known

    def _prepared(self, definition: DimensionElement) -> Prepared:
        """Return the statement that reads one record."""
        known = self._statements.get(definition.name)
        if known is None:
            table = self._schema.elements[definition.name]
            matches = [table.c[name] == sa.bindparam(f"key_{name}") for name in definition.required]
            statement = sa.select(*_columns(table, definition)).where(*matches)
            known = self._db.prepare(statement, [f"key_{name}" for name in definition.required])
            self._statements[definition.name] = known
        return known

    def existing(
        self, element: str, records: Sequence[DimensionRecord]
    ) -> list[tuple[DimensionRecord, DimensionRecord]]:
        """Return those of some records whose keys are taken, each with the one that has it."""
        held = self._fetch_many(_stored(element), {_key(record) for record in records})
        return [(record, held[key]) for record in records if (key := _key(record)) in held]

    def fetch_all(self, element: str, keys: Mapping[str, Any] | None = None) -> list[DimensionRecord]:
        """Return the records of an element that have some key values, in the order of their keys.

        Raises
        ------
        DimensionNameError
            Raised for pixels of the sky, of which there are too many, or for an element that there is not.
        """
        definition = UNIVERSE[element]
        if definition.pixelization is not None:
            raise DimensionNameError(f"{element} has too many pixels to list; give their numbers")
        if not definition.has_table:
            column = self._schema.elements["physical_filter"].c.band
            rows = self._db.query(sa.select(column).distinct().order_by(column))
            return [DimensionRecord(definition, {"band": row[0]}) for row in rows]
        table = self._schema.elements[element]
        order = [table.c[name] for name in definition.required]
        matches = [table.c[name] == value for name, value in (keys or {}).items()]
        statement = sa.select(*_columns(table, definition)).where(*matches).order_by(*order)
        return [record_from_values(definition, row) for row in self._db.query(statement)]

    def known_values(self, dimension: str, *, limit: int) -> list[Any]:
        """Return different values of a dimension that have records, sorted, at most `limit`."""
        stored = dimension if UNIVERSE[dimension].has_table else "physical_filter"
        column = self._schema.elements[stored].c[dimension]
        rows = self._db.query(sa.select(column).distinct().order_by(column).limit(limit))
        return [row[0] for row in rows]

    def expand(self, data_id: DataCoordinate) -> DataCoordinate:
        """Attach the records of all elements, and the implied values in them.

        Raises
        ------
        DataIdValueError
            Raised if a dimension has no record for its value.
        """
        group = data_id.dimensions
        values: dict[str, Any] = dict(zip(group.required, data_id.required_values, strict=True))
        records: dict[str, DimensionRecord | None] = dict.fromkeys(group.elements)
        # Implied values come from records further down the canonical order: finest first.
        for name in reversed(group.elements):
            definition = UNIVERSE[name]
            if not values.keys() >= set(definition.required):
                continue
            record = records[name] = self.fetch_one(name, values)
            if record is None:
                if definition.is_dimension:
                    raise _lacking(data_id, name, values[name])
                continue
            for implied in definition.implies:
                values[implied] = record[implied]
                self._check_implied(data_id, implied, record)
        return DataCoordinate(group, tuple(values[key] for key in group.data_coordinate_keys), records)

    def expand_many(self, data_ids: Sequence[DataCoordinate]) -> list[DataCoordinate]:
        """Do what `expand` does for many data IDs, with a few queries for all of them."""
        by_group: dict[DimensionGroup, list[int]] = {}
        for i, data_id in enumerate(data_ids):
            by_group.setdefault(data_id.dimensions, []).append(i)
        expanded: dict[int, DataCoordinate] = {}
        for group, members in by_group.items():
            found = self._expand_group(group, [data_ids[i] for i in members])
            expanded |= zip(members, found, strict=True)
        return [expanded[i] for i in range(len(data_ids))]

    def _expand_group(
        self, group: DimensionGroup, data_ids: Sequence[DataCoordinate]
    ) -> list[DataCoordinate]:
        """Expand data IDs of one group: column by column, as most have the same record in most columns."""
        rows = [data_id.required_values for data_id in data_ids]
        saying = [i for i, data_id in enumerate(data_ids) if data_id.hasFull()]
        columns: dict[str, Sequence[Any]] = dict(zip(group.required, zip(*rows, strict=True), strict=True))
        records: dict[str, Mapping[tuple[Any, ...], DimensionRecord]] = {n: {} for n in group.elements}
        # Implied values come from records further down the canonical order: finest first.
        for name in reversed(group.elements):
            definition = UNIVERSE[name]
            if not all(key in columns for key in definition.required):
                continue
            keys = list(zip(*[columns[key] for key in definition.required], strict=True))
            held = self._fetch_many(definition, set(keys))
            records[name] = held
            if definition.is_dimension and not held.keys() >= set(keys):
                where = next(i for i, key in enumerate(keys) if key not in held)
                raise _lacking(data_ids[where], name, columns[name][where])
            for other in definition.implies:
                values = {key: record[other] for key, record in held.items()}
                columns[other] = [values[key] for key in keys]
                for i in saying:
                    self._check_implied(data_ids[i], other, held[keys[i]])
        implied: Iterable[tuple[Any, ...]] = repeat((), len(rows))
        if group.implied:
            implied = zip(*[columns[key] for key in group.implied], strict=True)
        return DataCoordinate.from_parts(group, rows, implied, SharedRecords(group, records))

    def _fetch_many(
        self, definition: DimensionElement, keys: set[tuple[Any, ...]]
    ) -> dict[tuple[Any, ...], DimensionRecord]:
        """Return the records that exist among those of some keys."""
        answers = self._memory.answers()
        mark, name, required = answers.get(MARK), definition.name, definition.required
        found = {key: answers[given] for key in keys if (given := ("record", name, *key)) in answers}
        missing = keys - found.keys()
        if len(missing) < _FEW or not definition.has_table:
            for key in missing:
                record = self.fetch_one(name, dict(zip(required, key, strict=True)))
                if record is not None:
                    found[key] = record
            return found
        table = self._schema.elements[name]
        for conditions in _one_of(table, required, missing):
            for row in self._db.query(sa.select(*_columns(table, definition)).where(*conditions)):
                record = record_from_values(definition, row)
                found[_key(record)] = record
        self._memory.keep({("record", name, *key): found[key] for key in missing & found.keys()}, mark)
        return found

    def _keep(self, definition: DimensionElement, records: Iterable[DimensionRecord]) -> None:
        """Remember new records, as those are asked for that data IDs, and other records, refer to."""
        if definition.is_dimension:
            mark = self._memory.answers().get(MARK)
            self._memory.keep({("record", definition.name, *_key(r)): r for r in records}, mark)

    def _check_implied(self, data_id: DataCoordinate, implied: str, record: DimensionRecord) -> None:
        if implied in data_id and data_id[implied] != record[implied]:
            raise DataIdValueError(
                f"the data ID says {implied}={data_id[implied]!r}, but {_describe(record)} "
                f"has {implied}={record[implied]!r}"
            )

    def _band(self, name: str) -> DimensionRecord | None:
        column = self._schema.elements["physical_filter"].c.band
        found = self._db.query(sa.select(column).where(column == name).limit(1))
        return DimensionRecord("band", {"band": name}) if found else None

    def _existing(
        self, definition: DimensionElement, records: Sequence[DimensionRecord]
    ) -> set[tuple[Any, ...]]:
        """Return the keys among those of `records` that the table has."""
        table, required = self._schema.elements[definition.name], definition.required
        columns = [table.c[name] for name in required]
        found: set[tuple[Any, ...]] = set()
        for conditions in _one_of(table, required, {_key(record) for record in records}):
            found |= {tuple(row) for row in self._db.query(sa.select(*columns).where(*conditions))}
        return found

    def _check_references(self, definition: DimensionElement, records: Iterable[DimensionRecord]) -> None:
        """Refuse records whose required or implied dimensions have no record."""
        names = [n for n in (*definition.requires, *definition.implies) if UNIVERSE[n].has_table]
        for name in names:
            element = UNIVERSE[name]
            keys = {record.key_of(element): record for record in records}
            held = self._fetch_many(element, set(keys))
            for key, record in keys.items():
                if key not in held:
                    raise DataIdValueError(
                        f"{_describe(record)} refers to {name}={record[name]!r}, which has no record"
                    )


def _lacking(data_id: DataCoordinate, name: str, value: Any) -> DataIdValueError:
    return DataIdValueError(
        f"no {name} record for {name}={value!r} of the data ID {data_id}; ingest or register it first"
    )


def pixel_record(definition: DimensionElement, pixel: int) -> DimensionRecord | None:
    """Return the record of a pixel of the sky, None if there is no pixel of that number."""
    pixels = definition.pixelization
    if pixels is None or pixel not in pixels.ids:
        return None
    return DimensionRecord(definition, {definition.name: pixel, "region": pixels.region(pixel)})


def _columns(table: sa.Table, definition: DimensionElement) -> list[sa.Column[Any]]:
    """Return what `record_from_values` makes a record of."""
    names = [*definition.required, *definition.implies, *(f.name for f in definition.fields)]
    names += ["region"] * definition.spatial + ["timespan_begin", "timespan_end"] * definition.temporal
    return [table.c[name] for name in names]


def record_from_values(definition: DimensionElement, values: Sequence[Any]) -> DimensionRecord:
    """Return the record of a row as the driver has it: keys, implied values, fields, region, timespan."""
    plain = dict(zip(definition.columns, values, strict=False))
    for field in definition.fields:
        if field.type is bool and plain[field.name] is not None:
            plain[field.name] = bool(plain[field.name])
    if definition.spatial:
        encoded = plain["region"]
        if encoded is not None:
            from ..regions import SkyRegion

            plain["region"] = SkyRegion.decode(encoded)
    if definition.temporal:
        begin, end = values[-2:]
        plain["timespan"] = None if begin is None and end is None else Timespan(begin, end)
    return DimensionRecord.from_known(definition, plain)


def _to_row(record: DimensionRecord) -> dict[str, Any]:
    row = record.columns()
    if record.definition.spatial:
        region = row.pop("region")
        row["region"] = None if region is None else region.encode()
        bounds = None if region is None else region.bounding_vectors()
        row |= dict(zip(BOUND_COLUMNS, bounds or (None,) * 6, strict=True))
        row["sky_cell"] = None if bounds is None else cell_of(bounds)
    if record.definition.temporal:
        span = row.pop("timespan")
        row["timespan_begin"] = None if span is None else span.begin_ns
        row["timespan_end"] = None if span is None else span.end_ns
    return row


def _stored(element: str) -> DimensionElement:
    definition = UNIVERSE[element]
    if definition.pixelization is not None:
        raise DimensionNameError(f"{element} records are computed and cannot be inserted")
    if not definition.has_table:
        raise DimensionNameError("bands follow from physical_filter records and cannot be inserted")
    return definition


def _key(record: DimensionRecord) -> tuple[Any, ...]:
    return record.key_of(record.definition)


def _one_of(
    table: sa.Table, required: Sequence[str], keys: Iterable[tuple[Any, ...]]
) -> Iterator[list[sa.ColumnElement[bool]]]:
    """Yield conditions that together are true for the rows of some keys, each a search in the primary key."""
    lasts: dict[tuple[Any, ...], list[Any]] = {}
    for key in keys:
        lasts.setdefault(key[:-1], []).append(key[-1])
    for first, values in lasts.items():
        equal = [table.c[name] == value for name, value in zip(required[:-1], first, strict=True)]
        for chunk in chunks(values):
            yield [*equal, table.c[required[-1]].in_(chunk)]


def _matches(
    table: sa.Table, keys: Mapping[str, Any] | DimensionRecord, definition: DimensionElement | None = None
) -> list[sa.ColumnElement[bool]]:
    if definition is None:
        assert isinstance(keys, DimensionRecord)
        definition = keys.definition
    return [table.c[name] == keys[name] for name in definition.required]


def _describe(record: DimensionRecord) -> str:
    keys = ", ".join(f"{name}={record[name]!r}" for name in record.definition.required)
    return f"the {record.definition.name} record {{{keys}}}"
