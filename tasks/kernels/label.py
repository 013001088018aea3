"""Connected components of binary images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .native_loop import NativeLoop

__all__ = ["Components", "components_of_pixels", "find_components", "label_components"]

Runs = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]
"""Rows, first and last columns of some runs; array indices, both ends inclusive."""

_count_runs = NativeLoop("tasks.kernels.loops.label", "count_runs")
_find_runs = NativeLoop("tasks.kernels.loops.label", "find_runs")
_label_runs = NativeLoop("tasks.kernels.loops.label", "label_runs")
_fill = NativeLoop("tasks.kernels.loops.label", "fill_runs")


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
    n_runs = np.zeros(1, np.int64)
    _count_runs(binary, n_runs)
    y, x0, x1 = (np.empty(n_runs[0], np.int32) for _ in range(3))
    _find_runs(binary, y, x0, x1)
    label, n = _labels_of(y, x0, x1)
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
    label, n = _labels_of(y, x0, x1)
    return Components(shape, n, y, x0, x1, label)


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


def _labels_of(
    y: NDArray[np.int32], x0: NDArray[np.int32], x1: NDArray[np.int32]
) -> tuple[NDArray[np.int32], int]:
    """Return the number of the component of each run, and how many there are."""
    label, n = np.empty(y.size, np.int32), np.zeros(1, np.int64)
    _label_runs(y, x0, x1, np.arange(y.size), label, n)
    return label, int(n[0])
