"""``pipetask update-graph-run``: the same plan for another run."""

from __future__ import annotations

from pathlib import Path

import click

from connections import GraphFile, save_with_run

__all__ = ["update_graph_run"]

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command("update-graph-run")
@click.argument("saved", type=_PATH)
@click.argument("run")
@click.argument("output", type=_PATH)
def update_graph_run(saved: Path, run: str, output: Path) -> None:
    """Write the graph of the file SAVED for another RUN into OUTPUT; its outputs get new UUIDs."""
    with GraphFile(saved) as file:
        save_with_run(file, run, output)
