"""TaskCall: the call of a task's parseAndRun, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from butler import Butler
from connections import Overrides, Pipeline, Quantum
from connections.pipeline_file import parse_pipeline

from ...struct import Struct
from ...task import PipelineTask

if TYPE_CHECKING:
    from ...execution import RunReport
    from .arguments import Request

__all__ = ["TaskCall"]


@dataclass
class TaskCall:
    """A task that is to be run as a command line says.

    Parameters
    ----------
    task_class
        The task.
    config
        Where its settings begin; with its defaults if None.
    keeps_results
        Whether results are read back.
    request
        The command line, once it is read.
    results
        What came of each data ID, once all is run.

    Raises
    ------
    TypeError
        Raised if the config is that of another task.
    """

    task_class: type[PipelineTask]
    config: Any = None
    keeps_results: bool = False
    request: Request | None = None
    results: list[Struct] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.config is not None:
            self.task_class.check_config(self.config)

    def pipeline(
        self, label: str, overrides: Overrides | None = None, *, instrument: str | None = None
    ) -> Pipeline:
        """Return the pipeline of the task alone: defaults, camera's settings, the call's, then overrides."""
        task = self.task_class
        values: dict[str, Any] = {"class": f"{task.__module__}:{task.__qualname__}"}
        if self.config is not None:
            values["config"] = [{name: value} for name, value in self.config.changes().items()]
        described = parse_pipeline({"description": f"{task.__name__} alone.", "tasks": {label: values}})
        return Pipeline.from_description(described, overrides, instrument=instrument)

    def note(self, report: RunReport, butler: Butler) -> None:
        """Keep what came of each data ID."""
        for one in report.reports:
            result = Struct(exitStatus=int(not one.status.is_success))
            if self.keeps_results:
                found = _Found(butler, report.run)
                result.dataId = dict(one.quantum.dataId)
                result.metadata = found.get(f"{one.quantum.label}_metadata", one.quantum.dataId)
                result.result = found.outputs(one.quantum)
            self.results.append(result)


@dataclass(frozen=True)
class _Found:
    """What a run has."""

    butler: Butler
    run: str

    def get(self, name: str, data_id: Mapping[str, Any]) -> Any:
        """Read a dataset, None if there is none."""
        ref = self.butler.find_dataset(name, data_id, collections=self.run)
        return None if ref is None else self.butler.get(ref)

    def outputs(self, quantum: Quantum) -> Struct | None:
        """Read the outputs of a quantum by connection, lists where there are several; None for no output."""
        read = {
            name: [self.get(ref.datasetType.name, ref.dataId) for ref in refs]
            for name, refs in quantum.outputs.items()
        }
        if all(value is None for values in read.values() for value in values):
            return None
        return Struct(**{name: v[0] if len(v) == 1 else v for name, v in read.items()})
