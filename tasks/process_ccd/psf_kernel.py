"""PSF kernel: the typical image of many stars."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = [
    "STACK_MARGIN",
    "full_width_half_maximum",
    "radii",
    "recentred",
    "scaled_stars",
    "stack_stars",
    "star_weights",
]

STACK_MARGIN: Final = 4
"""Pixels on each side of a stamp that `recentred` uses up."""

_CLIP_SIGMA: Final = 3.0
_MAD_TO_SIGMA: Final = 1.4826


def recentred(
    stamps: NDArray[np.float64], dx: NDArray[np.float64], dy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shift each star into the middle of its stamp.

    Parameters
    ----------
    stamps
        Images ``(n, n_y, n_x)`` of odd sides, without NaN.
    dx, dy
        Centres relative to the middle pixel, pixels ``(n,)``.

    Returns
    -------
    shifted
        Images, 4 pixels smaller on each side ``(n, n_y - 8, n_x - 8)``.
    """
    shifted = [
        ndimage.shift(stamp, (-sy, -sx), order=5, mode="nearest")
        for stamp, sx, sy in zip(stamps, dx, dy, strict=True)
    ]
    n, n_y, n_x = stamps.shape
    return np.array(shifted).reshape(n, n_y, n_x)[
        :, STACK_MARGIN : n_y - STACK_MARGIN, STACK_MARGIN : n_x - STACK_MARGIN
    ]


def scaled_stars(stamps: NDArray[np.float64], flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return centred stars ``(n, s, s)`` on a pedestal of 0 (the median of the outermost ring), of flux 1."""
    half = stamps.shape[1] // 2
    radius = radii(half)
    ring = (radius > half - 1.5) & (radius <= half + 0.5)
    pedestal = np.median(stamps[:, ring], axis=1)[:, np.newaxis, np.newaxis]
    scaled: NDArray[np.float64] = (stamps - pedestal) / flux[:, np.newaxis, np.newaxis]
    return scaled


def star_weights(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights of stars whose noise is that of the sky; none counts for much more than most."""
    weights: NDArray[np.float64] = 1.0 / (flux**-2 + np.median(flux) ** -2)
    return weights


def radii(half: int) -> NDArray[np.float64]:
    """Return the distance of each pixel of a square from its middle one, ``(2 half + 1, 2 half + 1)``."""
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    return np.asarray(np.hypot(x, y), dtype=np.float64)


def stack_stars(
    stamps: NDArray[np.float64], flux: NDArray[np.float64], fwhm: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Combine centred stars into one image.

    Each star is scaled as `scaled_stars` does. Stars that differ from the mean of all by more than most do
    are dropped, twice.

    Parameters
    ----------
    stamps
        Centred images ``(n, s, s)``, s odd.
    flux
        Flux of each star ``(n,)``.
    fwhm
        Typical full width at half maximum, pixels.

    Returns
    -------
    kernel
        Clipped mean ``(s, s)`` with the weights of `star_weights`; its sum is 1.
    used
        Which stars it is made of, ``(n,)``.
    """
    scaled = scaled_stars(stamps, flux)
    core = radii(stamps.shape[1] // 2) <= fwhm
    used = np.ones(len(stamps), dtype=bool)
    for _ in range(2):
        kernel = _clipped_mean(scaled[used], flux[used])
        residual = np.sqrt(((scaled - kernel)[:, core] ** 2).mean(axis=1))
        typical = np.median(residual[used])
        spread = _MAD_TO_SIGMA * np.median(np.abs(residual[used] - typical))
        # Faint stars differ more because of their noise; the factor keeps those of a small sample.
        used = residual <= max(typical + _CLIP_SIGMA * spread, 2.0 * typical)
    kernel = _clipped_mean(scaled[used], flux[used])
    return kernel / kernel.sum(), used


def full_width_half_maximum(kernel: NDArray[np.float64]) -> float:
    """Return the diameter in pixels of a circle with the area over which a PSF exceeds half its peak.

    Parameters
    ----------
    kernel
        PSF image ``(n_y, n_x)``, centred in its middle pixel.
    """
    finer = 8
    n_y, n_x = kernel.shape
    reach = [np.arange(-(n // 2) * finer, (n // 2) * finer + 1) / finer + n // 2 for n in (n_y, n_x)]
    samples = ndimage.map_coordinates(kernel, np.meshgrid(*reach, indexing="ij"), order=3)
    area = np.count_nonzero(samples >= 0.5 * kernel[n_y // 2, n_x // 2]) / finer**2
    return 2.0 * math.sqrt(area / math.pi)


def _clipped_mean(stamps: NDArray[np.float64], flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted mean over the first axis of what is within 3 robust deviations of the median."""
    median = np.median(stamps, axis=0)
    spread = _MAD_TO_SIGMA * np.median(np.abs(stamps - median), axis=0)
    weights = star_weights(flux)[:, np.newaxis, np.newaxis] * (
        np.abs(stamps - median) <= _CLIP_SIGMA * spread
    )
    mean: NDArray[np.float64] = (weights * stamps).sum(axis=0) / weights.sum(axis=0)
    return mean
