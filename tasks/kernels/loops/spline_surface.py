"""Loops of `tasks.kernels.spline_surface`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .jit import fused_part


@fused_part
def fill_surface(
    coefficients: NDArray[np.float32],
    first_y: NDArray[np.int64],
    weight_y: NDArray[np.float32],
    first_x: NDArray[np.int64],
    weight_x: NDArray[np.float32],
    along: NDArray[np.float32],
    surface: NDArray[np.float32],
) -> None:
    """Set a surface row by row; ``along`` is scratch for the coefficients along a row."""
    n_y, n_x = surface.shape
    weight_0, weight_1, weight_2, weight_3 = weight_x[0], weight_x[1], weight_x[2], weight_x[3]
    for y in range(n_y):
        row = surface[y]
        along[:] = 0
        for k in range(4):
            weight, own = weight_y[k, y], coefficients[first_y[y] + k]
            for i in range(along.size):
                along[i] += weight * own[i]
        begin = 0
        while begin < n_x:
            # Between two knots all pixels have the same four splines.
            first = first_x[begin]
            end = begin + 1
            while end < n_x and first_x[end] == first:
                end += 1
            a, b, c, d = along[first], along[first + 1], along[first + 2], along[first + 3]
            # Numbers that may be negative, and so count from the end, keep loops from being vectorised.
            for x in range(np.uint64(begin), np.uint64(end)):
                row[x] = a * weight_0[x] + b * weight_1[x] + c * weight_2[x] + d * weight_3[x]
            begin = end


@fused_part
def evaluate(
    coefficients: NDArray[np.float32],
    first_y: NDArray[np.int64],
    weight_y: NDArray[np.float32],
    first_x: NDArray[np.int64],
    weight_x: NDArray[np.float32],
    y: NDArray[np.integer],
    x: NDArray[np.integer],
    values: NDArray[np.float32],
) -> None:
    """Set the values at some pixels."""
    for i in range(values.size):
        total = np.float32(0)
        for k in range(4):
            along = np.float32(0)
            for j in range(4):
                along += weight_x[j, x[i]] * coefficients[first_y[y[i]] + k, first_x[x[i]] + j]
            total += weight_y[k, y[i]] * along
        values[i] = total
