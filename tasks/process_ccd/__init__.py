"""From flattened detector images to calibrated exposures."""

from .background import SubtractBackgroundConfig, SubtractBackgroundTask
from .cosmic_rays import FindCosmicRaysConfig, FindCosmicRaysTask
from .defects import MaskDefectsConfig, MaskDefectsTask
from .measure_psf import MeasurePsfConfig, MeasurePsfTask
from .process_ccd import ProcessCcdTask
from .process_ccd_config import ProcessCcdConfig, ProcessCcdConnections
from .psf_stars import PsfStarConfig
from .repair import RepairConfig, RepairTask
from .variance import EstimateVarianceConfig, EstimateVarianceTask

__all__ = [
    "EstimateVarianceConfig",
    "EstimateVarianceTask",
    "FindCosmicRaysConfig",
    "FindCosmicRaysTask",
    "MaskDefectsConfig",
    "MaskDefectsTask",
    "MeasurePsfConfig",
    "MeasurePsfTask",
    "ProcessCcdConfig",
    "ProcessCcdConnections",
    "ProcessCcdTask",
    "PsfStarConfig",
    "RepairConfig",
    "RepairTask",
    "SubtractBackgroundConfig",
    "SubtractBackgroundTask",
]
