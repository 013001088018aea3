"""Querying: which datasets, data IDs and records there are."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..datasets import DatasetRef, DatasetType
from ..dimensions import DataCoordinate, DataId, DimensionGroup, DimensionRecord
from ..errors import EmptyQueryResultError, InvalidQueryError, MissingDatasetTypeError, did_you_mean
from .reading import ReadingButler

if TYPE_CHECKING:
    from ..registry import DatasetSearch, Query

__all__ = ["QueryingButler"]

_LOG: Final = logging.getLogger(__name__)
_Results = TypeVar("_Results", bound=Any)
_GLOB: Final = frozenset("*?[")


class QueryingButler(ReadingButler):
    """The part of the butler that asks the registry."""

    @contextmanager
    def query(self) -> Iterator[Query]:
        """Give a query that is built step by step, for the length of a block.

        Examples
        --------
        ::

            with butler.query() as query:
                query = query.where("visit IN (1..9)", instrument="HSC")
                for ref in query.datasets("calexp", "run").order_by("visit", "-detector"):
                    ...
        """
        yield self._query("", None)

    def query_datasets(
        self,
        dataset_type: str | DatasetType,
        collections: str | Iterable[str] | None = None,
        *,
        find_first: bool = True,
        data_id: DataId | None = None,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        with_dimension_records: bool = False,
        order_by: str | Iterable[str] | None = None,
        limit: int | None = None,
        explain: bool = True,
        **kwargs: Any,
    ) -> list[DatasetRef]:
        """Return the datasets of a type that fulfil a condition, in data ID order.

        Parameters
        ----------
        dataset_type
            Registered dataset type.
        collections
            Collections to search, in order; the butler's own by default.
        find_first
            Whether of several collections only the first counts that has a data ID; if not, `collections` may
            be globs.
        data_id
            Values that the data ID must have; keyword arguments add to it. Besides dimensions these may be
            other columns that tell one, such as ``full_name`` of a detector.
        where
            Expression, for example ``"visit IN (1..9) AND band = 'i'"``.
        bind
            Values for the ``:names`` in it.
        with_dimension_records
            Whether the data IDs get their dimension records.
        order_by
            Names to sort by, ``-name`` for descending.
        limit
            Most datasets to return; 0 checks the query only, and ``-n`` logs if there are more than n.
        explain
            Whether an empty result is an error that says why.

        Raises
        ------
        InvalidQueryError
            Raised if the expression is wrong, or for a glob if `find_first` is set.
        EmptyQueryResultError
            Raised if there are none and `explain` is set.
        """
        _check_order(collections, find_first)
        query = self._query(where, bind)
        results = query.datasets(dataset_type, collections, find_first=find_first)
        return self._fetch(
            results.where(data_id or {}, **kwargs), order_by, limit, explain, with_dimension_records
        )

    def query_data_ids(
        self,
        dimensions: DimensionGroup | Iterable[str] | str,
        *,
        data_id: DataId | None = None,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        with_dimension_records: bool = False,
        order_by: str | Iterable[str] | None = None,
        limit: int | None = None,
        explain: bool = True,
        joined: Sequence[DatasetSearch] = (),
        **kwargs: Any,
    ) -> list[DataCoordinate]:
        """Return the data IDs of some dimensions; observations and sky map join where they overlap.

        Arguments as `query_datasets`; `joined` restricts to data IDs for which datasets exist.
        """
        query = self._query(where, bind)
        query = replace(query, spec=replace(query.spec, joined=tuple(joined)))
        results = query.data_ids(dimensions).where(data_id or {}, **kwargs)
        return self._fetch(results, order_by, limit, explain, with_dimension_records)

    def query_dimension_records(
        self,
        element: str,
        *,
        data_id: DataId | None = None,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        order_by: str | Iterable[str] | None = None,
        limit: int | None = None,
        explain: bool = True,
        **kwargs: Any,
    ) -> list[DimensionRecord]:
        """Return the records of a dimension element; arguments as `query_datasets`."""
        results = self._query(where, bind).dimension_records(element)
        return self._fetch(results.where(data_id or {}, **kwargs), order_by, limit, explain, False)

    def query_all_datasets(
        self,
        collections: str | Iterable[str] | None = None,
        *,
        name: str | Iterable[str] = "*",
        find_first: bool = True,
        data_id: DataId | None = None,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        limit: int | None = None,
        **kwargs: Any,
    ) -> list[DatasetRef]:
        """Return the datasets of all types whose name matches, type by type.

        Parameters
        ----------
        collections, find_first, data_id, where, bind, limit, **kwargs
            As of `query_datasets`.
        name
            Globs of names of dataset types.

        Raises
        ------
        MissingDatasetTypeError
            Raised if no dataset type matches.
        InvalidQueryError
            Raised if the expression is wrong, or for a glob of collections if `find_first` is set.
        """
        _check_order(collections, find_first)
        globs = [name] if isinstance(name, str) else list(name)
        store = self.registry.datasets
        types = {r.type.name: r.type for glob in globs for r in store.query_types(glob)}
        if not types:
            known = [registered.type.name for registered in store.query_types()]
            hint = did_you_mean(globs[0] if globs else "", known) or "; none is registered yet"
            raise MissingDatasetTypeError(f"no dataset type matches {', '.join(map(repr, globs))}{hint}")
        query = self._query(where, bind)
        found: list[DatasetRef] = []
        for kind in types.values():
            results = query.datasets(kind, collections, find_first=find_first).where(data_id or {}, **kwargs)
            # One more tells whether the limit cuts.
            left = None if limit is None else abs(limit) + 1 - len(found) if limit else 0
            found += results.limit(left)
            if limit and len(found) > abs(limit):
                if limit < 0:
                    _LOG.warning("more than %d results; the others are left out", -limit)
                return found[: abs(limit)]
        return found

    def _query(self, where: str, bind: Mapping[str, Any] | None) -> Query:
        from ..registry import Query

        return Query.everything(self.registry).where(where, bind=bind)

    def _fetch(
        self,
        results: _Results,
        order_by: str | Iterable[str] | None,
        limit: int | None,
        explain: bool,
        with_dimension_records: bool,
    ) -> list[Any]:
        """Return results, or raise what says why there are none."""
        names = (order_by,) if isinstance(order_by, str) else order_by or ()
        asked = results.order_by(*names).limit(limit)
        if with_dimension_records:
            asked = asked.with_dimension_records()
        found: list[Any] = asked.fetch()
        if not found and explain and limit != 0:
            raise EmptyQueryResultError("; ".join(asked.explain_no_results()))
        return found


def _check_order(collections: str | Iterable[str] | None, find_first: bool) -> None:
    """Refuse globs where the order of collections counts."""
    names = [collections] if isinstance(collections, str) else collections or ()
    for name in names if find_first else ():
        if not _GLOB.isdisjoint(name):
            raise InvalidQueryError(
                f"{name!r} stands for collections in no order, but the first that has a data ID is to count; "
                "name the collections, or set find_first=False"
            )
