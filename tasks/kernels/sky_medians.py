"""Medians of what an image has beyond a template, cell by cell."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .loops.jit import part
from .medians import selected

__all__ = ["cell_medians", "template_lattice"]

_Plane = NDArray[np.float32]


def template_lattice(padded: _Plane, step: int) -> _Plane:
    """Return a template at the 3 by 3 pixels around every ``step``-th of every ``step``-th row.

    Parameters
    ----------
    padded
        The template on all pixels, and one more on each side, ``(n_y + 2, n_x + 2)``.
    step
        Distance of the pixels that are looked at; the first is the first of its row.

    Returns
    -------
    lattice
        ``(3, 3, n_rows, n_columns)``, by the distances along y and x.
    """
    n_y, n_x = padded.shape[0] - 2, padded.shape[1] - 2
    around = [[padded[dy : dy + n_y : step, dx : dx + n_x : step] for dx in range(3)] for dy in range(3)]
    return np.array(around, np.float32)


def cell_medians(
    image: _Plane,
    use: NDArray[np.bool_],
    template: _Plane,
    stencil: _Plane,
    bounds: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the medians of image minus template minus model in a row of cells, and of how many pixels.

    Parameters
    ----------
    image
        The pixels of the row of cells that are looked at, ``(n_rows, n_columns)``.
    use
        Which of them count, likewise.
    template
        The template around them, ``(3, 3, n_rows, n_columns)``.
    stencil
        What the template is correlated with to make the model, ``(3, 3)``.
    bounds
        Columns of ``image`` at which cells begin, and where the last one ends, ``(n_cells + 1,)``.

    Returns
    -------
    medians, counts
        Of each cell; the median is 0 where there is no pixel.
    """
    medians, counts = np.zeros(len(bounds) - 1), np.zeros(len(bounds) - 1, np.int64)
    _measure(image, use, template, stencil, bounds, medians, counts)
    return medians, counts


@njit(cache=True, nogil=True, fastmath={"contract"})
def _measure(
    image: _Plane,
    use: NDArray[np.bool_],
    template: _Plane,
    stencil: _Plane,
    bounds: NDArray[np.int64],
    medians: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    n_rows, n_columns = image.shape
    left = np.empty((n_rows, n_columns), np.float32)
    for row in range(n_rows):
        for column in range(n_columns):
            left[row, column] = image[row, column] - template[1, 1, row, column]
        for dy in range(3):
            around = template[dy]
            _subtract(left[row], (around[0, row], around[1, row], around[2, row]), stencil[dy])
    values = np.empty(left.size, np.float32)
    for cell in range(medians.size):
        n = 0
        for row in range(n_rows):
            for column in range(bounds[cell], bounds[cell + 1]):
                values[n] = left[row, column]
                n += use[row, column]
        counts[cell] = n
        if n:
            medians[cell] = selected(values[:n], n // 2)


@part
def _subtract(left: _Plane, template: tuple[_Plane, _Plane, _Plane], stencil: _Plane) -> None:
    """Subtract what one row of the stencil makes of a row of the template."""
    before, middle, after = template
    a, b, c = stencil[0], stencil[1], stencil[2]
    for x in range(left.size):
        left[x] = left[x] - a * before[x] - b * middle[x] - c * after[x]
