"""The commands of ``pipetask``: what each is for, and where it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from butler.cli.catalog import CommandEntry

__all__ = ["COMMANDS"]

COMMANDS: Final[Mapping[str, CommandEntry]] = {
    "build": CommandEntry(
        "build:build",
        "Make and check a pipeline; show what its tasks read and write, or what --show asks for.",
    ),
    "cleanup": CommandEntry(
        "cleanup:cleanup", "Remove the collections named CHAIN/... that are no members of CHAIN."
    ),
    "demo": CommandEntry(
        "demo:demo", "From exposures to a safe-clipped coadd and its picture, in DIRECTORY."
    ),
    "pipelines": CommandEntry("pipelines:list_pipelines", "List the ready pipelines."),
    "purge": CommandEntry(
        "cleanup:purge",
        "Remove CHAIN and its members that are named CHAIN/..., with all their datasets.",
    ),
    "qgraph": CommandEntry(
        "qgraph:qgraph",
        "Build a quantum graph and list its quanta; nothing is run, and nothing changes.",
    ),
    "report": CommandEntry(
        "report:report",
        "Say what became of the quanta of runs: counts by task, reasons of failures, missing outputs.",
    ),
    "run": CommandEntry(
        "run:run", "Build the quantum graph of a pipeline, or load it with -g, and execute it."
    ),
    "update-graph-run": CommandEntry(
        "update_graph_run:update_graph_run",
        "Write the graph of the file SAVED for another RUN into OUTPUT; its outputs get new UUIDs.",
    ),
}
"""By name, in the order in which they are listed; a help text is the first paragraph of the command's."""
