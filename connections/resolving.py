"""Resolution: what is left of the quanta of a plan, given what exists and what each task makes of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from butler import DatasetRef

from .adjust_quantum import adjust_quantum
from .data_id_rows import Key
from .dataset_lookup import DatasetLookup
from .errors import NoWorkFound, OutputExistsError
from .graph import DroppedQuanta, QuantumGraph
from .pipeline import Pipeline
from .pipeline_node import PipelineTaskNode
from .quantum import Quantum

__all__ = ["ExistingOutputs", "Resolution"]


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
    """

    done_in: Sequence[str] = ()
    clobber: bool = False
    planned_before: bool = False


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

    def add(self, node: PipelineTaskNode, quanta: Sequence[Quantum]) -> None:
        """Resolve the quanta of a task; those of the tasks before it have been added.

        Raises
        ------
        OutputExistsError
            Raised if an output is in the way, and may not be removed.
        MissingPrerequisiteError
            Raised if a prerequisite is missing.
        ScalarError, QuantumGraphError
            Raised if a quantum cannot be.
        """
        done = self._existing(node, quanta, self._policy.done_in)
        present = self._existing(node, quanta, [self._run])
        for quantum in quanta:
            if self._was_done(node, quantum, done):
                self.n_skipped[node.label] += 1
                continue
            resolved = self._with_present_inputs(node, quantum)
            try:
                if resolved is not quantum or not self._policy.planned_before:
                    resolved = self._adjusted(node, resolved)
            except NoWorkFound as reason:
                self._drop(quantum, str(reason))
                continue
            if in_the_way := self._in_the_way(node, resolved, present):
                self.replaced[resolved.id] = in_the_way
            self.quanta.append(resolved)

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
    ) -> dict[str, dict[Key, DatasetRef]]:
        """Return what collections have of the outputs of quanta, by dataset type and data ID."""
        if not collections:
            return {}
        own = [quantum.dataId.required_values for quantum in quanta]
        keys: dict[str, list[Key]] = {node.metadata_type.name: own, node.log_type.name: own}
        for quantum in quanta:
            for ref in quantum.output_refs():
                keys.setdefault(ref.datasetType.name, []).append(ref.dataId.required_values)
        return {name: self._lookup.at(name, collections, wanted) for name, wanted in keys.items()}

    def _was_done(
        self, node: PipelineTaskNode, quantum: Quantum, done: Mapping[str, Mapping[Key, DatasetRef]]
    ) -> bool:
        """Tell whether a quantum has succeeded before; what it wrote then serves the tasks after it."""
        if not done:
            return False
        known = [(ref, done[ref.datasetType.name].get(_key(ref))) for ref in quantum.output_refs()]
        has_metadata = quantum.dataId.required_values in done[node.metadata_type.name]
        is_complete = bool(known) and all(other is not None for _, other in known)
        if not has_metadata and not (self._policy.planned_before and is_complete):
            return False
        for ref, other in known:
            if other is None or other.id != ref.id:
                self.read_instead(ref, other)
        return True

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
        told = reason.removeprefix(f"{quantum.label} {quantum.dataId} ")
        known = self._dropped.get((quantum.label, told))
        n_before = 0 if known is None else known.count
        example = quantum.dataId if known is None else known.example
        self._dropped[quantum.label, told] = DroppedQuanta(quantum.label, told, n_before + 1, example)

    def _in_the_way(
        self, node: PipelineTaskNode, quantum: Quantum, present: Mapping[str, Mapping[Key, DatasetRef]]
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
