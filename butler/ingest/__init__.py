"""From files and sky maps to dimension records and datasets."""

from typing import TYPE_CHECKING

from ..late import late_names

if TYPE_CHECKING:
    from .camera import CameraMapping
    from .card_rule import CardRule
    from .companion import CompanionRule, QualityRule
    from .dataset_types import (
        CAMERA,
        DEFECTS,
        EXPOSURE,
        PSFEX_MODEL,
        QUALITY,
        REFERENCE_CATALOG,
        VARIANCE,
        WEIGHT,
        ZERO_POINT,
    )
    from .description import DetectorProperties, ExposureDescription
    from .exposures import IngestReport, expand_paths, ingest_exposures
    from .observations import observed_outlines, observed_regions
    from .quality import quality_mask
    from .shipped import camera_named, camera_template, find_camera, find_camera_of, shipped_cameras
    from .sky_map import SKY_MAP, SKY_MAP_RUN, find_sky_map, register_sky_map
    from .tables import ReferenceCatalogRule, ZeroPointRule
    from .tracts import count_outside_tracts, count_visits_outside_tracts
else:
    # A process that reads headers needs neither the registry nor the sky.
    __getattr__ = late_names(
        __name__,
        {
            "camera": ["CameraMapping"],
            "card_rule": ["CardRule"],
            "companion": ["CompanionRule", "QualityRule"],
            "dataset_types": [
                "CAMERA",
                "DEFECTS",
                "EXPOSURE",
                "PSFEX_MODEL",
                "QUALITY",
                "REFERENCE_CATALOG",
                "VARIANCE",
                "WEIGHT",
                "ZERO_POINT",
            ],
            "description": ["DetectorProperties", "ExposureDescription"],
            "exposures": ["IngestReport", "expand_paths", "ingest_exposures"],
            "observations": ["observed_outlines", "observed_regions"],
            "quality": ["quality_mask"],
            "shipped": [
                "camera_named",
                "camera_template",
                "find_camera",
                "find_camera_of",
                "shipped_cameras",
            ],
            "sky_map": ["SKY_MAP", "SKY_MAP_RUN", "find_sky_map", "register_sky_map"],
            "tables": ["ReferenceCatalogRule", "ZeroPointRule"],
            "tracts": ["count_outside_tracts", "count_visits_outside_tracts"],
        },
    )

__all__ = [
    "CAMERA",
    "DEFECTS",
    "EXPOSURE",
    "PSFEX_MODEL",
    "QUALITY",
    "REFERENCE_CATALOG",
    "SKY_MAP",
    "SKY_MAP_RUN",
    "VARIANCE",
    "WEIGHT",
    "ZERO_POINT",
    "CameraMapping",
    "CardRule",
    "CompanionRule",
    "DetectorProperties",
    "ExposureDescription",
    "IngestReport",
    "QualityRule",
    "ReferenceCatalogRule",
    "ZeroPointRule",
    "camera_named",
    "camera_template",
    "count_outside_tracts",
    "count_visits_outside_tracts",
    "expand_paths",
    "find_camera",
    "find_camera_of",
    "find_sky_map",
    "ingest_exposures",
    "observed_outlines",
    "observed_regions",
    "quality_mask",
    "register_sky_map",
    "shipped_cameras",
]
