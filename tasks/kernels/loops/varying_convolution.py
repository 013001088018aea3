"""Loops of `tasks.kernels.varying_convolution`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .jit import fused_part

_Cells = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


@fused_part
def _convolve_block(
    image: NDArray[np.float32],
    variance: NDArray[np.float32],
    row: int,
    column: int,
    left: NDArray[np.float32],
    slope: NDArray[np.float32],
    weight: NDArray[np.float32],
    sums: NDArray[np.float32],
    squares: NDArray[np.float32],
) -> None:
    """Add up the pixels of a block of a row, whose kernel is ``left + weight slope``."""
    n_x = weight.size
    sums[:] = 0.0
    squares[:] = 0.0
    for j in range(left.shape[0]):
        values = image[row + j]
        variances = variance[row + j]
        for i in range(left.shape[1]):
            base, change, first = left[j, i], slope[j, i], column + i
            v = values[first : first + n_x]
            w = variances[first : first + n_x]
            for x in range(n_x):
                k = base + weight[x] * change
                sums[x] += k * v[x]
                squares[x] += k * k * w[x]


@fused_part
def convolve_rows(
    image: NDArray[np.float32],
    variance: NDArray[np.float32],
    kernels: NDArray[np.float64],
    cells_y: _Cells,
    cells_x: _Cells,
    rows: tuple[int, int],
    scratch: tuple[NDArray[np.float32], NDArray[np.float32]],
    out_image: NDArray[np.float32],
    out_variance: NDArray[np.float32],
) -> None:
    """Convolve some rows; kernels are flipped already.

    Parameters
    ----------
    image, variance, kernels
        As for `tasks.kernels.convolve_varying`.
    cells_y, cells_x
        Nodes before and after each row and column, and the weight of the latter.
    rows
        First row and the row after the last, counted from the first that the kernel does not leave.
    scratch
        Memory for two kernels and two parts of a row.
    out_image, out_variance
        The whole planes.
    """
    (above, below, weight_y), (before, after, weight_x) = cells_y, cells_x
    left, slope = scratch[0][0], scratch[0][1]
    sums, squares = scratch[1][0], scratch[1][1]
    n_x, n = image.shape[1], kernels.shape[2]
    half = n // 2
    for out_row in range(rows[0], rows[1]):
        row = out_row + half
        t = weight_y[row]
        first = half
        while first < n_x - half:
            cell = before[first]
            last = first
            while last < n_x - half and last - first < sums.size and before[last] == cell:
                last += 1
            for j in range(n):
                for i in range(n):
                    k0 = (1.0 - t) * kernels[above[row], cell, j, i] + t * kernels[below[row], cell, j, i]
                    k1 = (1.0 - t) * kernels[above[row], after[first], j, i]
                    k1 += t * kernels[below[row], after[first], j, i]
                    left[j, i] = k0
                    slope[j, i] = k1 - k0
            size = last - first
            _convolve_block(
                image,
                variance,
                out_row,
                first - half,
                left,
                slope,
                weight_x[first:last],
                sums[:size],
                squares[:size],
            )
            for x in range(size):
                out_image[row, first + x] = sums[x]
                out_variance[row, first + x] = squares[x]
            first = last
