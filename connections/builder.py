"""Build a quantum graph: one query for all data IDs, then look-ups by data ID."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from butler import Butler, DataCoordinate, DatasetRef
from butler.dimensions import UNIVERSE
from butler.errors import (
    DatasetNotFoundError,
    EmptyQueryResultError,
    MissingCollectionError,
    MissingDatasetTypeError,
)

from .connection_types import BaseConnection, Input, PrerequisiteInput
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
    skip_existing_in: Sequence[str] = (),
    clobber_outputs: bool = False,
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
        Whether to leave out quanta that have succeeded in the run: those whose metadata it has. Outputs that
        they did not write stay absent.
    skip_existing_in
        Further collections whose successes count; what they have is read instead.
    clobber_outputs
        Whether what is in the way of other quanta is removed before they run; otherwise it is an error.

    Raises
    ------
    EmptyQuantumGraphError
        Raised if there is nothing to do, with the reason; not if all was done before.
    OutputExistsError
        Raised if the run has an output already, and the options do not say what to do about it.
    DatasetNotFoundError
        Raised if a prerequisite is missing.
    """
    done_in = [run] if skip_existing else []
    builder = _Builder(pipeline, butler, collections, run, [*done_in, *skip_existing_in])
    rows = builder.query(where, bind)
    drafts = builder.project(rows)
    return builder.finish(drafts, clobber_outputs=clobber_outputs)


@dataclass
class _Draft:
    """A quantum in the making: the data IDs of its datasets by connection."""

    node: PipelineTaskNode
    data_id: DataCoordinate
    datasets: dict[str, dict[DataCoordinate, None]] = field(default_factory=dict)


class _Builder:
    """Holds what the steps of one build share."""

    def __init__(
        self,
        pipeline: Pipeline,
        butler: Butler,
        collections: Sequence[str],
        run: str,
        done_in: Sequence[str],
    ) -> None:
        self._pipeline = pipeline
        self._butler = butler
        self._collections = list(collections)
        self._run = run
        self._done_in = list(done_in)
        self._produced = pipeline.produced
        self._found: dict[str, dict[DataCoordinate, DatasetRef]] = {}
        self._made: dict[tuple[str, DataCoordinate], DatasetRef] = {}
        self._old: set[uuid.UUID] = set()

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

    def finish(self, drafts: Iterable[_Draft], *, clobber_outputs: bool) -> QuantumGraph:
        """Turn drafts into quanta, in task order."""
        quanta: list[Quantum] = []
        replaced: dict[uuid.UUID, tuple[DatasetRef, ...]] = {}
        skipped = {node.label: 0 for node in self._pipeline.nodes}
        for draft in drafts:
            if self._was_done(draft):
                skipped[draft.node.label] += 1
                continue
            in_the_way = self._in_the_way(draft)
            if in_the_way and not clobber_outputs:
                raise OutputExistsError(
                    f"{in_the_way[0]} exists already; use another run, go on with what is not done "
                    "(--resume), or replace it (--clobber-outputs)"
                )
            inputs = self._inputs(draft)
            if inputs is None:
                continue
            quantum = Quantum(draft.node.label, draft.data_id, inputs, self._outputs(draft))
            quanta.append(quantum)
            if in_the_way:
                replaced[quantum.id] = in_the_way
        if not quanta and not any(skipped.values()):
            raise EmptyQuantumGraphError("nothing to do: no quantum has all of its inputs")
        return QuantumGraph(
            self._pipeline, tuple(quanta), self._run, self._records(quanta), skipped, replaced
        )

    def _was_done(self, draft: _Draft) -> bool:
        """Tell whether a quantum has succeeded before; what it wrote then serves the tasks after it."""
        known = self._existing(draft.node.metadata_type.name, self._done_in) if self._done_in else {}
        if draft.data_id not in known:
            return False
        for name, kind in draft.node.outputs.items():
            for data_id in draft.datasets[name]:
                ref = self._existing(kind.name, self._done_in).get(data_id)
                if ref is not None:
                    self._made[kind.name, data_id] = ref
                    self._old.add(ref.id)
        return True

    def _in_the_way(self, draft: _Draft) -> tuple[DatasetRef, ...]:
        """Return the datasets of the run that a quantum would write again."""
        wanted = [(kind.name, d) for name, kind in draft.node.outputs.items() for d in draft.datasets[name]]
        wanted.append((draft.node.metadata_type.name, draft.data_id))
        found = (self._existing(name, [self._run]).get(data_id) for name, data_id in wanted)
        return tuple(ref for ref in found if ref is not None)

    def _outputs(self, draft: _Draft) -> dict[str, tuple[DatasetRef, ...]]:
        """Return new datasets for the outputs of a quantum."""
        outputs = {}
        for name, connection in draft.node.connections.outputs.items():
            kind = dataset_type(connection)
            refs = tuple(DatasetRef(kind, data_id, self._run) for data_id in sorted(draft.datasets[name]))
            self._check_count(draft, name, connection, len(refs))
            self._made |= {(kind.name, ref.dataId): ref for ref in refs}
            outputs[name] = refs
        return outputs

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
            ref = self._made.get((parent, data_id))
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
            if ref.datasetType.nameAndComponent()[0] not in self._produced or ref.id in self._old
        }
        return self._butler.registry.files.get(sorted(wanted))
