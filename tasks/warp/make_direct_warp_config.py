"""MakeDirectWarpConnections and MakeDirectWarpConfig: what makeDirectWarp reads, writes and can be told."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from connections import Input, Output, PipelineTaskConnections, PrerequisiteInput

from ..config import ConfigurableField, PipelineTaskConfig
from ..select import PsfWcsSelectImagesTask
from .warper import WarperConfig

__all__ = ["MakeDirectWarpConfig", "MakeDirectWarpConnections"]


class MakeDirectWarpConnections(
    PipelineTaskConnections,
    dimensions=("tract", "patch", "skymap", "instrument", "visit"),
    defaultTemplates={"coaddName": "deep"},
):
    """Datasets of `MakeDirectWarpTask`."""

    calexp_list: Input = Input(
        name="calexp",
        storageClass="ExposureF",
        dimensions=("instrument", "visit", "detector"),
        doc="calibrated exposures of the visit's detectors",
        multiple=True,
        deferLoad=True,
    )
    sky_map: PrerequisiteInput = PrerequisiteInput(
        name="skyMap", storageClass="SkyMap", dimensions=("skymap",), doc="geometry of tracts and patches"
    )
    visit_summary: Input | None = Input(
        name="visitSummary",
        storageClass="ExposureCatalog",
        dimensions=("instrument", "visit"),
        doc="quality of the visit's detector images",
    )
    selectedVisits: Input | None = Input(
        name="{coaddName}CoaddVisits",
        storageClass="StructuredDataDict",
        dimensions=("tract", "patch", "skymap", "band", "instrument"),
        doc="visits chosen for the patch",
    )
    warp: Output = Output(
        name="{coaddName}Coadd_directWarp",
        storageClass="ExposureF",
        dimensions=("tract", "patch", "skymap", "instrument", "visit"),
        doc="the visit on the pixels of the patch, in nJy",
    )

    @classmethod
    def for_config(cls, config: Any) -> Self:
        """Leave out what is not read."""
        read = {"visit_summary": config.doSelectPreWarp, "selectedVisits": config.doSelectVisits}
        return cls().without(*(name for name, wanted in read.items() if not wanted))


class MakeDirectWarpConfig(PipelineTaskConfig, pipelineConnections=MakeDirectWarpConnections):
    """How warps are made."""

    doSelectVisits: bool = Field(
        default=False, description="warp only the visits that a selection task chose for the patch"
    )
    doSelectPreWarp: bool = Field(
        default=False, description="warp only detector images whose quality is within limits"
    )
    select: ConfigurableField = PsfWcsSelectImagesTask.makeField("which detector images these are")
    warper: WarperConfig = Field(default_factory=WarperConfig, description="how pixels are resampled")
    border: int = Field(
        default=0,
        ge=0,
        description="pixels by which a warp is larger than its patch's outer box on each side",
    )
