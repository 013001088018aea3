"""From files and sky maps to dimension records and datasets."""

from .camera import (
    CameraMapping,
    CardRule,
    DetectorProperties,
    ExposureDescription,
    find_camera,
    shipped_cameras,
)
from .exposures import CAMERA, DEFECTS, EXPOSURE, WEIGHT, IngestReport, expand_paths, ingest_exposures
from .observations import observed_outlines, observed_regions
from .sky_map import SKY_MAP, SKY_MAP_RUN, find_sky_map, register_sky_map

__all__ = [
    "CAMERA",
    "DEFECTS",
    "EXPOSURE",
    "SKY_MAP",
    "SKY_MAP_RUN",
    "WEIGHT",
    "CameraMapping",
    "CardRule",
    "DetectorProperties",
    "ExposureDescription",
    "IngestReport",
    "expand_paths",
    "find_camera",
    "find_sky_map",
    "ingest_exposures",
    "observed_outlines",
    "observed_regions",
    "register_sky_map",
    "shipped_cameras",
]
