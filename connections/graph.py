"""QuantumGraph: the plan of a run, and a walk over it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from butler import DatasetRef
from butler.registry import FileRecord

from .pipeline import Pipeline
from .quantum import Quantum

__all__ = ["GraphWalker", "QuantumGraph"]


@dataclass(frozen=True)
class QuantumGraph:
    """What is to be done.

    Parameters
    ----------
    pipeline
        The tasks.
    quanta
        Executions, each after those that it depends on.
    run
        RUN for the outputs.
    records
        Where the files of existing inputs are, by dataset UUID.
    n_skipped
        Quanta left out by task because they were done before.
    replaced
        Datasets of the run that are in the way of a quantum, by its id; they are removed before it runs.
    init_inputs
        Datasets that exist and that tasks need when they are made, by label and connection.
    """

    pipeline: Pipeline
    quanta: tuple[Quantum, ...]
    run: str
    records: Mapping[uuid.UUID, FileRecord]
    n_skipped: Mapping[str, int]
    replaced: Mapping[uuid.UUID, tuple[DatasetRef, ...]] = field(default_factory=dict)
    init_inputs: Mapping[str, Mapping[str, DatasetRef]] = field(default_factory=dict)

    @cached_property
    def dependencies(self) -> dict[uuid.UUID, frozenset[uuid.UUID]]:
        """Quanta that each quantum waits for, by their ids."""
        producers = {ref.id: quantum.id for quantum in self.quanta for ref in quantum.output_refs()}
        return {
            quantum.id: frozenset(producers[r.id] for r in quantum.input_refs() if r.id in producers)
            for quantum in self.quanta
        }

    def count_by_label(self) -> dict[str, int]:
        """Return the number of quanta of each task."""
        counts = {node.label: 0 for node in self.pipeline.nodes}
        for quantum in self.quanta:
            counts[quantum.label] += 1
        return counts


class GraphWalker:
    """Hands out quanta whose dependencies are finished.

    It knows nothing of tasks or processes. `next_ready` returning an empty list while quanta are out
    means: wait for `finish` or `fail`; while none is out: the walk is over. Not thread-safe.

    Parameters
    ----------
    graph
        The graph; it is not changed.
    """

    def __init__(self, graph: QuantumGraph) -> None:
        self._quanta = {quantum.id: quantum for quantum in graph.quanta}
        self._waiting = {key: set(needed) for key, needed in graph.dependencies.items()}
        self._dependents: dict[uuid.UUID, list[uuid.UUID]] = {key: [] for key in self._quanta}
        for key, needed in graph.dependencies.items():
            for other in needed:
                self._dependents[other].append(key)
        self._ready = [key for key, needed in self._waiting.items() if not needed]
        for key in self._ready:
            del self._waiting[key]

    def next_ready(self) -> list[Quantum]:
        """Return the quanta that became ready since the last call."""
        ready, self._ready = self._ready, []
        return [self._quanta[key] for key in ready]

    def finish(self, quantum: Quantum) -> None:
        """Note that a quantum succeeded."""
        for dependent in self._dependents[quantum.id]:
            needed = self._waiting.get(dependent)
            if needed is None:
                continue
            needed.discard(quantum.id)
            if not needed:
                del self._waiting[dependent]
                self._ready.append(dependent)

    def fail(self, quantum: Quantum) -> list[Quantum]:
        """Note that a quantum failed; return those that can therefore never run."""
        return list(self._block(quantum))

    def _block(self, quantum: Quantum) -> Iterator[Quantum]:
        stack = [quantum.id]
        while stack:
            for dependent in self._dependents[stack.pop()]:
                if self._waiting.pop(dependent, None) is not None:
                    stack.append(dependent)
                    yield self._quanta[dependent]
