"""Loops of `tasks.kernels.label`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .jit import part


@part
def count_runs(binary: NDArray[np.bool_], n_runs: NDArray[np.int64]) -> None:
    """Set the number of runs."""
    n_y, n_x = binary.shape
    n = 0
    for y in range(n_y):
        row = binary[y]
        n += n_x > 0 and row[0]
        for x in range(1, n_x):
            n += row[x] & (not row[x - 1])
    n_runs[0] = n


@part
def find_runs(
    binary: NDArray[np.bool_], y: NDArray[np.int32], x0: NDArray[np.int32], x1: NDArray[np.int32]
) -> None:
    """Set rows and ends of all runs."""
    n_y, n_x = binary.shape
    i = 0
    for row in range(n_y):
        x = 0
        while x < n_x:
            if not binary[row, x]:
                x += 1
                continue
            y[i], x0[i] = row, x
            while x < n_x and binary[row, x]:
                x += 1
            x1[i] = x - 1
            i += 1


@part
def label_runs(
    y: NDArray[np.int32],
    x0: NDArray[np.int32],
    x1: NDArray[np.int32],
    parent: NDArray[np.int64],
    label: NDArray[np.int32],
    n_components: NDArray[np.int64],
) -> None:
    """Set the number of the component of each run, and how many there are.

    Each run is hung below the first run of its component: a forest of disjoint sets (Tarjan 1975), in
    which a root is the lowest of its tree. At first each run is its own ``parent``.
    """
    before = 0  # the first run of the row before that may touch this run, or one after it
    for i in range(y.size):
        while before < i and (y[before] < y[i] - 1 or (y[before] < y[i] and x1[before] < x0[i] - 1)):
            before += 1
        j = before
        while j < i and y[j] < y[i] and x0[j] <= x1[i] + 1:
            a, b = _root(parent, i), _root(parent, j)
            parent[max(a, b)] = min(a, b)
            j += 1
    n = 0
    for i in range(y.size):
        root = _root(parent, i)
        if root == i:
            n += 1
            label[i] = n
        else:
            label[i] = label[root]
    n_components[0] = n


@part
def _root(parent: NDArray[np.int64], i: int) -> int:
    """Return the root of a run's tree, and shorten the way to it."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@part
def fill_runs(
    y: NDArray[np.int32],
    x0: NDArray[np.int32],
    x1: NDArray[np.int32],
    value: NDArray[np.generic],
    image: NDArray[np.generic],
) -> None:
    """Give the pixels of each run its value."""
    for i in range(y.size):
        image[y[i], x0[i] : x1[i] + 1] = value[i]
