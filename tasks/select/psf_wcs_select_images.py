"""PsfWcsSelectImagesTask: the detector images on a patch whose PSF is good enough."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import numpy as np
from pydantic import Field, field_validator

from butler.images import Box2I, SkyWcs
from butler.regions import SkyRegion

from ..config import Config
from ..errors import TaskError
from .wcs_select_images import WcsSelectImagesConfig, WcsSelectImagesTask

__all__ = ["FWHM_OF_SIGMA", "PsfWcsSelectImagesConfig", "PsfWcsSelectImagesTask"]

FWHM_OF_SIGMA: Final = math.sqrt(8.0 * math.log(2.0))
_FALLBACK: Final = "fallback"


class PsfWcsSelectImagesConfig(WcsSelectImagesConfig):
    """Limits on columns of the visit summary; a number that is not known is beyond every limit."""

    maxPsfFwhm: float | None = Field(default=1.8, ge=0, description="FWHM, arcseconds; none if 0 or None")
    maxEllipResidual: float | None = Field(
        default=0.007,
        ge=0,
        description="median distortion of stars minus that of the PSF; none if 0 or None",
    )
    maxSizeScatter: float | None = Field(
        default=None,
        ge=0,
        description="scatter of the size of stars minus that of the PSF, pixels; none if 0 or None",
    )
    maxScaledSizeScatter: float | None = Field(
        default=0.019, ge=0, description="the same in units of the size of stars; none if 0 or None"
    )
    maxPsfTraceRadiusDelta: float | None = Field(
        default=0.7, ge=0, description="variation of the PSF's size over the image, pixels; none if None"
    )
    maxPsfApFluxDelta: float | None = Field(
        default=0.24, ge=0, description="variation of the PSF's flux in an aperture; none if None"
    )
    maxPsfApCorrSigmaScaledDelta: float | None = Field(
        default=0.22,
        ge=0,
        description="variation of the aperture correction in units of the PSF's size; none if None",
    )
    minNPsfStarPerBand: dict[str, int] = Field(
        default={_FALLBACK: 6}, description="stars in the PSF model, by band; other bands as 'fallback'"
    )
    maxStarEPerBand: dict[str, float] = Field(
        default={_FALLBACK: 0.4}, description="median distortion of stars, by band"
    )
    maxStarUnNormalizedEPerBand: dict[str, float] = Field(
        default={_FALLBACK: 2.8}, description="median of their differences of moments, pixels², by band"
    )

    @field_validator("minNPsfStarPerBand", "maxStarEPerBand", "maxStarUnNormalizedEPerBand")
    @classmethod
    def _has_fallback(cls, value: dict[str, Any]) -> dict[str, Any]:
        if _FALLBACK not in value:
            raise ValueError(f"give a limit for {_FALLBACK!r}, the bands that are not named")
        return value


class PsfWcsSelectImagesTask(WcsSelectImagesTask):
    """Takes detector images on a patch whose quality numbers in the visit summary are within limits."""

    ConfigClass: ClassVar[type[Config]] = PsfWcsSelectImagesConfig
    _DefaultName: ClassVar[str] = "selectImages"

    def _fault(
        self, wcs: SkyWcs | None, bbox: Box2I, patch: SkyRegion, detector: int, visitSummary: Any
    ) -> str:
        fault = super()._fault(wcs, bbox, patch, detector, visitSummary)
        if fault:
            return fault
        if visitSummary is None:
            raise TaskError("no visit summary to select images by; run consolidateVisitSummary first")
        rows = np.flatnonzero(np.asarray(visitSummary["id"]) == detector)
        if len(rows) != 1:
            return f"the visit summary has {len(rows)} rows of it"
        row = visitSummary[int(rows[0])]
        # What is NaN is within no limit.
        wrong = (
            f"{name} is {value:.4g}, above {limit:g}"
            for name, value, limit in self._maxima(row)
            if not value <= limit
        )
        if fault := next(wrong, ""):
            return fault
        return self._star_fault(row)

    def _maxima(self, row: Any) -> Iterator[tuple[str, float, float]]:
        """Iterate over ``(name, value, limit)`` of the limits that are on, in LSST's order."""
        config = self.config
        if config.maxPsfFwhm:
            yield "the FWHM in arcseconds", seeing_of(row), config.maxPsfFwhm
        if config.maxEllipResidual:
            residual = math.hypot(row["psfStarDeltaE1Median"], row["psfStarDeltaE2Median"])
            yield "the residual distortion", residual, config.maxEllipResidual
        for column, limit, zero_is_none in (
            ("psfStarDeltaSizeScatter", config.maxSizeScatter, True),
            ("psfStarScaledDeltaSizeScatter", config.maxScaledSizeScatter, True),
            ("psfTraceRadiusDelta", config.maxPsfTraceRadiusDelta, False),
            ("psfApFluxDelta", config.maxPsfApFluxDelta, False),
            ("psfApCorrSigmaScaledDelta", config.maxPsfApCorrSigmaScaledDelta, False),
        ):
            if limit is not None and not (zero_is_none and limit == 0):
                yield column, float(row[column]), limit

    def _star_fault(self, row: Any) -> str:
        """Return what is wrong with the stars; limits depend on the band."""
        config, band = self.config, str(row["band"])
        least = config.minNPsfStarPerBand.get(band, config.minNPsfStarPerBand[_FALLBACK])
        if row["nPsfStar"] < least:
            return f"nPsfStar is {row['nPsfStar']}, below {least}"
        for column, limits in (
            ("starEMedian", config.maxStarEPerBand),
            ("starUnNormalizedEMedian", config.maxStarUnNormalizedEPerBand),
        ):
            limit = limits.get(band, limits[_FALLBACK])
            if not row[column] <= limit:
                return f"{column} is {row[column]:.4g}, above {limit:g}"
        return ""


def seeing_of(row: Any) -> Any:
    """Return the FWHM in arcseconds of a row or column of a visit summary."""
    return row["psfSigma"] * row["pixelScale"] * FWHM_OF_SIGMA
