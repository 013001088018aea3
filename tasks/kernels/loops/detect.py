"""Loops of `tasks.kernels.detect`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .jit import part


@part
def find_peaks(
    values: NDArray[np.float32],
    sign: int,
    runs: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]],
    peak: NDArray[np.float64],
    y: NDArray[np.int64],
    x: NDArray[np.int64],
    place: NDArray[np.int64],
) -> None:
    """Set where the most extreme pixel of each component is, of equal ones the first.

    ``values`` are those of all runs, one after the other; ``place`` counts among them. ``runs`` are their
    rows, first and last columns, and labels; ``peak`` is minus infinity at first.
    """
    run_y, run_x0, run_x1, label = runs
    k = 0
    for i in range(label.size):
        n = label[i] - 1
        for column in range(run_x0[i], run_x1[i] + 1):
            value = sign * np.float64(values[k])
            if value > peak[n]:
                peak[n], y[n], x[n], place[n] = value, run_y[i], column, k
            k += 1


@part
def grow(
    run_y: NDArray[np.int32],
    run_x0: NDArray[np.int32],
    run_x1: NDArray[np.int32],
    half_widths: NDArray[np.int64],
    grown: NDArray[np.bool_],
) -> None:
    """Set ``grown`` wherever the shape reaches when centred on a pixel of a run."""
    n_y, n_x = grown.shape
    radius = half_widths.size // 2
    for i in range(run_y.size):
        for k in range(half_widths.size):
            row = run_y[i] + k - radius
            if 0 <= row < n_y:
                x0, x1 = run_x0[i] - half_widths[k], run_x1[i] + half_widths[k]
                grown[row, max(x0, 0) : min(x1 + 1, n_x)] = True
