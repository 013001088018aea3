"""Connected components of binary images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .loops.jit import part

__all__ = ["Components", "components_of_pixels", "find_components", "label_components"]

Runs = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]
"""Rows, first and last columns of some runs; array indices, both ends inclusive."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """The 8-connected components of a binary image, kept as runs, of which there are few.

    Parameters
    ----------
    shape
        Rows and columns of the image.
    n
        Number of components.
    y, x0, x1
        Row, first and last column (inclusive) of each run, in raster order; ``(n_runs,)``.
    label
        Number of each run's component: 1 to n in the order in which a raster scan meets them.
    """

    shape: tuple[int, int]
    n: int
    y: NDArray[np.int32]
    x0: NDArray[np.int32]
    x1: NDArray[np.int32]
    label: NDArray[np.int32]

    def areas(self) -> NDArray[np.int64]:
        """Return the number of pixels of each component, ``(n,)``."""
        return np.bincount(self.label, self.x1 - self.x0 + 1, self.n + 1)[1:].astype(np.int64)

    def label_image(self) -> NDArray[np.int32]:
        """Return the number of the component of each pixel, ``(n_y, n_x)``; 0 where there is none."""
        labels = np.zeros(self.shape, np.int32)
        _fill(self.y, self.x0, self.x1, self.label, labels)
        return labels

    def binary(self, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Return where components are, ``(n_y, n_x)``; only the chosen ones of them, if given ``(n,)``."""
        image = np.zeros(self.shape, np.bool_)
        value = np.ones(self.label.size, np.bool_) if chosen is None else chosen[self.label - 1]
        _fill(self.y, self.x0, self.x1, value, image)
        return image

    def label_at(self, y: NDArray[np.integer], x: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the numbers of the components that pixels belong to, 0 for those of none."""
        place = np.asarray(y, np.int64) * self.shape[1] + x
        if not self.label.size:
            return np.zeros(place.shape, np.int32)
        starts = self.y.astype(np.int64) * self.shape[1] + self.x0
        run = np.searchsorted(starts, place, side="right") - 1
        inside = (run >= 0) & (place - starts[run] <= self.x1[run] - self.x0[run])
        return np.where(inside, self.label[run], np.int32(0))

    def by_label(self) -> tuple[Runs, NDArray[np.int64]]:
        """Return the runs of the first component, then those of the second, and so on, and their numbers.

        The runs of each component are in raster order; the numbers are of shape ``(n,)``.
        """
        order = np.argsort(self.label, kind="stable")
        counts = np.bincount(self.label, minlength=self.n + 1)[1:]
        return (self.y[order], self.x0[order], self.x1[order]), counts


def find_components(binary: NDArray[np.bool_]) -> Components:
    """Find the 8-connected components of a binary image ``(n_y, n_x)``."""
    n_runs = _count_runs(binary)
    y, x0, x1, label = (np.empty(n_runs, np.int32) for _ in range(4))
    _find_runs(binary, y, x0, x1)
    n = _label_runs(y, x0, x1, label)
    n_y, n_x = binary.shape
    return Components((n_y, n_x), n, y, x0, x1, label)


def components_of_pixels(places: NDArray[np.int64], shape: tuple[int, int]) -> Components:
    """Find the 8-connected components of some pixels.

    Parameters
    ----------
    places
        Their numbers in raster order, increasing.
    shape
        Rows and columns of the image.
    """
    y, x = np.divmod(places, shape[1])
    starts = np.flatnonzero((np.diff(places, prepend=-2) != 1) | (x == 0))
    ends = np.append(starts[1:], places.size)[: starts.size] - 1
    y, x0, x1 = (part.astype(np.int32) for part in (y[starts], x[starts], x[ends]))
    label = np.empty(starts.size, np.int32)
    return Components(shape, _label_runs(y, x0, x1, label), y, x0, x1, label)


def label_components(binary: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Give each 8-connected component of a binary image a number.

    Parameters
    ----------
    binary
        The image ``(n_y, n_x)``.

    Returns
    -------
    labels
        Number of the component of each pixel, ``(n_y, n_x)``; 1 to n in the order in which a raster
        scan meets them, 0 elsewhere.
    n
        Number of components.
    """
    found = find_components(binary)
    return found.label_image(), found.n


@njit(cache=True, nogil=True)
def _count_runs(binary: NDArray[np.bool_]) -> int:
    n_y, n_x = binary.shape
    n = 0
    for y in range(n_y):
        row = binary[y]
        n += n_x > 0 and row[0]
        for x in range(1, n_x):
            n += row[x] & (not row[x - 1])
    return n


@njit(cache=True, nogil=True)
def _find_runs(
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


@njit(cache=True, nogil=True)
def _label_runs(
    y: NDArray[np.int32], x0: NDArray[np.int32], x1: NDArray[np.int32], label: NDArray[np.int32]
) -> int:
    """Set the number of the component of each run, and return how many there are.

    Each run is hung below the first run of its component: a forest of disjoint sets (Tarjan 1975), in
    which a root is the lowest of its tree.
    """
    parent = np.arange(y.size)
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
    return n


@part
def _root(parent: NDArray[np.int64], i: int) -> int:
    """Return the root of a run's tree, and shorten the way to it."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _fill(
    y: NDArray[np.int32],
    x0: NDArray[np.int32],
    x1: NDArray[np.int32],
    value: NDArray[np.generic],
    image: NDArray[np.generic],
) -> None:
    """Give the pixels of each run its value."""
    for i in range(y.size):
        image[y[i], x0[i] : x1[i] + 1] = value[i]
