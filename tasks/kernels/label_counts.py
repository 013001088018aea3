"""Counting the pixels of a mask by labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .stacking.jit import source_digest
from .stacking.planes import PlaneTable, readable_planes, row_of, swap
from .stacking.rules import mask_value


def count_by_label(
    mask: npt.NDArray[Any], labels: npt.NDArray[np.int32], n: int, first_bits: int, other_bits: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Count, under each label, the pixels with some bits, and of the rest those with other bits.

    Parameters
    ----------
    mask
        Bits, int32 of either byte order, ``(n_y, n_x)``; read in place.
    labels
        Label of each pixel, 1 to n; 0 where there is none; of the same shape.
    n
        Number of labels.
    first_bits, other_bits
        Bits to look for.

    Returns
    -------
    n_first, n_other
        Numbers of pixels with any of the first bits, and of those without them with any of the others;
        ``(n,)``.

    Raises
    ------
    ValueError
        Raised if the shapes differ, or a type is another.
    """
    planes = [readable_planes([mask], "mask", np.int32), readable_planes([labels], "labels", np.int32)]
    if mask.shape != labels.shape:
        raise ValueError(f"the mask has shape {mask.shape}, but the labels have {labels.shape}")
    bits = [mask_value("bits", value).view(np.uint32) for value in (first_bits, other_bits)]
    counts = np.zeros((n + 1, 2), np.int64)
    _count_rows(PlaneTable.from_planes(planes), *mask.shape, *bits, counts)
    return counts[1:, 0], counts[1:, 1]


def _compile_count_rows(digest: str) -> Callable[..., str]:
    """Compile the kernel, or find it compiled from sources with the same digest."""

    @njit(cache=True, nogil=True)
    def count_rows(
        planes: PlaneTable,
        n_y: int,
        n_x: int,
        first_bits: np.uint32,
        other_bits: np.uint32,
        counts: npt.NDArray[np.int64],
    ) -> str:
        """Add up the counts; a label that is none of them adds nothing."""
        for y in range(n_y):
            mask, labels = row_of(planes, 0, 0, y, 0, n_x), row_of(planes, 1, 0, y, 0, n_x).view(np.int32)
            for x in range(n_x):
                label = labels[x]
                if 0 < label < counts.shape[0]:
                    bits = swap(mask[x]) if planes.swapped[0, 0] else mask[x]
                    if bits & first_bits:
                        counts[label, 0] += 1
                    elif bits & other_bits:
                        counts[label, 1] += 1
        return digest

    return count_rows


_count_rows = _compile_count_rows(source_digest())
