"""What a command asks of data IDs and dimension records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import EmptyQueryResultError
from .arguments import all_runs, words_option
from .data_ids import query_conditions
from .selection import data_id_option, limit_option, order_by_option, where_option

if TYPE_CHECKING:
    from ..butler import Butler
    from ..registry import Query

_Results = TypeVar("_Results", bound=Any)

__all__ = ["DataQuery", "data_query_options"]


@dataclass(frozen=True, slots=True)
class DataQuery:
    """What the options say about data IDs and dimension records.

    Parameters
    ----------
    datasets
        Dataset types; only data IDs count for which there is a dataset of each.
    collections
        Where to search for those; all runs if empty.
    data_id
        ``key=value`` words.
    where
        Condition.
    order_by
        Names to sort by.
    limit, offset
        Most rows; how many rows are left out before.
    """

    datasets: Sequence[str] = ()
    collections: Sequence[str] = ()
    data_id: Sequence[str] = ()
    where: str = ""
    order_by: Sequence[str] = ()
    limit: int | None = None
    offset: int = 0

    def joined(self, butler: Butler, query: Query) -> Query:
        """Return a query for data IDs for which there are the datasets."""
        # Which of them has a dataset does not matter here, so that globs may name them.
        path = butler.collections.query(self.collections) if self.collections else all_runs(butler)
        for name in self.datasets:
            query = query.join_dataset_search(name, path)
        return query

    def constrained(self, results: _Results) -> _Results:
        """Return the results that fulfil the conditions."""
        constrained: _Results = results.where(*query_conditions(self.data_id, self.where))
        return constrained

    def fetch(self, results: Any) -> list[Any]:
        """Return results in order, from the offset up to the limit.

        Raises
        ------
        EmptyQueryResultError
            Raised if there are none; it says why.
        """
        limit = self.limit and (abs(self.limit) + self.offset) * (1 if self.limit > 0 else -1)
        found: list[Any] = results.order_by(*self.order_by).limit(limit).fetch()[self.offset :]
        if not found:
            told = "; ".join(results.explain_no_results())
            raise EmptyQueryResultError(told or f"there are no more rows than the {self.offset} of --offset")
        return found


def data_query_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a `DataQuery`, which the function gets as ``asked``."""
    keys = {spec.name for spec in fields(DataQuery)}

    @wraps(function)
    def decorated(**given: Any) -> None:
        function(asked=DataQuery(**{key: given.pop(key) for key in keys & given.keys()}), **given)

    for option in (
        click.option("--offset", type=click.IntRange(min=0), default=0, help="Rows to leave out first."),
        limit_option,
        order_by_option,
        where_option,
        data_id_option("-d"),
        words_option("--collections", help="Where to search for --datasets; all runs if not given."),
        words_option("--datasets", help="Only data IDs for which there are datasets of these types."),
    ):
        decorated = option(decorated)
    return decorated
