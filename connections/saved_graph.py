"""load_graph: a saved graph, checked against the repository and the tasks as they are now."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from butler import Butler, ButlerUserError, DatasetRef
from butler.dimensions import UNIVERSE
from butler.registry import without_collection
from butler.safe_yaml import load_yaml

from .dataset_lookup import DatasetLookup
from .errors import EmptyQuantumGraphError, GraphFileError
from .graph import QuantumGraph
from .graph_file import GraphFile
from .graph_writer import program_version, task_entry
from .init_inputs import find_init_inputs
from .pipeline import Pipeline
from .quantum import Quantum
from .resolving import ExistingOutputs, Resolution

__all__ = ["load_graph"]


def load_graph(
    file: GraphFile,
    butler: Butler,
    *,
    quanta: Collection[uuid.UUID] | None = None,
    labels: str = "",
    data_id: Mapping[str, Collection[Any]] | None = None,
    existing: ExistingOutputs | None = None,
    check_versions: bool = True,
) -> QuantumGraph:
    """Return a saved graph, or a part of it, as it can be run now.

    This imports the tasks that the file names, as a pipeline does.

    Parameters
    ----------
    file
        The saved graph.
    butler
        Butler of the repository.
    quanta
        UUIDs of the quanta to load; all by default.
    labels
        Tasks to load, as in the name of a pipeline after ``#``; all by default.
    data_id
        Allowed values of data IDs by dimension.
    existing
        What is done about quanta whose outputs exist already; by default that is an error. A quantum all of
        whose outputs exist counts as done.
    check_versions
        Whether the graph must have been made by this version of the program.

    Raises
    ------
    GraphFileError
        Raised if the graph is of another repository, of other versions, if its tasks are others now, or if
        its inputs are no longer there.
    EmptyQuantumGraphError
        Raised if the file has nothing of what is asked for, or nothing of it has work.
    OutputExistsError
        Raised if an output exists already, and nobody said what to do about it.
    MissingPrerequisiteError
        Raised if a dataset that a task needs when it is made is no longer there.
    """
    _check_origin(file, butler, check_versions=check_versions)
    pipeline = _pipeline(file)
    chosen = pipeline.only(labels) if labels else pipeline
    with without_collection():
        found = list(file.quanta(ids=quanta, labels=chosen.labels, data_id=data_id))
    if not found:
        raise EmptyQuantumGraphError(f"nothing to do: {str(file.path)!r} has no such quanta")
    place, lookup = file.header.place, DatasetLookup(butler)
    run = place.run
    resolution = Resolution(chosen, run, lookup, existing or ExistingOutputs(planned_before=True))
    _find_handed_on(file, found, lookup, resolution)
    by_label: dict[str, list[Quantum]] = {label: [] for label in chosen.labels}
    for quantum in found:
        by_label[quantum.label].append(quantum)
    resolution.add(by_label)
    if not resolution.quanta and not any(resolution.n_skipped.values()):
        raise EmptyQuantumGraphError(f"nothing to do: {'; '.join(map(str, resolution.dropped))}")
    graph = resolution.graph(resolution.dropped)
    _check_inputs(graph, butler)
    made = [run] if run in butler.collections.query("*") else []
    return replace(graph, init_inputs=find_init_inputs(chosen, butler, [*made, *place.inputs]))


def _check_origin(file: GraphFile, butler: Butler, *, check_versions: bool) -> None:
    header, name = file.header, repr(str(file.path))
    if header.repository != str(butler.registry.repository_id):
        raise GraphFileError(f"{name} is a graph of another repository; build one for this")
    if header.universe != UNIVERSE.version:
        raise GraphFileError(
            f"{name} has dimensions of version {header.universe}, not {UNIVERSE.version}; build it again"
        )
    if check_versions and header.program != program_version():
        raise GraphFileError(
            f"{name} was made by version {header.program} of this program, which is {program_version()}; "
            "build it again, or load it nevertheless (--no-versions)"
        )


def _pipeline(file: GraphFile) -> Pipeline:
    """Return the pipeline, if its tasks are what they were when the graph was made."""
    name = str(file.path)
    try:
        pipeline = Pipeline.from_values(load_yaml(file.header.pipeline, f"the pipeline of {name!r}"))
    except ButlerUserError as error:
        raise GraphFileError(f"the pipeline of {name!r} cannot be run: {error}") from error
    now = {node.label: task_entry(node) for node in pipeline.nodes}
    if now.keys() != file.header.tasks.keys():
        raise GraphFileError(f"the pipeline of {name!r} has other tasks than its quanta")
    for label, then in file.header.tasks.items():
        if then == now[label]:
            continue
        values, others = then.config, now[label].config
        fields = [k for k in sorted(values.keys() | others.keys()) if values.get(k) != others.get(k)]
        what = f"config ({', '.join(fields)})" if fields else "connections"
        raise GraphFileError(f"{label} has another {what} now than when {name!r} was made; build it again")
    return pipeline


def _find_handed_on(
    file: GraphFile, quanta: Sequence[Quantum], lookup: DatasetLookup, resolution: Resolution
) -> None:
    """Have quanta read what others of the graph, which are not loaded, have made.

    What a quantum that succeeded did not make is left out.

    Raises
    ------
    GraphFileError
        Raised if one of the others has not run.
    """
    made = {ref.id for quantum in quanta for ref in quantum.output_refs()}
    run = file.header.place.run
    wanted: dict[str, dict[uuid.UUID, DatasetRef]] = {}
    for quantum in quanta:
        for ref in quantum.input_refs():
            if ref.run == run and ref.id not in made:
                wanted.setdefault(ref.datasetType.nameAndComponent()[0], {})[ref.id] = ref
    missing: set[uuid.UUID] = set()
    for name, refs in wanted.items():
        there = lookup.at(name, [run], (ref.dataId.required_values for ref in refs.values()))
        for ref in refs.values():
            other = there.get(ref.dataId.required_values)
            resolution.read_instead(ref, other)
            missing |= {ref.id} if other is None else set()
    if missing:
        _check_success(file, wanted, missing, lookup)


def _check_success(
    file: GraphFile, names: Iterable[str], missing: set[uuid.UUID], lookup: DatasetLookup
) -> None:
    """Refuse to do without outputs of quanta that have not succeeded."""
    run = file.header.place.run
    labels = [label for label, task in file.header.tasks.items() if set(task.outputs.values()) & set(names)]
    makers = [q for q in file.quanta(labels=labels) if any(ref.id in missing for ref in q.output_refs())]
    for label in labels:
        mine = [quantum for quantum in makers if quantum.label == label]
        done = lookup.at(f"{label}_metadata", [run], (quantum.dataId.required_values for quantum in mine))
        left = [quantum for quantum in mine if quantum.dataId.required_values not in done]
        if left:
            raise GraphFileError(
                f"{len(left)} quanta that come before have not succeeded, such as {left[0]}; run them first"
            )


def _check_inputs(graph: QuantumGraph, butler: Butler) -> None:
    """Refuse a graph whose inputs are no longer there."""
    wanted = graph.existing_inputs()
    missing = set(wanted) - butler.registry.files.get(wanted).keys()
    if missing:
        example = next(ref for q in graph.quanta for ref in q.input_refs() if ref.id in missing)
        raise GraphFileError(
            f"{len(missing)} inputs of the graph are no longer there, such as {example}; build it again"
        )
