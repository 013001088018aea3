"""The same task as that of `quanta_task`, for LSST's middleware."""

from __future__ import annotations

import lsst.pipe.base as pipe_base
from lsst.pipe.base import connectionTypes

__all__ = ["CopyTask"]


class CopyConnections(pipe_base.PipelineTaskConnections, dimensions=("instrument", "visit")):
    """Connections of `CopyTask`."""

    number = connectionTypes.Input(
        name="number", storageClass="StructuredDataDict", dimensions=("instrument", "visit"), doc="number"
    )
    copied = connectionTypes.Output(
        name="copied", storageClass="StructuredDataDict", dimensions=("instrument", "visit"), doc="copy"
    )


class CopyConfig(pipe_base.PipelineTaskConfig, pipelineConnections=CopyConnections):
    """Config of `CopyTask`."""


class CopyTask(pipe_base.PipelineTask):
    """A task without work."""

    ConfigClass = CopyConfig
    _DefaultName = "copy"

    def run(self, number):
        """Return the input."""
        return pipe_base.Struct(copied=number)
