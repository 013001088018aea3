"""Medians of what an image has beyond a template, cell by cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .native_loop import NativeLoop

__all__ = ["cell_medians", "template_lattice"]

_Plane = NDArray[np.float32]

_measure = NativeLoop("tasks.kernels.loops.sky_medians", "measure")


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
    scratch = np.empty(image.shape, np.float32), np.empty(image.size, np.float32)
    _measure(image, use, template, stencil, bounds, scratch, medians, counts)
    return medians, counts
