"""Config and connections of CompareWarp coadd assembly."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from connections import Input, Output

from ..config import ConfigurableField
from ..detection import SourceDetectionTask
from .artifact_filter import EpochLimits
from .assemble_coadd import AssembleCoaddTask
from .assemble_coadd_config import AssembleCoaddConfig, AssembleCoaddConnections
from .mask_streaks import MaskStreaksTask
from .scale_variance import ScaleVarianceTask

__all__ = ["CompareWarpAssembleCoaddConfig", "CompareWarpAssembleCoaddConnections"]

_Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
_WARP = ("tract", "patch", "skymap", "instrument", "visit")


class CompareWarpAssembleCoaddConnections(
    AssembleCoaddConnections, dimensions=AssembleCoaddConnections.dimensions
):
    """What CompareWarp coadd assembly reads and writes."""

    psfMatchedWarps: Input = Input(
        name="{coaddName}Coadd_psfMatchedWarp",
        storageClass="ExposureF",
        dimensions=_WARP,
        doc="The same visits with a common PSF, which are compared.",
        multiple=True,
        deferLoad=True,
    )
    clipRecord: Output = Output(
        name="{coaddName}Coadd_clipped",
        storageClass="AstropyTable",
        dimensions=AssembleCoaddConnections.dimensions,
        doc="Pixels that were clipped on each visit, and why.",
    )
    templateCoadd: Output | None = Output(
        name="{coaddName}CoaddPsfMatched",
        storageClass="ExposureF",
        dimensions=AssembleCoaddConnections.dimensions,
        doc="The static sky that visits are compared with.",
    )
    artifactMasks: Output | None = Output(
        name="compare_warp_artifact_mask",
        storageClass="Mask",
        dimensions=_WARP,
        doc="Masks of the direct warps as they are combined: CLIPPED at artifacts, NO_DATA where a visit "
        "cannot be compared.",
        multiple=True,
    )

    @classmethod
    def for_config(cls, config: Any) -> Self:
        """Leave out the outputs that are not made."""
        made = super().for_config(config)
        unmade = {
            "templateCoadd": not config.assembleStaticSkyModel.doWrite,
            "artifactMasks": not config.doWriteArtifactMasks,
        }
        return made.without(*(name for name, is_unmade in unmade.items() if is_unmade))


class CompareWarpAssembleCoaddConfig(
    AssembleCoaddConfig, pipelineConnections=CompareWarpAssembleCoaddConnections
):
    """How artifacts are found; `statistic` is that of the coadd of the direct warps."""

    statistic: str = Field(default="MEAN", description="statistic of the coadd")
    badMaskPlanes: list[str] = Field(
        default=["NO_DATA", "BAD", "SAT"], description="planes whose pixels are left out"
    )
    removeMaskPlanes: list[str] = Field(
        default=["NOT_DEBLENDED", "EDGE"], description="planes that are cleared before warps are combined"
    )
    assembleStaticSkyModel: ConfigurableField = AssembleCoaddTask.makeField(
        "how the static sky is made of the PSF-matched warps"
    )
    detect: ConfigurableField = SourceDetectionTask.makeField(
        "what is a candidate in the difference of a visit and the static sky"
    )
    detectTemplate: ConfigurableField = SourceDetectionTask.makeField(
        "sources of the static sky inside which candidates are not clipped"
    )
    maxDetectTemplateIter: int = Field(
        default=10,
        ge=1,
        description="how often detectTemplate is tried while it leaves no pixel to measure a background in",
    )
    detectTemplateIterMultiplier: float = Field(
        default=1.25,
        gt=1,
        description="what its threshold below zero is multiplied by for each new try, and that above in the "
        "second half of them",
    )
    maxNumEpochs: int = Field(
        default=2,
        ge=0,
        description="a pixel is an artifact's if candidates of at most this number of visits have it, plus "
        "maxFractionEpochsHigh of all visits, but no more than maxFractionEpochsLow of them",
    )
    maxFractionEpochsLow: _Fraction = Field(default=0.4, description="see maxNumEpochs")
    maxFractionEpochsHigh: _Fraction = Field(default=0.03, description="see maxNumEpochs")
    spatialThreshold: _Fraction = Field(
        default=0.5, description="clip a candidate if more than this fraction of it is an artifact's"
    )
    epochRule: Literal["footprint", "pixel"] = Field(
        default="footprint",
        description="whether the number of visits is the mean over the candidate, its limit cut to a whole "
        "number, or that of each pixel, its limit rounded",
    )
    doCountBySign: bool = Field(
        default=False,
        description="count visits that are brighter than the static sky and those that are fainter apart: an "
        "artifact draws the static sky towards it, so that all others are fainter; with epochRule=pixel, of "
        "two visits the brighter one is clipped",
    )
    doCompareMedian: bool = Field(
        default=False,
        description="compare visits with the median of them all, where they are three or more, instead of "
        "the static sky: artifacts of two of five or six visits draw a clipped mean towards them",
    )
    doKeepVarying: bool = Field(
        default=False,
        description="keep candidates that are a multiple of the PSF at the place of a source of the static "
        "sky: stars that vary",
    )
    doScaleWarpVariance: bool = Field(
        default=True, description="scale the variance of PSF-matched warps to the noise that is seen"
    )
    scaleWarpVariance: ConfigurableField = ScaleVarianceTask.makeField("how it is scaled")
    doAddMatchResidual: bool = Field(
        default=False,
        description="add the square of what the match of the PSFs misses to the variance of a difference, so "
        "that bright stars are no candidates",
    )
    minMatchResidual: float = Field(
        default=0.01,
        ge=0,
        description="fraction of the static sky that the match is taken to miss; more if a warp says so",
    )
    doFitDifferences: bool = Field(
        default=False,
        description="take out of a difference what the static sky, its derivatives and a smooth background "
        "fitted to it explain: what PSF, place, scale and sky of the warp miss; what is left at bright "
        "sources counts as noise, so that they need no doPreserveContainedBySource",
    )
    doPreserveContainedBySource: bool = Field(
        default=True, description="keep candidates that lie wholly inside a source of the static sky"
    )
    doPrefilterArtifacts: bool = Field(
        default=True, description="drop candidates that lie on bad pixels for the most part"
    )
    prefilterArtifactsMaskPlanes: list[str] = Field(
        default=["NO_DATA", "BAD", "SUSPECT"], description="planes of bad pixels in that sense"
    )
    prefilterArtifactsRatio: _Fraction = Field(
        default=0.05, description="keep candidates of which more than this fraction is good"
    )
    doFilterLargeArtifacts: bool = Field(
        default=False, description="drop candidates that are larger than filterLargeArtifactsFraction"
    )
    filterLargeArtifactsFraction: _Fraction = Field(
        default=0.25, description="largest candidate, as a fraction of the patch"
    )
    doFilterMorphological: bool = Field(
        default=False, description="clip straight streaks in any case, however many visits have them"
    )
    maskStreaks: ConfigurableField = MaskStreaksTask.makeField("how streaks are found")
    streakMaskName: str = Field(default="STREAK", description="mask plane of streaks")
    growStreakFp: float = Field(
        default=5.0, ge=0, description="growth of streaks in units of the PSF's sigma"
    )
    doWriteArtifactMasks: bool = Field(
        default=False, description="also write the mask of each direct warp, with its artifacts"
    )
    growClippedFp: float = Field(
        default=0.0, ge=0, description="growth of what is clipped in units of the PSF's sigma"
    )

    def setDefaults(self) -> None:
        """Set what the subtasks look for."""
        template = self.assembleStaticSkyModel.value
        template.warpType = "psfMatched"
        template.badMaskPlanes = ["NO_DATA"]
        template.statistic = "MEANCLIP"
        template.sigmaClip = 2.5
        template.clipIter = 3
        template.doWrite = False
        detect = self.detect.value
        detect.thresholdValue = 7.5
        detect.thresholdPolarity = "both"
        detect.minPixels = 4
        detect.nSigmaToGrow = 0.4
        sources = self.detectTemplate.value
        sources.thresholdValue = 300.0
        sources.reEstimateBackground = True
        sources.doTempLocalBackground = True

    @model_validator(mode="after")
    def _check_template(self) -> Self:
        if self.assembleStaticSkyModel.doNImage:
            raise ValueError("assembleStaticSkyModel.doNImage must be False; set doNImage instead")
        if self.warpType != "direct":
            raise ValueError(f"CompareWarp combines direct warps, not {self.warpType} ones")
        return self

    @property
    def epochLimits(self) -> EpochLimits:
        """Limits of the number of visits that an artifact may be on."""
        return EpochLimits(self.maxNumEpochs, self.maxFractionEpochsLow, self.maxFractionEpochsHigh)
