"""The ``pipetask`` command: plan and run a pipeline."""

from __future__ import annotations

import atexit
import gc
from importlib import import_module
from typing import Any, Final

import click

from butler.cli import ErrorsInOneLine
from butler.errors import did_you_mean

from .catalog import COMMANDS

__all__ = ["main"]

_OBJECTS_PER_COLLECTION: Final = 400_000
"""Libraries make very many objects when they are imported, some 300 000 until a coadd is written, and none of
them becomes garbage. To look through them as often as Python does by default takes a tenth of a short run."""


class _TaskCommands(ErrorsInOneLine):
    """The commands of tasks, each of which is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].place.partition(":")
        command: click.Command = getattr(import_module(f".{module}", __package__), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that a command line names; tell the nearest name if there is none."""
        name = args[0]
        if not name.startswith("-") and name not in COMMANDS:
            ctx.fail(f"no command {name!r}{did_you_mean(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, with a garbage collector that suits short runs."""
        gc.set_threshold(_OBJECTS_PER_COLLECTION, *gc.get_threshold()[1:])
        # Nor is there anything to find at the end, where Python looks through all of them once more.
        atexit.register(gc.freeze)
        return super().invoke(ctx)


@click.group(cls=_TaskCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coadd-butler")
def main() -> None:
    """Plan and run pipelines of tasks."""
