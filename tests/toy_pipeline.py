"""Two tiny tasks and a repository for them: a number for each visit is doubled, and the doubles are added."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from butler import Butler, DatasetRef, DatasetType, RepositoryConfig
from connections import Input, NoWorkFound, Output, Pipeline, PipelineTaskConnections, PrerequisiteInput
from tasks import Config, PipelineTaskConfig
from tasks.struct import Struct
from tasks.task import PipelineTask

VISITS = (1, 2, 3, 4)


class DoubleConnections(
    PipelineTaskConnections, dimensions=("instrument", "visit"), defaultTemplates={"prefix": ""}
):
    number: Input = Input(
        name="number", storageClass="StructuredDataDict", dimensions=("instrument", "visit"), deferLoad=True
    )
    factor: PrerequisiteInput = PrerequisiteInput(
        name="factor", storageClass="StructuredDataDict", dimensions=("instrument",), minimum=0
    )
    doubled: Output = Output(
        name="{prefix}doubled", storageClass="StructuredDataDict", dimensions=("instrument", "visit")
    )


class DoubleConfig(PipelineTaskConfig, pipelineConnections=DoubleConnections):
    fail: list[int] = []
    noWork: list[int] = []
    dieOnce: dict[str, int] = {}
    failUntil: dict[str, int] = {}
    pause: float = 0.0
    sleepUntil: dict[str, int] = {}


class DoubleTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = DoubleConfig
    _DefaultName = "double"

    def run(self, number: Any, factor: Any = None) -> Struct:
        visit = number.dataId["visit"]
        if visit in self.config.fail:
            raise RuntimeError(f"visit {visit} is broken")
        if visit in self.config.noWork:
            raise NoWorkFound("nothing in it")
        for marker, victim in self.config.failUntil.items():
            if visit == victim and not Path(marker).exists():
                raise RuntimeError(f"visit {visit} is not mended yet")
        for marker, victim in self.config.dieOnce.items():
            if visit == victim and not Path(marker).exists():
                Path(marker).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.config.pause)
        for marker, victim in self.config.sleepUntil.items():
            if visit == victim and not Path(marker).exists():
                time.sleep(600.0)
        self.metadata["visit"] = visit
        times = 2 if factor is None else factor["value"]
        return Struct(doubled={"value": times * number.get()["value"]})


class SumConnections(PipelineTaskConnections, dimensions=("instrument",), defaultTemplates={"prefix": ""}):
    parts: Input = Input(
        name="{prefix}doubled",
        storageClass="StructuredDataDict",
        dimensions=("instrument", "visit"),
        multiple=True,
    )
    total: Output = Output(name="total", storageClass="StructuredDataDict", dimensions=("instrument",))
    count: Output | None = Output(name="count", storageClass="StructuredDataDict", dimensions=("instrument",))

    @classmethod
    def for_config(cls, config: Any) -> SumConnections:
        return cls() if config.doCount else cls().without("count")


class SumConfig(PipelineTaskConfig, pipelineConnections=SumConnections):
    doCount: bool = False


class SumTask(PipelineTask):
    ConfigClass: ClassVar[type[Config]] = SumConfig
    _DefaultName = "sum"

    def run(self, parts: list[dict[str, int]]) -> Struct:
        values = [part["value"] for part in parts]
        return Struct(total={"value": sum(values)}, count={"value": len(values)})


def toy_pipeline(**double_config: Any) -> Pipeline:
    """Return the pipeline of both tasks, written in the order in which they cannot run."""
    return Pipeline.from_values(
        {
            "description": "double and add",
            "tasks": {
                "sum": "toy_pipeline:SumTask",
                "double": {"class": "toy_pipeline:DoubleTask", "config": double_config},
            },
        }
    )


def make_toy_repo(
    root: Path, visits: Sequence[int] = VISITS, settings: RepositoryConfig | None = None
) -> Butler:
    """Return a butler on a repository with a number (10, 20, ...) for each visit in run ``in``."""
    Butler.makeRepo(root, settings)
    butler = Butler(root, writeable=True)
    registry = butler.registry
    registry.insertDimensionData("instrument", {"name": "Cam"})
    registry.insertDimensionData("physical_filter", {"instrument": "Cam", "name": "Cam-i", "band": "i"})
    registry.insertDimensionData("day_obs", {"instrument": "Cam", "id": 20260101})
    registry.registerRun("in")
    kind = DatasetType("number", ("instrument", "visit"), "StructuredDataDict")
    registry.registerDatasetType(kind)
    shared = {"instrument": "Cam", "physical_filter": "Cam-i", "day_obs": 20260101}
    registry.insertDimensionData("visit", *({**shared, "id": n, "name": str(n)} for n in visits))
    refs = [DatasetRef(kind, {"instrument": "Cam", "visit": n}, "in") for n in visits]
    butler.put_many(({"value": 10 * ref.dataId["visit"]}, ref) for ref in refs)
    return butler


def toy_graph_pipeline(pause: float) -> Pipeline:
    """Return a pipeline of two tasks for each visit, one after the other, and a sum of all.

    Parameters
    ----------
    pause
        Seconds that a visit takes.
    """
    again = {"connections.number": "doubled", "connections.prefix": "twice", "pause": pause}
    return Pipeline.from_values(
        {
            "description": "double, double again and add",
            "tasks": {
                "double": {"class": "toy_pipeline:DoubleTask", "config": {"pause": pause}},
                "again": {"class": "toy_pipeline:DoubleTask", "config": again},
                "sum": {"class": "toy_pipeline:SumTask", "config": {"connections.prefix": "twice"}},
            },
        }
    )
