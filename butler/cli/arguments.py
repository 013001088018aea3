"""Arguments and options that many commands take, and what they stand for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..butler import Butler

__all__ = [
    "all_runs",
    "confirm",
    "confirm_option",
    "dry_run_option",
    "format_option",
    "is_pattern",
    "open_butler",
    "repository_argument",
    "split_callback",
    "transfer_option",
    "words_option",
]


_Function = TypeVar("_Function", bound=Callable[..., Any])


def split_callback(_ctx: click.Context, _parameter: click.Parameter, words: Sequence[str]) -> list[str]:
    """Return the names in words that may each be several, separated by commas."""
    return [name.strip() for word in words for name in word.split(",") if name.strip()]


def words_option(*names: str, **settings: Any) -> Callable[[_Function], _Function]:
    """Return an option that may be repeated, and whose values may be several, separated by commas."""
    return click.option(*names, multiple=True, callback=split_callback, **settings)


repository_argument = click.argument("repo")
format_option = click.option(
    "--format",
    "style",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How rows are printed.",
)
confirm_option = click.option(
    "-y/--confirm", "--yes", "--no-confirm", "yes", help="Whether not to ask before something is removed."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Print what would go; remove nothing.")


def transfer_option(
    *modes: str, default: str, help: str = "How files come."
) -> Callable[[_Function], _Function]:
    """Return the option that says how files are brought."""
    return click.option(
        "-t", "--transfer", type=click.Choice(modes), default=default, show_default=True, help=help
    )


def open_butler(repo: str, *, writeable: bool = False) -> Butler:
    """Open a repository; the import waits, so that ``--help`` is quick."""
    from ..butler import Butler

    return Butler(repo, writeable=writeable)


def all_runs(butler: Butler) -> list[str]:
    """Return all runs, newest first: where a command searches that names no collections."""
    from ..registry import CollectionType

    return list(reversed(butler.collections.query("*", CollectionType.RUN)))


def is_pattern(name: str) -> bool:
    """Tell whether a name is a glob."""
    return any(sign in name for sign in "*?[")


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
