"""The different values in a column of an index, by jumps from each to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

__all__ = ["held_values"]

_Given = Callable[[sa.FromClause], list[sa.ColumnElement[bool]]]


def held_values(
    table: sa.Table,
    column: str,
    conditions: Sequence[_Given],
) -> sa.Select[Any]:
    """Return the query of the different values that a column has in some rows.

    The database does not read the rows: with each value it looks for the least that is greater (the "loose
    index scan" of PostgreSQL's wiki).

    Parameters
    ----------
    table, column
        Table, and a column of its primary key.
    conditions
        For each part of the rows what gives the values of all key columns before it, of a table as named.
    """
    parts = [_one_by_one(table, column, given) for given in conditions]
    return parts[0] if len(parts) == 1 else sa.select(sa.union_all(*parts).subquery())


def _one_by_one(table: sa.Table, column: str, given: _Given) -> sa.Select[Any]:
    first, other = table.alias(), table.alias()
    least = sa.select(sa.func.min(first.c[column]).label(column)).where(*given(first))
    found = least.cte(recursive=True)
    following = sa.select(sa.func.min(other.c[column])).where(
        *given(other), other.c[column] > found.c[column]
    )
    step = sa.select(following.correlate(found).scalar_subquery()).where(found.c[column].is_not(None))
    found = found.union_all(step)
    return sa.select(found.c[column]).where(found.c[column].is_not(None))
