"""Which detector images and visits a coadd is made of."""

from .psf_wcs_select_images import PsfWcsSelectImagesConfig, PsfWcsSelectImagesTask
from .select_visits import BestSeeingQuantileSelectVisitsTask, BestSeeingSelectVisitsTask
from .select_visits_config import (
    BestSeeingQuantileSelectVisitsConfig,
    BestSeeingSelectVisitsConfig,
    SelectVisitsConnections,
)
from .wcs_select_images import WcsSelectImagesConfig, WcsSelectImagesTask

__all__ = [
    "BestSeeingQuantileSelectVisitsConfig",
    "BestSeeingQuantileSelectVisitsTask",
    "BestSeeingSelectVisitsConfig",
    "BestSeeingSelectVisitsTask",
    "PsfWcsSelectImagesConfig",
    "PsfWcsSelectImagesTask",
    "SelectVisitsConnections",
    "WcsSelectImagesConfig",
    "WcsSelectImagesTask",
]
