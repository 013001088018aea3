"""ComputeExposureSummaryStatsTask: the quality of an exposure in numbers."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.spatial import KDTree

from butler.images import Box2I, Exposure, ExposureSummaryStats, Moments, Psf, VisitInfo, adaptive_moments

from ..config import Config
from ..struct import Struct
from ..task import Task
from .match_reference import ReferenceMatch
from .measure_stars import StarCatalog, psf_fraction
from .photometric_scale import PhotometricScale

__all__ = ["ComputeExposureSummaryStatsConfig", "ComputeExposureSummaryStatsTask"]

_MAD_TO_SIGMA: Final = 1.4826
_SNR_OF_DEPTH: Final = 5.0
_N_PLACES: Final = 64
"""Places along each side at which the distance to the nearest star is found."""


class ComputeExposureSummaryStatsConfig(Config):
    """Conditions that the effective time refers to, by band, and where the PSF is looked at."""

    fiducialPsfSigma: dict[str, float] = Field(
        default={}, description="determinant radius of the PSF at reference conditions, pixels"
    )
    fiducialSkyBackground: dict[str, float] = Field(
        default={}, description="background at reference conditions, counts per second and pixel"
    )
    fiducialZeroPoint: dict[str, float] = Field(
        default={}, description="AB magnitude of one count per second at reference conditions"
    )
    psfGridSize: int = Field(
        default=5, ge=2, description="places along each side of the image at which the PSF is compared"
    )
    badMaskPlanes: tuple[str, ...] = Field(
        default=("BAD", "SAT", "NO_DATA", "DETECTED"), description="planes of pixels that are no plain sky"
    )


class ComputeExposureSummaryStatsTask(Task):
    """Computes `ExposureSummaryStats`; what cannot be known stays NaN."""

    ConfigClass: ClassVar[type[Config]] = ComputeExposureSummaryStatsConfig
    _DefaultName: ClassVar[str] = "summaryStats"

    def run(
        self,
        exposure: Exposure,
        stars: StarCatalog,
        scale: PhotometricScale,
        *,
        sky: Struct | None = None,
        nPsfStar: int = 0,
        match: ReferenceMatch | None = None,
    ) -> ExposureSummaryStats:
        """Compute the numbers.

        Parameters
        ----------
        exposure
            Background-subtracted exposure in counts with WCS, PSF and variance; not changed.
        stars
            Its stars.
        scale
            Its zero point.
        sky
            ``level`` and ``noise`` of the background that was subtracted, counts; None if it was not.
        nPsfStar
            Number of stars that the PSF was made from.
        match
            Stars of a reference catalog; None if there is none.
        """
        numbers: dict[str, Any] = {
            "nPsfStar": nPsfStar,
            "zeroPoint": scale.zero_point,
            "zeroPointErr": scale.error,
            "zeroPointScatter": scale.scatter,
            "nZeroPointStar": scale.n_stars,
            "meanVar": self._mean_variance(exposure),
            **_pointing(exposure.visitInfo),
            **_place(exposure),
        }
        noise = math.nan if sky is None else sky.noise
        numbers["skyNoise"] = noise if math.isfinite(noise) else math.sqrt(numbers["meanVar"])
        if sky is not None:
            numbers["skyBg"] = sky.level
        if match is not None and len(match):
            numbers["astromOffsetMean"] = float(match.separation.mean())
            numbers["astromOffsetStd"] = float(match.separation.std())
        if exposure.psf is not None:
            numbers |= self._psf_numbers(exposure.psf, exposure.bbox)
            numbers |= _star_numbers(stars, exposure.psf)
            numbers["magLim"] = _depth(numbers)
        numbers["maxDistToNearestPsf"] = _largest_distance(stars, exposure.bbox)
        numbers |= self._effective_time(numbers, exposure.filter.band if exposure.filter else "")
        return ExposureSummaryStats(**numbers)

    def _mean_variance(self, exposure: Exposure) -> float:
        mask, variance = exposure.mask, exposure.variance.array
        usable = np.isfinite(variance) & np.isfinite(exposure.image.array)
        plain = usable & ~mask.any_of(mask.known_bit_mask(self.config.badMaskPlanes))
        chosen = plain if plain.any() else usable
        return float(variance[chosen].mean(dtype=float)) if chosen.any() else math.nan

    def _psf_numbers(self, psf: Psf, bbox: Box2I) -> dict[str, float]:
        """Return the PSF in the middle of the image, and how much it varies."""
        x, y = bbox.center
        kernel = psf.computeKernelImage(x=x, y=y)
        moments = adaptive_moments(kernel)
        sigma = moments.determinant_radius
        radius = max(2.0, 3.0 * sigma)
        n = self.config.psfGridSize
        sizes, fractions = [], []
        # In the middle of pixels, so that a constant PSF has the same number everywhere.
        for v in np.rint(np.linspace(bbox.minY, bbox.maxY, n)):
            for u in np.rint(np.linspace(bbox.minX, bbox.maxX, n)):
                sizes.append(psf.computeMoments(x=u, y=v).trace_radius)
                fractions.append(psf_fraction(psf, radius, x=u, y=v) if math.isfinite(radius) else math.nan)
        return {
            "psfSigma": sigma,
            "psfArea": float(1.0 / (kernel**2).sum()),
            "psfIxx": moments.ixx,
            "psfIyy": moments.iyy,
            "psfIxy": moments.ixy,
            "psfTraceRadiusDelta": float(np.ptp(sizes)),
            "psfApFluxDelta": float(np.ptp(fractions)),
            "psfApCorrSigmaScaledDelta": float(np.ptp(1.0 / np.array(fractions))) / sigma,
        }

    def _effective_time(self, numbers: dict[str, Any], band: str) -> dict[str, float]:
        """Return the factors of the effective time, as far as there are reference conditions."""
        config, exposure_time = self.config, numbers["expTime"]
        seeing = config.fiducialPsfSigma.get(band, math.nan) / numbers.get("psfSigma", math.nan)
        if not exposure_time > 0:
            return {}
        rate = numbers.get("skyBg", math.nan) / exposure_time
        sky = config.fiducialSkyBackground.get(band, math.nan) / rate if rate > 0 else math.nan
        per_second = numbers["zeroPoint"] - (
            2.5 * math.log10(exposure_time) if exposure_time > 0 else math.nan
        )
        transparency = 10 ** (0.8 * (per_second - config.fiducialZeroPoint.get(band, math.nan)))
        return {
            "effTime": exposure_time * seeing**2 * sky * transparency,
            "effTimePsfSigmaScale": seeing**2,
            "effTimeSkyBgScale": sky,
            "effTimeZeroPointScale": transparency,
        }


def _pointing(visit: VisitInfo | None) -> dict[str, float]:
    """Return exposure time, and zenith distance from altitude or airmass."""
    if visit is None:
        return {"expTime": math.nan}
    zenith = 90.0 - visit.boresight_alt
    if math.isnan(zenith) and visit.airmass >= 1.0:
        zenith = math.degrees(math.acos(1.0 / visit.airmass))
    return {"expTime": visit.exposure_time, "zenithDistance": zenith}


def _place(exposure: Exposure) -> dict[str, Any]:
    """Return where the image lies on the sky."""
    if exposure.wcs is None:
        return {}
    x, y = np.array([exposure.bbox.center, *exposure.bbox.corners]).T
    ra, dec = exposure.wcs.pixelToSky(x, y)
    return {
        "ra": float(ra[0]),
        "dec": float(dec[0]),
        "raCorners": tuple(ra[1:].tolist()),
        "decCorners": tuple(dec[1:].tolist()),
        "pixelScale": exposure.wcs.pixel_scale,
    }


def _depth(numbers: dict[str, Any]) -> float:
    """Return the magnitude of a point source at 5 sigma of the sky, weighted with the PSF."""
    limit = _SNR_OF_DEPTH * numbers["skyNoise"] * math.sqrt(numbers["psfArea"])
    return float(numbers["zeroPoint"] - 2.5 * math.log10(limit)) if limit > 0 else math.nan


def _star_numbers(stars: StarCatalog, psf: Psf) -> dict[str, float]:
    """Return how stars differ from the PSF at their places."""
    if not len(stars):
        return {}
    models = [psf.computeMoments(x=x, y=y) for x, y in zip(stars.x, stars.y, strict=True)]
    own = [Moments(*values) for values in zip(stars.ixx, stars.iyy, stars.ixy, strict=True)]
    e1, e2, size = (
        np.array(
            [getattr(star, name) - getattr(model, name) for star, model in zip(own, models, strict=True)]
        )
        for name in ("e1", "e2", "trace_radius")
    )
    scatter = _scatter(size)
    return {
        "psfStarDeltaE1Median": float(np.nanmedian(e1)),
        "psfStarDeltaE2Median": float(np.nanmedian(e2)),
        "psfStarDeltaE1Scatter": _scatter(e1),
        "psfStarDeltaE2Scatter": _scatter(e2),
        "psfStarDeltaSizeMedian": float(np.nanmedian(size)),
        "psfStarDeltaSizeScatter": scatter,
        "psfStarScaledDeltaSizeScatter": scatter / float(np.median([star.trace_radius for star in own])),
        "starEMedian": float(np.median([math.hypot(star.e1, star.e2) for star in own])),
        "starUnNormalizedEMedian": float(np.median(np.hypot(stars.ixx - stars.iyy, 2.0 * stars.ixy))),
    }


def _scatter(values: NDArray[np.float64]) -> float:
    """Return the median absolute deviation as the standard deviation of normal values."""
    return _MAD_TO_SIGMA * float(np.nanmedian(np.abs(values - np.nanmedian(values))))


def _largest_distance(stars: StarCatalog, bbox: Box2I) -> float:
    """Return the distance of the place of an image that is farthest from all stars, pixels."""
    if not len(stars):
        return math.nan
    x, y = np.meshgrid(
        np.linspace(bbox.minX, bbox.maxX, _N_PLACES), np.linspace(bbox.minY, bbox.maxY, _N_PLACES)
    )
    distance, _ = KDTree(np.stack([stars.x, stars.y], axis=1)).query(np.stack([x.ravel(), y.ravel()], axis=1))
    return float(distance.max())
