"""replay: the quantum graph that would make a dataset again."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from butler import Butler, DataCoordinate, DatasetRef
from butler.dimensions import UNIVERSE
from butler.provenance import QuantumRecord, RecordedDataset, TaskRecord

from ..errors import QuantumGraphError
from ..graph import QuantumGraph
from ..overrides import Override, flat_fields
from ..pipeline import Pipeline
from ..pipeline_node import PipelineTaskNode, configured_node, dataset_type
from ..quantum import Quantum
from .provenance_graph import DatasetState, ProvenanceGraph

__all__ = ["replay"]


def replay(
    graph: ProvenanceGraph,
    butler: Butler,
    run: str,
    *,
    whole: bool = False,
    trusted: Collection[str] = ("tasks",),
) -> QuantumGraph:
    """Return the plan that would make the targets of a provenance graph again, into another run.

    It has the quantum that made each target, with the config and the inputs that it had; and where an input
    is not stored any more, the quantum that made that one, and so on. Tasks whose config was different in
    different runs have different labels in it.

    Parameters
    ----------
    graph
        Where the datasets come from.
    butler
        Butler of the repository.
    run
        RUN for the outputs; it need not exist.
    whole
        Whether all that quanta made is made again, also what is stored.
    trusted
        Top-level packages whose tasks may be imported: what a repository says is not executed unasked.

    Raises
    ------
    QuantumGraphError
        Raised if something cannot be made again: no quantum made it, and it is a target or not stored; or a
        task is of a package that is not trusted.
    ConfigError
        Raised if a task or its config is no longer what it was.
    """
    needed = _needed(graph, whole=whole)
    records = [record for record in graph.quanta_in_order() if record.id in needed]
    nodes = _nodes([record.task for record in records], trusted)
    made_anew = {made.id for record in records for made in record.all_outputs()}
    read = {d.id for record in records for d in record.all_inputs() if d.id not in made_anew}
    found = butler.registry.expanded(butler.registry.datasets.get_many(sorted(read)))
    refs = {ref.id: ref for ref in found}
    quanta = []
    for record in records:
        node = nodes[record.task.digest]
        outputs = _outputs(record, node, run, butler)
        refs |= _remade(record, outputs)
        data_id = _expanded(record.data_id, node.connections.dimensions, butler)
        quanta.append(Quantum(node.label, data_id, _inputs(record, node, refs), outputs))
    names = ", ".join(str(graph.datasets[key]) for key in graph.targets)
    pipeline = Pipeline(f"{names}, made again", tuple(nodes.values()))
    return QuantumGraph(pipeline, tuple(quanta), run, {})


def _needed(graph: ProvenanceGraph, *, whole: bool) -> set[uuid.UUID]:
    """Return the quanta that have to run.

    Raises
    ------
    QuantumGraphError
        Raised with the datasets that nobody can make.
    """
    needed: set[uuid.UUID] = set()
    lost: dict[uuid.UUID, str] = {}
    waiting = list(graph.targets)
    while waiting:
        key = waiting.pop()
        record = graph.producer(key)
        is_stored = graph.states[key] is DatasetState.STORED
        if record is None:
            if key in graph.targets or not is_stored:
                lost[key] = str(graph.datasets[key])
        elif (whole or not is_stored or key in graph.targets) and record.id not in needed:
            needed.add(record.id)
            waiting += [dataset.id for dataset in record.all_inputs()]
    if lost:
        told = "; ".join(list(lost.values())[:5])
        raise QuantumGraphError(
            f"{len(lost)} datasets cannot be made again, for no quantum that is known made them: {told}"
        )
    return needed


def _nodes(tasks: list[TaskRecord], trusted: Collection[str]) -> dict[bytes, PipelineTaskNode]:
    """Return a configured task for each record of one, those of equal settings once."""
    nodes: dict[bytes, PipelineTaskNode] = {}
    by_settings: dict[str, PipelineTaskNode] = {}
    labels: set[str] = set()
    for task in {task.digest: task for task in tasks}.values():
        settings = repr((task.label, task.task_class, sorted(task.config.items())))
        if settings not in by_settings:
            for name in (task.task_class, *_targets(task.config)):
                if name.partition(":")[0].partition(".")[0] not in trusted:
                    raise QuantumGraphError(
                        f"{task.label} in {task.run} was made by {name!r}; trust that package if you do"
                    )
            label = _free(task.label, labels)
            labels.add(label)
            by_settings[settings] = _node(label, task)
        nodes[task.digest] = by_settings[settings]
    return nodes


def _node(label: str, task: TaskRecord) -> PipelineTaskNode:
    source = f"as in {task.run}"
    overrides = [Override(field, value, source) for field, value in flat_fields(task.config)]
    faults: list[Any] = []
    node = configured_node(label, task.task_class, overrides, faults)
    if faults:
        raise faults[0]
    return node


def _free(label: str, taken: Collection[str]) -> str:
    """Return a label that is not taken: itself, or with a number behind it."""
    number, name = 1, label
    while name in taken:
        number += 1
        name = f"{label}_{number}"
    return name


def _targets(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tasks that a config names."""
    return (str(value) for field, value in flat_fields(config) if field.endswith(".target"))


def _expanded(values: Mapping[str, Any], dimensions: Any, butler: Butler) -> DataCoordinate:
    group = UNIVERSE.conform(dimensions)
    return butler.registry.records.expand(DataCoordinate.standardize(values, dimensions=group))


def _planned(record: QuantumRecord, name: str) -> tuple[RecordedDataset, ...]:
    return (*record.outputs.get(name, ()), *record.unwritten.get(name, ()))


def _outputs(
    record: QuantumRecord, node: PipelineTaskNode, run: str, butler: Butler
) -> dict[str, tuple[DatasetRef, ...]]:
    """Return new datasets for what a quantum wrote or was to write."""
    outputs = {}
    for name, connection in node.connections.outputs.items():
        kind = dataset_type(connection)
        data_ids = [_expanded(d.data_id, connection.dimensions, butler) for d in _planned(record, name)]
        outputs[name] = tuple(DatasetRef(kind, data_id, run) for data_id in sorted(data_ids))
    return outputs


def _remade(
    record: QuantumRecord, outputs: Mapping[str, tuple[DatasetRef, ...]]
) -> dict[uuid.UUID, DatasetRef]:
    """Return the new datasets by the UUIDs of the old ones that they stand for."""
    return {
        old.id: new
        for name, refs in outputs.items()
        for new in refs
        for old in record.outputs.get(name, ())
        if dict(old.data_id) == new.dataId.required
    }


def _inputs(
    record: QuantumRecord, node: PipelineTaskNode, refs: Mapping[uuid.UUID, DatasetRef]
) -> dict[str, tuple[DatasetRef, ...]]:
    """Return what a quantum reads, in the order in which it read it before."""
    inputs = {}
    for name, connection in {**node.connections.inputs, **node.connections.prerequisiteInputs}.items():
        component = connection.name.partition(".")[2]
        found = [refs[dataset.id] for dataset in record.inputs.get(name, ())]
        inputs[name] = tuple(ref.makeComponentRef(component) if component else ref for ref in found)
    return inputs
