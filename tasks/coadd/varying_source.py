"""Varying sources: differences that are nothing but a source of the static sky, brighter or fainter."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from butler.images import Exposure, Image, InvalidPsfError, SpanSet

__all__ = ["StaticSources", "Variation"]

_SIGNIFICANT: Final = 5.0
"""Signal over noise of a peak that is a source, and of a pixel that a star's variation leaves unexplained."""


class Variation(NamedTuple):
    """How much brighter or fainter a visit shows a source of the static sky."""

    row: int
    column: int
    """Pixel of the source's peak in the array of the static sky."""

    height: float
    """Peak of the difference; negative if the visit is fainter."""


class StaticSources:
    """Peaks of the static sky, at which a visit may show a star brighter or fainter.

    A star that varies leaves a multiple of the PSF, centred on it, and nothing else: an artifact over a star
    has another shape, or another place.

    Parameters
    ----------
    staticSky
        The static sky.
    """

    def __init__(self, staticSky: Exposure) -> None:
        from scipy import ndimage

        self._image, self._variance = staticSky.image.array, staticSky.variance.array
        self._xy0 = staticSky.bbox.minimum
        known = np.isfinite(self._image) & (self._variance > 0)
        self._level = np.median(self._image[known]) if known.any() else np.float32(0)
        height = self._height(slice(None), slice(None))
        self._peaks: NDArray[np.bool_] = height == ndimage.maximum_filter(height, 3)
        self._peaks &= known & (height > _SIGNIFICANT * np.sqrt(np.where(known, self._variance, np.inf)))

    def shown_by_others(self, variation: Variation, n_visits: int) -> bool:
        """Tell whether a source is there without the visit that shows a variation.

        Parameters
        ----------
        variation
            The variation; the static sky may be the mean of all visits, with this one's share.
        n_visits
            Number of visits that see the place.
        """
        if n_visits < 2:
            return False
        place = variation.row, variation.column
        rest = float(self._height(*place)) - variation.height / (n_visits - 1)
        noise = math.sqrt(float(self._variance[place]) * n_visits / (n_visits - 1))
        return rest > _SIGNIFICANT * noise

    def outshine(self, spans: SpanSet, difference: Exposure) -> bool:
        """Tell whether the static sky has more than twice the light that a candidate differs by."""
        height = self._height(*spans.indices(self._xy0))
        differs = np.abs(difference.image.array[spans.indices(difference.bbox.minimum)])
        return bool(height.sum(dtype=np.float64) > 2 * np.nansum(differs, dtype=np.float64))

    def explain(self, spans: SpanSet, difference: Exposure) -> Variation | None:
        """Return the variation of a source of the static sky that a candidate is; None if it is none.

        The source is that next to the largest difference, and its own multiple of the PSF is fitted.

        Parameters
        ----------
        spans
            Pixels of the candidate.
        difference
            The difference in which it was found, with its PSF.
        """
        psf = difference.psf
        y, x = spans.indices(self._xy0)
        sources = np.flatnonzero(self._peaks[y, x])
        if psf is None or not sources.size:
            return None
        where = spans.indices(difference.bbox.minimum)
        values = difference.image.array[where].astype(np.float64)
        noise = np.sqrt(difference.variance.array[where].astype(np.float64))
        known = np.isfinite(values) & (noise > 0)
        if not known.any():
            return None
        values, noise = np.where(known, values, 0.0), np.where(known, noise, np.inf)
        highest = np.argmax(np.abs(values) / noise)
        nearest = sources[np.argmin(np.hypot(y[sources] - y[highest], x[sources] - x[highest]))]
        centre_x, centre_y = self._centre(y[nearest], x[nearest])
        try:
            star = psf.computeImage(x=centre_x + self._xy0.x, y=centre_y + self._xy0.y)
        except InvalidPsfError:
            return None
        shape = _values_at(star, y + self._xy0.y, x + self._xy0.x)
        weighted = shape / noise
        size = weighted @ weighted
        if size == 0:
            return None
        pull = values / noise
        flux = pull @ weighted / size
        if np.abs(pull - flux * weighted).max() > _SIGNIFICANT:
            return None
        return Variation(int(y[nearest]), int(x[nearest]), float(flux * star.array.max()))

    def _height(self, rows: Any, columns: Any) -> NDArray[np.float32]:
        """Return the height of pixels above the sky; 0 where nothing is known."""
        image, variance = self._image[rows, columns], self._variance[rows, columns]
        return np.where(np.isfinite(image) & (variance > 0), image - self._level, np.float32(0))

    def _centre(self, row: int, column: int) -> tuple[float, float]:
        """Return column and row of the top of the parabolas through a peak and its neighbours."""
        n_y, n_x = self._image.shape
        x, y = float(column), float(row)
        if 0 < column < n_x - 1:
            x += _top(*self._height(row, slice(column - 1, column + 2)))
        if 0 < row < n_y - 1:
            y += _top(*self._height(slice(row - 1, row + 2), column))
        return x, y


def _values_at(image: Image, y: NDArray[np.intp], x: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the values of an image at some pixels, 0 outside it."""
    row, column = y - image.xy0.y, x - image.xy0.x
    n_y, n_x = image.array.shape
    inside = (row >= 0) & (row < n_y) & (column >= 0) & (column < n_x)
    values = np.zeros(row.size)
    values[inside] = image.array[row[inside], column[inside]]
    return values


def _top(before: float, middle: float, after: float) -> float:
    """Return where the parabola through three equidistant values has its extremum, from the middle one."""
    curvature = 2.0 * middle - before - after
    return 0.5 * (after - before) / curvature if curvature > 0 else 0.0
