"""Counting the pixels of a mask along labelled runs."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .native_loop import NativeLoop
from .stacking.planes import PlaneTable, readable_planes
from .stacking.rules import mask_value

__all__ = ["LabelledRuns", "count_in_runs"]

LabelledRuns = tuple[
    npt.NDArray[np.integer], npt.NDArray[np.integer], npt.NDArray[np.integer], npt.NDArray[np.integer]
]
"""Row, first and last column (inclusive), and label of each run; array indices."""

_count_runs = NativeLoop("tasks.kernels.loops.run_counts", "count_runs")


def count_in_runs(
    mask: npt.NDArray[Any], runs: LabelledRuns, n: int, first_bits: int, other_bits: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Count, for each label, the pixels with some bits, and of the rest those with other bits.

    Parameters
    ----------
    mask
        Bits, int32 of either byte order, ``(n_y, n_x)``; read in place, and only in the runs.
    runs
        Runs inside the mask, and their labels, 0 to n - 1.
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
        Raised if the mask is of another type, a run is not inside it, or a label is none of them.
    """
    [plane] = readable_planes([mask], "mask", np.int32)
    y, x0, x1, label = (np.ascontiguousarray(array, np.int64) for array in runs)
    if y.size and not (
        y.min() >= 0 and y.max() < mask.shape[0] and x0.min() >= 0 and x1.max() < mask.shape[1]
    ):
        raise ValueError(f"a run is not inside the mask, whose shape is {mask.shape}")
    if label.size and not 0 <= label.min() <= label.max() < n:
        raise ValueError(f"labels are 0 to {n - 1}, not {label.min()} to {label.max()}")
    bits = [mask_value("bits", value).view(np.uint32) for value in (first_bits, other_bits)]
    if not plane.dtype.isnative:
        bits = [value.byteswap() for value in bits]
    counts = np.zeros((n, 2), np.int64)
    _count_runs(PlaneTable.from_planes([[plane]]), y, x0, x1, label, *bits, counts)
    return counts[:, 0], counts[:, 1]
