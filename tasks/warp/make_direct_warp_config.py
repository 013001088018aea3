"""MakeDirectWarpConnections and MakeDirectWarpConfig: what makeDirectWarp reads, writes and can be told."""

from __future__ import annotations

from typing import Any, Final, Self

from pydantic import Field

from connections import Input, Output, PipelineTaskConnections, PrerequisiteInput

from ..config import ConfigurableField
from ..pipeline_task_config import PipelineTaskConfig
from ..select import PsfWcsSelectImagesTask
from .clough_tocher import CloughTocher2DInterpolateTask
from .warper import WarperConfig

__all__ = ["MakeDirectWarpConfig", "MakeDirectWarpConnections"]

_VISIT_ON_PATCH: Final = ("tract", "patch", "skymap", "instrument", "visit")


class MakeDirectWarpConnections(
    PipelineTaskConnections,
    dimensions=_VISIT_ON_PATCH,
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
        doc="quality, WCS and calibration of the visit's detector images",
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
        dimensions=_VISIT_ON_PATCH,
        doc="the visit on the pixels of the patch, in nJy",
    )
    masked_fraction_warp: Output | None = Output(
        name="{coaddName}Coadd_directWarp_maskedFraction",
        storageClass="ImageF",
        dimensions=_VISIT_ON_PATCH,
        doc="share of each pixel of the warp that comes from bad pixels",
    )
    noise_warp0: Output | None = Output(
        name="{coaddName}Coadd_directWarp_noise0",
        storageClass="MaskedImageF",
        dimensions=_VISIT_ON_PATCH,
        doc="pure noise of the visit's variance, warped like it",
    )
    noise_warp1: Output | None = Output(
        name="{coaddName}Coadd_directWarp_noise1",
        storageClass="MaskedImageF",
        dimensions=_VISIT_ON_PATCH,
        doc="a second realisation of the noise",
    )
    noise_warp2: Output | None = Output(
        name="{coaddName}Coadd_directWarp_noise2",
        storageClass="MaskedImageF",
        dimensions=_VISIT_ON_PATCH,
        doc="a third realisation of the noise",
    )

    @classmethod
    def for_config(cls, config: Any) -> Self:
        """Leave out what is not read or not made."""
        wanted = {
            "visit_summary": config.doSelectPreWarp
            or config.useVisitSummaryWcs
            or config.useVisitSummaryPhotoCalib,
            "selectedVisits": config.doSelectVisits,
            "masked_fraction_warp": config.doWarpMaskedFraction,
            **{f"noise_warp{i}": i < config.numberOfNoiseRealizations for i in range(3)},
        }
        return cls().without(*(name for name, on in wanted.items() if not on))


class MakeDirectWarpConfig(PipelineTaskConfig, pipelineConnections=MakeDirectWarpConnections):
    """How warps are made."""

    doSelectVisits: bool = Field(
        default=False, description="warp only the visits that a selection task chose for the patch"
    )
    doSelectPreWarp: bool = Field(
        default=False, description="warp only detector images whose quality is within limits"
    )
    select: ConfigurableField = PsfWcsSelectImagesTask.makeField("which detector images these are")
    useVisitSummaryWcs: bool = Field(
        default=False,
        description="take the WCS of detector images from the visit summary, which may be refitted, instead "
        "of their own; a detector without one there is left out",
    )
    useVisitSummaryPhotoCalib: bool = Field(
        default=False,
        description="take the photometric calibration of detector images from the visit summary, which may "
        "be refitted, instead of their own; a detector without one there is left out",
    )
    warper: WarperConfig = Field(default_factory=WarperConfig, description="how pixels are resampled")
    border: int = Field(
        default=0,
        ge=0,
        description="pixels by which a warp is larger than its patch's outer box on each side",
    )
    badMaskPlanes: tuple[str, ...] = Field(
        default=("BAD", "SAT", "CR", "SUSPECT", "EDGE", "VIGNETTED"),
        description="planes of bad pixels: they give way where detectors overlap, and their share is the "
        "masked fraction",
    )
    doPreWarpInterpolation: bool = Field(default=False, description="fill bad pixels before they are warped")
    preWarpInterpolation: ConfigurableField = CloughTocher2DInterpolateTask.makeField(
        "how bad pixels are filled"
    )
    doWarpMaskedFraction: bool = Field(
        default=False, description="also write the share of each pixel that comes from bad ones"
    )
    maskedFractionWarper: WarperConfig = Field(
        default_factory=lambda: WarperConfig(warpingKernelName="bilinear"),
        description="how that share is resampled",
    )
    numberOfNoiseRealizations: int = Field(
        default=0, ge=0, le=3, description="number of images of pure noise to warp like the visit"
    )
    seedOffset: int = Field(default=0, ge=0, description="number that tells this noise from other noise")
    useMedianVariance: bool = Field(
        default=True, description="give all pixels of a noise image the median variance of the detector"
    )
