"""Where log messages of commands go: to the standard error, and into files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

__all__ = ["logging_options", "start_logging"]

_LEVELS: Final = {
    "CRITICAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARNING": logging.WARNING,
    "INFO": logging.INFO,
    "VERBOSE": 15,
    "DEBUG": logging.DEBUG,
    "TRACE": 5,
}
_SHORT: Final = "%(name)s %(levelname)s: %(message)s"
_LONG: Final = f"%(asctime)s %(process)d {_SHORT}"


def logging_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what is logged, and where."""
    for option in (
        click.option("--log-tty/--no-log-tty", default=True, help="Whether to log to the terminal."),
        click.option("--long-log", is_flag=True, help="Add time and process to each message."),
        click.option(
            "--log-file", multiple=True, type=click.Path(path_type=Path), help="File to log to, too."
        ),
        click.option(
            "--log-level",
            multiple=True,
            metavar="LEVEL|COMPONENT=LEVEL",
            help=f"Least level to log, one of {', '.join(_LEVELS)}; WARNING if not given.",
        ),
    ):
        function = option(function)
    return function


class _EchoHandler(logging.Handler):
    """Writes to what is the standard error at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def start_logging(
    levels: Sequence[str], files: Sequence[Path], *, long: bool, terminal: bool
) -> Callable[[], None]:
    """Log as the options say.

    Parameters
    ----------
    levels
        ``LEVEL`` for everything, or ``component=LEVEL``; several may be joined by commas.
    files
        Files that messages are appended to.
    long
        Whether messages have time and process.
    terminal
        Whether they go to the standard error.

    Returns
    -------
    stop
        Undoes it.

    Raises
    ------
    UsageError
        Raised for a level that there is not, or a file that cannot be written.
    """
    wanted = _parse_levels(levels)
    handlers: list[logging.Handler] = [_EchoHandler()] if terminal else []
    for path in files:
        try:
            handlers.append(logging.FileHandler(path, encoding="utf-8"))
        except OSError as error:
            raise click.UsageError(f"cannot log to {path}: {error.strerror}") from error
    for handler in handlers:
        handler.setFormatter(logging.Formatter(_LONG if long else _SHORT))
        logging.getLogger().addHandler(handler)
    before = {name: logging.getLogger(name).level for name in wanted}
    for name, level in wanted.items():
        logging.getLogger(name).setLevel(level)

    def stop() -> None:
        for handler in handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)

    return stop


def _parse_levels(words: Sequence[str]) -> dict[str | None, int]:
    """Return the least level by logger; None stands for all of them."""
    levels: dict[str | None, int] = {None: logging.WARNING}
    for text in (part for word in words for part in word.split(",")):
        component, equals, name = text.rpartition("=")
        if name.upper() not in _LEVELS:
            raise click.UsageError(f"no log level {name!r}; give one of {', '.join(_LEVELS)}")
        key = component if equals and component not in ("", ".") else None
        levels[key] = _LEVELS[name.upper()]
    return levels
