"""The dataset types that ingest fills."""

from __future__ import annotations

from typing import Final

from ..datasets import DatasetType

__all__ = [
    "CAMERA",
    "DATASET_TYPES",
    "DEFECTS",
    "EXPOSURE",
    "PSFEX_MODEL",
    "QUALITY",
    "REFERENCE_CATALOG",
    "VARIANCE",
    "WEIGHT",
    "ZERO_POINT",
]

_OF_EXPOSURE: Final = ("instrument", "exposure", "detector")

EXPOSURE: Final = DatasetType("postISRCCD", _OF_EXPOSURE, "ExposureF")
"""A flattened detector image, as LSST names it."""
WEIGHT: Final = DatasetType("postISRCCD_weight", _OF_EXPOSURE, "ImageF")
"""Its inverse variance, in 1/count²."""
VARIANCE: Final = DatasetType("postISRCCD_variance", _OF_EXPOSURE, "ImageF")
"""Its variance, in count²."""
QUALITY: Final = DatasetType("postISRCCD_quality", _OF_EXPOSURE, "ImageI")
"""Its quality codes or bits; the ``quality`` of the camera mapping says what they mean."""
PSFEX_MODEL: Final = DatasetType("psfexModel", _OF_EXPOSURE, "Psf")
"""The PSF that PSFEx found in it."""
ZERO_POINT: Final = DatasetType("zeroPoint", _OF_EXPOSURE, "StructuredDataDict")
"""``zero_point``: AB magnitude of one count in the whole exposure, from a table; over that of the header."""
REFERENCE_CATALOG: Final = DatasetType("referenceCatalog", ("instrument",), "AstropyTable")
"""Stars to calibrate against; columns as `read_reference_catalog` gives them."""
DEFECTS: Final = DatasetType("defects", ("instrument", "detector"), "ImageF")
"""Bad pixels of a detector: not 0."""
CAMERA: Final = DatasetType("camera", ("instrument",), "StructuredDataDict")
"""The `CameraMapping` that headers were read with."""
DATASET_TYPES: Final = (
    EXPOSURE,
    WEIGHT,
    VARIANCE,
    QUALITY,
    PSFEX_MODEL,
    ZERO_POINT,
    REFERENCE_CATALOG,
    DEFECTS,
    CAMERA,
)
"""Those that every repository with exposures has, with or without datasets."""
