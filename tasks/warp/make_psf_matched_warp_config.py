"""MakePsfMatchedWarpConnections and MakePsfMatchedWarpConfig."""

from __future__ import annotations

from pydantic import Field

from connections import Input, Output, PipelineTaskConnections, PrerequisiteInput

from ..config import ConfigurableField
from ..pipeline_task_config import PipelineTaskConfig
from .gaussian_psf_factory import GaussianPsfFactory
from .model_psf_match import ModelPsfMatchTask

__all__ = ["MakePsfMatchedWarpConfig", "MakePsfMatchedWarpConnections"]

_WARP = ("tract", "patch", "skymap", "instrument", "visit")


class MakePsfMatchedWarpConnections(
    PipelineTaskConnections, dimensions=_WARP, defaultTemplates={"coaddName": "deep"}
):
    """Datasets of `MakePsfMatchedWarpTask`."""

    direct_warp: Input = Input(
        name="{coaddName}Coadd_directWarp",
        storageClass="ExposureF",
        dimensions=_WARP,
        doc="the visit on the pixels of the patch, in nJy",
    )
    sky_map: PrerequisiteInput = PrerequisiteInput(
        name="skyMap", storageClass="SkyMap", dimensions=("skymap",), doc="geometry of tracts and patches"
    )
    psf_matched_warp: Output = Output(
        name="{coaddName}Coadd_psfMatchedWarp",
        storageClass="ExposureF",
        dimensions=_WARP,
        doc="the same with the model PSF",
    )


class MakePsfMatchedWarpConfig(PipelineTaskConfig, pipelineConnections=MakePsfMatchedWarpConnections):
    """To which PSF warps are matched, and how."""

    modelPsf: GaussianPsfFactory = Field(
        default_factory=GaussianPsfFactory,
        description="model PSF; at least as broad as the PSFs of all visits",
    )
    doCorrectNoise: bool = Field(
        default=True,
        description="multiply the variance by what correlated noise of the direct warp adds to an aperture",
    )
    fillPlanes: list[str] = Field(
        default=["CR"],
        description="planes of pixels that are filled before the match where they are narrower than the "
        "model PSF, so that they spoil nothing around them; where NO_DATA or BAD are filled, INTRP takes "
        "their place",
    )
    psfMatch: ConfigurableField = ModelPsfMatchTask.makeField("how images are matched to the model PSF")
