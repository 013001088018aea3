"""Filling of defects: pixels that say nothing, between others that do."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .interpolate import interpolate_rows

__all__ = ["filled_defects", "narrow_defects"]

_ENDLESS: Final = np.iinfo(np.int64).max
"""Length of a run that touches the border."""


def filled_defects(plane: NDArray[np.floating[Any]], bad: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return a copy of a plane with bad pixels filled, each along the shorter one of its two runs.

    Parameters
    ----------
    plane
        Pixels ``(n_y, n_x)``.
    bad
        Which pixels to fill, ``(n_y, n_x)``; all that are not finite are to be among them.
    """
    filled = np.array(plane, dtype=np.float32)
    if not bad.any():
        return filled
    known = filled[~bad]
    fallback = float(np.median(known)) if known.size else 0.0
    # A pixel that waits for the second pass must not serve as a good neighbour in the first.
    filled[bad] = np.nan
    along_rows = np.zeros(bad.shape, np.bool_)
    along_rows[bad] = _widths(bad) <= _heights(bad)
    interpolate_rows(filled, None, along_rows, fallback)
    interpolate_rows(filled, None, np.isnan(filled), fallback, transpose=True)
    return filled


def narrow_defects(bad: NDArray[np.bool_], width: float) -> NDArray[np.bool_]:
    """Return the bad pixels that are in a run of at most some width, along their row or their column.

    Parameters
    ----------
    bad
        Bad pixels ``(n_y, n_x)``. What lies outside is bad as well: a run that touches the border is wide.
    width
        Largest width of a narrow run, pixels.
    """
    narrow = np.zeros(bad.shape, np.bool_)
    narrow[bad] = np.minimum(_widths(bad), _heights(bad)) <= width
    return narrow


def _widths(bad: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the length of the run along its row that each bad pixel is in, row by row."""
    y, x = np.nonzero(bad)
    begins = np.ones(y.size, np.bool_)
    begins[1:] = (np.diff(y) != 0) | (np.diff(x) != 1)
    run = np.cumsum(begins) - 1
    at_border = np.bincount(run, (x == 0) | (x == bad.shape[1] - 1)) > 0
    lengths: NDArray[np.int64] = np.where(at_border, _ENDLESS, np.bincount(run))[run]
    return lengths


def _heights(bad: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the same along columns, also row by row."""
    x, y = np.nonzero(bad.T)
    return _widths(bad.T)[np.lexsort((x, y))]
