"""Prepared: a statement that is compiled once, for what is asked again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

__all__ = ["Prepared"]


class Prepared:
    """A statement as text for the driver, and the order in which that wants its values.

    SQLAlchemy's way from a statement to its rows takes ten times as long as SQLite's own work for a row.

    Parameters
    ----------
    statement
        With a `sqlalchemy.bindparam` for each value; constants are bound, too, but given once, here.
    dialect
        Of the database.
    names
        Names of the values, in the order in which they will be given.

    Attributes
    ----------
    sql
        The text.
    arrange
        Makes what the driver wants of the values in the order of `names`.
    """

    __slots__ = ("arrange", "sql")

    def __init__(self, statement: sa.ClauseElement, dialect: sa.Dialect, names: Sequence[str]) -> None:
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        assert isinstance(compiled, sa.sql.compiler.SQLCompiler)
        self.sql = compiled.string
        constants = {name: value for name, value in compiled.params.items() if name not in names}
        self.arrange = _arrangement(compiled.positiontup, names, constants)


def _arrangement(
    order: Sequence[str] | None, names: Sequence[str], constants: dict[str, Any]
) -> Callable[[Sequence[Any]], Any]:
    """Return what brings values into the order, or the mapping, that a driver wants."""
    if order is None:
        return lambda values: {**constants, **dict(zip(names, values, strict=True))}
    if tuple(order) == tuple(names):
        return tuple
    fixed = tuple(constants.values())
    known = [*names, *constants]
    places = [known.index(name) for name in order]
    if not places:
        return lambda values: ()
    if len(places) == 1:
        place = places[0]
        return lambda values: ((*values, *fixed)[place],)
    pick = itemgetter(*places)
    return lambda values: pick((*values, *fixed))
