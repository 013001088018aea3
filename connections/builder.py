"""Build a quantum graph: one query for all data IDs, then look-ups by data ID."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from butler import Butler, DataCoordinate, DatasetRef, DatasetType
from butler.dimensions import UNIVERSE
from butler.errors import (
    DatasetNotFoundError,
    EmptyQueryResultError,
    MissingCollectionError,
    MissingDatasetTypeError,
)

from .connections import BaseConnection, Input, PrerequisiteInput
from .errors import EmptyQuantumGraphError, OutputExistsError, QuantumGraphError
from .graph import QuantumGraph
from .pipeline import Pipeline
from .pipeline_node import PipelineTaskNode, dataset_type
from .quantum import Quantum

__all__ = ["build_graph"]


def build_graph(
    pipeline: Pipeline,
    butler: Butler,
    *,
    collections: Sequence[str],
    run: str,
    where: str = "",
    bind: Mapping[str, Any] | None = None,
    skip_existing: bool = False,
) -> QuantumGraph:
    """Plan what a pipeline has to do.

    The data IDs of all tasks and dataset types come from one query, in which the inputs that no task
    makes must exist; observations and sky map join where they overlap.

    Parameters
    ----------
    pipeline
        The tasks.
    butler
        Butler of the repository.
    collections
        Where inputs are searched, in order.
    run
        RUN that the outputs will go to; it need not exist.
    where, bind
        Condition on data IDs.
    skip_existing
        Whether to leave out quanta all of whose outputs the run has, instead of refusing.

    Raises
    ------
    EmptyQuantumGraphError
        Raised if there is nothing to do, with the reason.
    OutputExistsError
        Raised if the run has an output already and `skip_existing` is not set.
    DatasetNotFoundError
        Raised if a prerequisite is missing.
    """
    builder = _Builder(pipeline, butler, collections, run)
    rows = builder.query(where, bind)
    drafts = builder.project(rows)
    return builder.finish(drafts, skip_existing=skip_existing)


@dataclass
class _Draft:
    """A quantum in the making: the data IDs of its datasets by connection."""

    node: PipelineTaskNode
    data_id: DataCoordinate
    datasets: dict[str, dict[DataCoordinate, None]] = field(default_factory=dict)


class _Builder:
    """Holds what the steps of one build share."""

    def __init__(self, pipeline: Pipeline, butler: Butler, collections: Sequence[str], run: str) -> None:
        self._pipeline = pipeline
        self._butler = butler
        self._collections = list(collections)
        self._run = run
        self._produced = pipeline.produced
        self._found: dict[str, dict[DataCoordinate, DatasetRef]] = {}
        self._new: dict[tuple[str, DataCoordinate], DatasetRef] = {}

    def query(self, where: str, bind: Mapping[str, Any] | None) -> list[DataCoordinate]:
        """Return the data IDs over all dimensions of the pipeline."""
        groups = [
            UNIVERSE.conform(dimensions)
            for node in self._pipeline.nodes
            for dimensions in (
                node.connections.dimensions,
                *(c.dimensions for _, c in node.connections.all()),
            )
        ]
        inputs = self._pipeline.overall_inputs()
        try:
            joined = [self._butler.registry.search(name, self._collections) for name in inputs]
            return self._butler.query_data_ids(
                UNIVERSE.empty.union(*groups), where=where, bind=bind, joined=joined
            )
        except (EmptyQueryResultError, MissingDatasetTypeError) as error:
            raise EmptyQuantumGraphError(f"nothing to do: {error}") from error

    def project(self, rows: Iterable[DataCoordinate]) -> list[_Draft]:
        """Return a draft of each quantum, in the order of tasks and data IDs."""
        drafts: dict[str, dict[DataCoordinate, _Draft]] = {n.label: {} for n in self._pipeline.nodes}
        plans = [
            (
                node,
                UNIVERSE.conform(node.connections.dimensions),
                [(name, UNIVERSE.conform(c.dimensions)) for name, c in node.connections.all()],
            )
            for node in self._pipeline.nodes
        ]
        for row in rows:
            for node, dimensions, connections in plans:
                data_id = row.subset(dimensions)
                draft = drafts[node.label].setdefault(data_id, _Draft(node, data_id))
                for name, group in connections:
                    draft.datasets.setdefault(name, {})[row.subset(group)] = None
        return [
            drafts[node.label][key] for node in self._pipeline.nodes for key in sorted(drafts[node.label])
        ]

    def finish(self, drafts: Iterable[_Draft], *, skip_existing: bool) -> QuantumGraph:
        """Turn drafts into quanta, in task order."""
        quanta: list[Quantum] = []
        skipped = {node.label: 0 for node in self._pipeline.nodes}
        for draft in drafts:
            outputs = self._outputs(draft)
            existing = [ref for ref in chain(*outputs.values()) if self._in_run(ref)]
            if existing and not skip_existing:
                raise OutputExistsError(
                    f"{existing[0]} exists already; use another run, or skip what is there (--skip-existing)"
                )
            if existing and len(existing) == sum(map(len, outputs.values())):
                skipped[draft.node.label] += 1
                continue
            if existing:
                raise OutputExistsError(
                    f"{draft.node.label} {draft.data_id} wrote only a part of its outputs; use another run"
                )
            inputs = self._inputs(draft)
            if inputs is None:
                for ref in chain(*outputs.values()):
                    del self._new[ref.datasetType.name, ref.dataId]
                continue
            quanta.append(Quantum(draft.node.label, draft.data_id, inputs, outputs))
        if not quanta and not any(skipped.values()):
            raise EmptyQuantumGraphError("nothing to do: no quantum has all of its inputs")
        return QuantumGraph(self._pipeline, tuple(quanta), self._run, self._records(quanta), skipped)

    def _outputs(self, draft: _Draft) -> dict[str, tuple[DatasetRef, ...]]:
        outputs = {}
        for name, connection in draft.node.connections.outputs.items():
            kind = dataset_type(connection)
            outputs[name] = tuple(self._output(kind, key) for key in sorted(draft.datasets[name]))
            self._check_count(draft, name, connection, len(outputs[name]))
        return outputs

    def _output(self, kind: DatasetType, data_id: DataCoordinate) -> DatasetRef:
        key = (kind.name, data_id)
        if key not in self._new:
            known = self._existing(kind.name, [self._run]).get(data_id)
            self._new[key] = known or DatasetRef(kind, data_id, self._run)
        return self._new[key]

    def _in_run(self, ref: DatasetRef) -> bool:
        return ref.dataId in self._existing(ref.datasetType.name, [self._run])

    def _inputs(self, draft: _Draft) -> dict[str, tuple[DatasetRef, ...]] | None:
        """Return the inputs of a quantum; None if an ordinary one is missing."""
        inputs: dict[str, tuple[DatasetRef, ...]] = {}
        for name, connection in draft.node.connections.all():
            if not isinstance(connection, Input | PrerequisiteInput):
                continue
            found = tuple(
                ref
                for ref in (self._input(connection, key) for key in sorted(draft.datasets[name]))
                if ref is not None
            )
            if len(found) < connection.minimum:
                if isinstance(connection, Input):
                    return None
                raise DatasetNotFoundError(
                    f"{draft.node.label} {draft.data_id} needs {connection.name!r}, "
                    f"which {', '.join(self._collections)} do not have"
                )
            self._check_count(draft, name, connection, len(found))
            inputs[name] = found
        return inputs

    def _input(self, connection: BaseConnection, data_id: DataCoordinate) -> DatasetRef | None:
        parent, _, component = connection.name.partition(".")
        if parent in self._produced and isinstance(connection, Input):
            ref = self._new.get((parent, data_id))
        else:
            ref = self._existing(parent, self._collections).get(data_id)
        return ref.makeComponentRef(component) if ref is not None and component else ref

    def _existing(self, name: str, collections: list[str]) -> dict[DataCoordinate, DatasetRef]:
        """Return the datasets of a type by data ID; nothing if type or collection are not known."""
        key = f"{name}@{','.join(collections)}"
        if key not in self._found:
            try:
                refs = self._butler.query_datasets(name, collections, explain=False)
            except (MissingDatasetTypeError, MissingCollectionError):
                refs = []
            self._found[key] = {ref.dataId: ref for ref in refs}
        return self._found[key]

    def _check_count(self, draft: _Draft, name: str, connection: BaseConnection, count: int) -> None:
        if count > 1 and not connection.multiple:
            raise QuantumGraphError(
                f"{draft.node.label} {draft.data_id} has {count} datasets of {name}, which takes one; "
                "declare it with multiple=True, or narrow the query"
            )

    def _records(self, quanta: Iterable[Quantum]) -> dict[uuid.UUID, Any]:
        wanted = {
            ref.id
            for quantum in quanta
            for ref in quantum.input_refs()
            if ref.datasetType.nameAndComponent()[0] not in self._produced or self._in_run(ref)
        }
        return self._butler.registry.files.get(sorted(wanted))
