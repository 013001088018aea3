"""Which pixels differ from what is expected, once both are smoothed by the PSF."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .native_loop import NativeLoop
from .smooth import gaussian_kernel

__all__ = ["differing_pixels"]

_Plane = NDArray[np.float32]

_search = NativeLoop("tasks.kernels.loops.differing", "search")


def differing_pixels(
    difference: _Plane, error: _Plane, sigma: float, half: int, threshold: float
) -> NDArray[np.int8]:
    """Return where a smoothed difference exceeds its error, ``(n_y, n_x)``: its sign, or 0.

    Parameters
    ----------
    difference
        The difference, ``(n_y, n_x)``; 0 where nothing is known.
    error
        Square of its error, likewise. Beyond the image nothing is known either: what is smoothed there is
        compared with the error of the pixels that are known.
    sigma, half
        Standard deviation of the Gaussian, and how far it reaches, pixels.
    threshold
        Smallest ratio of the smoothed difference and its error.
    """
    samples = gaussian_kernel(sigma, 2 * half + 1)[: half + 1]
    signs, n_x = np.empty(difference.shape, np.int8), difference.shape[1]
    _search(
        difference,
        error,
        samples.astype(np.float32),
        np.square(samples).astype(np.float32),
        np.float32(threshold**2),
        (np.zeros((2, 2 * half + 1, n_x), np.float32), np.zeros(n_x + 2 * half, np.float32)),
        np.empty((2, n_x), np.float32),
        signs,
    )
    return signs
