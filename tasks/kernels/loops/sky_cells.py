"""Loops of `tasks.kernels.sky_cells`."""

import numpy as np
import numpy.typing as npt

from ..stacking.planes import PlaneTable
from ..stacking.words import row_of
from .jit import part

_AT_ONCE = 16  # pixels that are looked through at once for any that is flagged


@part
def fill_cells(
    u: npt.NDArray[np.float64],
    v: npt.NDArray[np.float64],
    known: npt.NDArray[np.bool_],
    step: int,
    cells: npt.NDArray[np.int32],
    margin: float,
    undecided: int,
    found: npt.NDArray[np.int32],
) -> None:
    """Set the cells of all pixels; what is undecided gets a number of its own."""
    n_y, n_x = found.shape
    for y in range(n_y):
        # The last row and column of nodes have nothing beyond.
        j = min(y // step, known.shape[0] - 1)
        below = (y - j * step) / step
        for i in range(known.shape[1]):
            begin, end = i * step, n_x if i == known.shape[1] - 1 else min((i + 1) * step, n_x)
            if not known[j, i]:
                found[y, begin:end] = undecided
                continue
            u0, v0 = u[j, i] + (u[j + 1, i] - u[j, i]) * below, v[j, i] + (v[j + 1, i] - v[j, i]) * below
            u1 = u[j, i + 1] + (u[j + 1, i + 1] - u[j, i + 1]) * below
            v1 = v[j, i + 1] + (v[j + 1, i + 1] - v[j, i + 1]) * below
            for x in range(begin, end):
                share = (x - begin) / step
                at_u, at_v = u0 + (u1 - u0) * share, v0 + (v1 - v0) * share
                cell_u, cell_v = int(at_u), int(at_v)
                in_u, in_v = at_u - cell_u, at_v - cell_v
                inside = min(in_u, 1.0 - in_u, in_v, 1.0 - in_v) >= margin
                found[y, x] = cells[cell_u, cell_v] if inside else undecided


@part
def count_rows(
    planes: PlaneTable, n_y: int, n_x: int, bits: np.uint32, counts: npt.NDArray[np.int64]
) -> None:
    """Add up the counts; most pixels have none of the bits."""
    for y in range(n_y):
        mask, cells = row_of(planes, 0, 0, y, 0, n_x), row_of(planes, 1, 0, y, 0, n_x).view(np.int32)
        for begin in range(0, n_x, _AT_ONCE):
            bits_there = mask[begin : begin + _AT_ONCE]
            any_bits = np.uint32(0)
            for x in range(bits_there.size):
                any_bits |= bits_there[x]
            if any_bits & bits:
                cells_there = cells[begin : begin + _AT_ONCE]
                for x in range(bits_there.size):
                    if bits_there[x] & bits and 0 <= cells_there[x] < counts.size:
                        counts[cells_there[x]] += 1
