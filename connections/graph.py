"""QuantumGraph: the plan of a run, and a walk over it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from butler import DataCoordinate, DatasetRef
from butler.datasets import make_dataset_id

from .errors import QuantumGraphError
from .pipeline import Pipeline
from .pipeline_node import parent_name
from .quantum import Quantum

__all__ = ["DroppedQuanta", "GraphWalker", "QuantumGraph"]


@dataclass(frozen=True)
class DroppedQuanta:
    """Quanta of one task that are not in a graph, for one reason.

    Parameters
    ----------
    label
        Task.
    reason
        Why there is nothing for them to do.
    count
        How many there are; 0 if the query found no data IDs for the task.
    example
        Data ID of the first of them.
    """

    label: str
    reason: str
    count: int = 0
    example: DataCoordinate | None = None

    def __str__(self) -> str:
        if self.example is None:
            return f"{self.label}: {self.reason}"
        many = "a quantum" if self.count == 1 else f"{self.count} quanta"
        return f"{self.label}: {many} dropped, {self.example} {self.reason}"


@dataclass(frozen=True)
class QuantumGraph:
    """What is to be done.

    Parameters
    ----------
    pipeline
        The tasks.
    quanta
        Executions, each after those that make what it reads.
    run
        RUN for the outputs.
    n_skipped
        Quanta left out by task because they were done before.
    replaced
        Datasets of the run that are in the way of a quantum, by its id; they are removed before it runs.
    dropped
        Quanta that are not in it, with reasons; not those that were done before.
    id
        UUID.
    init_inputs
        Datasets that exist and that tasks need when they are made, by label and connection.
    order
        Quanta that a quantum waits for besides those that make what it reads, by its id; see `ordered`.
    """

    pipeline: Pipeline
    quanta: tuple[Quantum, ...]
    run: str
    n_skipped: Mapping[str, int]
    replaced: Mapping[uuid.UUID, tuple[DatasetRef, ...]] = field(default_factory=dict)
    dropped: tuple[DroppedQuanta, ...] = ()
    id: uuid.UUID = field(default_factory=make_dataset_id)
    init_inputs: Mapping[str, Mapping[str, DatasetRef]] = field(default_factory=dict)
    order: Mapping[uuid.UUID, frozenset[uuid.UUID]] = field(default_factory=dict)

    @cached_property
    def dependencies(self) -> dict[uuid.UUID, frozenset[uuid.UUID]]:
        """Quanta that each quantum waits for, by their ids."""
        produced = self.pipeline.produced
        handed_on = {
            node.label: [field for field, c in node.connections.inputs.items() if parent_name(c) in produced]
            for node in self.pipeline.nodes
        }
        producers = {ref.id: quantum.id for quantum in self.quanta for ref in quantum.output_refs()}
        return {
            quantum.id: frozenset(
                producers[ref.id]
                for field in handed_on[quantum.label]
                for ref in quantum.inputs[field]
                if ref.id in producers
            )
            | self.order.get(quantum.id, frozenset())
            for quantum in self.quanta
        }

    def ordered(self, pairs: Iterable[tuple[uuid.UUID, uuid.UUID]]) -> QuantumGraph:
        """Return the graph with more of an order: where tasks share what is no dataset, such as a database.

        A quantum that waits for one that fails is blocked, as if it read its outputs.

        Parameters
        ----------
        pairs
            UUIDs of quanta, of which the second waits for the first.

        Raises
        ------
        QuantumGraphError
            Raised for a quantum that is not in the graph, or if quanta would wait for each other.
        """
        known = {quantum.id: quantum for quantum in self.quanta}
        order = {key: set(before) for key, before in self.order.items()}
        for first, second in pairs:
            if strange := {first, second} - known.keys():
                raise QuantumGraphError(f"the graph has no quantum {strange.pop()} to be put in order")
            order.setdefault(second, set()).add(first)
        made = replace(self, order={key: frozenset(before) for key, before in order.items()})
        try:
            TopologicalSorter(made.dependencies).prepare()
        except CycleError as error:
            members = " -> ".join(str(known[key]) for key in error.args[1])
            raise QuantumGraphError(f"quanta would wait for each other: {members}") from error
        return made

    def existing_inputs(self) -> list[uuid.UUID]:
        """Return the datasets that quanta read and none of them makes, each once, in order."""
        made = {ref.id for quantum in self.quanta for ref in quantum.output_refs()}
        read = {ref.id for quantum in self.quanta for ref in quantum.input_refs()}
        return sorted(read - made)

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
