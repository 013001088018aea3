"""Loop of `tasks.kernels.run_counts`."""

import numpy as np
import numpy.typing as npt

from ..stacking.planes import PlaneTable
from ..stacking.words import row_of
from .jit import part


@part
def count_runs(
    planes: PlaneTable,
    y: npt.NDArray[np.int64],
    x0: npt.NDArray[np.int64],
    x1: npt.NDArray[np.int64],
    label: npt.NDArray[np.int64],
    first_bits: np.uint32,
    other_bits: np.uint32,
    counts: npt.NDArray[np.int64],
) -> None:
    """Add up the counts."""
    for i in range(y.size):
        run = row_of(planes, 0, 0, y[i], x0[i], x1[i] - x0[i] + 1)
        n_first = n_other = 0
        for x in range(run.size):
            is_first = (run[x] & first_bits) != 0
            n_first += is_first
            n_other += (not is_first) & ((run[x] & other_bits) != 0)
        counts[label[i], 0] += n_first
        counts[label[i], 1] += n_other
