"""Resolution: what is left of the quanta of a plan, given what exists and what each task makes of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from butler import DatasetRef

from .adjusting import adjust_quantum
from .connections import PipelineTaskConnections
from .data_id_rows import Key
from .dataset_lookup import DatasetLookup
from .errors import NoWorkFound, OutputExistsError
from .graph import DroppedQuanta, QuantumGraph
from .pipeline import Pipeline
from .pipeline_node import PipelineTaskNode
from .quanta_adjuster import QuantaAdjuster
from .quantum import Quantum
from .retention import Retention

__all__ = ["ExistingOutputs", "Resolution"]

_Existing = Mapping[str, Mapping[Key, DatasetRef]]
"""Datasets that exist by type and data ID."""
_ByNode = Sequence[tuple[PipelineTaskNode, Sequence[Quantum]]]


@dataclass(frozen=True)
class ExistingOutputs:
    """What is done about quanta whose outputs exist already.

    Parameters
    ----------
    done_in
        Collections whose successes count: a quantum whose metadata is there is left out.
    clobber
        Whether what is in the way of other quanta is removed before they run; otherwise it is an error.
    planned_before
        Whether the quanta are those of a plan that was made before. One all of whose outputs are there then
        counts as a success, also without its metadata; and tasks are asked again only about quanta whose
        inputs are no longer those of the plan.
    retained
        Patterns of the dataset types whose outputs are kept for good; None for all. An output of another type
        that a quantum before has made, and that is gone, is made again if something needs it.
    prune_unanchored
        Whether quanta are left out none of whose outputs is kept or read by another one.
    """

    done_in: Sequence[str] = ()
    clobber: bool = False
    planned_before: bool = False
    retained: Sequence[str] | None = None
    prune_unanchored: bool = False


class Resolution:
    """Goes through quanta in task order, and says which of them are to be run, on what.

    A quantum that has succeeded before is left out, and what it wrote serves those after it. One whose task
    has no work for it is dropped; those after it do without its outputs, and may have no work for that.

    Parameters
    ----------
    pipeline
        The tasks.
    run
        RUN of the outputs.
    lookup
        Finds what exists.
    policy
        What is done about existing outputs.

    Attributes
    ----------
    quanta
        Those to be run.
    n_skipped
        Numbers of those that were done before, by task.
    replaced
        What is in the way of a quantum, by its id.
    """

    def __init__(self, pipeline: Pipeline, run: str, lookup: DatasetLookup, policy: ExistingOutputs) -> None:
        self._pipeline = pipeline
        self._run = run
        self._lookup = lookup
        self._policy = policy
        self._instead: dict[str, dict[uuid.UUID, DatasetRef | None]] = {}
        self._dropped: dict[tuple[str, str], DroppedQuanta] = {}
        self._retention = Retention(policy.retained)
        self._again: Set[uuid.UUID] = frozenset()
        self.quanta: list[Quantum] = []
        self.n_skipped = {node.label: 0 for node in pipeline.nodes}
        self.replaced: dict[uuid.UUID, tuple[DatasetRef, ...]] = {}

    def read_instead(self, ref: DatasetRef, other: DatasetRef | None) -> None:
        """Have quanta that are added from now on read another dataset instead of one; none if it is None."""
        name, _ = ref.datasetType.nameAndComponent()
        self._instead.setdefault(name, {})[ref.id] = other

    @property
    def dropped(self) -> list[DroppedQuanta]:
        """Quanta without work, with reasons."""
        return list(self._dropped.values())

    def add(self, quanta: Mapping[str, Sequence[Quantum]]) -> None:
        """Resolve the quanta of all tasks.

        Parameters
        ----------
        quanta
            Quanta by task; a task that is not named has none.

        Raises
        ------
        OutputExistsError
            Raised if an output is in the way, and may not be removed.
        MissingPrerequisiteError
            Raised if a prerequisite is missing.
        ScalarError, QuantumGraphError
            Raised if a quantum cannot be.
        """
        by_node = [(node, quanta.get(node.label, ())) for node in self._pipeline.nodes]
        if self._policy.retained is not None:
            self._again = self._to_redo(by_node)
        for node, own in by_node:
            self._add_task(node, own)
        if self._policy.prune_unanchored:
            self._prune()

    def _to_redo(self, quanta: _ByNode) -> set[uuid.UUID]:
        """Return the quanta whose successes do not count, as something needs what is gone of them."""
        there: dict[uuid.UUID, set[uuid.UUID]] = {}
        for node, own in quanta:
            done = self._existing(node, own, self._policy.done_in)
            for quantum in own:
                if self._has_succeeded(node, quantum, done):
                    refs = quantum.output_refs()
                    there[quantum.id] = {ref.id for ref in refs if _key(ref) in done[ref.datasetType.name]}
        return self._retention.to_redo([quantum for _, own in quanta for quantum in own], there)

    def _add_task(self, node: PipelineTaskNode, quanta: Sequence[Quantum]) -> None:
        """Resolve the quanta of a task; those of the tasks before it have been."""
        done = self._existing(node, quanta, self._policy.done_in)
        present = self._existing(node, quanta, [self._run])
        left = []
        for quantum in quanta:
            if quantum.id not in self._again and self._was_done(node, quantum, done):
                self.n_skipped[node.label] += 1
            else:
                left.append((quantum, self._with_present_inputs(node, quantum)))
        for quantum, present_inputs in self._all_adjusted(node, left):
            resolved = present_inputs
            try:
                if resolved is not quantum or not self._policy.planned_before:
                    resolved = self._adjusted(node, resolved)
            except NoWorkFound as reason:
                self._drop(quantum, str(reason))
                continue
            if in_the_way := self._in_the_way(node, resolved, present):
                self.replaced[resolved.id] = in_the_way
            self.quanta.append(resolved)

    def _all_adjusted(
        self, node: PipelineTaskNode, quanta: list[tuple[Quantum, Quantum]]
    ) -> list[tuple[Quantum, Quantum]]:
        """Return quanta, as drafted and as resolved, with what their task makes of all of them together."""
        hook = type(node.connections).adjust_all_quanta
        if self._policy.planned_before or hook is PipelineTaskConnections.adjust_all_quanta:
            return quanta
        adjuster = QuantaAdjuster(node.label, node.connections.inputs, [q for _, q in quanta])
        node.connections.adjust_all_quanta(adjuster)
        for quantum in adjuster.removed:
            self._drop(quantum, "removed by adjust_all_quanta")
        drafted = {quantum.id: quantum for quantum, _ in quanta}
        return [(drafted[resolved.id], resolved) for resolved in adjuster.quanta]

    def _prune(self) -> None:
        """Leave out quanta whose outputs nobody would have."""
        loose = self._retention.unanchored(self.quanta)
        for quantum in loose:
            self._drop(quantum, "makes nothing that is retained, or that another quantum reads")
            self.replaced.pop(quantum.id, None)
        gone = {quantum.id for quantum in loose}
        self.quanta = [quantum for quantum in self.quanta if quantum.id not in gone]

    def graph(self, dropped: Iterable[DroppedQuanta]) -> QuantumGraph:
        """Return the graph of the quanta that are left.

        Parameters
        ----------
        dropped
            Quanta that are not in it, with reasons.
        """
        return QuantumGraph(
            self._pipeline, tuple(self.quanta), self._run, self.n_skipped, self.replaced, tuple(dropped)
        )

    def _existing(
        self, node: PipelineTaskNode, quanta: Sequence[Quantum], collections: Sequence[str]
    ) -> _Existing:
        """Return what collections have of the outputs of quanta, by dataset type and data ID."""
        if not collections:
            return {}
        own = [quantum.dataId.required_values for quantum in quanta]
        keys: dict[str, list[Key]] = {node.metadata_type.name: own, node.log_type.name: own}
        for quantum in quanta:
            for ref in quantum.output_refs():
                keys.setdefault(ref.datasetType.name, []).append(ref.dataId.required_values)
        return {name: self._lookup.at(name, collections, wanted) for name, wanted in keys.items()}

    def _was_done(self, node: PipelineTaskNode, quantum: Quantum, done: _Existing) -> bool:
        """Tell whether a quantum has succeeded before; what it wrote then serves the tasks after it."""
        if not self._has_succeeded(node, quantum, done):
            return False
        for ref in quantum.output_refs():
            other = done[ref.datasetType.name].get(_key(ref))
            if other is None or other.id != ref.id:
                self.read_instead(ref, other)
        return True

    def _has_succeeded(self, node: PipelineTaskNode, quantum: Quantum, done: _Existing) -> bool:
        """Tell whether a quantum has metadata; in a plan made before all of its outputs will do."""
        if not done:
            return False
        if quantum.dataId.required_values in done[node.metadata_type.name]:
            return True
        refs = list(quantum.output_refs()) if self._policy.planned_before else []
        return bool(refs) and all(_key(ref) in done[ref.datasetType.name] for ref in refs)

    def _with_present_inputs(self, node: PipelineTaskNode, quantum: Quantum) -> Quantum:
        """Return a quantum that reads what is there instead of what was to be made."""
        changed: dict[str, tuple[DatasetRef, ...]] = {}
        for name, connection in node.connections.inputs.items():
            parent, _, component = connection.name.partition(".")
            if instead := self._instead.get(parent):
                found = [(ref, instead.get(ref.id, ref)) for ref in quantum.inputs[name]]
                if all(other is ref for ref, other in found):
                    continue
                changed[name] = tuple(
                    other.makeComponentRef(component) if component and other is not ref else other
                    for ref, other in found
                    if other is not None
                )
        return replace(quantum, inputs={**quantum.inputs, **changed}) if changed else quantum

    def _adjusted(self, node: PipelineTaskNode, quantum: Quantum) -> Quantum:
        """Return a quantum with what its task leaves to it."""
        inputs, outputs = adjust_quantum(
            node.connections, quantum.inputs, quantum.outputs, node.label, quantum.dataId
        )
        if (inputs, outputs) == (quantum.inputs, quantum.outputs):
            return quantum
        kept = {ref.id for refs in outputs.values() for ref in refs}
        self._leave_out(ref for ref in quantum.output_refs() if ref.id not in kept)
        return replace(quantum, inputs=inputs, outputs=outputs)

    def _leave_out(self, refs: Iterable[DatasetRef]) -> None:
        for ref in refs:
            self.read_instead(ref, None)

    def _drop(self, quantum: Quantum, reason: str) -> None:
        self._leave_out(quantum.output_refs())
        known = self._dropped.get((quantum.label, reason))
        n_before = 0 if known is None else known.count
        example = quantum.dataId if known is None else known.example
        self._dropped[quantum.label, reason] = DroppedQuanta(quantum.label, reason, n_before + 1, example)

    def _in_the_way(
        self, node: PipelineTaskNode, quantum: Quantum, present: _Existing
    ) -> tuple[DatasetRef, ...]:
        """Return the datasets of the run that a quantum would write again."""
        wanted = [present[ref.datasetType.name].get(_key(ref)) for ref in quantum.output_refs()]
        wanted.append(present[node.metadata_type.name].get(quantum.dataId.required_values))
        found = tuple(ref for ref in wanted if ref is not None)
        # A log alone is all that a failure has left, and gives way.
        log = present[node.log_type.name].get(quantum.dataId.required_values)
        if found and not self._policy.clobber:
            raise OutputExistsError(
                f"{found[0]} exists already; use another run, go on with what is not done (--resume), "
                "or replace it (--clobber-outputs)"
            )
        return found if log is None else (*found, log)


def _key(ref: DatasetRef) -> Key:
    return ref.dataId.required_values
