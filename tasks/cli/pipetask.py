"""The ``pipetask`` command: plan and run a pipeline."""

from __future__ import annotations

import atexit
import gc
from typing import Final

import click

from butler.cli import ErrorsInOneLine
from butler.safe_yaml import load_yaml

from ..ready_pipelines import ready_pipelines
from .build import build
from .cleanup import cleanup, purge
from .demo import demo
from .qgraph import qgraph
from .report import report
from .run import run
from .update_graph_run import update_graph_run

__all__ = ["main"]

_OBJECTS_PER_COLLECTION: Final = 100_000
"""Libraries make very many objects when they are imported, and none of them becomes garbage. To look through
them as often as Python does by default takes a tenth of a short run."""


@click.group(cls=ErrorsInOneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coadd-butler")
def main() -> None:
    """Plan and run pipelines of tasks."""
    gc.set_threshold(_OBJECTS_PER_COLLECTION, *gc.get_threshold()[1:])
    # Nor is there anything to find at the end, where Python looks through all of them once more.
    atexit.register(gc.freeze)


@main.command("pipelines")
def list_pipelines() -> None:
    """List the ready pipelines."""
    for name, path in ready_pipelines().items():
        description = load_yaml(path.read_bytes(), name)["description"]
        click.echo(f"{name}: {' '.join(description.split())}")


for command in (build, qgraph, run, report, update_graph_run, cleanup, purge, demo):
    main.add_command(command)
