"""Plan: the SELECT of a question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from ...dimensions import UNIVERSE
from ...errors import InvalidQueryError
from ..collections import CollectionInfo, CollectionType
from ..conditions import Column, Condition, Constant, RegionsOverlap, columns_of, parts_of
from ..schema import UNBOUNDED, Schema
from ..where_compiler import all_of, compile_condition, sql_type
from .held_values import held_values
from .question import Output, Question
from .spec import DatasetSearch
from .uploads import Upload

__all__ = ["Plan"]

_Sql = sa.ColumnElement[Any]
_FEW: Final = ("instrument", "skymap", "detector", "physical_filter", "subfilter")
"""Dimensions with few values."""
_MAX_JUMPS: Final = 20
"""Most collections whose values are listed one after the other."""
_ALWAYS: Final[Mapping[str, _Sql]] = {
    "timespan_begin": sa.literal_column(str(-UNBOUNDED), sa.BigInteger),
    "timespan_end": sa.literal_column(str(UNBOUNDED), sa.BigInteger),
}
"""The validity of what is in a RUN or TAGGED collection."""
_LEAP_SECONDS_NS: Final = 37_000_000_000
"""TAI - UTC since 2017, before which nobody ingested anything with this program."""


class Plan:
    """The joined tables of a question, its conditions and its order.

    Parameters
    ----------
    schema
        The registry's.
    question
        What is asked.
    output
        What each row holds.
    uploads
        Given keys, joined where they share a dimension with others.
    overlaps
        Keys of the regions that overlap, for conditions on the sky that stand below OR and NOT.

    Attributes
    ----------
    used
        Slots of the constants that the statement has places for.
    lists
        Long lists of constants, to be uploaded as well.
    """

    def __init__(
        self,
        schema: Schema,
        question: Question,
        output: Output,
        uploads: Sequence[Upload] = (),
        overlaps: Mapping[RegionsOverlap, Upload] | None = None,
    ) -> None:
        self._schema = schema
        self._question = question
        self._output = output
        self._overlaps = overlaps or {}
        self.used: dict[int, None] = {}
        self.lists: list[Upload] = []
        self._columns: dict[str, _Sql] = {}
        self._trusted: set[str] = set()
        self._tables: dict[str, sa.FromClause] = {}
        self._tags: dict[str, sa.FromClause] = {}
        self._datasets: dict[str, sa.FromClause] = {}
        self._owners: dict[str, sa.FromClause] = {}
        self._source: sa.FromClause | None = None
        self._conditions: list[sa.ColumnElement[bool]] = []
        self._terms = list(question.terms)
        self._joined: set[sa.Table] = set()
        for search in question.searches:
            self._join_search(search)
        for upload in uploads:
            self._join_upload(upload)
        self._join_elements()
        self._conditions += [compile_condition(term, self) for term in self._terms]

    # The statement.

    def rows(self, extra: Sequence[sa.ColumnElement[bool]] = ()) -> sa.Select[Any]:
        """Return the statement of the rows in order; `extra` are further conditions."""
        columns = self._asked()
        order = [self.column(column) for column, _ in self._question.order]
        statement = self._select([*columns, *(order if self.may_repeat else [])], extra)
        sorted_by = [
            (sql.desc().nulls_last() if down else sql.asc().nulls_first())
            if not column.is_key
            else (sql.desc() if down else sql.asc())
            for sql, (column, down) in zip(order, self._question.order, strict=True)
        ]
        required = self._question.result.required
        keys = [self._columns[name] for name in self._output.read_keys if name in required]
        statement = statement.order_by(*sorted_by, *keys)
        # One more row tells whether a limit cuts.
        limit = self._question.limit
        return statement if limit is None else statement.limit(limit + 1)

    def count(self) -> sa.Select[Any]:
        """Return the statement of the number of rows."""
        statement = self._select(self._asked())
        if self._question.limit is not None:
            statement = statement.limit(self._question.limit)
        return sa.select(sa.func.count()).select_from(statement.subquery("counted"))

    def _asked(self) -> list[_Sql]:
        keys = [self._columns[name].label(name) for name in self._output.read_keys]
        return [*keys, *(self.column(c).label(f"_{i}") for i, c in enumerate(self._output.fields))]

    def _select(
        self, columns: Sequence[_Sql], extra: Sequence[sa.ColumnElement[bool]] = ()
    ) -> sa.Select[Any]:
        # Without dimensions there is nothing to select, but still a row or none.
        statement = sa.select(*(columns or [sa.literal_column("1")]))
        if self._source is not None:
            statement = statement.select_from(self._source)
        statement = statement.where(all_of([*self._conditions, *extra]))
        return statement.distinct() if self.may_repeat else statement

    @property
    def may_repeat(self) -> bool:
        """Whether rows could occur several times if they were not asked for once."""
        known = set(UNIVERSE.conform(self._output.keys).names)
        repeated = any(search.may_repeat for search in self._question.searches)
        return repeated or not known.issuperset(self._question.group.required)

    def element_table(self, element: str) -> sa.FromClause:
        """Return the table of an element, if it takes part."""
        return self._tables[element]

    # What conditions are compiled with.

    def column(self, column: Column) -> _Sql:
        """Return a column."""
        if column.of_dataset:
            return self._dataset_column(column)
        if column.is_key:
            return self._columns[column.name]
        return self._tables[column.owner].c[column.name]

    def constant(self, constant: Constant) -> _Sql:
        """Return the place of a value."""
        self.used[constant.slot] = None
        return sa.bindparam(f"c{constant.slot}", type_=sql_type(constant.type))

    def listed(self, constant: Constant) -> sa.Select[Any]:
        """Return the query of the values of a long list."""
        upload = Upload({"value": constant.type}, [(v,) for v in self._question.values[constant.slot]])
        self.lists.append(upload)
        return sa.select(upload.table.c.value)

    def overlap(self, condition: RegionsOverlap) -> sa.ColumnElement[bool]:
        """Return whether regions overlap; unknown if one is not known."""
        table = self._overlaps[condition].table
        found = sa.exists().where(*[column == self._columns[column.name] for column in table.c])
        unknown = [self.column(c).is_(None) for c in columns_of(condition) if UNIVERSE[c.owner].has_table]
        if not unknown:
            return found
        return sa.case((sa.not_(sa.or_(*unknown)), found), else_=sa.cast(sa.null(), sa.Boolean)) == sa.true()

    # Joins.

    def _join(self, table: sa.FromClause, shared: Iterable[str]) -> None:
        on = [table.c[name] == self._columns[name] for name in shared if name in self._columns]
        if self._source is None:
            self._source = table
        else:
            self._source = self._source.join(table, sa.and_(sa.true(), *on))

    def _own(self, table: sa.Table) -> sa.FromClause:
        """Return a table, under another name if it takes part already; names take time to make."""
        if table not in self._joined:
            self._joined.add(table)
            return table
        return table.alias()

    def _join_search(self, search: DatasetSearch) -> None:
        """Join the datasets of a search: of several collections the first that has a data ID counts."""
        names = search.registered.type.dimensions.required
        if search.calibrations:
            tags: sa.FromClause = _members(search)
            self._join(tags, names)
        else:
            tags = self._own(search.registered.tags)
            self._join(tags, names)
            self._conditions += _held_by(search, tags, search.runs)
            if search.find_first and len(search.runs) > 1:
                self._conditions.append(~self._in_earlier(search, tags))
        self._narrow(search, tags)
        self._tags.setdefault(search.name, tags)
        for name in names:
            self._columns.setdefault(name, tags.c[name])
            self._trusted.add(name)

    def _narrow(self, search: DatasetSearch, tags: sa.FromClause) -> None:
        """Let the index of datasets be used where the first of its columns have no given value.

        A database goes through an index column by column: where a later one is given, the few values that an
        earlier one can have are worth being listed.
        """
        names = search.registered.type.dimensions.required
        given = [self._question.fixed_values(name) is not None for name in names]
        for position, name in enumerate(names):
            if name == "tract" and all(given[:position]) and given[position : position + 2] == [False, True]:
                self._narrow_to_held(search, tags, name)
            if name not in _FEW or given[position] or not any(given[position:]):
                continue
            table = self._schema.elements[name]
            own = [term for term in self._terms if _is_about(term, name)]
            source = _Records(self, table)
            known = sa.select(table.c[name]).where(all_of([compile_condition(t, source) for t in own]))
            known = known.correlate(None)
            self._conditions.append(tags.c[name].in_(known))
            self._terms = [term for term in self._terms if not any(term is t for t in own)]

    def _narrow_to_held(self, search: DatasetSearch, tags: sa.FromClause, name: str) -> None:
        """List the values that a dimension has among the datasets: a run with many has few tracts."""
        if search.calibrations or len(search.runs) > _MAX_JUMPS:
            return
        names = search.registered.type.dimensions.required
        before = names[: names.index(name)]
        own = [term for term in self._terms if any(_is_about(term, other) for other in before)]

        def of_run(run: CollectionInfo, table: sa.FromClause) -> list[sa.ColumnElement[bool]]:
            source = _Records(self, table)
            return [*_held_by(search, table, [run]), *(compile_condition(term, source) for term in own)]

        held = held_values(search.registered.tags, name, [partial(of_run, run) for run in search.runs])
        self._conditions.append(tags.c[name].in_(held))

    def _in_earlier(self, search: DatasetSearch, tags: sa.FromClause) -> sa.ColumnElement[bool]:
        """Return whether an earlier collection of a path has the data ID of a row."""
        earlier = search.registered.tags.alias()
        position = {run.id: place for place, run in enumerate(search.runs)}
        rank, other = (
            sa.case(
                *[(table.c.collection_id == sa.literal_column(str(i)), sa.literal_column(str(p)))
                  for i, p in position.items()],
                else_=sa.literal_column(str(len(position))),
            )
            for table in (tags, earlier)
        )  # fmt: skip
        return sa.exists().where(
            earlier.c.dataset_type_id == sa.literal_column(str(search.registered.id)),
            _among(earlier.c.collection_id, list(position)),
            *[earlier.c[name] == tags.c[name] for name in search.registered.type.dimensions.required],
            other < rank,
        )

    def _join_upload(self, upload: Upload) -> None:
        self._join(upload.table, upload.types)
        for name in upload.types:
            self._columns.setdefault(name, upload.table.c[name])
            if upload.exist:
                self._trusted.add(name)

    def _join_elements(self) -> None:
        """Join the tables of the elements that are needed, finest first.

        What another table refers to exists, so that its own table is needed for its fields only.
        """
        group = self._question.group
        wanted, needed = self._wanted()
        for name in reversed(group.elements):
            element = UNIVERSE[name]
            implies = element.is_dimension and not needed.isdisjoint(element.implies)
            unsure = name in group.required and name not in self._trusted
            if element.has_table and (name in wanted or element.always_join or implies or unsure):
                table = self._schema.elements[name]
                keys = (*element.required, *element.implies)
                self._join(table, keys)
                self._tables[name] = table
                for key in keys:
                    self._columns.setdefault(key, table.c[key])
                    # There is a band only if a physical filter has it.
                    if key != "band" or name == "physical_filter":
                        self._trusted.add(key)
        if "band" in group.required and "band" not in self._trusted:
            self._join_band()
        for name in group.skypix:
            if name not in self._columns:
                raise InvalidQueryError(
                    f"{name} has too many pixels to list; name some, as {name} IN (...), "
                    "or bring in something that overlaps them, as a visit or a tract"
                )

    def _wanted(self) -> tuple[set[str], set[str]]:
        """Return the elements whose fields are needed, and the dimensions whose values are."""
        question, output = self._question, self._output
        named = [*self._terms, *output.fields, *(column for column, _ in question.order)]
        columns = [c for node in named for c in columns_of(node) if not c.of_dataset]
        wanted = {c.owner for c in columns if not c.is_key}
        needed = {*output.keys, *wanted, *self._columns, *(c.owner for c in columns if c.is_key)}
        # Finest first: who implies what is needed is needed, too.
        for name in reversed(question.group.names):
            if not needed.isdisjoint(UNIVERSE.conform([name]).implied):
                needed.add(name)
        return wanted, needed

    def _join_band(self) -> None:
        """Restrict bands to those of a physical filter."""
        filters = self._schema.elements["physical_filter"]
        bands = sa.select(filters.c.band).distinct().subquery("t_band")
        self._join(bands, ("band",))
        self._columns.setdefault("band", bands.c.band)

    def _dataset_column(self, column: Column) -> _Sql:
        """Return a field of a dataset; its tables are joined when they are needed."""
        tags = self._tags[column.owner]
        match column.name:
            case "timespan_begin" | "timespan_end":
                if "valid_begin" not in tags.c:
                    return _ALWAYS[column.name]
                return tags.c[column.name.replace("timespan", "valid")]
            case "collection_number":
                return tags.c.collection_id
            case "dataset_id":
                return self._dataset(column.owner).c.uuid
            case "ingest_date":
                return self._dataset(column.owner).c.ingest_date + sa.literal_column(str(_LEAP_SECONDS_NS))
            case "run_number":
                return self._run_number(column.owner)
            case "run":
                return self._named(column.owner, "run", self._run_number(column.owner))
        return self._named(column.owner, "collection", tags.c.collection_id)

    def _run_number(self, owner: str) -> _Sql:
        search = next(s for s in self._question.searches if s.name == owner)
        if all(run.type is CollectionType.RUN for run in search.runs):
            return self._tags[owner].c.collection_id
        return self._dataset(owner).c.run_id

    def _dataset(self, owner: str) -> sa.FromClause:
        if owner not in self._datasets:
            table = self._own(self._schema.dataset)
            assert self._source is not None
            self._source = self._source.join(table, table.c.id == self._tags[owner].c.dataset_id)
            self._datasets[owner] = table
        return self._datasets[owner]

    def _named(self, owner: str, role: str, number: _Sql) -> _Sql:
        """Return the name of a collection."""
        key = f"{owner} {role}"
        if key not in self._owners:
            table = self._own(self._schema.collection)
            assert self._source is not None
            self._source = self._source.join(table, table.c.id == number)
            self._owners[key] = table
        return self._owners[key].c.name


def _members(search: DatasetSearch) -> sa.FromClause:
    """Return what collections hold, those that know when it is valid and those that do not."""
    calibs, tags = search.registered.calibs, search.registered.tags
    assert calibs is not None
    calibrations = search.calibrations
    others = [run for run in search.runs if run not in calibrations]
    known = sa.select(calibs).where(*_held_by(search, calibs, calibrations))
    always = [
        *(tags.c[c.name] for c in calibs.c if c.name in tags.c),
        *(_ALWAYS[name].label(name.replace("timespan", "valid")) for name in _ALWAYS),
    ]
    named = {column.name: column for column in always}
    tagged = sa.select(*[named[c.name] for c in calibs.c]).where(*_held_by(search, tags, others))
    return sa.union_all(known, tagged).subquery() if others else known.subquery()


def _held_by(
    search: DatasetSearch, table: sa.FromClause, collections: Sequence[CollectionInfo]
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on the rows of some collections."""
    return [
        table.c.dataset_type_id == sa.literal_column(str(search.registered.id)),
        _among(table.c.collection_id, [collection.id for collection in collections]),
    ]


def _among(column: _Sql, numbers: Sequence[int]) -> sa.ColumnElement[bool]:
    """Return whether a column has one of some numbers of our own."""
    if not numbers:
        return sa.false()
    if len(numbers) == 1:
        return column == sa.literal_column(str(numbers[0]))
    return column.in_([sa.literal_column(str(number)) for number in numbers])


def _is_about(term: Condition, dimension: str) -> bool:
    """Tell whether a condition is about the values of one dimension alone, and about no other column."""
    parts = list(parts_of(term))
    columns = {part for part in parts if isinstance(part, Column)}
    return bool(columns) and all(c.is_key and c.name == dimension for c in columns)


class _Records:
    """Columns of the records of one dimension, and values of a plan.

    Parameters
    ----------
    plan
        Where values are counted.
    table
        The records.
    """

    def __init__(self, plan: Plan, table: sa.FromClause) -> None:
        self._table = table
        self.constant = plan.constant
        self.listed = plan.listed
        self.overlap = plan.overlap

    def column(self, column: Column) -> _Sql:
        """Return a column."""
        return self._table.c[column.name]
