"""Medians of what an image has beyond a template, cell by cell."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .medians import selected

__all__ = ["cell_medians"]

_Plane = NDArray[np.float32]


def cell_medians(
    image: _Plane,
    use: NDArray[np.bool_],
    template: _Plane,
    stencil: _Plane,
    bounds: NDArray[np.int64],
    step: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the medians of image minus template minus model in a row of cells, and of how many pixels.

    Parameters
    ----------
    image
        The pixels of the row of cells that are looked at, every ``step``-th of every ``step``-th row from
        the first, ``(n_rows, n_columns)``.
    use
        Which of them count, likewise.
    template
        The template on all pixels, and one more on each side, ``(n_y + 2, n_x + 2)``.
    stencil
        What the template is correlated with to make the model, ``(3, 3)``.
    bounds
        Columns of ``image`` at which cells begin, and where the last one ends, ``(n_cells + 1,)``.
    step
        Distance of the pixels that are looked at.

    Returns
    -------
    medians, counts
        Of each cell; the median is 0 where there is no pixel.
    """
    medians, counts = np.zeros(len(bounds) - 1), np.zeros(len(bounds) - 1, np.int64)
    _measure(image, use, template, stencil, bounds, step, medians, counts)
    return medians, counts


@njit(cache=True, nogil=True, fastmath={"contract"})
def _measure(
    image: _Plane,
    use: NDArray[np.bool_],
    template: _Plane,
    stencil: _Plane,
    bounds: NDArray[np.int64],
    step: int,
    medians: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    values = np.empty(image.size)
    for cell in range(medians.size):
        n = 0
        for row in range(image.shape[0]):
            y = row * step
            for column in range(bounds[cell], bounds[cell + 1]):
                if not use[row, column]:
                    continue
                x = column * step
                value = image[row, column] - template[y + 1, x + 1]
                for dy in range(3):
                    for dx in range(3):
                        value -= stencil[dy, dx] * template[y + dy, x + dx]
                values[n] = value
                n += 1
        counts[cell] = n
        if n:
            medians[cell] = selected(values[:n], n // 2)
