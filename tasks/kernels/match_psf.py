"""Matching kernels: what turns one PSF into another by convolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

__all__ = ["MatchingKernel", "match_residual", "matching_kernel"]


@dataclass(frozen=True, slots=True, eq=False)
class MatchingKernel:
    """A convolution kernel that turns a PSF into a target, and how well it does.

    Parameters
    ----------
    kernel
        The kernel ``(n, n)``, centred, with sum 1.
    residual
        Largest difference of the convolved PSF and the target, relative to the target's peak.
    noise
        Sum of the squares of the kernel: variance of the result for white noise of variance 1.
    condition
        Condition number of the normal equations in the 1-norm.
    """

    kernel: NDArray[np.float64]
    residual: float
    noise: float
    condition: float


def matching_kernel(psf: NDArray[np.float64], target: NDArray[np.float64], *, ridge: float) -> MatchingKernel:
    """Return the kernel K that minimises ``|K * psf - target|**2 + ridge |K|**2`` with ``sum(K) = 1``.

    Every pixel of K is free (a basis of delta functions), and the fit sees every pixel that K can reach, so
    that the wings of the target count. ``|K|**2`` is the variance that K makes of white noise: ``ridge``
    trades accuracy for noise, and keeps the equations regular. The normal matrix is the autocorrelation of
    the PSF.

    Parameters
    ----------
    psf
        PSF to change ``(s_y, s_x)``, centred, with sum 1.
    target
        PSF to reach ``(s_y + n - 1, s_x + n - 1)`` for an odd size n of the kernel, centred.
    ridge
        Weight of the noise, at least 0; 1e-5 suits PSFs of sum 1.

    Raises
    ------
    ValueError
        Raised for shapes that give no odd square kernel, values that are not finite, or a negative ridge.
    numpy.linalg.LinAlgError
        Raised if the equations are singular.
    """
    size = target.shape[0] - psf.shape[0] + 1
    if size < 1 or size % 2 == 0 or target.shape[1] - psf.shape[1] + 1 != size:
        raise ValueError(f"PSF {psf.shape} and target {target.shape} give no odd square matching kernel")
    if not (np.isfinite(psf).all() and np.isfinite(target).all() and ridge >= 0):
        raise ValueError(f"PSFs need finite pixels, and the ridge {ridge} must not be negative")
    from scipy.linalg import cho_factor, cho_solve
    from scipy.linalg.lapack import dpocon
    from scipy.signal import fftconvolve

    normal = _autocorrelation_matrix(psf, size)
    norm = float(np.abs(normal).sum(axis=0).max()) + ridge
    normal[np.diag_indices_from(normal)] += ridge
    factor, lower = cho_factor(normal, overwrite_a=True, check_finite=False)
    inverse_condition, _ = dpocon(factor, norm, uplo="L" if lower else "U")
    if inverse_condition < np.finfo(float).eps:
        raise np.linalg.LinAlgError(
            f"the equations of the matching kernel are singular for a ridge of {ridge}"
        )
    right = fftconvolve(target, psf[::-1, ::-1], mode="valid")
    free, constant = cho_solve(
        (factor, lower), np.stack([right.ravel(), np.ones(size * size)], axis=1), check_finite=False
    ).T
    # A Lagrange multiplier keeps the sum at 1.
    solution = free + constant * ((1.0 - free.sum()) / constant.sum())
    kernel = solution.reshape(size, size)
    return MatchingKernel(
        kernel,
        residual=match_residual(psf, kernel, target),
        noise=float(np.square(kernel).sum()),
        condition=float(1.0 / inverse_condition),
    )


def match_residual(
    psf: NDArray[np.float64], kernel: NDArray[np.float64], target: NDArray[np.float64]
) -> float:
    """Return the largest difference of a convolved PSF and a target, relative to the target's peak.

    Parameters
    ----------
    psf, kernel
        PSF and kernel, centred.
    target
        PSF to reach, of the size of their full convolution.
    """
    from scipy.signal import fftconvolve

    return float(np.abs(fftconvolve(psf, kernel) - target).max() / target.max())


def _autocorrelation_matrix(psf: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the products of the PSF with itself, shifted by all pairs of pixels of a kernel.

    The matrix ``(size**2, size**2)`` is Toeplitz in blocks: only the difference of the two shifts counts.
    """
    from scipy.signal import fftconvolve

    reach = size - 1
    products = np.ascontiguousarray(fftconvolve(np.pad(psf, reach), psf[::-1, ::-1], mode="valid"))
    row, column = products.strides
    blocks = as_strided(
        products[reach:, reach:],
        shape=(size, size, size, size),
        strides=(row, column, -row, -column),
        writeable=False,
    )
    matrix: NDArray[np.float64] = blocks.copy().reshape(size * size, size * size)
    return matrix
