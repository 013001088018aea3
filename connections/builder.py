"""Build a quantum graph: one query for the data IDs of tasks that belong together, then look-ups for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from butler import Butler, DataCoordinate
from butler.errors import EmptyQueryResultError, MissingDatasetTypeError
from butler.registry import without_collection

from .dataset_lookup import DatasetLookup
from .drafting import Drafter
from .errors import EmptyQuantumGraphError
from .graph import DroppedQuanta, QuantumGraph
from .graph_query import GraphQuery, constraining_inputs
from .init_inputs import find_init_inputs
from .pipeline import Pipeline
from .pipeline_node import PipelineTaskNode, parent_name
from .quantum import Quantum
from .resolving import ExistingOutputs, Resolution
from .written_types import unregistered

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
    dataset_query_constraint: Sequence[str] = ("all",),
    data_ids: Sequence[Sequence[DataCoordinate]] = (),
    retained_dataset_types: Sequence[str] | None = None,
    prune_unanchored_quanta: bool = False,
) -> QuantumGraph:
    """Plan what a pipeline has to do.

    The data IDs of tasks that belong together come from one query, in which the inputs that no task makes
    must exist; observations and sky map join where they overlap. The time that it takes is that of what the
    graph has in it, whatever else is in the repository.

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
    dataset_query_constraint
        Names of the inputs that must exist for a data ID to count; ``("all",)`` or ``("off",)``. Quanta that
        lack another input are dropped later.
    data_ids
        Tables of data IDs among which those of the graph must be, each of one group of dimensions.
    retained_dataset_types
        Patterns, with ``*`` and ``?``, of the dataset types whose outputs are kept for good; None for all.
        What a quantum that has succeeded has not of a kept type it has never made, and what comes after it
        does without. Others may have been removed since: where a quantum that is to run needs them, those
        that make them run again.
    prune_unanchored_quanta
        Whether to leave out quanta none of whose outputs is kept for good, or read by another quantum.

    Raises
    ------
    EmptyQuantumGraphError
        Raised if there is nothing to do, with the reason; not if all was done before.
    OutputExistsError
        Raised if the run has an output already, and the options do not say what to do about it.
    ConflictingDefinitionError
        Raised if the repository knows a dataset type that the tasks write otherwise.
    MissingPrerequisiteError
        Raised if a prerequisite is missing.
    ScalarError, QuantumGraphError
        Raised if a quantum cannot be.
    InvalidQueryError
        Raised if the condition is wrong.
    """
    unregistered((kind for node in pipeline.nodes for kind in node.dataset_types), butler)
    query = GraphQuery(where, bind, data_ids, tuple(dataset_query_constraint))
    done_in = [*([run] if skip_existing else []), *skip_existing_in]
    policy = ExistingOutputs(
        done_in,
        clobber_outputs,
        retained=retained_dataset_types,
        prune_unanchored=prune_unanchored_quanta,
    )
    with without_collection():
        drafts, dropped = _drafted(pipeline, butler, collections, run, query)
        resolution = Resolution(pipeline, run, DatasetLookup(butler), policy)
        resolution.add(drafts)
        dropped += resolution.dropped
        if not resolution.quanta and not any(resolution.n_skipped.values()):
            empty = EmptyQuantumGraphError(f"nothing to do: {_reasons(dropped)}")
            nodes = pipeline.independent_parts()[0]
            inputs = _constraining_inputs(pipeline, nodes, query)
            empty.add_note(f"the data IDs alone: {query.as_command(nodes, inputs, collections)}")
            raise empty
        graph = resolution.graph(dropped)
        return replace(graph, init_inputs=find_init_inputs(pipeline, butler, collections))


def _drafted(
    pipeline: Pipeline, butler: Butler, collections: Sequence[str], run: str, query: GraphQuery
) -> tuple[dict[str, list[Quantum]], list[DroppedQuanta]]:
    """Return the quanta by task as the data IDs make them, and why tasks have none."""
    drafts: dict[str, list[Quantum]] = {}
    dropped: list[DroppedQuanta] = []
    for nodes in pipeline.independent_parts():
        inputs = _constraining_inputs(pipeline, nodes, query)
        try:
            rows = query.run(nodes, inputs, butler, collections)
        except (EmptyQueryResultError, MissingDatasetTypeError) as error:
            dropped += [DroppedQuanta(node.label, str(error)) for node in nodes]
            continue
        drafter = Drafter(butler, rows, collections, run)
        drafts |= {node.label: drafter.quanta(node) for node in nodes}
    return drafts, dropped


def _constraining_inputs(
    pipeline: Pipeline, nodes: Iterable[PipelineTaskNode], query: GraphQuery
) -> list[str]:
    """Return the inputs of some tasks that must exist for a data ID to count."""
    read = {parent_name(connection) for node in nodes for connection in node.connections.inputs.values()}
    return [name for name in constraining_inputs(pipeline, query.constraint) if name in read]


def _reasons(dropped: Iterable[DroppedQuanta]) -> str:
    """Return all reasons; one that several tasks share is said once."""
    labels: dict[str, list[str]] = {}
    told = []
    for entry in dropped:
        if entry.count:
            told.append(str(entry))
        else:
            labels.setdefault(entry.reason, []).append(entry.label)
    return "; ".join([*(f"{', '.join(names)}: {reason}" for reason, names in labels.items()), *told])
