"""What commands print: rows, and how far they are."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from ..errors import EmptyQueryResultError, did_you_mean

__all__ = ["Rows", "choose_columns", "print_rows", "printable", "progress_bar", "rows_or_none"]

Rows = Sequence[Sequence[Any]]


def progress_bar(description: str) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """Return a wrapper that shows a progress bar for work of more than a second, if it is wanted."""
    from tqdm import tqdm

    context = click.get_current_context(silent=True)
    wanted = None if context is None else context.meta.get("butler.progress")
    # To tqdm None means: not unless the standard error is a terminal.
    disable = None if wanted is None else not wanted
    return lambda items: tqdm(items, desc=description, delay=1, leave=False, disable=disable)


def choose_columns(header: Sequence[str], rows: Rows, columns: Sequence[str]) -> tuple[Sequence[str], Rows]:
    """Return the columns of some names, in that order; all if none is named.

    Raises
    ------
    UsageError
        Raised for a column that there is not.
    """
    if not columns:
        return header, rows
    for name in columns:
        if name not in header:
            raise click.UsageError(f"no column {name!r}{did_you_mean(name, header)}")
    places = [header.index(name) for name in columns]
    return columns, [[row[place] for place in places] for row in rows]


@contextmanager
def rows_or_none(header: Sequence[str], style: str) -> Iterator[None]:
    """Print no rows, as CSV or JSON, where a query in the block finds nothing; the error goes on."""
    try:
        yield
    except EmptyQueryResultError:
        if style != "table":
            print_rows(header, [], style)
        raise


def print_rows(header: Sequence[str], rows: Rows, style: str) -> None:
    """Print rows; the standard output carries nothing else.

    Parameters
    ----------
    header
        Names of the columns.
    rows
        Values; in csv None is an empty field, and a list is joined by commas.
    style
        ``table``, ``csv`` or ``json``.
    """
    if style == "json":
        click.echo(json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=1, default=str))
    elif style == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([_joined(value, ",") for value in row] for row in rows)
    else:
        _print_table(header, rows)


def _print_table(header: Sequence[str], rows: Rows) -> None:
    texts = [[printable(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *texts, strict=True)]
    for line in [list(header), ["-" * width for width in widths], *texts]:
        click.echo(" ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def printable(value: Any) -> str:
    """Return the text of a value on one line; what would steer a terminal is spelt out."""
    text = "" if value is None else str(_joined(value, ", "))
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _joined(value: Any, separator: str) -> Any:
    return separator.join(map(str, value)) if isinstance(value, list | tuple) else value
