"""Loops of `tasks.kernels.smooth`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..smooth import WIDTH
from .jit import part


@part
def smooth_rows(
    plane: NDArray[np.float32],
    samples: NDArray[np.float64],
    scratch: tuple[NDArray[np.float32], NDArray[np.float64]],
    smoothed: NDArray[np.float32],
) -> None:
    """Smooth along each row, and across the last rows that were smoothed as soon as there are enough.

    These rows, and sums of a part of a row, are kept in ``scratch``.
    """
    rows, sums = scratch
    n_y, n_x = plane.shape
    half = samples.size - 1
    n_rows = 2 * half + 1
    smoothed[:half] = np.nan
    smoothed[max(n_y - half, 0) :] = np.nan
    for y in range(n_y):
        row = rows[y % n_rows]
        row[:half] = np.nan
        row[max(n_x - half, 0) :] = np.nan
        for x in range(half, n_x - half, WIDTH):
            width = min(WIDTH, n_x - half - x)
            _start(plane[y, x : x + width], samples[half], sums)
            for i in range(half):
                left, right = x - half + i, x + half - i
                _add(plane[y, left : left + width], plane[y, right : right + width], samples[i], sums)
            _finish(sums, row[x : x + width])
        if y < n_rows - 1:
            continue
        for x in range(0, n_x, WIDTH):
            width = min(WIDTH, n_x - x)
            _start(rows[(y - half) % n_rows, x : x + width], samples[half], sums)
            for i in range(half):
                below, above = rows[(y + 1 + i) % n_rows], rows[(y - i) % n_rows]
                _add(below[x : x + width], above[x : x + width], samples[i], sums)
            _finish(sums, smoothed[y - half, x : x + width])


@part
def _start(middle: NDArray[np.float32], sample: float, sums: NDArray[np.float64]) -> None:
    """Begin with the pixels themselves."""
    for x in range(middle.size):
        sums[x] = np.float64(middle[x]) * sample


@part
def _add(
    left: NDArray[np.float32], right: NDArray[np.float32], sample: float, sums: NDArray[np.float64]
) -> None:
    """Add two neighbours of each pixel, as far from it on either side."""
    for x in range(left.size):
        sums[x] += (np.float64(left[x]) + np.float64(right[x])) * sample


@part
def _finish(sums: NDArray[np.float64], result: NDArray[np.float32]) -> None:
    """Round the sums; an infinity is as unknown as a NaN, and would pass every threshold."""
    for x in range(result.size):
        value = np.float32(sums[x])
        result[x] = value if np.isfinite(value) else np.float32(np.nan)
