"""Results of queries: values that are asked for when they are iterated over."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar

from ...datasets import DatasetRef, DatasetType
from ...dimensions import (
    UNIVERSE,
    DataCoordinate,
    DataId,
    DimensionGroup,
    DimensionRecord,
    Timespan,
    ns_to_time,
)
from ...errors import InvalidQueryError
from ..conditions import Column
from ..schema import UNBOUNDED
from .columns import as_arrays
from .question import Output
from .runner import record_fields
from .spec import DatasetSearch, QuerySpec
from .uploads import key_type

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

    from .query import Query

__all__ = [
    "DataCoordinateQueryResults",
    "DatasetRefQueryResults",
    "DimensionRecordQueryResults",
    "GeneralQueryResults",
    "GeneralResultTuple",
]

_Row = TypeVar("_Row")


@dataclass(frozen=True, eq=False)
class _QueryResults(Generic[_Row]):
    """What all results share; methods return others and leave these as they are.

    Parameters
    ----------
    query
        What they are made of.
    spec
        What is asked for.
    searches
        Datasets that the results are about.
    has_dimension_records
        Whether data IDs are to have records.
    """

    query: Query = field(repr=False)
    spec: QuerySpec
    searches: tuple[DatasetSearch, ...] = ()
    has_dimension_records: bool = False

    def __iter__(self) -> Iterator[_Row]:
        return iter(self.fetch())

    def fetch(self) -> list[_Row]:
        """Return the results."""
        raise NotImplementedError

    @property
    def dimensions(self) -> DimensionGroup:
        """Dimensions of the results."""
        return self.spec.dimensions

    def where(self, *args: str | DataId, bind: Mapping[str, Any] | None = None, **kwargs: Any) -> Self:
        """Return the results that fulfil further conditions; arguments as `Query.where`."""
        return replace(self, spec=self.query._constrained(self.spec, args, bind, kwargs))

    def order_by(self, *args: str) -> Self:
        """Return the results sorted by columns, ``-name`` for descending."""
        return replace(self, spec=replace(self.spec, order_by=(*self.spec.order_by, *args)))

    def limit(self, limit: int | None = None) -> Self:
        """Return the first results; all if None, and ``-n`` logs if there are more than n."""
        return replace(self, spec=replace(self.spec, limit=limit))

    def count(self, *, exact: bool = True, discard: bool = False) -> int:
        """Return the number of results; it is always exact, and LSST's arguments make no difference."""
        return self.query.registry.queries.count(self.spec, self._output, self.searches)

    def any(self, *, execute: bool = True, exact: bool = True) -> bool:
        """Tell whether there are results; LSST's arguments make no difference."""
        one = replace(self.spec, limit=1, order_by=())
        return bool(self.query.registry.queries.rows(one, self._output, self.searches))

    def explain_no_results(self, execute: bool = True) -> list[str]:
        """Say why there are no results; nothing if there are some."""
        return [] if self.any() else self.query.registry.why_empty(self.spec, self.searches)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the results as arrays by column; unknown values are masked."""
        rows = self.query.registry.queries.rows(self.spec, self._output, self.searches)
        types = {name: key_type(name) for name in self._output.keys}
        return as_arrays({**types, **{name: c.type for name, c in self._fields}}, rows)

    def to_table(self) -> Table:
        """Return the results as a table; UUIDs are texts in it."""
        from astropy.table import Table

        arrays = self.columns()
        for name, column in self._fields:
            if column.type == "uuid":
                arrays[name] = as_arrays(
                    {name: "str"}, [(str(uuid.UUID(bytes=i.tobytes())),) for i in arrays[name]]
                )[name]
        return Table(arrays, copy=False)

    @property
    def _output(self) -> Output:
        return Output(self.dimensions.data_coordinate_keys, tuple(column for _, column in self._fields))

    @property
    def _fields(self) -> list[tuple[str, Column]]:
        """Columns beside the keys, with the names they have for a user."""
        return []


@dataclass(frozen=True, eq=False)
class DataCoordinateQueryResults(_QueryResults[DataCoordinate]):
    """Data IDs that exist, each once, with implied values."""

    def fetch(self) -> list[DataCoordinate]:
        """Return the data IDs."""
        queries = self.query.registry.queries
        return queries.data_ids(self.spec, self.searches, with_records=self.has_dimension_records)

    def with_dimension_records(self) -> Self:
        """Return the data IDs with dimension records."""
        return replace(self, has_dimension_records=True)

    def expanded(self) -> Self:
        """Return the data IDs with dimension records; the name in LSST's old registry."""
        return self.with_dimension_records()


