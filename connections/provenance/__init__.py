"""Where datasets come from: the quanta and datasets behind them, as a graph, and how to do it again."""

from .find_provenance import provenance
from .prov_json import to_prov
from .provenance_graph import DatasetState, ProvenanceGraph
from .replay import replay
from .run_history import Failures, OutputCount, RunHistory
from .text_tree import tree_lines

__all__ = [
    "DatasetState",
    "Failures",
    "OutputCount",
    "ProvenanceGraph",
    "RunHistory",
    "provenance",
    "replay",
    "to_prov",
    "tree_lines",
]
