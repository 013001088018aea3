"""Tests of subtasks that are replaced by others: what a task needs of them is looked at when it is made."""

from __future__ import annotations

import pytest

from connections.errors import ConfigError
from tasks import PipelineTask, Task
from tasks.coadd import AssembleCoaddTask, CompareWarpAssembleCoaddTask, SafeClipAssembleCoaddTask
from tasks.config import ConfigurableField
from tasks.detection import SourceDetectionTask
from tasks.process_ccd import ProcessCcdTask
from tasks.warp import MakeDirectWarpTask, MakePsfMatchedWarpTask

TASKS: list[type[Task]] = [
    AssembleCoaddTask,
    CompareWarpAssembleCoaddTask,
    MakeDirectWarpTask,
    MakePsfMatchedWarpTask,
    ProcessCcdTask,
    SafeClipAssembleCoaddTask,
    SourceDetectionTask,
]
ON = {"reEstimateBackground": True, "doTempLocalBackground": True}


class IdleTask(Task):
    """A task that can do nothing."""


def subtasks_of(task_class: type[Task]) -> list[str]:
    """Return the names of the fields that hold subtasks."""
    config = task_class.ConfigClass()
    fields = type(config).model_fields
    return [name for name in fields if isinstance(getattr(config, name), ConfigurableField)]


@pytest.mark.parametrize(
    ("task_class", "name"), [(task, name) for task in TASKS for name in subtasks_of(task)]
)
def test_a_subtask_that_lacks_what_is_called_is_refused(task_class: type[Task], name: str) -> None:
    """Before any work is done, with the method, the subtask and its target; the given one is taken."""
    given = task_class.ConfigClass().updated(ON if task_class is SourceDetectionTask else {})
    task_class(given)
    target = f"{__name__}:IdleTask"
    with pytest.raises(
        ConfigError, match=f"{task_class.__name__} needs a subtask '{name}' .* {target} has no "
    ):
        task_class(given.updated({f"{name}.target": target}))


def test_all_tasks_with_subtasks_are_looked_at() -> None:
    """A new one needs a line above."""
    import tasks.select  # noqa: F401

    found, known = set(), [Task]
    while known:
        known += (children := known.pop().__subclasses__())
        found |= {child for child in children if child.__module__.startswith("tasks.")}
    with_subtasks = {task for task in found if subtasks_of(task)} - {PipelineTask}
    own = {task for task in with_subtasks if "__init__" in vars(task)}
    assert own == set(TASKS)
