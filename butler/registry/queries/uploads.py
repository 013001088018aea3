"""Upload: rows that a statement needs beside those of the registry."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from ...dimensions import UNIVERSE
from ..conditions import ValueType
from ..database import Database
from ..where_compiler import sql_type
from .spec import KeyTable

__all__ = ["Upload", "uploaded"]

_NUMBERS: Final = itertools.count()


@dataclass(frozen=True, eq=False)
class Upload:
    """A temporary table and its rows.

    Parameters
    ----------
    types
        Types of the columns by name.
    rows
        The rows.
    exist
        Whether values of dimensions are known to have records.
    """

    types: dict[str, ValueType]
    rows: Sequence[tuple[Any, ...]]
    exist: bool = False
    table: sa.Table = field(init=False)

    def __post_init__(self) -> None:
        # A table without columns could not say that there is a row.
        columns = [sa.Column(name, sql_type(kind)) for name, kind in self.types.items()]
        table = sa.Table(
            f"upload_{next(_NUMBERS)}",
            sa.MetaData(),
            *(columns or [sa.Column("one", sa.Integer)]),
            prefixes=["TEMPORARY"],
        )
        object.__setattr__(self, "table", table)

    @classmethod
    def of_keys(cls, keys: KeyTable) -> Upload:
        """Return the table of given data IDs."""
        return cls({name: key_type(name) for name in keys.names}, keys.rows, keys.exist)


def key_type(dimension: str) -> ValueType:
    """Return the type of a dimension's values."""
    key = UNIVERSE[dimension].key
    return "int" if key is not None and key.type is int else "str"


@contextmanager
def uploaded(database: Database, uploads: Sequence[Upload]) -> Iterator[None]:
    """Hold temporary tables for the length of a block."""
    if not uploads:
        yield
        return
    with database.scratch() as connection:
        for upload in uploads:
            upload.table.create(connection)
            insert = database.prepare(upload.table.insert(), tuple(c.name for c in upload.table.c))
            database.run_many(insert, upload.rows if upload.types else [(1,)] * len(upload.rows))
        yield
