"""The ``pipetask`` command: plan and run a pipeline."""

from __future__ import annotations

import atexit
import gc
from importlib import import_module
from typing import Any, Final

import click

from butler.cli import ErrorsInOneLine

__all__ = ["main"]

_OBJECTS_PER_COLLECTION: Final = 400_000
"""Libraries make very many objects when they are imported, some 300 000 until a coadd is written, and none of
them becomes garbage. To look through them as often as Python does by default takes a tenth of a short run."""
_MODULES: Final = {
    "build": "build",
    "cleanup": "cleanup",
    "demo": "demo",
    "purge": "cleanup",
    "qgraph": "qgraph",
    "report": "report",
    "run": "run",
    "update-graph-run": "update_graph_run",
}
"""Where each command is, which is imported when it is used."""


class _TaskCommands(ErrorsInOneLine):
    """The commands of tasks."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *_MODULES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        if cmd_name not in _MODULES:
            return super().get_command(ctx, cmd_name)
        module = import_module(f".{_MODULES[cmd_name]}", __package__)
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

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


@main.command("pipelines")
def list_pipelines() -> None:
    """List the ready pipelines."""
    from butler.safe_yaml import load_yaml

    from ..ready_pipelines import ready_pipelines

    for name, path in ready_pipelines().items():
        description = load_yaml(path.read_bytes(), name)["description"]
        click.echo(f"{name}: {' '.join(description.split())}")
