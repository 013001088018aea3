"""Psf: point-spread functions as images."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GaussianPsf", "KernelPsf", "Psf", "determinant_radius"]


class Psf(ABC):
    """A point-spread function that may vary over its image."""

    @abstractmethod
    def computeKernelImage(self, *, x: float, y: float) -> NDArray[np.float64]:
        """Return the PSF of a point source in the middle of a pixel.

        Parameters
        ----------
        x, y
            Position in parent pixels of the image that owns the PSF.

        Returns
        -------
        kernel
            Odd-sized array ``(n_y, n_x)``, centred, with sum 1; the caller's own.
        """

    def computeShape(self, *, x: float, y: float) -> float:
        """Return the size sigma in pixels: the determinant radius of the adaptive moments."""
        return determinant_radius(self.computeKernelImage(x=x, y=y))


@dataclass(frozen=True, slots=True)
class GaussianPsf(Psf):
    """A circular Gaussian, the same everywhere.

    Parameters
    ----------
    sigma
        Standard deviation in pixels; finite and positive.

    Raises
    ------
    ValueError
        Raised for a sigma that is not finite and positive.
    """

    sigma: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(f"sigma of a PSF must be finite and positive, not {self.sigma}")

    def computeKernelImage(self, *, x: float, y: float) -> NDArray[np.float64]:
        """Return the Gaussian out to five sigma."""
        half = max(1, math.ceil(5 * self.sigma))
        profile = np.exp(-0.5 * (np.arange(-half, half + 1) / self.sigma) ** 2)
        kernel = np.outer(profile, profile)
        normalised: NDArray[np.float64] = kernel / kernel.sum()
        return normalised


@dataclass(frozen=True, slots=True, eq=False)
class KernelPsf(Psf):
    """A measured PSF image, the same everywhere.

    Parameters
    ----------
    kernel
        Odd-sized array ``(n_y, n_x)``, centred; it is normalised to sum 1 and copied.

    Raises
    ------
    ValueError
        Raised for even sizes, or a sum that is not finite and positive.
    """

    kernel: NDArray[np.float64]

    def __post_init__(self) -> None:
        kernel = np.array(self.kernel, dtype=np.float64)
        total = float(kernel.sum())
        if kernel.ndim != 2 or not all(n % 2 for n in kernel.shape):
            raise ValueError(f"a PSF image has two odd sides, not shape {kernel.shape}")
        if not (math.isfinite(total) and total > 0):
            raise ValueError(f"a PSF image needs a finite positive sum, not {total}")
        # What is normalised already keeps its bits, so that a stored PSF reads back as it was.
        object.__setattr__(self, "kernel", kernel if abs(total - 1.0) < 1e-12 else kernel / total)

    def computeKernelImage(self, *, x: float, y: float) -> NDArray[np.float64]:
        """Return a copy of the measured image."""
        return self.kernel.copy()

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, KernelPsf):
            return NotImplemented
        return bool(np.array_equal(self.kernel, other.kernel))

    __hash__ = None  # type: ignore[assignment]


def determinant_radius(kernel: NDArray[np.floating[Any]], *, tolerance: float = 1e-6) -> float:
    """Return ``det(Q)**(1/4)`` of the adaptive second moments Q of a centred PSF image.

    The weight is an elliptical Gaussian matched to the object (Bernstein & Jarvis 2002); for a Gaussian
    image the result is its sigma.

    Parameters
    ----------
    kernel
        PSF image ``(n_y, n_x)``, centred in its middle pixel.
    tolerance
        Relative change at which the iteration stops.

    Returns
    -------
    sigma
        Size in pixels; NaN if the moments do not converge to a positive definite matrix.
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
            return math.nan
        if np.abs(update - moments).max() <= tolerance * np.abs(update).max():
            return float(np.linalg.det(update) ** 0.25)
        moments = update
    return math.nan
