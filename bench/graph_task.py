"""The task whose graphs are timed, for this project: a coadd for each patch and band of the warps there."""

from __future__ import annotations

from typing import ClassVar

from connections import Input, Output, PipelineTaskConnections
from tasks import Config, PipelineTaskConfig
from tasks.task import PipelineTask

__all__ = ["StackTask"]


class StackConnections(PipelineTaskConnections, dimensions=("skymap", "tract", "patch", "band")):
    """Connections of `StackTask`."""

    warps: Input = Input(
        name="deepCoadd_directWarp",
        storageClass="ExposureF",
        dimensions=("instrument", "skymap", "tract", "patch", "visit"),
        multiple=True,
        deferLoad=True,
    )
    coadd: Output = Output(
        name="deepCoadd", storageClass="ExposureF", dimensions=("skymap", "tract", "patch", "band")
    )


class StackConfig(PipelineTaskConfig, pipelineConnections=StackConnections):
    """Config of `StackTask`."""


class StackTask(PipelineTask):
    """A task that is planned, and never run."""

    ConfigClass: ClassVar[type[Config]] = StackConfig
    _DefaultName = "stack"
