"""QueryRunner: asks the database, and turns rows into what was asked for."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any, Final

import sqlalchemy as sa

from ...datasets import DatasetRef
from ...dimensions import (
    UNIVERSE,
    DataCoordinate,
    DimensionElement,
    DimensionGroup,
    DimensionRecord,
    RowDataIds,
    SharedRecords,
)
from ...errors import InvalidQueryError
from ...regions import SkyRegion
from ..collecting import without_collection
from ..collections import CollectionType
from ..conditions import Column, ValueType
from ..database import Database
from ..dimension_store import pixel_record, record_from_values
from ..prepared import Prepared
from ..schema import Schema
from ..where import TYPE_NAMES
from ..where_values import Pattern
from .first_valid import first_valid
from .plan import Plan
from .question import Output, Question, ask
from .sky import SkySearch, resolve_sky
from .spec import DatasetSearch, KeyTable, QuerySpec
from .uploads import Upload, key_type, uploaded

__all__ = ["QueryRunner"]

_LOG: Final = logging.getLogger(__name__)
_MAX_PLANS: Final = 256
_Extra = Callable[[Plan], list[sa.ColumnElement[bool]]]


class QueryRunner:
    """Runs queries.

    Parameters
    ----------
    database, schema
        The registry's.
    """

    def __init__(self, database: Database, schema: Schema) -> None:
        self._db = database
        self._schema = schema
        self._plans: OrderedDict[Any, tuple[Prepared, tuple[int, ...]]] = OrderedDict()

    # What is asked for.

    def data_ids(
        self, spec: QuerySpec, searches: tuple[DatasetSearch, ...] = (), *, with_records: bool = False
    ) -> list[DataCoordinate]:
        """Return the data IDs that exist, each once, with implied values."""
        with without_collection():
            rows, made = self._keyed_rows(spec, (), searches)
            return self._recorded(spec.dimensions, made, rows, with_records).every(rows)

    def datasets(
        self, spec: QuerySpec, search: DatasetSearch, *, with_records: bool = False
    ) -> list[DatasetRef]:
        """Return the datasets of a search that fulfil the conditions.

        Raises
        ------
        AmbiguousCalibrationError
            Raised if the first counts, and several of one data ID are valid in a CALIBRATION collection.
        """
        fields = [Column(search.name, "dataset_id", "uuid", of_dataset=True)]
        runs = {run.id: run.name for run in search.runs}
        is_one = len(runs) == 1 and search.runs[0].type is CollectionType.RUN
        if not is_one:
            fields.insert(0, Column(search.name, "run_number", "int", of_dataset=True))
        is_decided_here = search.find_first and bool(search.calibrations)
        if is_decided_here:
            fields.insert(0, Column(search.name, "collection_number", "int", of_dataset=True))
        asked = replace(spec, limit=None) if is_decided_here and spec.limit else spec
        with without_collection():
            rows, made = self._keyed_rows(asked, tuple(fields), (search,))
            if is_decided_here:
                rows = _cut(first_valid(search, rows), spec.limit)
            data_ids = self._recorded(spec.dimensions, made, rows, with_records)
            names = search.runs[0].name if is_one else self._run_names(runs, rows)
            return DatasetRef.from_rows(search.registered.type, rows, data_ids, names)

    def _keyed_rows(
        self, spec: QuerySpec, fields: tuple[Column, ...], searches: tuple[DatasetSearch, ...]
    ) -> tuple[list[tuple[Any, ...]], RowDataIds]:
        """Return rows that end with fields, and what makes data IDs of them.

        Where many rows are to be expected, implied values are looked up once for each visit, and not for each
        row.
        """
        dimensions = spec.dimensions
        drivers = UNIVERSE.conform(name for name in dimensions.required if UNIVERSE[name].implies).required
        is_narrow = len(spec.data_id) > 1 or any(where.tree for where in spec.where)
        if not dimensions.implied or drivers == dimensions.required or is_narrow:
            rows, places, constants = self._read(spec, dimensions.data_coordinate_keys, fields, searches)
            return rows, RowDataIds(dimensions, places, constants)
        rows, places, constants = self._read(spec, dimensions.required, fields, searches)
        made = RowDataIds(dimensions, places, constants, {}, drivers)
        keys = made.keys(drivers, rows)
        implied = self._implied(drivers, dimensions.implied, keys)
        made = made.with_implied(implied)
        return rows if len(implied) == len(keys) else made.told(rows), made

    def _implied(
        self, drivers: tuple[str, ...], implied: tuple[str, ...], keys: set[tuple[Any, ...]]
    ) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Return implied values by those of the dimensions that tell them."""
        if not keys:
            return {}
        table, group = KeyTable(drivers, list(keys), exist=True), UNIVERSE.conform(drivers)
        question = Question(group, group, (), [], given=(table,))
        width = len(drivers)
        found = self._run(question, Output((*drivers, *implied)), [Upload.of_keys(table)])
        return {row[:width]: row[width:] for row in found}

    def _recorded(
        self, dimensions: DimensionGroup, made: RowDataIds, rows: list[tuple[Any, ...]], wanted: bool
    ) -> RowDataIds:
        """Return what makes data IDs with records, if these are wanted."""
        if not wanted:
            return made
        held = {
            name: self.records_of(name, made.keys(UNIVERSE[name].required, rows))
            for name in dimensions.elements
        }
        return made.with_records(SharedRecords(dimensions, held))

    def records(
        self, spec: QuerySpec, element: str, searches: tuple[DatasetSearch, ...] = ()
    ) -> list[DimensionRecord]:
        """Return the records of an element that fulfil the conditions."""
        definition = UNIVERSE[element]
        if not definition.has_table:
            return [self._computed(definition, data_id[element]) for data_id in self.data_ids(spec, searches)]
        keys = definition.required
        output = Output(keys, record_fields(definition))
        return [record_from_values(definition, row) for row in self.rows(spec, output, searches)]

    def records_of(
        self, element: str, keys: Iterable[tuple[Any, ...]]
    ) -> dict[tuple[Any, ...], DimensionRecord]:
        """Return the records of an element that there are for some required values, by these."""
        definition = UNIVERSE[element]
        asked = list(dict.fromkeys(keys))
        if not definition.has_table:
            return {key: self._computed(definition, key[0]) for key in asked}
        table = KeyTable(definition.required, asked, exist=True)
        group = UNIVERSE.conform(definition.required)
        question = Question(group, group, (), [], given=(table,))
        output = Output(definition.required, record_fields(definition))
        width = len(definition.required)
        with without_collection():
            rows = self._run(question, output, [Upload.of_keys(table)])
            return {row[:width]: record_from_values(definition, row) for row in rows}

    def _computed(self, definition: DimensionElement, value: Any) -> DimensionRecord:
        record = pixel_record(definition, value)
        return record or DimensionRecord(definition, {definition.name: value})

    def rows(
        self, spec: QuerySpec, output: Output, searches: tuple[DatasetSearch, ...] = ()
    ) -> list[tuple[Any, ...]]:
        """Return the rows of an answer: the values of keys, then of fields."""
        rows, _, constants = self._read(spec, output.keys, output.fields, searches)
        if not constants or not rows:
            return rows
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        for place, name in enumerate(output.keys):
            if name in constants:
                columns.insert(place, repeat(constants[name], len(rows)))
        return list(zip(*columns, strict=True))

    def _read(
        self,
        spec: QuerySpec,
        keys: tuple[str, ...],
        fields: tuple[Column, ...],
        searches: tuple[DatasetSearch, ...],
    ) -> tuple[list[tuple[Any, ...]], dict[str, int], dict[str, Any]]:
        """Return rows, the places of keys in them, and the keys left out: of one value in all rows."""
        found = self._question(spec, searches)
        sky = self._sky(found)
        places = {name: place for place, name in enumerate(keys)}
        if spec.limit == 0:
            # The question alone says whether the query makes sense.
            return [], places, {}
        if sky.answer is not None and not fields and keys == sky.answer.names:
            limit = None if spec.limit is None else abs(spec.limit) + 1
            return _cut(list(sky.answer.rows[:limit]), spec.limit), places, {}
        constants = found.constants(keys)
        output = Output(keys, fields, tuple(constants))
        rows = self._run(sky.question, output, sky.joined, None, sky)
        width = len(output.read_keys) + len(fields)
        if rows and len(rows[0]) > max(width, 1):
            rows = [row[:width] for row in rows]
        places = {name: place for place, name in enumerate(output.read_keys)}
        return _cut([()] * len(rows) if width == 0 else rows, spec.limit), places, constants

    def count(self, spec: QuerySpec, output: Output, searches: tuple[DatasetSearch, ...] = ()) -> int:
        """Return the exact number of rows of an answer."""
        sky = self._sky(self._question(spec, searches))
        if sky.answer is not None and spec.limit is None:
            return len(sky.answer.rows)
        plan = Plan(self._schema, sky.question, output, sky.joined, sky.overlaps)
        prepared, used = self._prepare(plan, plan.count())
        with uploaded(self._db, [*sky.joined, *(sky.overlaps or {}).values(), *plan.lists]):
            return int(self._db.run(prepared, self._values(sky.question, used))[0][0])

    # How it is asked.

    def _question(self, spec: QuerySpec, searches: tuple[DatasetSearch, ...]) -> Question:
        return ask(spec, searches, self._check_governor)

    def _sky(self, question: Question) -> SkySearch:
        return resolve_sky(question, self._run)

    def _run(
        self,
        question: Question,
        output: Output,
        uploads: Sequence[Upload] = (),
        extra: _Extra | None = None,
        sky: SkySearch | None = None,
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a question; statements without uploads are kept for the next time."""
        overlaps = (sky.overlaps if sky is not None else None) or {}
        key = (question.shape, output) if not (uploads or overlaps or extra) else None
        known = self._plans.get(key) if key is not None else None
        if known is not None:
            self._plans.move_to_end(key)
            prepared, used = known
            return self._db.run(prepared, self._values(question, used))
        plan = Plan(self._schema, question, output, uploads, overlaps)
        prepared, used = self._prepare(plan, plan.rows(extra(plan) if extra is not None else ()))
        if key is not None and not plan.lists:
            self._plans[key] = prepared, used
            if len(self._plans) > _MAX_PLANS:
                self._plans.popitem(last=False)
        with uploaded(self._db, [*uploads, *overlaps.values(), *plan.lists]):
            return self._db.run(prepared, self._values(question, used))

    def _prepare(self, plan: Plan, statement: sa.Select[Any]) -> tuple[Prepared, tuple[int, ...]]:
        used = tuple(plan.used)
        return self._db.prepare(statement, tuple(f"c{slot}" for slot in used)), used

    def _values(self, question: Question, used: Sequence[int]) -> list[Any]:
        return [self._stored(question.values[slot]) for slot in used]

    def _stored(self, value: Any) -> Any:
        """Return a constant as the database takes it."""
        if isinstance(value, Pattern):
            return value.glob if self._db.dialect.name == "sqlite" else value.like
        return value.encode() if isinstance(value, SkyRegion) else value

    def _check_governor(self, governor: str, dependent: str) -> None:
        table = self._schema.elements[governor]
        rows = self._db.query(sa.select(table.c[governor]).order_by(table.c[governor]).limit(20))
        if len(rows) > 1:
            names = ", ".join(repr(row[0]) for row in rows)
            raise InvalidQueryError(
                f"the query is about {dependent}, and there are several values of {governor}: "
                f"add {governor} = ... with one of {names}"
            )

    def _run_names(self, known: dict[int, str], rows: Sequence[tuple[Any, ...]]) -> dict[int, str]:
        """Return the names of the runs whose numbers stand before the UUIDs of datasets."""
        strange = {row[-2] for row in rows} - known.keys()
        if strange:
            table = self._schema.collection
            found = self._db.query(sa.select(table.c.id, table.c.name).where(table.c.id.in_(strange)))
            known |= {row.id: row.name for row in found}
        return known


def record_fields(definition: DimensionElement) -> tuple[Column, ...]:
    """Return the columns of an element's table after its required keys."""
    types: dict[str, ValueType] = {name: key_type(name) for name in definition.implies}
    types |= {f.name: TYPE_NAMES[f.type] for f in definition.fields}
    types |= {"region": "region"} if definition.spatial else {}
    types |= dict.fromkeys(("timespan_begin", "timespan_end"), "datetime") if definition.temporal else {}
    return tuple(Column(definition.name, name, kind) for name, kind in types.items())


def _cut(rows: list[tuple[Any, ...]], limit: int | None) -> list[tuple[Any, ...]]:
    """Return the first rows; a negative limit that cuts is logged."""
    if limit is None or len(rows) <= abs(limit):
        return rows
    if limit < 0:
        _LOG.warning("more than %d results; the others are left out", -limit)
    return rows[: abs(limit)]
