"""Gaussian smoothing of an image and its variance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .native_loop import NativeLoop

__all__ = ["gaussian_kernel", "kernel_width", "smooth_gaussian", "smooth_plane"]

WIDTH = 512  # pixels whose sums stay in the cache

_smooth_rows = NativeLoop("tasks.kernels.loops.smooth", "smooth_rows")


def kernel_width(sigma: float, n_sigma_for_kernel: float = 7.0) -> int:
    """Return the odd width K in pixels of the smoothing kernel of a Gaussian.

    It is ``2 * floor(floor(n_sigma_for_kernel * sigma + 0.5) / 2) + 1``.

    Parameters
    ----------
    sigma
        Standard deviation, pixels.
    n_sigma_for_kernel
        Wanted width in units of sigma.

    Raises
    ------
    ValueError
        Raised if sigma or the wanted width is not a positive number.
    """
    if not (0 < sigma < math.inf and 0 < n_sigma_for_kernel < math.inf):
        raise ValueError(
            "a smoothing kernel needs a positive, finite sigma and width; "
            f"got sigma = {sigma} pixels and {n_sigma_for_kernel} sigma"
        )
    return 2 * (math.floor(n_sigma_for_kernel * sigma + 0.5) // 2) + 1


def gaussian_kernel(sigma: float, width: int) -> NDArray[np.float64]:
    """Return a Gaussian sampled at pixel centres and normalised to sum 1, ``(width,)``.

    Parameters
    ----------
    sigma
        Standard deviation, pixels.
    width
        Number of samples; odd.

    Raises
    ------
    ValueError
        Raised for a width that is not positive and odd.
    """
    if width < 1 or width % 2 == 0:
        raise ValueError(f"the width of a kernel is a positive odd number of pixels, not {width}")
    u = np.arange(width) - width // 2
    samples = np.exp(-(u**2) / (2.0 * sigma**2))
    kernel: NDArray[np.float64] = samples / samples.sum()
    return kernel


def smooth_gaussian(
    image: NDArray[np.float32], variance: NDArray[np.float32], sigma: float, width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Convolve an image with a circular Gaussian k: image ``sum k x``, variance ``sum k**2 v``.

    Parameters
    ----------
    image, variance
        Pixels ``(n_y, n_x)``; not changed. Their noise is taken as uncorrelated.
    sigma
        Standard deviation, pixels.
    width
        Width K of the kernel, pixels; odd.

    Returns
    -------
    image, variance
        Smoothed planes ``(n_y, n_x)``. A pixel is NaN if the K x K box about it leaves the image or
        holds a value that is not finite.

    Raises
    ------
    ValueError
        Raised for a width that is not positive and odd.
    """
    return smooth_plane(image, sigma, width), smooth_plane(variance, sigma, width, squared=True)


def smooth_plane(
    plane: NDArray[np.float32], sigma: float, width: int, *, squared: bool = False
) -> NDArray[np.float32]:
    """Convolve one plane with a circular Gaussian, or with its square, as `smooth_gaussian` does.

    Sums are float64, rounded to float32 after each axis.

    Parameters
    ----------
    plane
        Pixels ``(n_y, n_x)``; not changed.
    sigma, width
        Standard deviation and width of the Gaussian, pixels.
    squared
        Whether to take the square of its samples.

    Raises
    ------
    ValueError
        Raised for a width that is not positive and odd.
    """
    kernel = gaussian_kernel(sigma, width)
    # The kernel is symmetric: pairs of equal samples from outside to inside, then the one in the middle.
    samples = (kernel**2 if squared else kernel)[: width // 2 + 1]
    smoothed = np.empty(plane.shape, np.float32)
    rows = np.empty((2 * samples.size - 1, plane.shape[1]), np.float32)
    _smooth_rows(np.ascontiguousarray(plane, np.float32), samples, (rows, np.empty(WIDTH)), smoothed)
    return smoothed
