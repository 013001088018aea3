"""Gen2Command: a command with LSST's second-generation command line."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import click

from butler.cli import CommandWithErrorsInOneLine
from butler.cli.command import start_debugging
from butler.cli.logs import start_logging

from .arguments import META_OPTIONS, Gen2Parser, Request
from .log import command_log

__all__ = ["Gen2Command"]


class Gen2Command(CommandWithErrorsInOneLine):
    """A command whose first word is the repository, and whose options may take several words.

    Parameters
    ----------
    parser
        Reads the words.
    action
        ``module:name`` of what does the work: a function of a `Request` that returns the exit status. It is
        imported when the command runs, so that ``--help`` is quick.
    """

    def __init__(self, parser: Gen2Parser, action: str) -> None:
        super().__init__(parser.prog, callback=self._run, help=parser.description)
        self._parser = parser
        self._action = action

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read a command line; without a repository in front it is a question for help."""
        first = next((word for word in args if word not in META_OPTIONS), "-")
        if first.startswith(("-", "@")):
            click.echo(self.get_help(ctx), nl=False)
            ctx.exit(0 if args in (["-h"], ["--help"]) else 1)
        ctx.obj = self._parser.read(args)
        return []

    def get_help(self, ctx: click.Context) -> str:
        """Return the help text."""
        return self._parser.format_help()

    def _run(self) -> None:
        """Do what the command line says, and end with its status."""
        ctx = click.get_current_context()
        request: Request = ctx.obj
        levels = ("INFO", *request.log_levels)
        ctx.call_on_close(start_logging(levels, (), long=request.longlog, terminal=True))
        if request.debug or request.doraise:
            start_debugging(ctx)
        if request.debug:
            _import_debug()
        module, _, name = self._action.partition(":")
        action: Callable[[Request], int] = getattr(importlib.import_module(f".{module}", __package__), name)
        ctx.exit(action(request))


def _import_debug() -> None:
    """Import the module ``debug`` that users put on their Python path."""
    try:
        importlib.import_module("debug")
    except ImportError as error:
        command_log().warning("no debugging: cannot import debug.py: %s", error)
