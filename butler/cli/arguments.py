"""Arguments that many commands take, and what they stand for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..butler import Butler

__all__ = [
    "all_runs",
    "collections_option",
    "format_option",
    "limit_option",
    "open_butler",
    "order_by_option",
    "parse_data_id",
    "repository_argument",
    "where_option",
]

repository_argument = click.argument("repo", type=click.Path(path_type=Path))
where_option = click.option(
    "--where", default="", help="Condition, for example \"visit IN (1..9) AND band = 'i'\"."
)
limit_option = click.option("--limit", type=click.IntRange(min=1), help="Most rows to print.")
order_by_option = click.option("--order-by", multiple=True, help="Name to sort by; -name for descending.")
format_option = click.option(
    "--format", "style", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True
)
collections_option = click.option("--collections", multiple=True, help="Collections to search, in order.")


def open_butler(repo: Path, *, writeable: bool = False) -> Butler:
    """Open a repository; the import waits, so that ``--help`` is quick."""
    from ..butler import Butler

    return Butler(repo, writeable=writeable)


def all_runs(butler: Butler) -> list[str]:
    """Return all runs, newest first: where a command searches that names no collections."""
    from ..registry import CollectionType

    return list(reversed(butler.collections.query("*", CollectionType.RUN)))


def parse_data_id(words: Iterable[str]) -> dict[str, Any]:
    """Read ``key=value`` words; values of integer dimensions become integers."""
    from ..dimensions import UNIVERSE

    values: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise click.UsageError(f"write the data ID as key=value, not {word!r}")
        definition = UNIVERSE[key].key
        is_number = definition is not None and definition.type is int
        try:
            values[key] = int(value) if is_number else value
        except ValueError:
            raise click.UsageError(f"{key} needs an integer, not {value!r}") from None
    return values