@dataclass(frozen=True, eq=False)
class DatasetRefQueryResults(_QueryResults[DatasetRef]):
    """Datasets of one type."""

    def fetch(self) -> list[DatasetRef]:
        """Return the refs."""
        queries = self.query.registry.queries
        return queries.datasets(self.spec, self.searches[0], with_records=self.has_dimension_records)

    def count(self, *, exact: bool = True, discard: bool = False) -> int:
        """Return the number of datasets; it is always exact, and LSST's arguments make no difference."""
        if self._are_decided_late:
            return len(self.fetch())
        return super().count()

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the datasets as arrays by column.

        Raises
        ------
        InvalidQueryError
            Raised for calibrations of which the first counts.
        """
        if self._are_decided_late:
            _require_all(self.searches[0])
        return super().columns()

    @property
    def _are_decided_late(self) -> bool:
        return self.searches[0].find_first and bool(self.searches[0].calibrations)

    @property
    def dataset_type(self) -> DatasetType:
        """Type of the datasets."""
        return self.searches[0].registered.type

    @property
    def data_ids(self) -> DataCoordinateQueryResults:
        """The data IDs of the datasets."""
        spec = replace(self.spec, joined=(*self.spec.joined, *self.searches), order_by=(), limit=None)
        return DataCoordinateQueryResults(self.query, spec, (), self.has_dimension_records)

    def with_dimension_records(self) -> Self:
        """Return the datasets with dimension records in their data IDs."""
        return replace(self, has_dimension_records=True)

    @property
    def _fields(self) -> list[tuple[str, Column]]:
        name = self.searches[0].name
        return [
            ("dataset_id", Column(name, "dataset_id", "uuid", of_dataset=True)),
            ("run", Column(name, "run", "str", of_dataset=True)),
        ]


@dataclass(frozen=True, eq=False)
class DimensionRecordQueryResults(_QueryResults[DimensionRecord]):
    """Records of one dimension element."""

    element: str = ""

    def fetch(self) -> list[DimensionRecord]:
        """Return the records."""
        return self.query.registry.queries.records(self.spec, self.element, self.searches)

    @property
    def _output(self) -> Output:
        return Output(self.dimensions.required, tuple(column for _, column in self._fields))

    @property
    def _fields(self) -> list[tuple[str, Column]]:
        definition = UNIVERSE[self.element]
        if not definition.has_table:
            return []
        return [(column.name, column) for column in record_fields(definition)]


class GeneralResultTuple(NamedTuple):
    """A row as objects."""

    data_id: DataCoordinate
    refs: list[DatasetRef]
    raw_row: dict[str, Any]


@dataclass(frozen=True, eq=False)
class GeneralQueryResults(_QueryResults[dict[str, Any]]):
    """Rows of data ID values and other columns, as mappings by the names that were asked for.

    A time span is one object in them, and two columns of its ends in `columns` and `to_table`.
    """

    columns_asked: tuple[tuple[str, Column], ...] = ()
    names_asked: tuple[str, ...] = ()

    def fetch(self) -> list[dict[str, Any]]:
        """Return the rows."""
        for search in self.spec.joined:
            about = {column.owner for _, column in self.columns_asked if column.of_dataset}
            if search.calibrations and search.find_first and search.name in about:
                _require_all(search)
        names = [*self._output.keys, *(name for name, _ in self._fields)]
        rows = self.query.registry.queries.rows(self.spec, self._output, self.searches)
        found = [dict(zip(names, row, strict=True)) for row in rows]
        fields = dict(self._fields)
        spans = [name for name in self.names_asked if name not in fields]
        for row in found:
            made = {name: _as_span(row[f"{name}.begin"], row[f"{name}.end"]) for name in spans}
            made |= {name: _as_object(fields[name], row.pop(name)) for name in fields}
            row.update((name, made[name]) for name in self.names_asked)
        return found

    def iter_tuples(self, *dataset_types: DatasetType) -> Iterator[GeneralResultTuple]:
        """Yield rows with their data ID and refs; of their types `dataset_id` and `run` must be asked for."""
        for row in self:
            values = {name: row[name] for name in self._output.keys}
            data_id = DataCoordinate(self.dimensions, tuple(values.values()))
            refs = [
                DatasetRef(
                    kind,
                    data_id.subset(kind.dimensions),
                    row[f"{kind.name}.run"],
                    row[f"{kind.name}.dataset_id"],
                )
                for kind in dataset_types
            ]
            yield GeneralResultTuple(data_id, refs, row)

    @property
    def _fields(self) -> list[tuple[str, Column]]:
        return list(self.columns_asked)


def _require_all(search: DatasetSearch) -> None:
    """Refuse what cannot be said of the first of several calibrations, but of all of them."""
    raise InvalidQueryError(
        f"{search.name} is looked for in CALIBRATION collection {search.calibrations[0].name!r}, and there "
        "are rows for all that are valid, not for the first; say so with find_first=False"
    )


def _as_span(begin: int | None, end: int | None) -> Timespan | None:
    """Return the time span between two ends as they are stored."""
    if begin is None and end is None:
        return None
    return Timespan(*(None if bound is None or abs(bound) == UNBOUNDED else bound for bound in (begin, end)))


def _as_object(column: Column, value: Any) -> Any:
    """Return a value of a row as what a user knows."""
    if value is None:
        return None
    match column.type:
        case "uuid":
            return uuid.UUID(bytes=bytes(value))
        case "datetime":
            return None if abs(value) == UNBOUNDED else ns_to_time(value)
        case "bool":
            return bool(value)
        case "region":
            from ...regions import SkyRegion

            return SkyRegion.decode(value)
    return value
