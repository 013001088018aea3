"""make_task: the task of a node of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connections import PipelineTaskNode
from connections.task_class import load_task

from ..task import PipelineTask

__all__ = ["make_task"]


def make_task(node: PipelineTaskNode, init_inputs: Mapping[str, Any]) -> PipelineTask:
    """Make the task of a node.

    Parameters
    ----------
    node
        The node.
    init_inputs
        Objects that the task needs by connection; a task that declares none is made without.
    """
    extra = {"initInputs": dict(init_inputs)} if node.connections.initInputs else {}
    task: PipelineTask = load_task(node.task_class_name)(config=node.config, name=node.label, **extra)
    return task
