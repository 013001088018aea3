"""PsfStars: the stars of an image that show its PSF."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage
from scipy.spatial import KDTree

from ..config import Config
from ..kernels.smooth import kernel_width, smooth_gaussian
from .star_shapes import StarShapes, cut_stamps, measure_shapes

__all__ = ["FWHM_OF_SIGMA", "PsfStarConfig", "PsfStars", "find_psf_stars"]

FWHM_OF_SIGMA: Final = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian in units of its sigma."""

_FIRST_SIGMA: Final = 1.5
_FIRST_WINDOW: Final = 7
_FIRST_HALF: Final = 20
_MIN_SIGMA: Final = 0.5
_DETECTION_SN: Final = 5.0


class PsfStarConfig(Config):
    """Which stars may show the PSF."""

    minSignalToNoise: float = Field(
        default=30.0, gt=0, description="smallest signal-to-noise ratio of a star"
    )
    maxStars: int = Field(default=150, ge=1, description="number of stars used; the brightest are taken")
    isolationRadius: float = Field(
        default=2.0, ge=0, description="distance within which a neighbour matters, in units of the FWHM"
    )
    maxNeighbourRatio: float = Field(
        default=0.1,
        ge=0,
        description="height of a neighbour that does not matter yet, in units of the star's",
    )
    maxSizeDeviation: float = Field(
        default=0.15, gt=0, description="largest deviation of a star's size from that of most, relative"
    )
    maxEllipticityDeviation: float = Field(
        default=0.1, gt=0, description="largest deviation of e1 and e2 from those of the median star"
    )


@dataclass(frozen=True, slots=True, eq=False)
class PsfStars:
    """Stars for a PSF model, brightest first."""

    x: NDArray[np.int64]
    """Column of the brightest pixel, array index ``(n,)``."""

    y: NDArray[np.int64]
    """Row of the brightest pixel, array index ``(n,)``."""

    shapes: StarShapes
    """Centres relative to that pixel, sizes and fluxes."""

    sigma: float
    """Typical size, pixels; NaN if there are no stars."""

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, slots=True, eq=False)
class _Peaks:
    """Local maxima of a smoothed image, highest first; arrays ``(n,)``."""

    x: NDArray[np.int64]
    y: NDArray[np.int64]
    height: NDArray[np.float32]
    signal_to_noise: NDArray[np.float32]

    def __getitem__(self, chosen: NDArray[np.bool_] | slice) -> _Peaks:
        return _Peaks(self.x[chosen], self.y[chosen], self.height[chosen], self.signal_to_noise[chosen])


def find_psf_stars(
    image: NDArray[np.float32],
    variance: NDArray[np.float32],
    bad: NDArray[np.bool_],
    config: PsfStarConfig,
) -> PsfStars:
    """Find bright, isolated stars without bad pixels.

    Stars are told from galaxies and cosmic rays by their size: all stars have the same one, so the sizes
    of bright sources pile up there. The pile-up is found among all bright sources first; then stars are
    chosen again with its size as the scale.

    Parameters
    ----------
    image, variance
        Background-subtracted pixels ``(n_y, n_x)``.
    bad
        Pixels not to use, ``(n_y, n_x)``; those that are not finite are among them.
    config
        Limits.

    Returns
    -------
    stars
        The stars; none if no pile-up is found.
    """
    clean = np.where(bad, np.float32(0), image)
    noise = np.where(bad, np.float32(0), variance)
    sigma = _stellar_size(clean, noise, bad, config)
    if math.isnan(sigma):
        return _no_stars()
    fwhm = FWHM_OF_SIGMA * sigma
    # Half the size of the stars, so that near neighbours stay apart.
    peaks = _find_peaks(clean, noise, 0.5 * sigma, 3)
    wanted = (peaks.signal_to_noise >= config.minSignalToNoise) & _is_isolated(peaks, fwhm, config)
    peaks = _without_bad(peaks[wanted], bad, 1.5 * fwhm)[: 4 * config.maxStars]
    shapes = measure_shapes(cut_stamps(clean, peaks.x, peaks.y, math.ceil(1.5 * fwhm)))
    chosen = _on_locus(shapes, sigma, config)
    chosen &= np.cumsum(chosen) <= config.maxStars
    if not chosen.any():
        return _no_stars()
    shapes = shapes[chosen]
    return PsfStars(peaks.x[chosen], peaks.y[chosen], shapes, float(np.median(shapes.sigma)))


