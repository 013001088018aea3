"""StarShapes: centres and sizes of many stars at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["StarShapes", "cut_stamps", "measure_shapes"]

_FIRST_VARIANCE: Final = 1.5**2
_MAX_ITERATIONS: Final = 60
_TOLERANCE: Final = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class StarShapes:
    """Adaptive moments of n stamps; arrays ``(n,)``, NaN where they did not converge."""

    dx: NDArray[np.float64]
    """Centre, pixels right of the stamp's middle pixel."""

    dy: NDArray[np.float64]
    """Centre, pixels above the stamp's middle pixel."""

    sigma: NDArray[np.float64]
    """Determinant radius ``det(Q)**(1/4)`` of the second moments Q, pixels."""

    e1: NDArray[np.float64]
    """Ellipticity ``(Qxx - Qyy) / (Qxx + Qyy)``."""

    e2: NDArray[np.float64]
    """Ellipticity ``2 Qxy / (Qxx + Qyy)``."""

    flux: NDArray[np.float64]
    """Flux of the elliptical Gaussian of these moments that matches the stamp."""

    def __getitem__(self, chosen: NDArray[np.bool_]) -> StarShapes:
        """Return the shapes of some of the stamps."""
        return StarShapes(
            self.dx[chosen],
            self.dy[chosen],
            self.sigma[chosen],
            self.e1[chosen],
            self.e2[chosen],
            self.flux[chosen],
        )


def cut_stamps(
    image: NDArray[np.float32], x: NDArray[np.int64], y: NDArray[np.int64], half: int
) -> NDArray[np.float64]:
    """Return copies ``(n, 2 half + 1, 2 half + 1)`` of the surroundings of pixels ``(x, y)``.

    What lies outside the image is NaN.
    """
    padded = np.pad(image.astype(np.float64), half, constant_values=np.nan)
    offsets = np.arange(2 * half + 1)
    stamps: NDArray[np.float64] = padded[
        y[:, np.newaxis, np.newaxis] + offsets[:, np.newaxis], x[:, np.newaxis, np.newaxis] + offsets
    ]
    return stamps


def measure_shapes(stamps: NDArray[np.float64]) -> StarShapes:
    """Measure centres and second moments with elliptical Gaussian weights matched to each star.

    Parameters
    ----------
    stamps
        Background-subtracted images ``(n, n_y, n_x)`` with the star near the middle of odd sides; pixels
        that are not finite count as 0.

    Returns
    -------
    shapes
        One entry per stamp; NaN for stamps without a converging, positive definite solution inside.

    Notes
    -----
    Adaptive moments of Bernstein & Jarvis (2002, AJ 123, 583). The weight starts small, so that it grows
    up to the star without feeling its neighbours.
    """
    n, n_y, n_x = stamps.shape
    y, x = np.mgrid[:n_y, :n_x].reshape(2, -1).astype(float) - np.array([[n_y // 2], [n_x // 2]])
    values = np.where(np.isfinite(stamps), stamps, 0.0).reshape(n, n_y * n_x)
    fit = np.tile([0.0, 0.0, _FIRST_VARIANCE, 0.0, _FIRST_VARIANCE, np.nan], (n, 1))
    active, done = np.arange(n), np.zeros(n, dtype=bool)
    reach = min(n_y, n_x) / 2.0
    for _ in range(_MAX_ITERATIONS):
        if not active.size:
            break
        update = _moments_step(values[active], fit[active], x, y)
        change = np.abs(update[:, :5] - fit[active, :5]).max(axis=1)
        fit[active] = update
        usable = np.isfinite(update).all(axis=1) & (np.abs(update[:, :2]).max(axis=1) < reach)
        settled = usable & (change <= _TOLERANCE * np.maximum(update[:, 2], update[:, 4]))
        done[active[settled]] = True
        active = active[usable & ~settled]
    fit[~done] = np.nan
    dx, dy, qxx, qxy, qyy, flux = fit.T
    sigma = (qxx * qyy - qxy**2) ** 0.25
    trace = qxx + qyy
    return StarShapes(dx, dy, sigma, (qxx - qyy) / trace, 2.0 * qxy / trace, flux)


def _moments_step(
    values: NDArray[np.float64], fit: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the next ``(dx, dy, qxx, qxy, qyy, flux)`` of each stamp, ``(n, 6)``; NaN where it fails."""
    dx, dy, qxx, qxy, qyy = (fit[:, i, np.newaxis] for i in range(5))
    u, v = x - dx, y - dy
    determinant = qxx * qyy - qxy**2
    weighted = values * np.exp(-0.5 * (qyy * u**2 - 2.0 * qxy * u * v + qxx * v**2) / determinant)
    total = weighted.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_u, mean_v = ((weighted * w).sum(axis=1) / total for w in (u, v))
        second = [(weighted * w).sum(axis=1) / total for w in (u**2, u * v, v**2)]
        # A Gaussian weight of the object's own shape halves both the offset and the moments.
        mxx = 2.0 * (second[0] - mean_u**2)
        mxy = 2.0 * (second[1] - mean_u * mean_v)
        myy = 2.0 * (second[2] - mean_v**2)
        positive = (total > 0) & (mxx > 0) & (myy > 0) & (mxx * myy > mxy**2)
        # The product of a star and its own weight has half the star's flux.
        result = np.stack([dx[:, 0] + 2 * mean_u, dy[:, 0] + 2 * mean_v, mxx, mxy, myy, 2 * total], axis=1)
    result[~positive] = np.nan
    return result
