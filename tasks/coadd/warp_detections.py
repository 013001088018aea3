"""Warp detections: what single visits detected, as footprints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from butler.images import Box2I, Footprint, Image, SpanSet

from ..kernels import count_by_label
from .box_tiling import subregions
from .warp_pixels import read_warp_mask

__all__ = ["DETECTION_PLANES", "WarpDetections", "count_overlaps"]

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
        detected = SpanSet.fromMask(mask, mask.known_bit_mask(DETECTION_PLANES))
        return [Footprint(spans) for spans in detected.split()]


def count_overlaps(
    handle: Any,
    labels: Image,
    n: int,
    bad_planes: Iterable[str],
    block: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the bad and the detected pixels of a warp in each of some footprints.

    Parameters
    ----------
    handle
        Handle of the warp; its mask is read only where there are footprints.
    labels
        Number of the footprint of each pixel, 1 to n; 0 where there is none.
    n
        Number of footprints.
    bad_planes
        Mask planes of bad pixels.
    block
        Width and height of what is read at a time, pixels.

    Returns
    -------
    n_bad, n_detected
        For each footprint ``(n,)`` the number of pixels that are bad, and of those that are detected and
        not bad.
    """
    n_bad, n_detected = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    planes = list(bad_planes)
    for box in subregions(labels.bbox, block):
        inside = labels[box].array
        if not inside.any():
            continue
        mask = read_warp_mask(handle, box)
        found = count_by_label(
            mask.array, inside, n, mask.known_bit_mask(planes), mask.known_bit_mask(DETECTION_PLANES)
        )
        n_bad += found[0]
        n_detected += found[1]
    return n_bad, n_detected
