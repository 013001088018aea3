"""Querying: which datasets, data IDs and records there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..datasets import DatasetRef, DatasetType
from ..dimensions import UNIVERSE, DataCoordinate, DataId, DimensionGroup, DimensionRecord
from ..errors import EmptyQueryResultError, UnknownComponentError
from ..registry import DatasetSearch, QuerySpec, Where
from .finding import FindingButler

__all__ = ["QueryingButler"]


class QueryingButler(FindingButler):
    """The part of the butler that asks the registry."""

    def query_datasets(
        self,
        dataset_type: str | DatasetType,
        collections: str | Iterable[str] | None = None,
        *,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        data_id: DataId | None = None,
        order_by: str | Iterable[str] = (),
        limit: int | None = None,
        explain: bool = True,
        **kwargs: Any,
    ) -> list[DatasetRef]:
        """Return the datasets of a type that fulfil a condition, in data ID order.

        Of several collections the first that has a data ID counts.

        Parameters
        ----------
        dataset_type
            Registered dataset type.
        collections
            Collections to search, in order; the butler's own by default.
        where
            Expression, for example ``"visit IN (1..9) AND band = 'i'"``.
        bind
            Values for the ``:names`` in it.
        data_id
            Values that the data ID must have; keyword arguments add to it.
        order_by
            Names to sort by, ``-name`` for descending.
        limit
            Most datasets to return; 0 checks the query only, and ``-n`` logs if there are more than n.
        explain
            Whether an empty result is an error that says why.

        Raises
        ------
        InvalidQueryError
            Raised if the expression is wrong.
        EmptyQueryResultError
            Raised if there are none and `explain` is set.
        """
        registered, component = self._named_type(dataset_type)
        if component:
            raise UnknownComponentError(f"components are not queried; ask for {registered.name!r}")
        spec = self._spec(registered.dimensions, where, bind, {**(data_id or {}), **kwargs}, order_by, limit)
        search = self.registry.search(registered.name, self.defaults.path(collections))
        found = self.registry.queries.datasets(spec, search)
        return found or self._nothing(spec, explain, (search,))

    def query_data_ids(
        self,
        dimensions: Iterable[str] | DimensionGroup,
        *,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        data_id: DataId | None = None,
        order_by: str | Iterable[str] = (),
        limit: int | None = None,
        explain: bool = True,
        joined: Sequence[DatasetSearch] = (),
        **kwargs: Any,
    ) -> list[DataCoordinate]:
        """Return the data IDs of some dimensions; observations and sky map join where they overlap.

        Arguments as `query_datasets`; `joined` restricts to data IDs for which datasets exist.
        """
        group = UNIVERSE.conform([dimensions] if isinstance(dimensions, str) else dimensions)
        spec = self._spec(group, where, bind, {**(data_id or {}), **kwargs}, order_by, limit)
        spec = replace(spec, joined=tuple(joined))
        return self.registry.queries.data_ids(spec) or self._nothing(spec, explain)

    def query_dimension_records(
        self,
        element: str,
        *,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        data_id: DataId | None = None,
        order_by: str | Iterable[str] = (),
        limit: int | None = None,
        explain: bool = True,
        **kwargs: Any,
    ) -> list[DimensionRecord]:
        """Return the records of a dimension element; arguments as `query_datasets`."""
        group = UNIVERSE.conform(UNIVERSE[element].required)
        spec = self._spec(group, where, bind, {**(data_id or {}), **kwargs}, order_by, limit)
        return self.registry.queries.records(spec, element) or self._nothing(spec, explain)

    def _nothing(self, spec: QuerySpec, explain: bool, searches: tuple[DatasetSearch, ...] = ()) -> list[Any]:
        """Return an empty answer, or raise what says why it is empty."""
        if explain and spec.limit != 0:
            raise EmptyQueryResultError("; ".join(self.registry.why_empty(spec, searches)))
        return []

    def _spec(
        self,
        dimensions: DimensionGroup,
        where: str,
        bind: Mapping[str, Any] | None,
        data_id: DataId,
        order_by: str | Iterable[str],
        limit: int | None,
    ) -> QuerySpec:
        condition = Where.parse(where, bind)
        values = self.defaults.query_values(dimensions, data_id)
        names = (order_by,) if isinstance(order_by, str) else tuple(order_by)
        return QuerySpec(
            dimensions,
            (condition,),
            values,
            self.defaults.query_defaults(),
            order_by=names,
            limit=limit,
        )
