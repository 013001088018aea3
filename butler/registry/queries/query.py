"""Query: a value that is built step by step and run by what is made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Final, Self

from ...datasets import DatasetType
from ...dimensions import UNIVERSE, DataCoordinate, DataId, DimensionGroup
from ...errors import DimensionNameError, InvalidQueryError, UnknownComponentError
from ..conditions import Column, Span
from ..where import DATASET_FIELDS, Scope, Where
from .question import Output
from .results import (
    DataCoordinateQueryResults,
    DatasetRefQueryResults,
    DimensionRecordQueryResults,
    GeneralQueryResults,
)
from .spec import DatasetSearch, KeyTable, QuerySpec

if TYPE_CHECKING:
    from ..registry import Registry

__all__ = ["Query"]

_STORED_FIELDS: Final = tuple(name for name in DATASET_FIELDS if name != "timespan")


@dataclass(frozen=True, eq=False)
class Query:
    """What rows must fulfil; methods return another query and leave this one as it is.

    Made by ``butler.query()``. `data_ids`, `datasets`, `dimension_records` and `general` say what is wanted
    of the rows; their results are asked for when they are iterated over.

    Parameters
    ----------
    registry
        Where it is run, and where defaults come from.
    spec
        What is known so far; its result dimensions do not count.
    """

    registry: Registry = field(repr=False)
    spec: QuerySpec

    @classmethod
    def everything(cls, registry: Registry) -> Query:
        """Return the query without conditions."""
        return cls(registry, QuerySpec(UNIVERSE.empty, defaults=registry.defaults.query_defaults()))

    @property
    def constraint_dimensions(self) -> DimensionGroup:
        """Dimensions that have been joined or have conditions."""
        spec = self.spec
        return spec.with_dimensions.union(
            UNIVERSE.conform(spec.data_id),
            *(search.registered.type.dimensions for search in spec.joined),
            *(UNIVERSE.conform(table.names) for table in spec.given),
        )

    @property
    def constraint_dataset_types(self) -> set[str]:
        """Names of the dataset types that have been joined."""
        return {search.name for search in self.spec.joined}

    def where(self, *args: str | DataId, bind: Mapping[str, Any] | None = None, **kwargs: Any) -> Self:
        """Return the query with further conditions, which must all hold.

        Parameters
        ----------
        *args
            Expressions, and data IDs whose values rows must have.
        bind
            Values for the ``:names`` in the expressions.
        **kwargs
            Values by dimension, or by another column that tells it, such as ``full_name`` of a detector.

        Raises
        ------
        InvalidQueryError
            Raised for what is no expression.
        DimensionNameError
            Raised for a name that is neither dimension nor column.
        """
        return replace(self, spec=self._constrained(self.spec, args, bind, kwargs))

    def _constrained(
        self,
        spec: QuerySpec,
        args: Iterable[str | DataId],
        bind: Mapping[str, Any] | None,
        values: Mapping[str, Any],
    ) -> QuerySpec:
        wheres, given = list(spec.where), dict(values)
        for arg in args:
            if isinstance(arg, str):
                wheres += [Where.parse(arg, bind)] if arg else []
            elif isinstance(arg, Mapping):
                given = {**arg, **given}
            else:
                raise InvalidQueryError(
                    f"a condition is a text, and a data_id a mapping of dimensions to values, not {arg!r:.60}"
                )
        if given:
            dimensions = spec.dimensions.union(self.constraint_dimensions)
            given = self.registry.defaults.query_values(dimensions, given)
            for name, value in given.items():
                if spec.data_id.get(name, value) != value:
                    raise InvalidQueryError(f"{name} cannot be both {spec.data_id[name]!r} and {value!r}")
        return replace(spec, where=tuple(wheres), data_id={**spec.data_id, **given})

    def join_dimensions(self, dimensions: Iterable[str] | DimensionGroup) -> Self:
        """Return the query over further dimensions."""
        joined = self.spec.with_dimensions.union(UNIVERSE.conform(dimensions))
        return replace(self, spec=replace(self.spec, with_dimensions=joined))

    def join_dataset_search(
        self, dataset_type: str | DatasetType, collections: str | Iterable[str] | None = None
    ) -> Self:
        """Return the query over data IDs for which there are datasets.

        Parameters
        ----------
        dataset_type
            Registered dataset type.
        collections
            Collections to search, in order; the defaults if None.

        Raises
        ------
        MissingDatasetTypeError
            Raised for an unknown type.
        """
        search = self.search(dataset_type, collections)
        return replace(self, spec=replace(self.spec, joined=(*self.spec.joined, search)))

    def join_data_coordinates(self, iterable: Iterable[DataCoordinate]) -> Self:
        """Return the query over given data IDs; observations and sky map in them need not overlap.

        Raises
        ------
        InvalidQueryError
            Raised if the data IDs have different dimensions.
        """
        data_ids = list(iterable)
        groups = {data_id.dimensions for data_id in data_ids}
        if len(groups) > 1:
            names = " and ".join(sorted(map(str, groups)))
            raise InvalidQueryError(f"data IDs that are joined have the same dimensions, not {names}")
        # Nothing among nothing: no row is left.
        group = groups.pop() if groups else UNIVERSE.empty
        rows = list(dict.fromkeys(data_id.required_values for data_id in data_ids))
        return self._with_keys(KeyTable(group.required, rows))

    def _with_keys(self, table: KeyTable) -> Self:
        return replace(self, spec=replace(self.spec, given=(*self.spec.given, table)))

    def materialize(
        self,
        *,
        dimensions: Iterable[str] | DimensionGroup | None = None,
        datasets: Iterable[str] | None = None,
    ) -> Self:
        """Run the query now; what is made of the returned one starts from the data IDs found.

        Parameters
        ----------
        dimensions
            Of the data IDs; all that have been joined if None.
        datasets
            Dataset types whose search stays joined; all if None.
        """
        group = self.constraint_dimensions if dimensions is None else UNIVERSE.conform(dimensions)
        rows = self.registry.queries.rows(
            replace(self.spec, dimensions=group), Output(group.data_coordinate_keys[: len(group.required)])
        )
        kept = self.constraint_dataset_types if datasets is None else set(datasets)
        spec = QuerySpec(
            UNIVERSE.empty,
            defaults=self.spec.defaults,
            joined=tuple(search for search in self.spec.joined if search.name in kept),
        )
        return replace(self, spec=spec)._with_keys(KeyTable(group.required, rows, exist=True))

    def search(
        self,
        dataset_type: str | DatasetType,
        collections: str | Iterable[str] | None,
        *,
        find_first: bool = True,
    ) -> DatasetSearch:
        """Return the search for a dataset type; globs name collections if their order does not matter.

        Raises
        ------
        MissingDatasetTypeError
            Raised if there is no such dataset type.
        UnknownComponentError
            Raised for a component.
        """
        name = dataset_type if isinstance(dataset_type, str) else dataset_type.name
        parent, dot, _ = name.partition(".")
        registered = self.registry.datasets.get_type(parent)
        if dot:
            raise UnknownComponentError(f"components are not queried; ask for {registered.type.name!r}")
        path = [collections] if isinstance(collections, str) else collections
        if path is not None and not find_first:
            path = self.registry.collections.query(list(path))
        return self.registry.search(parent, self.registry.defaults.path(path), find_first=find_first)

    # What is wanted.

    def data_ids(
        self, dimensions: Iterable[str] | DimensionGroup | str | None = None
    ) -> DataCoordinateQueryResults:
        """Return the data IDs of some dimensions; of all that have been joined if None."""
        group = self.constraint_dimensions if dimensions is None else UNIVERSE.conform(dimensions)
        return DataCoordinateQueryResults(self, replace(self.spec, dimensions=group))

    def datasets(
        self,
        dataset_type: str | DatasetType,
        collections: str | Iterable[str] | None = None,
        *,
        find_first: bool = True,
    ) -> DatasetRefQueryResults:
        """Return the datasets of a type.

        Parameters
        ----------
        dataset_type
            Registered dataset type.
        collections
            Collections to search; those of a search that has been joined, or the defaults, if None.
        find_first
            Whether of several collections only the first counts that has a data ID.
        """
        name = dataset_type if isinstance(dataset_type, str) else dataset_type.name
        joined = [search for search in self.spec.joined if search.name == name]
        if joined and collections is None:
            search = replace(joined[0], find_first=find_first)
        else:
            search = self.search(dataset_type, collections, find_first=find_first)
        others = tuple(s for s in self.spec.joined if s not in joined)
        spec = replace(self.spec, dimensions=search.registered.type.dimensions, joined=others)
        return DatasetRefQueryResults(self, spec, (search,))

    def dimension_records(self, element: str) -> DimensionRecordQueryResults:
        """Return the records of a dimension element."""
        group = UNIVERSE.conform(UNIVERSE[element].required)
        return DimensionRecordQueryResults(self, replace(self.spec, dimensions=group), element=element)

    def general(
        self,
        dimensions: DimensionGroup | Iterable[str],
        *names: str,
        dimension_fields: Mapping[str, Iterable[str]] | None = None,
        dataset_fields: Mapping[str, Iterable[str] | EllipsisType] | None = None,
        find_first: bool = True,
    ) -> GeneralQueryResults:
        """Return rows of data ID values and other columns.

        Parameters
        ----------
        dimensions
            Dimensions of the rows.
        *names
            Further columns, such as ``visit.exposure_time`` or ``warp.run``.
        dimension_fields
            Names of such columns by element.
        dataset_fields
            Names of such columns by a dataset type that has been joined; ``...`` for all.
        find_first
            Whether of several collections only the first counts that has a data ID.

        Raises
        ------
        InvalidQueryError
            Raised for a name that means no column.
        DimensionNameError
            Raised for a column of an element that is not among the dimensions.
        """
        group = UNIVERSE.conform(dimensions)
        asked = list(names)
        for owner, fields in (*(dimension_fields or {}).items(), *(dataset_fields or {}).items()):
            every = _STORED_FIELDS if isinstance(fields, EllipsisType) else fields
            asked += [f"{owner}.{name}" for name in every]
        scope = Scope(group.elements, tuple(search.name for search in self.spec.joined))
        columns: dict[str, Column] = {}
        for name in dict.fromkeys(asked):
            found = Where.parse_name(name).column(scope)
            if isinstance(found, Span):
                ends = [end for end in (found.begin, found.end) if isinstance(end, Column)]
                columns |= {f"{name}.{end.name.rpartition('_')[2]}": end for end in ends}
            elif not found.of_dataset and found.owner not in group.elements:
                raise DimensionNameError(f"{name!r} is no column of {group}")
            else:
                columns[name] = found
        joined = tuple(replace(search, find_first=find_first) for search in self.spec.joined)
        spec = replace(self.spec, dimensions=group, joined=joined)
        return GeneralQueryResults(
            self, spec, columns_asked=tuple(columns.items()), names_asked=tuple(dict.fromkeys(asked))
        )

    # What there is.

    def any(self, *, execute: bool = True, exact: bool = True) -> bool:
        """Tell whether there are rows; LSST's arguments make no difference."""
        return self.data_ids().any(execute=execute, exact=exact)

    def explain_no_results(self, execute: bool = True) -> list[str]:
        """Say why there are no rows; nothing if there are some."""
        return self.data_ids().explain_no_results(execute)
