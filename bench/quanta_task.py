"""The task whose quanta are timed: it returns what it is given. Workers import this module, and no more."""

from __future__ import annotations

from typing import ClassVar

from connections import Input, Output, PipelineTaskConnections
from tasks import Config, PipelineTaskConfig
from tasks.struct import Struct
from tasks.task import PipelineTask

__all__ = ["CopyTask"]


class CopyConnections(PipelineTaskConnections, dimensions=("instrument", "visit")):
    """Connections of `CopyTask`."""

    number: Input = Input(
        name="number", storageClass="StructuredDataDict", dimensions=("instrument", "visit")
    )
    copied: Output = Output(
        name="copied", storageClass="StructuredDataDict", dimensions=("instrument", "visit")
    )


class CopyConfig(PipelineTaskConfig, pipelineConnections=CopyConnections):
    """Config of `CopyTask`."""


class CopyTask(PipelineTask):
    """A task without work."""

    ConfigClass: ClassVar[type[Config]] = CopyConfig
    _DefaultName = "copy"

    def run(self, number: dict[str, int]) -> Struct:
        """Return the input."""
        return Struct(copied=number)
