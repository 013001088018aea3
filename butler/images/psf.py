"""Psf: point-spread functions as images."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .geometry import Point2I
from .image import Image
from .lanczos import lanczos_sample
from .moments import Moments, adaptive_moments

__all__ = ["GaussianPsf", "InvalidPsfError", "KernelPsf", "Psf", "determinant_radius"]

_LANCZOS_ORDER: Final = 5


class InvalidPsfError(ValueError):
    """A PSF has no image at the position at which it was asked for."""


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
        return self.computeMoments(x=x, y=y).determinant_radius

    def computeMoments(self, *, x: float, y: float) -> Moments:
        """Return the adaptive second moments at a position in parent pixels."""
        return adaptive_moments(self.computeKernelImage(x=x, y=y))

    def computeImage(self, *, x: float, y: float) -> Image:
        """Return the image of a point source of flux 1 at a position.

        Parameters
        ----------
        x, y
            Position of the source in parent pixels, anywhere within a pixel.

        Returns
        -------
        image
            The kernel image, shifted with Lanczos-5 taps, in parent coordinates; its sum is 1.
        """
        pixel_x, pixel_y = math.floor(x + 0.5), math.floor(y + 0.5)
        kernel = self.computeKernelImage(x=x, y=y)
        half_y, half_x = (n // 2 for n in kernel.shape)
        if (x, y) != (pixel_x, pixel_y):
            row, column = np.indices(kernel.shape, dtype=float)
            kernel = lanczos_sample(kernel, column - (x - pixel_x), row - (y - pixel_y), order=_LANCZOS_ORDER)
        return Image(kernel / kernel.sum(), Point2I(pixel_x - half_x, pixel_y - half_y))


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

    Parameters
    ----------
    kernel, tolerance
        As for `adaptive_moments`.

    Returns
    -------
    sigma
        Size in pixels, for a Gaussian image its sigma; NaN if the moments do not converge.
    """
    return adaptive_moments(kernel, tolerance=tolerance).determinant_radius
