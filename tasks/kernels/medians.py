"""Medians of many slices of an array."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .loops.jit import part

__all__ = ["selected", "slice_medians"]


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


@njit(cache=True, nogil=True)
def _select_middles(
    values: NDArray[np.float64], bounds: NDArray[np.int64], medians: NDArray[np.float64]
) -> None:
    """Set the medians; the values of each slice change places."""
    for i in range(medians.size):
        own = values[bounds[i] : bounds[i + 1]]
        medians[i] = selected(own, own.size // 2) if own.size else np.nan


@part
def selected(values: NDArray[np.floating], k: int) -> float:
    """Return the element that would be number k if the values were sorted (quickselect, Hoare 1961)."""
    first, last = 0, values.size - 1
    while first < last:
        pivot = values[k]
        i, j = first, last
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if j < k:
            first = i
        if k < i:
            last = j
    return float(values[k])
