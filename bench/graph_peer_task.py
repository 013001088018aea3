"""The same task as that of `graph_task`, for LSST's middleware."""

from __future__ import annotations

import lsst.pipe.base as pipe_base
from lsst.pipe.base import connectionTypes

__all__ = ["StackTask"]


class StackConnections(pipe_base.PipelineTaskConnections, dimensions=("skymap", "tract", "patch", "band")):
    """Connections of `StackTask`."""

    warps = connectionTypes.Input(
        name="deepCoadd_directWarp",
        storageClass="ExposureF",
        dimensions=("instrument", "skymap", "tract", "patch", "visit"),
        multiple=True,
        deferLoad=True,
        doc="warps",
    )
    coadd = connectionTypes.Output(
        name="deepCoadd",
        storageClass="ExposureF",
        dimensions=("skymap", "tract", "patch", "band"),
        doc="coadd",
    )


class StackConfig(pipe_base.PipelineTaskConfig, pipelineConnections=StackConnections):
    """Config of `StackTask`."""


class StackTask(pipe_base.PipelineTask):
    """A task that is planned, and never run."""

    ConfigClass = StackConfig
    _DefaultName = "stack"
