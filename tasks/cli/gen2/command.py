"""Gen2Command: a command with LSST's second-generation command line."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from butler.cli import CommandWithErrorsInOneLine
from butler.cli.command import start_debugging
from butler.cli.logs import start_logging

from .arguments import META_OPTIONS, Gen2Parser, Request
from .log import command_log, forwarded

if TYPE_CHECKING:
    from ...struct import Struct
    from ...task import PipelineTask
    from .task_call import TaskCall

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
        request = self._parser.read(args)
        call: TaskCall | None = ctx.obj
        if call is not None:
            if request.meta:
                task, option = call.task_class.__name__, min(request.meta)
                raise click.UsageError(f"parseAndRun of {task} runs that task; leave out {option}")
            call.request = request = replace(request, call=call)
        ctx.obj = request
        return []

    def parse_and_run(
        self,
        task_class: type[PipelineTask],
        words: Sequence[str],
        *,
        config: Any = None,
        log: logging.Logger | None = None,
        keeps_results: bool = False,
    ) -> Struct:
        """Run a task in place of that of the command; see `CommandLine.parseAndRun`."""
        from ...struct import Struct
        from .task_call import TaskCall

        call = TaskCall(task_class, config, keeps_results)
        try:
            with forwarded(log):
                self.main(list(words), prog_name=self.name, obj=call)
        except SystemExit as end:
            if end.code or call.request is None:
                raise
        return Struct(
            argumentParser=self._parser,
            parsedCmd=call.request,
            taskRunner=self.action(),
            resultList=call.results,
        )

    def action(self) -> Callable[[Request], int]:
        """Import what does the work."""
        module, _, name = self._action.partition(":")
        found: Callable[[Request], int] = getattr(importlib.import_module(f".{module}", __package__), name)
        return found

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
        ctx.exit(self.action()(request))


def _import_debug() -> None:
    """Import the module ``debug`` that users put on their Python path."""
    try:
        importlib.import_module("debug")
    except ImportError as error:
        command_log().warning("no debugging: cannot import debug.py: %s", error)
