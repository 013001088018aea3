"""Prepared: a statement that is compiled once, for what is asked again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

__all__ = ["Prepared", "insert_by_uuid"]


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


def insert_by_uuid(
    table: sa.Table, names: Sequence[str], reference: str, owner: sa.Table
) -> tuple[sa.Insert, list[str]]:
    """Return an insert of rows, each for the row of another table that has a UUID; none if none has it.

    Parameters
    ----------
    table, names
        Where to insert, and the columns whose values will be given.
    reference
        Column that gets the number of the other row.
    owner
        The other table.

    Returns
    -------
    statement, names
        The insert, and the names of its values: those given, and ``uuid``.
    """
    row = sa.select(*[sa.bindparam(name, type_=table.c[name].type) for name in names], owner.c.id)
    row = row.where(owner.c.uuid == sa.bindparam("uuid"))
    return table.insert().from_select([*names, reference], row), [*names, "uuid"]
