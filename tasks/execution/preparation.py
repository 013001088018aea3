"""Prepare a run: what must be registered and kept before anything is run."""

from __future__ import annotations

from butler import Butler
from butler.errors import ConflictingDefinitionError
from connections import PipelineTaskNode, QuantumGraph

__all__ = ["prepare_run"]


def prepare_run(graph: QuantumGraph, butler: Butler) -> None:
    """Register the run and its dataset types, and keep the config of each task.

    Raises
    ------
    ConflictingDefinitionError
        Raised if a dataset type is registered otherwise, or the run has another config for a task.
    """
    with butler.transaction():
        butler.registry.registerRun(graph.run)
        for node in graph.pipeline.nodes:
            for kind in (*node.outputs.values(), node.metadata_type, node.log_type, node.config_type):
                butler.registry.registerDatasetType(kind)
            _keep_config(node, graph.run, butler)


def _keep_config(node: PipelineTaskNode, run: str, butler: Butler) -> None:
    """Write the config of a task, or compare it with the one that the run has."""
    kind, values = node.config_type, node.config.to_simple()
    if not butler.exists(kind, collections=run):
        butler.put({"task": node.task_class_name, "config": values}, kind, run=run)
        return
    known = butler.get(kind, collections=run)["config"]
    if known != values:
        changed = sorted(k for k in known.keys() | values.keys() if known.get(k) != values.get(k))
        raise ConflictingDefinitionError(
            f"run {run!r} was made with another config of {node.label}: {', '.join(changed)} differ; "
            "use another run"
        )
