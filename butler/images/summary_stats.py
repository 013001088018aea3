"""ExposureSummaryStats: the quality of an exposure in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Final

__all__ = ["ExposureSummaryStats"]

_NO_CORNERS: Final = (math.nan,) * 4


@dataclass(frozen=True, slots=True)
class ExposureSummaryStats:
    """Quality numbers under LSST's names; NaN where one is not known.

    Counts are those of the detector image before calibration. Distortions are
    ``e1 = (Ixx - Iyy) / (Ixx + Iyy)`` and ``e2 = 2 Ixy / (Ixx + Iyy)``, the size of a star is
    ``sqrt((Ixx + Iyy) / 2)``, and a scatter is 1.4826 times the median absolute deviation.
    """

    psfSigma: float = math.nan
    """Determinant radius of the PSF in the middle of the image, pixels."""

    psfArea: float = math.nan
    """Effective area ``1 / sum(PSF²)`` there, pixels²."""

    psfIxx: float = math.nan
    """Second moment there, pixels²."""

    psfIyy: float = math.nan
    """Second moment there, pixels²."""

    psfIxy: float = math.nan
    """Second moment there, pixels²."""

    ra: float = math.nan
    """Middle of the image, degrees."""

    dec: float = math.nan
    """Middle of the image, degrees."""

    pixelScale: float = math.nan
    """Arcseconds per pixel."""

    zenithDistance: float = math.nan
    """Of the pointing, degrees."""

    expTime: float = math.nan
    """Exposure time, seconds."""

    zeroPoint: float = math.nan
    """AB magnitude of one count in the whole exposure."""

    skyBg: float = math.nan
    """Median of the subtracted background, counts."""

    skyNoise: float = math.nan
    """Standard deviation of sky pixels, counts."""

    meanVar: float = math.nan
    """Mean variance of good pixels, counts²."""

    raCorners: tuple[float, ...] = _NO_CORNERS
    """Outer corners of the image LL, LR, UR, UL, degrees."""

    decCorners: tuple[float, ...] = _NO_CORNERS
    """Outer corners of the image, degrees."""

    astromOffsetMean: float = math.nan
    """Mean distance of stars from their reference positions, arcseconds."""

    astromOffsetStd: float = math.nan
    """Standard deviation of these distances, arcseconds."""

    nPsfStar: int = 0
    """Number of stars in the PSF model; 0 if it was not made from stars."""

    psfStarDeltaE1Median: float = math.nan
    """Median of e1 of stars minus that of the PSF at their places."""

    psfStarDeltaE2Median: float = math.nan
    """Median of e2 of stars minus that of the PSF."""

    psfStarDeltaE1Scatter: float = math.nan
    """Scatter of the same differences of e1."""

    psfStarDeltaE2Scatter: float = math.nan
    """Scatter of the same differences of e2."""

    psfStarDeltaSizeMedian: float = math.nan
    """Median of the size of stars minus that of the PSF, pixels."""

    psfStarDeltaSizeScatter: float = math.nan
    """Scatter of these differences, pixels."""

    psfStarScaledDeltaSizeScatter: float = math.nan
    """The same scatter in units of the median size of stars."""

    psfTraceRadiusDelta: float = math.nan
    """Largest minus smallest size of the PSF over the image, pixels."""

    psfApFluxDelta: float = math.nan
    """Largest minus smallest part of the PSF within a circle of max(2 pixels, 3 psfSigma)."""

    psfApCorrSigmaScaledDelta: float = math.nan
    """Largest minus smallest inverse of that part, in units of psfSigma in pixels."""

    maxDistToNearestPsf: float = math.nan
    """Distance of the pixel that is farthest from all stars, pixels."""

    starEMedian: float = math.nan
    """Median of ``hypot(e1, e2)`` of stars."""

    starUnNormalizedEMedian: float = math.nan
    """Median of ``hypot(Ixx - Iyy, 2 Ixy)`` of stars, pixels²."""

    starComa1Median: float = math.nan
    """Third moments of stars; not measured here."""

    starComa2Median: float = math.nan
    """Third moments of stars; not measured here."""

    starTrefoil1Median: float = math.nan
    """Third moments of stars; not measured here."""

    starTrefoil2Median: float = math.nan
    """Third moments of stars; not measured here."""

    starKurtosisMedian: float = math.nan
    """Fourth moments of stars; not measured here."""

    starE41Median: float = math.nan
    """Fourth moments of stars; not measured here."""

    starE42Median: float = math.nan
    """Fourth moments of stars; not measured here."""

    effTime: float = math.nan
    """Exposure time at reference conditions that reaches the same depth, seconds."""

    effTimePsfSigmaScale: float = math.nan
    """Factor of the effective time that is due to the seeing."""

    effTimeSkyBgScale: float = math.nan
    """Factor of the effective time that is due to the background."""

    effTimeZeroPointScale: float = math.nan
    """Factor of the effective time that is due to transparency."""

    magLim: float = math.nan
    """AB magnitude of a point source with a signal-to-noise ratio of 5."""

    zeroPointErr: float = math.nan
    """Error of the zero point, magnitudes; LSST has no such field."""

    zeroPointScatter: float = math.nan
    """Scatter of single stars about the zero point, magnitudes; LSST has no such field."""

    nZeroPointStar: int = 0
    """Number of stars that gave the zero point; LSST has no such field."""

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of all numbers, in order."""
        return tuple(field.name for field in fields(cls))

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers by name."""
        return {name: getattr(self, name) for name in self.names()}
