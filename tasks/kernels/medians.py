"""Medians of many slices of an array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .native_loop import NativeLoop

__all__ = ["slice_medians"]

_select_middles = NativeLoop("tasks.kernels.loops.medians", "select_middles")


def slice_medians(values: NDArray[np.floating], bounds: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the median of each of some slices that follow each other; NaN for an empty one.

    Of an even number of values it is the greater one of the two in the middle.

    Parameters
    ----------
    values
        Finite values, ``(n,)``.
    bounds
        Where the slices begin, and where the last one ends, ``(n_slices + 1,)``.
    """
    medians = np.empty(len(bounds) - 1)
    _select_middles(np.array(values, np.float64), np.asarray(bounds, np.int64), medians)
    return medians
