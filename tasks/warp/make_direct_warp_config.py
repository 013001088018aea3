"""MakeDirectWarpConnections and MakeDirectWarpConfig: what makeDirectWarp reads, writes and can be told."""

from __future__ import annotations

from pydantic import Field

from connections import Input, Output, PipelineTaskConnections, PrerequisiteInput

from ..config import PipelineTaskConfig
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
    warp: Output = Output(
        name="{coaddName}Coadd_directWarp",
        storageClass="ExposureF",
        dimensions=("tract", "patch", "skymap", "instrument", "visit"),
        doc="the visit on the pixels of the patch, in nJy",
    )


class MakeDirectWarpConfig(PipelineTaskConfig, pipelineConnections=MakeDirectWarpConnections):
    """How warps are made."""

    warper: WarperConfig = Field(default_factory=WarperConfig, description="how pixels are resampled")
    border: int = Field(
        default=0,
        ge=0,
        description="pixels by which a warp is larger than its patch's outer box on each side",
    )
