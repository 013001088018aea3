"""Cubic spline surfaces on the pixels of an image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["SplineTaps", "spline_at", "spline_rows"]


class SplineTaps(NamedTuple):
    """The four splines that each pixel of a side of the image lies in."""

    first: NDArray[np.int64]
    """Number of the first of them, ``(n,)``; never falling."""

    weight: NDArray[np.float32]
    """Value of each there, ``(4, n)``."""


def spline_rows(
    coefficients: NDArray[np.float32], rows: SplineTaps, columns: SplineTaps
) -> NDArray[np.float32]:
    """Return a surface on all pixels of some rows, ``(n_y, n_x)``.

    Parameters
    ----------
    coefficients
        Of each product of a spline across the rows with one along them, ``(n_splines_y, n_splines_x)``.
    rows, columns
        Splines of the rows and of the columns.
    """
    surface = np.empty((rows.first.size, columns.first.size), np.float32)
    _fill(coefficients, *rows, *columns, surface)
    return surface


def spline_at(
    coefficients: NDArray[np.float32],
    rows: SplineTaps,
    columns: SplineTaps,
    y: NDArray[np.integer],
    x: NDArray[np.integer],
) -> NDArray[np.float32]:
    """Return a surface at some pixels ``(n,)``; as `spline_rows` says, but in any order."""
    values = np.empty(y.size, np.float32)
    _evaluate(coefficients, *rows, *columns, y, x, values)
    return values


@njit(cache=True, nogil=True, fastmath={"contract"})
def _fill(
    coefficients: NDArray[np.float32],
    first_y: NDArray[np.int64],
    weight_y: NDArray[np.float32],
    first_x: NDArray[np.int64],
    weight_x: NDArray[np.float32],
    surface: NDArray[np.float32],
) -> None:
    n_y, n_x = surface.shape
    along = np.empty(coefficients.shape[1], np.float32)
    weight_0, weight_1, weight_2, weight_3 = weight_x[0], weight_x[1], weight_x[2], weight_x[3]
    for y in range(n_y):
        row = surface[y]
        along[:] = 0
        for k in range(4):
            along += weight_y[k, y] * coefficients[first_y[y] + k]
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


@njit(cache=True, nogil=True, fastmath={"contract"})
def _evaluate(
    coefficients: NDArray[np.float32],
    first_y: NDArray[np.int64],
    weight_y: NDArray[np.float32],
    first_x: NDArray[np.int64],
    weight_x: NDArray[np.float32],
    y: NDArray[np.integer],
    x: NDArray[np.integer],
    values: NDArray[np.float32],
) -> None:
    for i in range(values.size):
        total = np.float32(0)
        for k in range(4):
            along = np.float32(0)
            for j in range(4):
                along += weight_x[j, x[i]] * coefficients[first_y[y[i]] + k, first_x[x[i]] + j]
            total += weight_y[k, y[i]] * along
        values[i] = total
