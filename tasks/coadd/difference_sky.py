"""Difference sky: the background of a difference image, cell by cell, without what stands out of it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["SkyCells"]

_CELL: Final = 64
"""Side of a cell, pixels; a background that was taken out of an image is smooth on such a scale."""
_MIN_POINTS: Final = 20
"""Points of a cell that has a median."""
_MIN_CELLS: Final = 16
"""Cells whose scatter can be told."""
_OUTLYING: Final = 5.0
"""Distance from the median of all cells, in units of their scatter, from which a cell is not background."""
_MAD_TO_SIGMA: Final = 1.4826

_Values = NDArray[np.float64]


class SkyCells:
    """A smooth surface through the medians of the cells of an image.

    A cell far outside the scatter of all cells shows no background but a ghost, or the wing of something
    bright. It gets the median of the next usual cell, so that what it shows remains a difference. If all
    cells scatter, that is how different the backgrounds are.

    Parameters
    ----------
    shape
        Of the image, ``(n_y, n_x)``.
    place
        Numbers of the pixels that are looked at, ``(n,)``.
    """

    def __init__(self, shape: tuple[int, int], place: NDArray[np.intp]) -> None:
        self._n = tuple(max(1, round(size / _CELL)) for size in shape)
        self._y, self._x = np.divmod(place, shape[1])
        (n_y, n_x), (rows, columns) = self._n, shape
        self._cell = (self._y * n_y // rows) * n_x + self._x * n_x // columns
        self._base = [_splines(size, n) for size, n in zip(shape, self._n, strict=True)]
        self._heights = np.zeros(self._n)
        counts = np.bincount(self._cell, minlength=n_y * n_x)
        self.suffice = bool(np.count_nonzero(counts >= _MIN_POINTS) >= _MIN_CELLS)
        """Whether there are enough cells to tell what stands out."""
        self.usual: NDArray[np.bool_] = np.ones(place.size, bool)
        """Which places are in no cell that stands out."""

    def fit(self, values: _Values, use: NDArray[np.bool_]) -> None:
        """Take the medians of some values at the places; with too few cells the surface is 0.

        Parameters
        ----------
        values
            At each place, ``(n,)``.
        use
            Which places count.
        """
        from scipy import ndimage

        medians, known = _medians(values[use], self._cell[use], self._heights.size)
        self._heights = np.zeros(self._n)
        self.usual = np.ones(self._cell.size, bool)
        if not self.suffice or np.count_nonzero(known) < _MIN_CELLS:
            return
        middle = np.median(medians[known])
        scatter = _MAD_TO_SIGMA * np.median(np.abs(medians[known] - middle))
        outlying = known & (np.abs(medians - middle) > _OUTLYING * scatter)
        self.usual = ~outlying[self._cell]
        usual = (known & ~outlying).reshape(self._n)
        next_y, next_x = ndimage.distance_transform_edt(~usual, return_distances=False, return_indices=True)
        self._heights = medians.reshape(self._n)[next_y, next_x]

    def at_places(self) -> _Values:
        """Return the surface at the places, ``(n,)``."""
        along_y, along_x = self._base
        rows = along_y @ self._heights
        result: _Values = np.einsum("ij,ij->i", rows[self._y], along_x[self._x])
        return result

    def image(self) -> NDArray[np.float32]:
        """Return the surface, ``(n_y, n_x)``."""
        along_y, along_x = (base.astype(np.float32) for base in self._base)
        result: NDArray[np.float32] = along_y @ self._heights.astype(np.float32) @ along_x.T
        return result


def _splines(size: int, n: int) -> _Values:
    """Return what each of some cells contributes to each pixel of a side, ``(size, n)``."""
    from scipy.interpolate import CubicSpline

    if n < 2:
        return np.ones((size, 1))
    centres = (np.arange(n) + 0.5) * size / n - 0.5
    base: _Values = CubicSpline(centres, np.eye(n), bc_type="natural")(np.arange(size))
    return base


def _medians(values: _Values, group: NDArray[np.intp], n: int) -> tuple[_Values, NDArray[np.bool_]]:
    """Return the median of each of n groups of values, and whether it has enough of them."""
    order = np.lexsort((values, group))
    counts = np.bincount(group, minlength=n)
    first = np.cumsum(counts) - counts
    known = counts >= _MIN_POINTS
    medians = np.zeros(n)
    at = first[known] + counts[known] // 2
    medians[known] = values[order[at]]
    return medians, known
