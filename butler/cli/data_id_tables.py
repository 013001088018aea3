"""Tables of data IDs: one column for each dimension, after columns of something else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..errors import ButlerUserError, FileFormatError
from .data_ids import parse_value

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["read_data_ids"]

_FORMATS: Final = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".fits": "fits", ".parquet": "parquet"}


def read_data_ids(
    path: Path, others: str = "", *, n_others: int = 0
) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Yield what the rows of a table say: the texts that come first, and a data ID.

    Parameters
    ----------
    path
        CSV, ECSV or another table that astropy reads.
    others
        What the first columns hold, for messages.
    n_others
        How many columns come before those of the dimensions.

    Raises
    ------
    ButlerUserError
        Raised if the file is not there.
    FileFormatError
        Raised if it is no table, or a row lacks a value or has one that cannot be.
    DimensionNameError
        Raised if a column is no dimension.
    """
    from ..dimensions import UNIVERSE

    table = _read_table(path, others)
    names = table.colnames
    dimensions = [UNIVERSE[key].name for key in names[n_others:]]
    for number, row in enumerate(table, 1):
        cells = [_text(row[name]) for name in names]
        if not all(cells):
            raise FileFormatError(f"row {number} of {path} lacks a value")
        try:
            values = dict(zip(dimensions, map(parse_value, dimensions, cells[n_others:]), strict=True))
        except click.UsageError as error:
            raise FileFormatError(f"row {number} of {path}: {error.message}") from None
        yield cells[:n_others], values


def _read_table(path: Path, others: str) -> Table:
    """Read a table with at least one column and one row."""
    from astropy.table import Table

    if not path.is_file():
        raise ButlerUserError(f"there is no table {path}")
    kind = _FORMATS.get(path.suffix.lower(), "ascii")
    # Numbers without their leading zeros would name other groups and filters.
    settings: dict[str, Any] = {"converters": {"*": str}} if kind in ("ascii", "ascii.csv") else {}
    try:
        table = Table.read(path, format=kind, **settings)
    except (ValueError, TypeError, OSError, ImportError, IndexError, KeyError) as error:
        raise FileFormatError(f"cannot read a table from {path}: {' '.join(str(error).split())}") from error
    if not table.colnames or not len(table):
        columns = f"a column of {others}, and rows" if others else "a column for each dimension, and rows"
        raise FileFormatError(f"the table {path} is empty: it needs {columns}")
    return table


def _text(cell: Any) -> str:
    """Return the text of a cell; empty if it has no value."""
    from numpy.ma import masked

    if cell is masked:
        return ""
    return (cell.decode() if isinstance(cell, bytes) else str(cell)).strip()
