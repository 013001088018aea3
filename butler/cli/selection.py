"""Which datasets a command works on, and the question before it removes them."""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..errors import EmptyQueryResultError

if TYPE_CHECKING:
    from ..butler import Butler
    from ..datasets import DatasetRef

__all__ = ["confirm", "dry_run_option", "select_datasets", "split_names", "types_option", "yes_option"]

types_option = click.option(
    "-d", "--dataset-type", "--datasets", "types", multiple=True, help="Dataset type or glob; all by default."
)
yes_option = click.option("-y", "--yes", "--no-confirm", "yes", is_flag=True, help="Do not ask.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Print what would go; remove nothing.")


def split_names(words: Sequence[str]) -> list[str]:
    """Return the names in words that may each be several, separated by commas."""
    return [name for word in words for name in word.split(",") if name]


def select_datasets(
    butler: Butler, types: Sequence[str], collections: Sequence[str], where: str, *, find_all: bool = False
) -> list[DatasetRef]:
    """Return the datasets of some types that fulfil a condition, each once.

    Parameters
    ----------
    butler
        Where to look.
    types
        Names and globs of dataset types; all if empty.
    collections
        Collections to search, in order.
    where
        Condition.
    find_all
        Whether datasets count that an earlier collection hides.

    Raises
    ------
    EmptyQueryResultError
        Raised if there are none.
    """
    infos = butler.collections.query_info(collections, include_summary=True)
    held = sorted({name for info in infos for name in info.dataset_types or ()})
    names: dict[str, None] = {}
    for pattern in types or ["*"]:
        if re.search(r"[*?\[]", pattern):
            names |= dict.fromkeys(fnmatch.filter(held, pattern))
        else:
            names[butler.get_dataset_type(pattern).name] = None
    path = [info.name for info in infos]
    searches = (
        [[name] for name in butler.collections.query(path, flatten_chains=True)] if find_all else [path]
    )
    explain = len(names) * len(searches) == 1
    found = {
        ref: None
        for name in names
        for search in searches
        for ref in butler.query_datasets(name, search, where=where, explain=explain)
    }
    if not found:
        raise EmptyQueryResultError(f"no dataset in {', '.join(collections)} is selected")
    return list(found)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is removed; stop if the answer is no.

    Raises
    ------
    UsageError
        Raised if there is nobody to ask.
    """
    if yes:
        return
    if not _is_terminal():
        raise click.UsageError("this asks before it removes anything, but there is no terminal; give --yes")
    click.confirm(question, abort=True, err=True)


def _is_terminal() -> bool:
    return sys.stdin.isatty()
