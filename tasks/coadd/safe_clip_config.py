"""Config and connections of SafeClip coadd assembly."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from connections import Output

from ..config import ConfigurableField
from ..detection import SourceDetectionTask
from .assemble_coadd_config import AssembleCoaddConfig, AssembleCoaddConnections
from .clip_decision import ClipThresholds
from .difference_detection_config import DifferenceDetectionConfig

__all__ = ["SafeClipAssembleCoaddConfig", "SafeClipAssembleCoaddConnections"]

_Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class SafeClipAssembleCoaddConnections(
    AssembleCoaddConnections, dimensions=AssembleCoaddConnections.dimensions
):
    """What SafeClip coadd assembly reads and writes."""

    clipRecord: Output = Output(
        name="{coaddName}Coadd_clipped",
        storageClass="AstropyTable",
        dimensions=AssembleCoaddConnections.dimensions,
        doc="Pixels that were clipped on each visit, and why.",
    )


class SafeClipAssembleCoaddConfig(AssembleCoaddConfig, pipelineConnections=SafeClipAssembleCoaddConnections):
    """How artifacts are found; `statistic` is that of the coadd, `sigmaClip` that of the comparison."""

    statistic: str = Field(default="MEAN", description="statistic of the coadd: MEAN and nothing else")
    sigmaClip: float = Field(
        default=1.5, gt=0, description="clipping limit of the comparison, in standard deviations"
    )
    clipIter: int = Field(default=3, gt=0, description="number of clipping passes of the comparison")
    minClipFootOverlap: _Fraction = Field(
        default=0.6, description="clip a footprint on the only visit of several that overlaps it by more"
    )
    minClipFootOverlapSingle: _Fraction = Field(
        default=0.5, description="clip a footprint that only one visit overlaps, if by more than this"
    )
    minClipFootOverlapDouble: _Fraction = Field(
        default=0.45, description="clip a footprint on both visits if exactly two overlap it by more"
    )
    maxClipFootOverlapDouble: _Fraction = Field(
        default=0.15, description="... and no other visit overlaps it by more than this"
    )
    minBigOverlap: int = Field(
        default=100,
        ge=0,
        description="clip a detection of a visit of which clipped footprints cover more pixels than this",
    )
    clipDetection: ConfigurableField = SourceDetectionTask.makeField(
        "how footprints are found in the difference of mean and clipped mean"
    )

    clipEvidence: Literal["detections", "differences"] = Field(
        default="detections",
        description="what shows a footprint on a visit: the detections of its warp (LSST), or what its warp "
        "has beyond the template once seeing, position, scale and sky are fitted; the latter serves where "
        "sources are so crowded that everything is detected on every visit",
    )
    differenceDetection: DifferenceDetectionConfig = Field(
        default_factory=DifferenceDetectionConfig,
        description="how a visit's own artifacts are found with clipEvidence=differences",
    )

    def setDefaults(self) -> None:
        """Look for faint footprints of both signs."""
        detection = self.clipDetection.value
        detection.thresholdValue = 2
        detection.thresholdType = "pixel_stdev"
        detection.thresholdPolarity = "both"
        detection.minPixels = 4
        detection.nSigmaToGrow = 2
        detection.isotropicGrow = True

    @field_validator("statistic")
    @classmethod
    def _check_mean(cls, value: str) -> str:
        if value != "MEAN":
            raise ValueError("SafeClip clips artifacts before it takes a MEAN; its statistic is MEAN")
        return value

    @property
    def thresholds(self) -> ClipThresholds:
        """Limits of the overlap of a footprint with the detections of a visit."""
        return ClipThresholds(
            single=self.minClipFootOverlapSingle,
            dominant=self.minClipFootOverlap,
            double=self.minClipFootOverlapDouble,
            double_others=self.maxClipFootOverlapDouble,
        )
