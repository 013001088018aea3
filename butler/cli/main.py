"""The group of commands, and how their errors are printed."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import click

from ..errors import (
    ButlerError,
    DimensionNameError,
    MissingCollectionError,
    MissingDatasetTypeError,
    UnknownComponentError,
    did_you_mean,
)
from .catalog import COMMANDS, SECTIONS
from .command import debug_option, is_debugging
from .logs import logging_options, start_logging
from .plugins import plugin_commands

__all__ = ["CommandWithErrorsInOneLine", "ErrorsInOneLine", "LazyGroup", "main"]


class _WrongNameError(click.ClickException):
    """The command line names what there is not."""

    exit_code = 2


class CommandWithErrorsInOneLine(click.Command):
    """A command whose foreseen errors are printed as one message, without a traceback.

    The exit status is then 1, or 2 for the errors in `usage_errors` as for a command line that is wrong.
    """

    usage_errors: ClassVar[tuple[type[ButlerError], ...]] = ()

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; end the program on such an error."""
        try:
            return super().invoke(ctx)
        except ButlerError as error:
            if is_debugging(ctx):
                raise
            notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
            failure = _WrongNameError if isinstance(error, self.usage_errors) else click.ClickException
            raise failure(f"{error}{notes}") from None
        except BrokenPipeError:
            # The reader of our output, for example ``head``, has seen enough.
            sys.stderr.close()
            ctx.exit(0)
        except OSError as error:
            if is_debugging(ctx):
                raise
            raise click.ClickException(str(error)) from None
        except UnicodeEncodeError as error:
            if is_debugging(ctx):
                raise
            raise click.ClickException(
                f"{error.object!r} holds what cannot be written in {error.encoding}: {error.reason}"
            ) from None


class ErrorsInOneLine(CommandWithErrorsInOneLine, click.Group):
    """A group of commands whose foreseen errors are printed as one message, without a traceback."""


class LazyGroup(ErrorsInOneLine):
    """A group that imports a command when it is used; other packages may add commands.

    A name that there is not is an error of the command line.
    """

    usage_errors: ClassVar[tuple[type[ButlerError], ...]] = (
        DimensionNameError,
        MissingCollectionError,
        MissingDatasetTypeError,
        UnknownComponentError,
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return [*COMMANDS, *plugin_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        if cmd_name in COMMANDS:
            module, _, name = COMMANDS[cmd_name].place.partition(":")
            loaded: click.Command = getattr(import_module(f".{module}", __package__), name)
            return loaded
        return plugin_commands().get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that a command line names; tell the nearest name if there is none."""
        name = args[0]
        if not name.startswith("-") and name not in COMMANDS and name not in plugin_commands():
            hint = did_you_mean(name, self.list_commands(ctx))
            ctx.fail(f"no command {name!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands; only those of other packages are imported for it."""
        added = {name: added.get_short_help_str(limit=100) for name, added in plugin_commands().items()}
        sections = {
            title: {name: entry.help for name, entry in section.items()}
            for title, section in SECTIONS.items()
        }
        for title, entries in {**sections, "From other packages": added}.items():
            if entries:
                with formatter.section(title):
                    formatter.write_dl(list(entries.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coadd-butler")
@logging_options
@click.option("--progress/--no-progress", default=None, help="Progress bars; on a terminal if not given.")
@debug_option
@click.pass_context
def main(
    ctx: click.Context,
    log_level: tuple[str, ...],
    log_file: tuple[Path, ...],
    long_log: bool,
    log_tty: bool,
    progress: bool | None,
) -> None:
    """Find and keep astronomical datasets."""
    ctx.meta["butler.progress"] = progress
    ctx.call_on_close(start_logging(log_level, log_file, long=long_log, terminal=log_tty))
