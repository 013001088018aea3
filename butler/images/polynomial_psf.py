"""PolynomialPsf and PsfexPsf: PSFs whose pixels are polynomials of the position."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .lanczos import lanczos_sample
from .psf import InvalidPsfError, Psf

__all__ = ["PolynomialPsf", "PsfexPsf", "polynomial_terms"]

_LANCZOS_ORDER: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class PolynomialPsf(Psf):
    """A PSF that is a sum of images, each times a power of the position.

    At a position, ``PSF = sum_k t_k B_k`` with the terms t_k of `polynomial_terms`, normalised to sum 1.

    Parameters
    ----------
    basis
        Images B_k ``(n_terms, n_y, n_x)``, odd sides, centred; copied. The number of terms is that of a
        whole degree: 1, 3, 6, 10 ...
    x0, y0
        Position at which the terms but the first are 0, parent pixels.
    x_scale, y_scale
        Unit of the offsets from there, pixels; positive.
    sampling
        Step of the images, pixels: below 1 they are finer than the exposure.

    Raises
    ------
    ValueError
        Raised for images of another shape, values that are not finite, or a first image whose sum is not
        positive.
    """

    basis: NDArray[np.float64]
    x0: float
    y0: float
    x_scale: float
    y_scale: float
    sampling: float = 1.0

    def __post_init__(self) -> None:
        basis = np.array(self.basis, dtype=np.float64)
        if basis.ndim != 3 or not all(n % 2 for n in basis.shape[1:]):
            raise ValueError(f"images of a PSF model are (terms, n_y, n_x) with odd sides, not {basis.shape}")
        if len(polynomial_terms(0.0, 0.0, _degree(len(basis)))) != len(basis):
            raise ValueError(f"a PSF model has 1, 3, 6, 10 ... terms, not {len(basis)}")
        numbers = [self.x0, self.y0, self.x_scale, self.y_scale, self.sampling]
        if not (np.isfinite(basis).all() and np.isfinite(numbers).all() and min(numbers[2:]) > 0):
            raise ValueError(f"a PSF model needs finite images and positive scales, not {numbers}")
        if not basis[0].sum() > 0:
            raise ValueError(f"the first image of a PSF model needs a positive sum, not {basis[0].sum()}")
        object.__setattr__(self, "basis", basis)

    @property
    def degree(self) -> int:
        """Degree of the polynomials."""
        return _degree(len(self.basis))

    def computeKernelImage(self, *, x: float, y: float) -> NDArray[np.float64]:
        """Return the PSF at a position.

        Raises
        ------
        InvalidPsfError
            Raised if the model has no positive sum there, far outside the image it was fitted to.
        """
        u, v = (x - self.x0) / self.x_scale, (y - self.y0) / self.y_scale
        kernel = np.tensordot(polynomial_terms(u, v, self.degree), self.basis, axes=1)
        if self.sampling != 1.0:
            kernel = self._resampled(kernel)
        total = float(kernel.sum())
        if not (math.isfinite(total) and total > 0):
            raise InvalidPsfError(
                f"the PSF model has the sum {total:g} at ({x:g}, {y:g}), not a positive one"
            )
        return np.asarray(kernel / total, dtype=np.float64)

    def _resampled(self, kernel: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an image of step `sampling` on whole pixels."""
        middle_y, middle_x = (n // 2 for n in kernel.shape)
        half_y, half_x = (max(1, math.floor(n // 2 * self.sampling)) for n in kernel.shape)
        row, column = np.mgrid[-half_y : half_y + 1, -half_x : half_x + 1] / self.sampling
        return lanczos_sample(kernel, column + middle_x, row + middle_y, order=_LANCZOS_ORDER)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, PolynomialPsf):
            return NotImplemented
        return (
            np.array_equal(self.basis, other.basis)
            and (self.x0, self.y0, self.x_scale, self.y_scale, self.sampling)
            == (other.x0, other.y0, other.x_scale, other.y_scale, other.sampling)
        )  # fmt: skip

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, eq=False)
class PsfexPsf(PolynomialPsf):
    """A model that PSFEx (Bertin 2011) fitted.

    Parameters
    ----------
    n_stars
        Number of stars that it accepted.
    fwhm
        Full width at half maximum that it reports, pixels; NaN if not known.
    chi2
        Its reduced chi-square; NaN if not known.
    """

    n_stars: int = 0
    fwhm: float = math.nan
    chi2: float = math.nan


def polynomial_terms(u: ArrayLike, v: ArrayLike, degree: int) -> NDArray[np.float64]:
    """Return ``1, u, u², ..., v, uv, ...``: all powers up to a total degree, those of u fastest.

    Parameters
    ----------
    u, v
        Scaled offsets of any common shape.
    degree
        Largest sum of both exponents.

    Returns
    -------
    terms
        ``(n_terms, ...)`` in PSFEx's order.
    """
    u, v = np.broadcast_arrays(np.asarray(u, dtype=float), np.asarray(v, dtype=float))
    return np.array([u**i * v**j for j in range(degree + 1) for i in range(degree + 1 - j)])


def _degree(n_terms: int) -> int:
    """Return the degree that needs at most so many terms."""
    return max(0, (math.isqrt(8 * n_terms + 1) - 3) // 2)
