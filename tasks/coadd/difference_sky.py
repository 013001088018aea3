"""Difference sky: the background of a difference image, cell by cell, without what stands out of it."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels import SplineTaps, slice_medians, spline_at, spline_rows

__all__ = ["SkyCells", "SkySurface"]

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


class SkySurface(NamedTuple):
    """A smooth surface over an image."""

    coefficients: NDArray[np.float32]
    """Of each product of splines of the two sides."""

    taps: tuple[SplineTaps, SplineTaps]
    """Splines of the rows and of the columns."""

    def rows(self, begin: int, end: int) -> NDArray[np.float32]:
        """Return the surface on some rows, ``(end - begin, n_x)``."""
        across, along = self.taps
        own = SplineTaps(across.first[begin:end], across.weight[:, begin:end])
        return spline_rows(self.coefficients, own, along)


class SkyCells:
    """Cells of an image, through the medians of which smooth surfaces are laid.

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
        self._n = n_y, n_x = [max(1, round(size / _CELL)) for size in shape]
        self._y, self._x = np.divmod(place, shape[1])
        self.bounds: list[NDArray[np.int64]] = [
            -(-np.arange(n + 1) * size // n) for size, n in zip(shape, self._n, strict=True)
        ]
        """Rows and columns at which cells begin, and where the last ones end."""
        self._cell = (self._y * n_y // shape[0]) * n_x + self._x * n_x // shape[1]
        self._order = np.argsort(self._cell, kind="stable")
        splines = [_splines(size, n) for size, n in zip(shape, self._n, strict=True)]
        self._solutions = [solution for solution, _ in splines]
        self._taps = splines[0][1], splines[1][1]

    def suffice(self, use: NDArray[np.bool_]) -> bool:
        """Tell whether there are enough cells, with some of the places, to say what stands out."""
        counts = np.bincount(self._cell[use], minlength=self._n[0] * self._n[1])
        return bool(np.count_nonzero(counts >= _MIN_POINTS) >= _MIN_CELLS)

    def fit(self, values: _Values, use: NDArray[np.bool_]) -> tuple[SkySurface, NDArray[np.bool_]]:
        """Lay a surface through the medians of some values; with too few cells it is 0.

        Parameters
        ----------
        values
            At each place, ``(n,)``.
        use
            Which places count.

        Returns
        -------
        surface
            The surface.
        usual
            Which places are in no cell that stands out, ``(n,)``.
        """
        chosen = self._order[use[self._order]]
        counts = np.bincount(self._cell[chosen], minlength=self._n[0] * self._n[1])
        medians = slice_medians(values[chosen], np.append(0, np.cumsum(counts)))
        surface, outlying = self.surface(medians.reshape(self._n), counts.reshape(self._n))
        return surface, ~outlying.ravel()[self._cell]

    def surface(self, medians: _Values, counts: NDArray[np.integer]) -> tuple[SkySurface, NDArray[np.bool_]]:
        """Lay a surface through the medians of the cells; with too few of them it is 0.

        Parameters
        ----------
        medians, counts
            Median of each cell, by row and column, and the number of pixels that it is of.

        Returns
        -------
        surface
            The surface.
        outlying
            Which cells stand out.
        """
        from scipy import ndimage

        known = counts >= _MIN_POINTS
        if np.count_nonzero(known) < _MIN_CELLS:
            return self.flat(), np.zeros(medians.shape, bool)
        middle = np.median(medians[known])
        scatter = _MAD_TO_SIGMA * np.median(np.abs(medians[known] - middle))
        outlying: NDArray[np.bool_] = known & (np.abs(medians - middle) > _OUTLYING * scatter)
        usual = known & ~outlying
        next_y, next_x = ndimage.distance_transform_edt(~usual, return_distances=False, return_indices=True)
        across, along = self._solutions
        heights = (across @ medians[next_y, next_x] @ along.T).astype(np.float32)
        return SkySurface(heights, self._taps), outlying

    def flat(self) -> SkySurface:
        """Return the surface that is 0 everywhere."""
        n_y, n_x = (len(solution) for solution in self._solutions)
        return SkySurface(np.zeros((n_y, n_x), np.float32), self._taps)

    def at_places(self, surface: SkySurface) -> NDArray[np.float32]:
        """Return a surface at the places, ``(n,)``."""
        return spline_at(surface.coefficients, *self._taps, self._y, self._x)


def _splines(size: int, n: int) -> tuple[_Values, SplineTaps]:
    """Return how splines along a side follow from the heights of its cells, and what each pixel has of them.

    The surface is a natural cubic spline through the middles of the cells. A side of one cell has four
    splines all the same, each a quarter of its height.
    """
    from scipy.interpolate import BSpline, make_interp_spline

    if n < 2:
        return np.ones((4, 1)), SplineTaps(np.zeros(size, np.int64), np.full((4, size), 0.25, np.float32))
    centres = (np.arange(n) + 0.5) * size / n - 0.5
    natural = make_interp_spline(centres, np.eye(n), k=3, bc_type="natural")
    taps = BSpline.design_matrix(np.arange(size, dtype=float), natural.t, 3, extrapolate=True)
    first = taps.indices.reshape(size, 4)[:, 0].astype(np.int64)
    weight = np.ascontiguousarray(taps.data.reshape(size, 4).T, np.float32)
    return natural.c, SplineTaps(first, weight)
