"""The options that write a quantum graph, or a chart of it, into files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from butler import Butler
from connections import QuantumGraph, RunCollections, save_graph, workflow_dot, workflow_mermaid

from .request_options import request_options

__all__ = ["ChartRequest", "chart_options"]


@dataclass(frozen=True)
class ChartRequest:
    """Files to write a graph into; None for those that were not asked for."""

    save_qgraph: Path | None = None
    qgraph_mermaid: Path | None = None
    qgraph_dot: Path | None = None

    def write(self, graph: QuantumGraph, place: RunCollections, butler: Butler) -> None:
        """Write the files; one that is there is replaced."""
        if self.save_qgraph is not None:
            repository = butler.registry.repository_id
            assert repository is not None
            save_graph(graph, self.save_qgraph, place, repository)
        for path, text in ((self.qgraph_mermaid, workflow_mermaid), (self.qgraph_dot, workflow_dot)):
            if path is not None:
                path.write_text(text(graph.quanta), encoding="utf-8")


_PATH: Final = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.option("-q", "--save-qgraph", type=_PATH, help="Save the graph, for -g."),
    click.option("--qgraph-mermaid", type=_PATH, help="Draw the quanta as a Mermaid chart."),
    click.option("--qgraph-dot", type=_PATH, help="Draw the quanta for Graphviz."),
)

chart_options = request_options(ChartRequest, "charts", _OPTIONS)
"""Adds the options; the function gets a `ChartRequest` as ``charts``."""
