"""Warp detections: what single visits detected, as footprints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from butler.images import Box2I, Footprint

from ..detection import span_sets
from ..errors import TaskError
from ..kernels import LabelledRuns, count_in_runs, find_components
from .box_tiling import subregions
from .warp_pixels import read_warp_mask

__all__ = ["DETECTION_PLANES", "WarpDetections", "count_overlaps", "labelled_runs"]

DETECTION_PLANES: Final = ("DETECTED", "DETECTED_NEGATIVE")
"""Mask planes of detections of either sign."""


class WarpDetections(Sequence[list[Footprint]]):
    """The detections of each warp: for warp i, its 8-connected footprints.

    They are made from the warp's mask whenever they are asked for, and not kept: only one warp's mask is
    in memory at a time.

    Parameters
    ----------
    handles
        Handles of the warps.
    bbox
        Box to look at.
    """

    def __init__(self, handles: Sequence[Any], bbox: Box2I) -> None:
        self._handles = handles
        self._bbox = bbox

    def __len__(self) -> int:
        return len(self._handles)

    @overload
    def __getitem__(self, index: int) -> list[Footprint]: ...
    @overload
    def __getitem__(self, index: slice) -> list[list[Footprint]]: ...
    def __getitem__(self, index: int | slice) -> list[Footprint] | list[list[Footprint]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        mask = read_warp_mask(self._handles[index], self._bbox)
        components = find_components(mask.any_of(mask.known_bit_mask(DETECTION_PLANES)))
        return [Footprint(spans) for spans in span_sets(components, self._bbox.minimum)]


def labelled_runs(footprints: Sequence[Footprint]) -> LabelledRuns:
    """Return the runs of all footprints in raster order, in parent coordinates, and whose they are.

    Raises
    ------
    TaskError
        Raised if footprints overlap.
    """
    arrays = [footprint.spans.to_arrays() for footprint in footprints]
    empty = np.zeros(0, np.int32)
    y, x0, x1 = (np.concatenate([empty, *(array[i] for array in arrays)]) for i in range(3))
    label = np.repeat(np.arange(len(arrays)), [len(rows) for rows, _, _ in arrays])
    order = np.lexsort((x0, y))
    y, x0, x1 = y[order], x0[order], x1[order]
    if np.any((y[1:] == y[:-1]) & (x0[1:] <= x1[:-1])):
        raise TaskError("the footprints of clipDetection overlap; its merged footprints must be disjoint")
    return y, x0, x1, label[order]


def count_overlaps(
    handle: Any, runs: LabelledRuns, n: int, bad_planes: Iterable[str], bbox: Box2I, n_rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the bad and the detected pixels of a warp in each of some footprints.

    Parameters
    ----------
    handle
        Handle of the warp; its mask is read only where there are footprints.
    runs
        Runs of the footprints in raster order, in parent coordinates, and whose they are, 0 to n - 1.
    n
        Number of footprints.
    bad_planes
        Mask planes of bad pixels.
    bbox
        Box that holds the footprints.
    n_rows
        Number of rows that are read at a time.

    Returns
    -------
    n_bad, n_detected
        For each footprint ``(n,)`` the number of pixels that are bad, and of those that are detected and
        not bad.
    """
    n_bad, n_detected = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    planes = list(bad_planes)
    for strip in subregions(bbox, (bbox.width, n_rows)):
        begin, end = np.searchsorted(runs[0], (strip.minY, strip.maxY + 1))
        if begin == end:
            continue
        y, x0, x1, label = (array[begin:end] for array in runs)
        mask = read_warp_mask(handle, strip)
        found = count_in_runs(
            mask.array,
            (y - strip.minY, x0 - strip.minX, x1 - strip.minX, label),
            n,
            mask.known_bit_mask(planes),
            mask.known_bit_mask(DETECTION_PLANES),
        )
        n_bad += found[0]
        n_detected += found[1]
    return n_bad, n_detected
