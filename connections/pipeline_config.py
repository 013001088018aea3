"""configure_tasks: classes, files' settings and the user's become configured tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from butler import ButlerUserError
from butler.errors import did_you_mean

from .camera_config import camera_overrides
from .errors import ConfigError, PipelineError
from .overrides import Override, flattened
from .pipeline_file import PipelineDescription, TaskDescription
from .pipeline_node import PipelineTaskNode, configured_node
from .task_class import load_task

__all__ = ["Overrides", "configure_tasks"]

Overrides = Mapping[str, Mapping[str, Any] | Sequence[Override]]
"""Settings by label: values by field path, or settings that know who made them. The label ``parameters`` sets
parameters of the pipeline."""
_PARAMETERS: Final = "parameters"


def configure_tasks(
    described: PipelineDescription, given: Overrides, cameras: Sequence[Path] = ()
) -> list[PipelineTaskNode]:
    """Return the configured tasks: defaults, settings of the camera, those of the files, then the given ones.

    Parameters
    ----------
    described
        What the files say.
    given
        Settings by label.
    cameras
        Folders with settings of cameras.

    Raises
    ------
    PipelineError, ConfigError
        Raised with all that is wrong with them; broken contracts are told when nothing else is.
    """
    faults: list[ButlerUserError] = []
    extra = {
        label: flattened(values, "the call") if isinstance(values, Mapping) else list(values)
        for label, values in given.items()
    }
    known = [*described.tasks, _PARAMETERS]
    faults += [
        PipelineError(f"no task {label!r}{did_you_mean(label, known)}")
        for label in extra
        if label not in known
    ]
    parameters = _parameters(described, extra.get(_PARAMETERS, []), faults)
    nodes = []
    for label, task in described.tasks.items():
        wrong: list[ConfigError] = []
        try:
            camera = _of_camera(task, described.instrument, cameras)
            overrides = _for_instrument(label, task, described.instrument) + extra.get(label, [])
            resolved = [_with_parameter(override, parameters) for override in overrides]
            nodes.append(configured_node(label, task.task_class, resolved, wrong, camera))
        except ButlerUserError as error:
            faults.append(error)
        faults += wrong
    if not faults:
        faults += _broken_contracts(described, nodes)
    _raise(faults)
    return nodes


def _parameters(
    described: PipelineDescription, given: Sequence[Override], faults: list[ButlerUserError]
) -> dict[str, Any]:
    """Return the parameters of a pipeline, some of them set anew; one it has not is added to the faults."""
    parameters = dict(described.parameters)
    for override in given:
        if override.field not in parameters:
            hint = did_you_mean(override.field, parameters)
            faults.append(PipelineError(f"the pipeline has no parameter {override.field!r}{hint}"))
        parameters[override.field] = override.value
    return parameters


def _of_camera(task: TaskDescription, instrument: str | None, folders: Sequence[Path]) -> list[Override]:
    """Return the settings of a task for a camera."""
    if instrument is None or not folders:
        return []
    return camera_overrides(load_task(task.task_class), instrument, folders)


def _for_instrument(label: str, task: TaskDescription, instrument: str | None) -> list[Override]:
    """Return the settings of a task that apply to an instrument.

    Raises
    ------
    PipelineError
        Raised if some are for one instrument alone, and it is not known which one is meant.
    """
    overrides: list[Override] = []
    for block in task.blocks:
        if block.instrument is not None and instrument is None:
            raise PipelineError(
                f"{label} has settings for {block.instrument} alone; say what instrument it is for"
            )
        if block.instrument in (None, instrument):
            overrides += block.overrides
    return overrides


def _with_parameter(override: Override, parameters: Mapping[str, Any]) -> Override:
    """Return a setting whose value ``parameters.NAME`` is replaced."""
    prefix, dot, name = str(override.value).partition(".")
    if not (isinstance(override.value, str) and dot and prefix == _PARAMETERS):
        return override
    if name not in parameters:
        raise PipelineError(f"{override.source}: no parameter {name!r}{did_you_mean(name, parameters)}")
    return replace(override, value=parameters[name])


def _broken_contracts(
    described: PipelineDescription, nodes: Sequence[PipelineTaskNode]
) -> list[ButlerUserError]:
    configs = {node.label: node.config for node in nodes}
    faults: list[ButlerUserError] = []
    for contract in described.contracts:
        try:
            contract.check(configs)
        except PipelineError as error:
            faults.append(error)
    return faults


def _raise(faults: Sequence[ButlerUserError]) -> None:
    """Raise what is wrong: the one fault, or all of them in one message."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        told = "".join(f"\n- {fault}" for fault in faults)
        raise PipelineError(f"the pipeline has {len(faults)} faults:{told}")
