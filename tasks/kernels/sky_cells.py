"""Which cell of a map of the sky each pixel of an image lies in, and counting pixels by cell."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .native_loop import NativeLoop
from .stacking.planes import PlaneTable, readable_planes
from .stacking.rules import mask_value

__all__ = ["UNDECIDED", "cells_of_pixels", "count_flagged"]

UNDECIDED = -2
"""Stands for the cell of a pixel that is too near to an edge, or where the map is not known."""

_fill = NativeLoop("tasks.kernels.loops.sky_cells", "fill_cells")
_count_rows = NativeLoop("tasks.kernels.loops.sky_cells", "count_rows")


def cells_of_pixels(
    u: npt.NDArray[np.float64],
    v: npt.NDArray[np.float64],
    known: npt.NDArray[np.bool_],
    *,
    step: int,
    shape: tuple[int, int],
    cells: npt.NDArray[np.int32],
    margin: float,
) -> npt.NDArray[np.int32]:
    """Look up the cell of each pixel, from positions that are known at some pixels.

    Parameters
    ----------
    u, v
        Position in units of cells of every ``step``-th pixel of every ``step``-th row,
        ``(n_v_nodes, n_u_nodes)``; between them it is interpolated linearly.
    known
        Whether that may be done between four of them, ``(n_v_nodes - 1, n_u_nodes - 1)``.
    step
        Distance of the known positions, pixels.
    shape
        Rows and columns of the image; not beyond the known positions.
    cells
        Number of the cell between the positions i and i + 1 in u, j and j + 1 in v: element ``[i, j]``.
    margin
        Distance from an edge within which the cell is left open, in units of cells.

    Returns
    -------
    cells
        Number of the cell of each pixel, of the given shape; `UNDECIDED` where it is open.

    Raises
    ------
    ValueError
        Raised if the image reaches beyond the known positions.
    """
    n_y, n_x = shape
    if u.shape != v.shape or known.shape != (u.shape[0] - 1, u.shape[1] - 1):
        raise ValueError(f"positions of shape {u.shape} and {v.shape} have no {known.shape} spaces between")
    if n_y - 1 > known.shape[0] * step or n_x - 1 > known.shape[1] * step:
        raise ValueError(f"{u.shape} positions, {step} pixels apart, do not cover an image of shape {shape}")
    found = np.empty(shape, np.int32)
    _fill(u, v, known, step, cells, float(margin), UNDECIDED, found)
    return found


def count_flagged(
    mask: npt.NDArray[Any], bits: int, cells: npt.NDArray[np.int32], n: int
) -> npt.NDArray[np.int64]:
    """Count the pixels with some bits in each cell.

    Parameters
    ----------
    mask
        Bits, int32 of either byte order, ``(n_y, n_x)``; read in place.
    bits
        Bits to look for.
    cells
        Number of the cell of each pixel, 0 to n - 1, or any other number for none; of the same shape.
    n
        Number of cells.

    Returns
    -------
    counts
        Number of pixels with any of the bits, ``(n,)``.

    Raises
    ------
    ValueError
        Raised if the shapes differ, or a type is another.
    """
    planes = [readable_planes([mask], "mask", np.int32), readable_planes([cells], "cells", np.int32)]
    if mask.shape != cells.shape:
        raise ValueError(f"the mask has shape {mask.shape}, but the cells have {cells.shape}")
    counts = np.zeros(n, np.int64)
    wanted = mask_value("bits", bits).view(np.uint32)
    if not planes[0][0].dtype.isnative:
        wanted = wanted.byteswap()
    _count_rows(PlaneTable.from_planes(planes), *mask.shape, wanted, counts)
    return counts
