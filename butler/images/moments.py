"""Moments: size and shape of a PSF or star."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments", "adaptive_moments"]


@dataclass(frozen=True, slots=True)
class Moments:
    """Second moments of an image about its middle pixel, pixels²; NaN if they are not known."""

    ixx: float
    iyy: float
    ixy: float

    @property
    def determinant_radius(self) -> float:
        """Size ``(Ixx Iyy - Ixy²)**(1/4)`` in pixels; the sigma of a Gaussian."""
        determinant = self.ixx * self.iyy - self.ixy**2
        return determinant**0.25 if determinant > 0 else math.nan

    @property
    def trace_radius(self) -> float:
        """Size ``sqrt((Ixx + Iyy) / 2)`` in pixels."""
        return math.sqrt(0.5 * (self.ixx + self.iyy))

    @property
    def e1(self) -> float:
        """Distortion along the axes, ``(Ixx - Iyy) / (Ixx + Iyy)``."""
        return (self.ixx - self.iyy) / (self.ixx + self.iyy)

    @property
    def e2(self) -> float:
        """Distortion along the diagonals, ``2 Ixy / (Ixx + Iyy)``."""
        return 2.0 * self.ixy / (self.ixx + self.iyy)


def adaptive_moments(kernel: NDArray[np.floating[Any]], *, tolerance: float = 1e-6) -> Moments:
    """Return the adaptive second moments of a centred PSF image.

    The weight is an elliptical Gaussian matched to the object (Bernstein & Jarvis 2002).

    Parameters
    ----------
    kernel
        PSF image ``(n_y, n_x)``, centred in its middle pixel.
    tolerance
        Relative change at which the iteration stops.

    Returns
    -------
    moments
        Moments; all NaN if they do not converge to a positive definite matrix.
    """
    n_y, n_x = kernel.shape
    y, x = np.mgrid[:n_y, :n_x]
    points = np.stack([(x - n_x // 2).ravel(), (y - n_y // 2).ravel()]).astype(float)
    values = np.asarray(kernel, dtype=float).ravel()
    moments = np.eye(2) * 4.0
    for _ in range(200):
        weight = np.exp(-0.5 * np.einsum("ik,ij,jk->k", points, np.linalg.inv(moments), points)) * values
        total = float(weight.sum())
        # A Gaussian weight of the object's own shape halves the moments.
        update = 2.0 * (points * weight) @ points.T / total if total > 0 else np.full((2, 2), np.nan)
        if not np.all(np.isfinite(update)) or np.linalg.det(update) <= 0:
            break
        if np.abs(update - moments).max() <= tolerance * np.abs(update).max():
            return Moments(float(update[0, 0]), float(update[1, 1]), float(update[0, 1]))
        moments = update
    return Moments(math.nan, math.nan, math.nan)
