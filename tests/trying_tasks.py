"""A task that misbehaves in every way there is, one way for each visit."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from toy_pipeline import DoubleConnections

from connections import NoWorkFound, Pipeline
from tasks import Config, PipelineTaskConfig
from tasks.errors import (
    AlgorithmError,
    AnnotatedPartialOutputsError,
    InvalidQuantumError,
    TransientError,
    UnprocessableDataError,
)
from tasks.struct import Struct
from tasks.task import PipelineTask

__all__ = ["TryingTask", "trying_pipeline"]

_KEPT: list[np.ndarray[Any, Any]] = []


class _UnspeakableError(Exception):
    """An error that no other process could read, and that cannot say what it is."""

    def __init__(self) -> None:
        super().__init__()
        self.held = lambda: None

    def __str__(self) -> str:
        raise RuntimeError("no words")

    def __reduce__(self) -> Any:
        raise TypeError("not to be sent")


class TryingConfig(PipelineTaskConfig, pipelineConnections=DoubleConnections):
    ways: dict[int, str] = {}
    folder: str = ""


class TryingTask(PipelineTask):
    """Doubles a number, or does what the config says for its visit."""

    ConfigClass: ClassVar[type[Config]] = TryingConfig
    _DefaultName = "trying"

    def runQuantum(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> None:
        visit = butlerQC.quantum.dataId["visit"]
        way = self.config.ways.get(visit, "well")
        if way == "half":
            butlerQC.put({"value": 0}, outputRefs["doubled"])
            os.kill(os.getpid(), signal.SIGKILL)
        if way == "partial":
            butlerQC.put({"value": 1}, outputRefs["doubled"])
            raise AnnotatedPartialOutputsError("the rest is lost") from ValueError("a bad corner")
        super().runQuantum(butlerQC, inputRefs, outputRefs)

    def run(self, number: Any, factor: Any = None) -> Struct:
        visit = number.dataId["visit"]
        way, _, value = self.config.ways.get(visit, "well").partition("=")
        self.log.info("visit %d does %s", visit, way)
        if way in _RAISED:
            raise _RAISED[way]
        getattr(self, f"_{way}")(visit, value)
        return Struct(doubled=None if way == "nothing" else {"value": 2 * number.get()["value"]})

    def _well(self, visit: int, value: str) -> None:
        self.log.warning("all is well with %s", visit)

    def _nothing(self, visit: int, value: str) -> None:
        warnings.warn("nothing is written", stacklevel=1)

    def _system_exit(self, visit: int, value: str) -> None:
        sys.exit(3)

    def _quit(self, visit: int, value: str) -> None:
        os._exit(int(value))

    def _die(self, visit: int, value: str) -> None:
        os.kill(os.getpid(), getattr(signal, value))

    def _hang(self, visit: int, value: str) -> None:
        """Hang, and so does what it has started."""
        child = subprocess.Popen(["sleep", "1000"])
        (Path(self.config.folder) / "child").write_text(str(child.pid))
        while True:
            time.sleep(100)

    def _hold(self, visit: int, value: str) -> None:
        """Keep the interpreter for oneself, as a bad regular expression does, so that no thread can run."""
        time.sleep(0.2)
        re.match(r"(a+)+b", "a" * 100)

    def _sleep(self, visit: int, value: str) -> None:
        (Path(self.config.folder) / f"begun-{visit}").touch()
        time.sleep(float(value))

    def _hoard(self, visit: int, value: str) -> None:
        """Take memory without end."""
        taken = [np.ones(10**6) for _ in range(1000)]
        _KEPT.extend(taken)

    def _leak(self, visit: int, value: str) -> None:
        """Keep 40 MB."""
        _KEPT.append(np.ones(5 * 10**6))

    def _recover(self, visit: int, value: str) -> None:
        """Fail as often as is said, then do well."""
        marks = list(Path(self.config.folder).glob("failed-*"))
        if len(marks) < int(value):
            (Path(self.config.folder) / f"failed-{len(marks)}").touch()
            raise ConnectionResetError("the server was busy")


_RAISED: dict[str, BaseException] = {
    "unspeakable": _UnspeakableError(),
    "interrupt": KeyboardInterrupt(),
    "generator": GeneratorExit("why not"),
    "repeatable": AlgorithmError("does not converge"),
    "invalid": InvalidQuantumError("no such thing"),
    "transient": TransientError("try again"),
    "no_work": NoWorkFound("empty"),
    "unprocessable": UnprocessableDataError("all is white"),
}


def trying_pipeline(ways: dict[int, str], folder: Path | None = None, *, and_sum: bool = False) -> Pipeline:
    """Return a pipeline in which visits misbehave in some way; perhaps with a task that needs them all."""
    config = {"ways": ways, "folder": "" if folder is None else str(folder)}
    tasks: dict[str, Any] = {"trying": {"class": "trying_tasks:TryingTask", "config": config}}
    if and_sum:
        tasks["sum"] = "toy_pipeline:SumTask"
    return Pipeline.from_values({"description": "try", "tasks": tasks})
