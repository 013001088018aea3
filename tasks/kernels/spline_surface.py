"""Cubic spline surfaces on the pixels of an image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .native_loop import NativeLoop

__all__ = ["SplineTaps", "spline_at", "spline_rows"]

_fill = NativeLoop("tasks.kernels.loops.spline_surface", "fill_surface")
_evaluate = NativeLoop("tasks.kernels.loops.spline_surface", "evaluate")


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
    _fill(coefficients, *rows, *columns, np.empty(coefficients.shape[1], np.float32), surface)
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
