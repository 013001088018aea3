"""The options that take a quantum graph from a file, or a part of it."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from butler.cli.data_ids import parse_choices
from connections import GraphFile, GraphFileError

__all__ = ["SavedGraphRequest", "saved_graph_options"]


@dataclass(frozen=True)
class SavedGraphRequest:
    """A saved graph as a command line asks for it.

    Parameters
    ----------
    path
        The file.
    labels
        Labels, subsets and ranges of tasks; empty for all.
    id
        UUID that the graph must have; None for any.
    quanta
        UUIDs of quanta; None for all.
    choices
        Allowed values of data IDs by dimension.
    """

    path: Path
    labels: str
    id: str | None
    quanta: Collection[uuid.UUID] | None
    choices: dict[str, Collection[Any]]

    def open(self) -> GraphFile:
        """Return the file, open for reading.

        Raises
        ------
        GraphFileError
            Raised if it cannot be read, or is another graph.
        """
        file = GraphFile(self.path)
        if self.id is not None and self.id != file.header.id:
            known = file.header.id
            file.close()
            raise GraphFileError(f"{str(self.path)!r} is the graph {known}, not {self.id}")
        return file


def saved_graph_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the function gets a `SavedGraphRequest`, or None, as ``saved``."""

    @click.option(
        "-g",
        "--qgraph",
        metavar="FILE[#LABELS]",
        help="Take the graph from a file that -q wrote, or the quanta of some of its tasks.",
    )
    @click.option("--qgraph-id", metavar="UUID", help="Refuse another graph than this.")
    @click.option("--qgraph-node-id", multiple=True, metavar="UUIDS", help="Take these quanta of the file.")
    @click.option(
        "--qgraph-data-id",
        multiple=True,
        metavar="KEY=VALUE",
        help="Take the quanta with such data IDs, for example tract=9,patch=2..5.",
    )
    @functools.wraps(function)
    def command(**options: Any) -> Any:
        name, graph_id = options.pop("qgraph"), options.pop("qgraph_id")
        nodes, words = options.pop("qgraph_node_id"), options.pop("qgraph_data_id")
        if name is None:
            if graph_id or nodes or words:
                raise click.UsageError("--qgraph-id, --qgraph-node-id and --qgraph-data-id need -g FILE")
            return function(saved=None, **options)
        path, _, labels = name.partition("#")
        quanta = [_uuid(text) for node in nodes for text in node.split(",") if text] if nodes else None
        request = SavedGraphRequest(Path(path), labels, graph_id, quanta, parse_choices(words))
        return function(saved=request, **options)

    return command


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise click.UsageError(f"--qgraph-node-id takes UUIDs, not {text!r}") from None
