"""Queries: one SELECT over dimension tables and datasets, then exact regions."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from ..datasets import DatasetRef
from ..dimensions import (
    UNIVERSE,
    DataCoordinate,
    DimensionGroup,
    DimensionRecord,
    coerce_value,
)
from ..errors import InvalidQueryError, did_you_mean
from ..regions import SkyRegion
from .collections import CollectionInfo
from .database import Database
from .dataset_store import RegisteredType
from .dimension_store import record_from_row
from .schema import BOUND_COLUMNS, Schema
from .where import Where
from .where_compiler import compile_where

__all__ = ["DatasetSearch", "QueryBuilder", "QuerySpec"]

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DatasetSearch:
    """A dataset type to be found in RUN and TAGGED collections, searched in order."""

    registered: RegisteredType
    runs: Sequence[CollectionInfo]


@dataclass(frozen=True, slots=True)
class QuerySpec:
    """What to ask for; a value that is built once and run.

    Parameters
    ----------
    dimensions
        Dimensions of the result.
    where
        Condition.
    data_id
        Values that rows must have.
    joined
        Datasets that must exist for a row.
    order_by
        Names to sort by, ``-name`` for descending.
    limit
        Most rows to return; all if None. With a negative one, ``-n``, it is logged if there are more than n.
    """

    dimensions: DimensionGroup
    where: Where
    data_id: Mapping[str, Any] = field(default_factory=dict)
    joined: Sequence[DatasetSearch] = ()
    order_by: Sequence[str] = ()
    limit: int | None = None


class QueryBuilder:
    """Builds and runs queries.

    Parameters
    ----------
    database, schema
        The registry's.
    """

    def __init__(self, database: Database, schema: Schema) -> None:
        self._db = database
        self._schema = schema

    def data_ids(self, spec: QuerySpec) -> list[DataCoordinate]:
        """Return the data IDs that exist, each once, with implied values."""
        select = _Select(self._schema, spec)
        columns = [select.columns[name].label(name) for name in spec.dimensions.data_coordinate_keys]
        keys = spec.dimensions.data_coordinate_keys
        return [
            DataCoordinate(spec.dimensions, tuple(row[name] for name in keys))
            for row in self._rows(select, columns)
        ]

    def datasets(self, spec: QuerySpec, search: DatasetSearch) -> list[DatasetRef]:
        """Return the datasets of a search that fulfil the conditions."""
        select = _Select(self._schema, spec, search)
        dimensions = search.registered.type.dimensions
        keys = dimensions.data_coordinate_keys
        columns = [select.columns[name].label(name) for name in keys]
        found = select.found
        assert found is not None
        columns += [found.c.uuid.label("_uuid"), found.c.run.label("_run")]
        return [
            DatasetRef(
                search.registered.type,
                DataCoordinate(dimensions, tuple(row[name] for name in keys)),
                row["_run"],
                uuid.UUID(bytes=bytes(row["_uuid"])),
            )
            for row in self._rows(select, columns)
        ]

    def records(self, spec: QuerySpec, element: str) -> list[DimensionRecord]:
        """Return the records of an element that fulfil the conditions."""
        definition = UNIVERSE[element]
        if not definition.has_table:
            ids = self.data_ids(spec)
            return [DimensionRecord(definition, {element: data_id[element]}) for data_id in ids]
        select = _Select(self._schema, spec, tables=(element,))
        table = select.tables[element]
        columns = [column.label(f"_{column.name}") for column in table.c]
        return [record_from_row(definition, row, "_") for row in self._raw_rows(select, columns)]

    def _rows(self, select: _Select, columns: Sequence[sa.ColumnElement[Any]]) -> list[Mapping[str, Any]]:
        return [dict(row._mapping) for row in self._raw_rows(select, columns)]

    def _raw_rows(self, select: _Select, columns: Sequence[sa.ColumnElement[Any]]) -> list[sa.Row[Any]]:
        """Run a query; test exact regions; return each row of the asked columns once."""
        spec = select.spec
        extra = select.region_columns()
        # Without dimensions there is nothing to select, but still a row or none.
        asked = [*columns, *extra] or [sa.literal(1)]
        statement = sa.select(*asked).select_from(select.source).where(*select.conditions)
        statement = statement.distinct() if select.may_repeat else statement
        if select.may_repeat:
            # DISTINCT can only be ordered by what is selected.
            sorted_by = [c.label(f"_o{i}") for i, c in enumerate(select.order_columns())]
            statement = statement.add_columns(*sorted_by)
        statement = statement.order_by(*select.order(), *columns[: len(spec.dimensions.required)])
        if spec.limit is not None and not extra:
            # One more row tells whether a negative limit cuts.
            statement = statement.limit(abs(spec.limit) + (spec.limit < 0))
        rows = self._db.query(statement)
        return _cut(_unique(select.exact(rows), len(columns)) if extra else list(rows), spec.limit)


def _cut(rows: list[sa.Row[Any]], limit: int | None) -> list[sa.Row[Any]]:
    """Return the first rows; a negative limit that cuts is logged."""
    if limit is None or len(rows) <= abs(limit):
        return rows
    if limit < 0:
        _LOG.warning("more than %d results; the others are left out", -limit)
    return rows[: abs(limit)]


def _unique(rows: Iterable[sa.Row[Any]], n_columns: int) -> list[sa.Row[Any]]:
    """Return the rows that differ in their first columns, in order."""
    seen: dict[tuple[Any, ...], sa.Row[Any]] = {}
    for row in rows:
        seen.setdefault(tuple(row[:n_columns]), row)
    return list(seen.values())


class _Select:
    """The joined tables of one query.

    Parameters
    ----------
    schema
        The registry's.
    spec
        What is asked for.
    search
        Datasets whose identity the result needs.
    tables
        Elements whose tables the result needs.
    """

    def __init__(
        self,
        schema: Schema,
        spec: QuerySpec,
        search: DatasetSearch | None = None,
        tables: tuple[str, ...] = (),
    ) -> None:
        self.spec = spec
        self._schema = schema
        searches = [*spec.joined, *([search] if search else [])]
        groups = [s.registered.type.dimensions for s in searches]
        base = spec.dimensions.union(*groups, UNIVERSE.conform(spec.data_id))
        needed, used = spec.where.referenced(base.elements)
        self.group = base.union(UNIVERSE.conform(needed))
        self.columns: dict[str, sa.ColumnElement[Any]] = {}
        self.tables: dict[str, sa.FromClause] = {}
        self.source: sa.FromClause = sa.select(sa.literal(1).label("one")).subquery("unit")
        self.conditions: list[sa.ColumnElement[bool]] = []
        self.found: sa.FromClause | None = None
        self.spatial_join = self._spatial_join(groups)
        for joined in searches:
            self._join_datasets(joined, identify=joined is search)
        self._order = [self._order_name(name) for name in spec.order_by]
        ordered = {element for element, _ in self._order}
        self._join_elements({*used, *tables, *(self.spatial_join or ()), *ordered})
        compiled, self.spatial_terms = compile_where(spec.where, self, base.elements)
        self.conditions += compiled
        self._add_spatial_bounds()
        for name, value in spec.data_id.items():
            self.conditions.append(self.dimension(name) == coerce_value(name, value))

    @property
    def may_repeat(self) -> bool:
        """Whether rows of the result can occur several times."""
        return set(self.group.names) != set(self.spec.dimensions.names) or bool(self.region_columns())

    # The compiler of expressions asks for columns through these two.

    def dimension(self, name: str) -> sa.ColumnElement[Any]:
        """Return the column of a dimension's key."""
        return self.columns[name]

    def element_field(self, element: str, column: str) -> sa.ColumnElement[Any]:
        """Return a column of an element's table."""
        return self.tables[element].c[column]

    def _order_name(self, name: str) -> tuple[str, str]:
        """Return the element and column to sort by; others than the result's could repeat its rows."""
        element, column = Where.parse_name(name.removeprefix("-")).resolve_name(self.spec.dimensions.elements)
        if element not in self.spec.dimensions.elements:
            hint = did_you_mean(name, self.spec.dimensions.names)
            raise InvalidQueryError(f"cannot order by {name!r}: it is not part of the result{hint}")
        return element, column

    def order_columns(self) -> list[sa.ColumnElement[Any]]:
        """Return the columns to sort by, as `QuerySpec.order_by` names them."""
        return [
            self.columns[column] if element == column else self.tables[element].c[column]
            for element, column in self._order
        ]

    def order(self) -> list[sa.ColumnElement[Any]]:
        """Return the sort columns with their direction."""
        columns = self.order_columns()
        descending = [name.startswith("-") for name in self.spec.order_by]
        return [c.desc() if down else c.asc() for c, down in zip(columns, descending, strict=True)]

    def _join(self, table: sa.FromClause, shared: Iterable[str]) -> None:
        on = [table.c[name] == self.columns[name] for name in shared if name in self.columns]
        self.source = self.source.join(table, sa.and_(sa.true(), *on))

    def _join_datasets(self, search: DatasetSearch, *, identify: bool) -> None:
        """Join the datasets of a search; with several runs the first that has a data ID counts."""
        tags = search.registered.tags
        names = search.registered.type.dimensions.required
        columns: list[Any] = [tags.c[name] for name in names]
        rank = (
            sa.case(
                {run.id: position for position, run in enumerate(search.runs)}, value=tags.c.collection_id
            )
            if search.runs
            else sa.literal(0)
        )
        statement = sa.select(*columns).where(
            tags.c.dataset_type_id == search.registered.id,
            tags.c.collection_id.in_([run.id for run in search.runs]),
        )
        if identify:
            dataset, collection = self._schema.dataset, self._schema.collection
            first = sa.func.row_number().over(partition_by=columns or [sa.literal(1)], order_by=rank)
            statement = (
                statement.join_from(tags, dataset, tags.c.dataset_id == dataset.c.id)
                .join(collection, dataset.c.run_id == collection.c.id)
                .add_columns(dataset.c.uuid, collection.c.name.label("run"), first.label("rank"))
            )
        elif len(search.runs) > 1:
            statement = statement.distinct()
        table = statement.subquery(f"datasets_{len(self.tables)}_{search.registered.id}_{identify:d}")
        self._join(table, names)
        if identify:
            self.found = table
            self.conditions.append(table.c.rank == 1)
        for name in names:
            self.columns.setdefault(name, table.c[name])

    def _join_elements(self, wanted: set[str]) -> None:
        """Join the tables of all dimensions, and of join tables that take part."""
        for name in self.group.elements:
            element = UNIVERSE[name]
            if not element.has_table or not (element.is_dimension or element.always_join or name in wanted):
                continue
            table = self._schema.elements[name].alias(f"t_{name}")
            keys = (*element.required, *element.implies)
            self._join(table, keys)
            self.tables[name] = table
            for key in keys:
                self.columns.setdefault(key, table.c[key])
        if "band" in self.group:
            self._join_band()

    def _join_band(self) -> None:
        """Restrict bands to those of a physical filter."""
        filters = self._schema.elements["physical_filter"]
        if "physical_filter" in self.tables:
            return
        bands = sa.select(filters.c.band).distinct().subquery("t_band")
        self._join(bands, ("band",))
        self.columns.setdefault("band", bands.c.band)

    def _spatial_join(self, datasets: Sequence[DimensionGroup]) -> tuple[str, str] | None:
        """Return the two elements whose regions must overlap.

        Datasets with both of them vouch for the overlap themselves.
        """
        observation = self.group.region_elements.get("observation_regions")
        patch = self.group.region_elements.get("skymap_regions")
        if observation is None or patch is None:
            return None
        if any(observation in group.elements and patch in group.elements for group in datasets):
            return None
        return observation, patch

    def _add_spatial_bounds(self) -> None:
        """Add the prefilters: boxes around the regions must overlap."""
        if self.spatial_join is not None:
            first, second = (self.tables[name].c for name in self.spatial_join)
            for low, high in zip(BOUND_COLUMNS[::2], BOUND_COLUMNS[1::2], strict=True):
                self.conditions += [first[low] <= second[high], second[low] <= first[high]]
        for term in self.spatial_terms:
            columns = self.tables[term.element].c
            bounds = term.region.bounding_vectors()
            for i, (low, high) in enumerate(zip(BOUND_COLUMNS[::2], BOUND_COLUMNS[1::2], strict=True)):
                self.conditions += [columns[low] <= bounds[2 * i + 1], columns[high] >= bounds[2 * i]]

    def region_columns(self) -> list[sa.ColumnElement[Any]]:
        """Return the region columns that the exact tests need."""
        names = [*(self.spatial_join or ()), *(term.element for term in self.spatial_terms)]
        return [self.tables[name].c.region.label(f"_region_{name}") for name in dict.fromkeys(names)]

    def exact(self, rows: Iterable[sa.Row[Any]]) -> Iterator[sa.Row[Any]]:
        """Yield the rows whose regions really overlap."""
        decoded: dict[bytes, SkyRegion] = {}
        results: dict[tuple[bytes, bytes], bool] = {}

        def region(encoded: bytes) -> SkyRegion:
            if encoded not in decoded:
                decoded[encoded] = SkyRegion.decode(encoded)
            return decoded[encoded]

        def overlap(first: bytes, second: bytes) -> bool:
            if (first, second) not in results:
                results[first, second] = region(first).overlaps(region(second))
            return results[first, second]

        tests = [(term.element, term.region.encode()) for term in self.spatial_terms]
        for row in rows:
            values = row._mapping
            if self.spatial_join is not None:
                first, second = (bytes(values[f"_region_{name}"]) for name in self.spatial_join)
                if not overlap(first, second):
                    continue
            if all(overlap(bytes(values[f"_region_{name}"]), encoded) for name, encoded in tests):
                yield row
