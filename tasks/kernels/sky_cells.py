"""Which cell of a map of the sky each pixel of an image lies in, and counting pixels by cell."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .stacking.jit import source_digest
from .stacking.planes import PlaneTable, readable_planes, row_of
from .stacking.rules import mask_value

__all__ = ["UNDECIDED", "cells_of_pixels", "count_flagged"]

UNDECIDED = -2
"""Stands for the cell of a pixel that is too near to an edge, or where the map is not known."""

_AT_ONCE = 16  # pixels that are looked through at once for any that is flagged


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
    _fill(u, v, known, step, cells, margin, found)
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


@njit(cache=True, nogil=True)
def _fill(
    u: npt.NDArray[np.float64],
    v: npt.NDArray[np.float64],
    known: npt.NDArray[np.bool_],
    step: int,
    cells: npt.NDArray[np.int32],
    margin: float,
    found: npt.NDArray[np.int32],
) -> None:
    """Set the cells of all pixels."""
    n_y, n_x = found.shape
    for y in range(n_y):
        # The last row and column of nodes have nothing beyond.
        j = min(y // step, known.shape[0] - 1)
        below = (y - j * step) / step
        for i in range(known.shape[1]):
            begin, end = i * step, n_x if i == known.shape[1] - 1 else min((i + 1) * step, n_x)
            if not known[j, i]:
                found[y, begin:end] = UNDECIDED
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
                found[y, x] = cells[cell_u, cell_v] if inside else UNDECIDED


def _compile_count_rows(digest: str) -> Callable[..., str]:
    """Compile the kernel, or find it compiled from sources with the same digest."""

    @njit(cache=True, nogil=True)
    def count_rows(
        planes: PlaneTable, n_y: int, n_x: int, bits: np.uint32, counts: npt.NDArray[np.int64]
    ) -> str:
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
        return digest

    return count_rows


_count_rows = _compile_count_rows(source_digest())