def _no_stars() -> PsfStars:
    nothing = np.zeros(0)
    index = np.zeros(0, dtype=np.int64)
    return PsfStars(index, index, StarShapes(*[nothing] * 6), math.nan)


def _stellar_size(
    image: NDArray[np.float32], variance: NDArray[np.float32], bad: NDArray[np.bool_], config: PsfStarConfig
) -> float:
    """Return the size at which those of bright sources pile up, pixels; NaN if there are none."""
    peaks = _find_peaks(image, variance, _FIRST_SIGMA, _FIRST_WINDOW)
    peaks = peaks[peaks.signal_to_noise >= config.minSignalToNoise]
    peaks = _without_bad(peaks, bad, 2.0 * _FIRST_SIGMA)[: config.maxStars]
    shapes = measure_shapes(cut_stamps(image, peaks.x, peaks.y, min(_FIRST_HALF, min(image.shape) // 2)))
    usable = (shapes.sigma > _MIN_SIGMA) & (np.hypot(shapes.e1, shapes.e2) < 0.5)
    log_sigma = np.log(shapes.sigma[usable])
    if not log_sigma.size:
        return math.nan
    near = np.abs(log_sigma - _half_sample_mode(log_sigma)) < 0.2
    return float(np.exp(np.median(log_sigma[near])))


def _find_peaks(
    image: NDArray[np.float32], variance: NDArray[np.float32], sigma: float, window: int
) -> _Peaks:
    """Return what is significant and the maximum of ``window`` x ``window`` pixels in a smoothed image."""
    smooth, smooth_variance = smooth_gaussian(image, variance, sigma, kernel_width(sigma))
    searched = np.where(np.isfinite(smooth) & (smooth_variance > 0), smooth, np.float32(-np.inf))
    highest = ndimage.maximum_filter(searched, size=window)
    with np.errstate(divide="ignore", invalid="ignore"):
        signal_to_noise = np.asarray(smooth / np.sqrt(smooth_variance), dtype=np.float32)
    y, x = np.nonzero((searched == highest) & (signal_to_noise >= _DETECTION_SN))
    order = np.argsort(-smooth[y, x], kind="stable")
    y, x = y[order], x[order]
    return _Peaks(x, y, smooth[y, x], signal_to_noise[y, x])


def _is_isolated(peaks: _Peaks, fwhm: float, config: PsfStarConfig) -> NDArray[np.bool_]:
    """Tell which peaks have no bright neighbour."""
    isolated = np.ones(len(peaks.x), dtype=bool)
    if len(isolated) > 1:
        positions = np.stack([peaks.x, peaks.y], axis=1)
        first, second = KDTree(positions).query_pairs(config.isolationRadius * fwhm, output_type="ndarray").T
        for one, other in ((first, second), (second, first)):
            disturbed = peaks.height[other] > config.maxNeighbourRatio * peaks.height[one]
            isolated[one[disturbed]] = False
    return isolated


def _without_bad(peaks: _Peaks, bad: NDArray[np.bool_], radius: float) -> _Peaks:
    """Return the peaks that are farther from bad pixels than a radius."""
    if not bad.any():
        return peaks
    distance = ndimage.distance_transform_edt(~bad)
    return peaks[distance[peaks.y, peaks.x] > radius]


def _on_locus(shapes: StarShapes, sigma: float, config: PsfStarConfig) -> NDArray[np.bool_]:
    """Tell which shapes are those of stars."""
    with np.errstate(invalid="ignore"):
        near = np.abs(shapes.sigma / sigma - 1.0) < config.maxSizeDeviation
    if not near.any():
        return near
    sizes = shapes.sigma[near]
    centre = np.median(sizes)
    # Three robust standard deviations, but never narrower than what noise alone may do to a bright star.
    width = max(3 * 1.4826 * float(np.median(np.abs(sizes - centre))), 0.02 * centre)
    with np.errstate(invalid="ignore"):
        near &= np.abs(shapes.sigma - centre) <= width
        for e in (shapes.e1, shapes.e2):
            near &= np.abs(e - np.median(e[near])) <= config.maxEllipticityDeviation
    return near


def _half_sample_mode(values: NDArray[np.float64]) -> float:
    """Return the mode of a sample: its densest half, halved again (Bickel & Frühwirth 2006)."""
    ordered = np.sort(values)
    while ordered.size > 2:
        half = (ordered.size + 1) // 2
        widths = ordered[half - 1 :] - ordered[: ordered.size - half + 1]
        start = int(np.argmin(widths))
        ordered = ordered[start : start + half]
    return float(ordered.mean())
