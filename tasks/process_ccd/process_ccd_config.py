"""ProcessCcdConnections and ProcessCcdConfig: what processCcd reads, writes and can be told."""

from __future__ import annotations

from pydantic import Field

from connections import Input, Output, PipelineTaskConnections, PrerequisiteInput

from ..background import SubtractBackgroundTask
from ..config import ConfigurableField
from ..detection import SourceDetectionTask
from ..pipeline_task_config import PipelineTaskConfig
from .cosmic_rays import FindCosmicRaysTask
from .defects import MaskDefectsTask
from .match_reference import MatchReferenceTask
from .measure_psf import MeasurePsfTask
from .measure_stars import MeasureStarsTask
from .photometric_scale import GivenZeroPointTask
from .repair import RepairTask
from .summary_stats import ComputeExposureSummaryStatsTask
from .variance import EstimateVarianceTask

__all__ = ["ProcessCcdConfig", "ProcessCcdConnections"]


class ProcessCcdConnections(PipelineTaskConnections, dimensions=("instrument", "visit", "detector")):
    """Datasets of `ProcessCcdTask`."""

    inputExposure: Input = Input(
        name="postISRCCD",
        storageClass="ExposureF",
        dimensions=("instrument", "exposure", "detector"),
        doc="flattened detector image in counts, with WCS and header",
    )
    camera: PrerequisiteInput = PrerequisiteInput(
        name="camera",
        storageClass="StructuredDataDict",
        dimensions=("instrument",),
        doc="mapping that reads gain, read noise, saturation, zero point and seeing from the header",
    )
    defects: PrerequisiteInput = PrerequisiteInput(
        name="defects",
        storageClass="ImageF",
        dimensions=("instrument", "detector"),
        doc="image that is not 0 where the detector is bad",
        minimum=0,
    )
    weight: PrerequisiteInput = PrerequisiteInput(
        name="postISRCCD_weight",
        storageClass="ImageF",
        dimensions=("instrument", "exposure", "detector"),
        doc="inverse variance in 1/count², 0 where there are no data",
        minimum=0,
    )
    variance: PrerequisiteInput = PrerequisiteInput(
        name="postISRCCD_variance",
        storageClass="ImageF",
        dimensions=("instrument", "exposure", "detector"),
        doc="variance in count², used where there is no weight",
        minimum=0,
    )
    quality: PrerequisiteInput = PrerequisiteInput(
        name="postISRCCD_quality",
        storageClass="ImageI",
        dimensions=("instrument", "exposure", "detector"),
        doc="quality codes or bits; the camera mapping says what they mean",
        minimum=0,
    )
    psfexModel: PrerequisiteInput = PrerequisiteInput(
        name="psfexModel",
        storageClass="Psf",
        dimensions=("instrument", "exposure", "detector"),
        doc="model of the PSF that PSFEx made",
        minimum=0,
    )
    zeroPoint: PrerequisiteInput = PrerequisiteInput(
        name="zeroPoint",
        storageClass="StructuredDataDict",
        dimensions=("instrument", "exposure", "detector"),
        doc="zero_point, AB magnitude of one count in the whole exposure, from a table",
        minimum=0,
    )
    referenceCatalog: PrerequisiteInput = PrerequisiteInput(
        name="referenceCatalog",
        storageClass="AstropyTable",
        dimensions=("instrument",),
        doc="stars with known positions (coord_ra, coord_dec, degrees) and AB magnitudes (<band>_mag)",
        minimum=0,
    )
    outputExposure: Output = Output(
        name="calexp",
        storageClass="ExposureF",
        dimensions=("instrument", "visit", "detector"),
        doc="calibrated, background-subtracted exposure in nJy with mask, variance, PSF and quality numbers",
    )


class ProcessCcdConfig(PipelineTaskConfig, pipelineConnections=ProcessCcdConnections):
    """Steps of `ProcessCcdTask` and whether to take them."""

    maskDefects: ConfigurableField = MaskDefectsTask.makeField("sets NO_DATA, SAT and BAD")
    estimateVariance: ConfigurableField = EstimateVarianceTask.makeField("fills the variance plane")
    doSubtractBackground: bool = Field(default=True, description="subtract the background")
    background: ConfigurableField = SubtractBackgroundTask.makeField("subtracts the background")
    measurePsf: ConfigurableField = MeasurePsfTask.makeField("measures the PSF")
    doFindCosmicRays: bool = Field(default=True, description="look for cosmic rays")
    cosmicRays: ConfigurableField = FindCosmicRaysTask.makeField("sets CR")
    doRepair: bool = Field(default=True, description="interpolate over bad pixels")
    repair: ConfigurableField = RepairTask.makeField("interpolates over bad pixels")
    doDetection: bool = Field(default=True, description="mark the pixels of sources")
    detection: ConfigurableField = SourceDetectionTask.makeField("sets DETECTED, and EDGE on the border")
    measureStars: ConfigurableField = MeasureStarsTask.makeField("measures bright isolated stars")
    matchReference: ConfigurableField = MatchReferenceTask.makeField(
        "finds the stars in a reference catalog, if there is one"
    )
    photometricScale: ConfigurableField = GivenZeroPointTask.makeField("finds the magnitude of one count")
    summaryStats: ConfigurableField = ComputeExposureSummaryStatsTask.makeField("computes quality numbers")
