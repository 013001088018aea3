"""Loops of `tasks.kernels.sky_medians`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .jit import fused_part, part
from .medians import selected

_Plane = NDArray[np.float32]


@fused_part
def measure(
    image: _Plane,
    use: NDArray[np.bool_],
    template: _Plane,
    stencil: _Plane,
    bounds: NDArray[np.int64],
    scratch: tuple[_Plane, _Plane],
    medians: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Set medians and numbers of pixels; what is left of the image, and the pixels of a cell, are scratch."""
    left, values = scratch
    n_rows, n_columns = image.shape
    for row in range(n_rows):
        for column in range(n_columns):
            left[row, column] = image[row, column] - template[1, 1, row, column]
        for dy in range(3):
            around = template[dy]
            _subtract(left[row], (around[0, row], around[1, row], around[2, row]), stencil[dy])
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
