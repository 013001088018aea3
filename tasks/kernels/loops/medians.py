"""Loops of `tasks.kernels.medians`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .jit import part


@part
def select_middles(
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
