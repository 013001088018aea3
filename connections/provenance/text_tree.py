"""A provenance graph as a tree of lines."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterator

from butler.provenance import QuantumRecord

from .provenance_graph import DatasetState, ProvenanceGraph

__all__ = ["tree_lines"]


def tree_lines(graph: ProvenanceGraph, *, descendants: bool = False) -> Iterator[str]:
    """Yield a line for each dataset and quantum, indented below what it was found from.

    Parameters
    ----------
    graph
        The graph.
    descendants
        Whether what was made of the targets stands below them, rather than what they were made of.
    """
    tree = _Tree(graph, descendants)
    for target in graph.targets:
        yield from tree.dataset(target, 0)


class _Tree:
    """Remembers what was told: it is not told again."""

    def __init__(self, graph: ProvenanceGraph, descendants: bool) -> None:
        self._graph = graph
        self._descendants = descendants
        self._told: set[uuid.UUID] = set()

    def dataset(self, key: uuid.UUID, level: int) -> Iterator[str]:
        """Yield the lines of a dataset and of what is below it."""
        graph = self._graph
        line = f"{'  ' * level}{graph.datasets[key]}{self._remark(key)}"
        below = graph.consumers(key) if self._descendants else [graph.producer(key)]
        quanta = [quantum for quantum in below if quantum is not None]
        if key in self._told and quanta:
            yield f"{line} (see above)"
            return
        self._told.add(key)
        yield line
        for quantum in quanta:
            yield from self._quantum(quantum, level + 1)

    def _quantum(self, record: QuantumRecord, level: int) -> Iterator[str]:
        sign = "->" if self._descendants else "<-"
        line = f"{'  ' * level}{sign} {record} {record.status}{_when(record)}, {record.task.task_class}"
        if record.id in self._told:
            yield f"{line} (see above)"
            return
        self._told.add(record.id)
        yield line
        found = record.all_outputs() if self._descendants else record.all_inputs()
        for key in dict.fromkeys(dataset.id for dataset in found):
            yield from self.dataset(key, level + 1)

    def _remark(self, key: uuid.UUID) -> str:
        graph = self._graph
        state = graph.states[key]
        told = [] if state is DatasetState.STORED else [state.value]
        if not self._descendants and key not in graph.made_by and key not in graph.ends:
            path = graph.paths.get(key, "")
            # What lies outside the repository was ingested where it is.
            told.append(f"from {path}" if path.startswith("/") or "://" in path else "made by no quantum")
        return f" ({', '.join(told)})" if told else ""


def _when(record: QuantumRecord) -> str:
    if not record.begin_ns:
        return ""
    begin = datetime.datetime.fromtimestamp(record.begin_ns / 1e9, datetime.UTC)
    return f" {begin:%Y-%m-%dT%H:%M:%SZ}, {record.duration:.1f} s"
