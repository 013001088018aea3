"""From flattened detector images to calibrated exposures."""

from .consolidate_visit_summary import (
    ConsolidateVisitSummaryConfig,
    ConsolidateVisitSummaryConnections,
    ConsolidateVisitSummaryTask,
)
from .cosmic_rays import FindCosmicRaysConfig, FindCosmicRaysTask
from .defects import MaskDefectsConfig, MaskDefectsTask
from .match_reference import MatchReferenceConfig, MatchReferenceTask, ReferenceMatch
from .measure_psf import MeasurePsfConfig, MeasurePsfTask
from .measure_stars import MeasureStarsConfig, MeasureStarsTask, StarCatalog
from .photometric_scale import (
    GivenZeroPointTask,
    PhotometricScale,
    ReferenceZeroPointConfig,
    ReferenceZeroPointTask,
    ScaleInputs,
)
from .process_ccd import ProcessCcdTask
from .process_ccd_config import ProcessCcdConfig, ProcessCcdConnections
from .psf_stars import PsfStarConfig
from .repair import RepairConfig, RepairTask
from .summary_stats import ComputeExposureSummaryStatsConfig, ComputeExposureSummaryStatsTask
from .variance import EstimateVarianceConfig, EstimateVarianceTask

__all__ = [
    "ComputeExposureSummaryStatsConfig",
    "ComputeExposureSummaryStatsTask",
    "ConsolidateVisitSummaryConfig",
    "ConsolidateVisitSummaryConnections",
    "ConsolidateVisitSummaryTask",
    "EstimateVarianceConfig",
    "EstimateVarianceTask",
    "FindCosmicRaysConfig",
    "FindCosmicRaysTask",
    "GivenZeroPointTask",
    "MaskDefectsConfig",
    "MaskDefectsTask",
    "MatchReferenceConfig",
    "MatchReferenceTask",
    "MeasurePsfConfig",
    "MeasurePsfTask",
    "MeasureStarsConfig",
    "MeasureStarsTask",
    "PhotometricScale",
    "ProcessCcdConfig",
    "ProcessCcdConnections",
    "ProcessCcdTask",
    "PsfStarConfig",
    "ReferenceMatch",
    "ReferenceZeroPointConfig",
    "ReferenceZeroPointTask",
    "RepairConfig",
    "RepairTask",
    "ScaleInputs",
    "StarCatalog",
]
