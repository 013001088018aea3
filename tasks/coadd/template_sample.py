"""Template sample: a template at some of its pixels, to which warps are fitted there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels import Expectation, knot_places, look_up, slice_medians
from .difference_sky import SkyCells, SkySurface
from .template_features import TemplateFeatures

__all__ = ["SeeingFit", "TemplateSample", "median_share"]

_Plane = NDArray[np.float32]
_Values = NDArray[np.float64]
_Flags = NDArray[np.bool_]

_MAX_PASSES: Final = 5
_SETTLED: Final = 0.03
"""Change from pass to pass, in units of the error, of a fit that is as good as it gets."""
_MAX_IN_BIN: Final = 1 << 14
"""Numbers of a bin whose medians are known to a part in 100; more of them would tell nothing."""
_MAD_TO_SIGMA: Final = 1.4826
_PRIOR_SCATTER: Final = 0.05
"""Scatter as a fraction of the brightness, before it is measured."""
_BRIGHT: Final = 20.0
"""Signal over noise of places whose scatter is at least that of the median one, relative to brightness."""
_MIN_IN_BIN: Final = 100
_AT_ONCE: Final = 8192
"""Places that stay in the cache while they are summed up."""
_SKY_DEGREE: Final = 3
"""Total degree of the polynomial of the sky over the image, where there are too few cells."""

_STENCILS: Final = np.array(
    [
        [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
        [[0, 0, 0], [-0.5, 0, 0.5], [0, 0, 0]],
        [[0, -0.5, 0], [0, 0, 0], [0, 0.5, 0]],
        [[0, 0, 0], [1, -2, 1], [0, 0, 0]],
        [[0.25, 0, -0.25], [0, 0, 0], [-0.25, 0, 0.25]],
        [[0, 1, 0], [0, -2, 0], [0, 1, 0]],
    ]
)
"""Of an image, its derivatives along x and y, and its second derivatives xx, xy and yy, ``(6, 3, 3)``."""


class SeeingFit(NamedTuple):
    """What a fit says of one warp."""

    expectation: Expectation
    """What differs with the brightness and the shape of the template."""

    sky: SkySurface
    """The sky, cell by cell."""

    polynomial: _Values
    """Coefficients of a smooth sky on top, the constant first."""

    broader: _Values
    """Coefficients of the template, smoothed by some Gaussians."""

    shape: tuple[int, int]
    """Of the image, ``(n_y, n_x)``."""

    def surface(self, begin: int, end: int, smoothed: Sequence[_Plane]) -> _Plane:
        """Return the sky on some rows, with what the smoothed template adds, ``(end - begin, n_x)``.

        Parameters
        ----------
        begin, end
            The rows.
        smoothed
            The template, smoothed by each of the Gaussians, on these rows.
        """
        surface = self.sky.rows(begin, end)
        for coefficient, plane in zip(self.broader, smoothed, strict=True):
            surface += np.float32(coefficient) * plane
        if len(self.polynomial) == 1:
            surface += np.float32(self.polynomial[0])
            return surface
        n_y, n_x = self.shape
        y, x = _scaled(np.arange(begin, end), n_y).astype(np.float32), _scaled(np.arange(n_x), n_x)
        terms = _sky_terms(y[:, np.newaxis], x.astype(np.float32), _degree(len(self.polynomial)))
        for coefficient, term in zip(self.polynomial, terms, strict=True):
            surface += np.float32(coefficient) * term
        return surface


class Knots(NamedTuple):
    """Where measures of the scatter are told, increasing; between them they are interpolated."""

    brightness: _Plane
    surroundings: _Plane
    sharpness: _Plane


class _Places(NamedTuple):
    """Where the measures of some pixels lie among the knots, as from `knot_places`."""

    brightness: NDArray[np.uint16]
    surroundings: NDArray[np.uint16]
    sharpness: NDArray[np.uint16]


class TemplateSample:
    """A template at some pixels; what does not depend on the warp is prepared once for all of them.

    Parameters
    ----------
    shape
        Of the template, ``(n_y, n_x)``.
    place
        Numbers of the pixels, increasing, ``(n,)``.
    around
        The template without its sky level at the 3 by 3 pixels around each, ``(n, 3, 3)``.
    smoothed
        The same, smoothed by some Gaussians, ``(n_gaussians, n)``.
    image, variance
        The template there, ``(n,)``.
    features
        What it shows there, ``(n,)`` each.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        place: NDArray[np.intp],
        around: _Plane,
        smoothed: _Plane,
        image: _Plane,
        variance: _Plane,
        features: TemplateFeatures,
    ) -> None:
        self.place = place
        self._shape = shape
        self._image, self._variance = image.astype(np.float64), variance.astype(np.float64)
        self._features = features
        self._by_brightness = np.argsort(features.brightness, kind="stable")
        self._by_surroundings = np.argsort(features.surroundings, kind="stable")
        bright = np.flatnonzero(features.brightness > _BRIGHT * np.sqrt(variance))
        self._by_sharpness = bright[np.argsort(features.sharpness[bright], kind="stable")]
        self.knots = Knots(
            _knots(features.brightness, self._by_brightness),
            _knots(features.surroundings, self._by_surroundings),
            _knots(features.sharpness, self._by_sharpness),
        )
        self._places = _Places(
            knot_places(features.brightness, self.knots.brightness),
            knot_places(features.surroundings, self.knots.surroundings),
            knot_places(features.sharpness, self.knots.sharpness),
        )
        self.cells: SkyCells = SkyCells(shape, place)
        """Cells of the sky, with these pixels."""
        half = self._by_brightness[: _halves(place.size)[1]]
        self.faint: float = float(features.brightness[half[-1]]) if half.size else 0.0
        """Brightness that half of the pixels do not exceed."""
        stencils = _STENCILS.reshape(len(_STENCILS), 9) @ around.reshape(len(place), 9).T.astype(np.float64)
        self._shapes = np.concatenate([stencils, smoothed, np.ones((1, len(place)))])

    def _columns(self, degree: int) -> _Values:
        """Return what the difference is a sum of: shapes of the template, and a polynomial."""
        if degree == 0:
            return self._shapes
        y, x = np.divmod(self.place, self._shape[1])
        terms = _sky_terms(_scaled(y, self._shape[0]), _scaled(x, self._shape[1]), degree)
        return np.concatenate([self._shapes[:-1], np.stack(terms)])

    def fit(self, image: _Plane, variance: _Plane, good: _Flags) -> SeeingFit:
        """Fit a warp.

        Parameters
        ----------
        image, variance
            The warp at the places, ``(n,)``.
        good
            Which of them count; others may be NaN.
        """
        use = good & np.isfinite(image) & np.isfinite(variance)
        columns = self._columns(0 if self.cells.suffice(use) else _SKY_DEGREE)
        if np.count_nonzero(use) <= len(columns):
            return self._nothing()
        difference = np.where(use, image - self._image, 0.0)
        noise = np.where(use, variance + self._variance, 1.0)
        measured = _Scatter(self._features, self._places, noise)
        by_brightness, by_surroundings, bright = (
            order[use[order]] for order in (self._by_brightness, self._by_surroundings, self._by_sharpness)
        )
        ranks = _Ranking.halves(by_brightness), _Ranking.halves(by_surroundings)
        faint = np.zeros(use.size, bool)
        faint[by_brightness[: _halves(by_brightness.size)[1]]] = True
        error = noise + (_PRIOR_SCATTER * self._features.brightness) ** 2
        sky, believed = self.cells.flat(), np.ones(use.size)
        surface, before = np.zeros(use.size), np.full(use.size, np.inf)
        for _ in range(_MAX_PASSES):
            found = _weighted_fit(columns, difference - surface, np.where(use, believed / error, 0.0))
            left = difference - found @ columns
            sky, usual = self.cells.fit(left, faint)
            surface = self.cells.at_places(sky).astype(np.float64)
            left -= surface
            error = measured.error(left, self.knots, [rank.among(usual) for rank in ranks], bright)
            if np.mean(use * np.minimum(np.square(left - before) / error, 1.0)) < _SETTLED**2:
                break
            believed, before = 1.0 / (1.0 + left**2 / error), left
        stencil = np.tensordot(found[: len(_STENCILS)], _STENCILS, axes=1).astype(np.float32)
        expectation = Expectation(stencil, measured.factor, *measured.tables)
        n_shapes = len(self._shapes) - 1
        broader, polynomial = found[len(_STENCILS) : n_shapes], found[n_shapes:]
        return SeeingFit(expectation, sky, polynomial, broader, self._shape)

    def _nothing(self) -> SeeingFit:
        """Return the fit of a warp of which too few pixels are known."""
        flat = [np.zeros(len(own), np.float32) for own in self.knots]
        expectation = Expectation(
            np.zeros((3, 3), np.float32), 1.0, flat[0], flat[2], flat[1] + np.float32(1)
        )
        broader = np.zeros(len(self._shapes) - 1 - len(_STENCILS))
        return SeeingFit(expectation, self.cells.flat(), np.zeros(1), broader, self._shape)


class _Scatter:
    """How far a warp is from its fit, as a function of what the template shows.

    Parameters
    ----------
    features, places
        What the template shows at each place, and where that lies among the knots.
    noise
        Sum of the variances of warp and template, ``(n,)``.
    """

    def __init__(self, features: TemplateFeatures, places: _Places, noise: _Values) -> None:
        self._features, self._places, self._noise = features, places, noise
        self.factor = 1.0
        """By what the noise at faint places exceeds the variances; at least 1."""
        self.tables: tuple[_Plane, _Plane, _Plane]
        """Excess by brightness, share by sharpness, stretch by surroundings; one value for each knot."""

    def error(
        self,
        left: _Values,
        knots: Knots,
        ranks: Sequence[_Ranking],
        bright: NDArray[np.intp],
    ) -> _Values:
        """Measure the scatter, and return the square of the error that follows at each place.

        Parameters
        ----------
        left
            What the fit leaves, ``(n,)``.
        knots
            Where the scatter is to be told.
        ranks
            Places that count, by brightness and by surroundings.
        bright
            Numbers of bright places by sharpness.
        """
        by_brightness, by_surroundings = ranks
        features, places = self._features, self._places
        calm = by_brightness.faintest
        self.factor = max(1.0, _width(left[calm] / np.sqrt(self._noise[calm])) ** 2)
        noise = self.factor * self._noise
        excess = by_brightness.table(
            features.brightness,
            _excess(by_brightness.widths(left), by_brightness.medians(noise)),
            knots.brightness,
        )
        share = self._share(left, noise, bright, knots.sharpness)
        own = look_up(share, places.sharpness) * features.standing
        scatter = np.maximum(look_up(excess, places.brightness), own).astype(np.float64)
        base = noise + np.square(scatter)
        pull = by_surroundings.widths(left / np.sqrt(base))
        stretch = by_surroundings.table(features.surroundings, np.maximum(pull, 1.0), knots.surroundings)
        self.tables = excess, share, stretch
        grown = look_up(stretch, places.surroundings).astype(np.float64)
        result: _Values = base * np.square(grown)
        return result

    def _share(self, left: _Values, noise: _Values, bright: NDArray[np.intp], knots: _Plane) -> _Plane:
        """Return the scatter of bright pixels as a fraction of their brightness, by sharpness.

        What a wrong PSF leaves is a linear function of the image, so that its part of the brightness depends
        on the shape of the image alone: it is the same on the peaks of all stars.
        """
        features = self._features
        bright = bright[features.brightness[bright] > _BRIGHT * np.sqrt(noise[bright])]
        if bright.size < _MIN_IN_BIN:
            return np.zeros_like(knots)
        rank, brightness = (
            _Ranking.halves(np.arange(bright.size)),
            features.brightness[bright].astype(np.float64),
        )
        excess = _excess(
            rank.widths(left[bright] / brightness), rank.medians(noise[bright] / np.square(brightness))
        )
        return rank.table(features.sharpness[bright], excess, knots)


class _Ranking:
    """Numbers of places by a measure, in bins: the fainter half, of the rest the fainter half, and so on."""

    def __init__(self, order: NDArray[np.intp], bounds: NDArray[np.intp]) -> None:
        self._order, self._bounds = order, bounds

    @classmethod
    def halves(cls, order: NDArray[np.intp]) -> _Ranking:
        """Cut numbers in order into bins, and take no more of a bin than its medians need."""
        bounds = _halves(order.size)
        bins = [order[begin:end] for begin, end in itertools.pairwise(bounds)]
        bins = [own[:: -(-own.size // _MAX_IN_BIN)] if own.size else own for own in bins]
        return cls(np.concatenate(bins), np.cumsum([0, *(own.size for own in bins)]))

    @property
    def faintest(self) -> NDArray[np.intp]:
        """The numbers of the first bin."""
        return self._order[: self._bounds[1]]

    def among(self, chosen: _Flags) -> _Ranking:
        """Return the chosen numbers of each bin; all of a bin that would have too few."""
        keep = chosen[self._order]
        if keep.all():
            return self
        counts = np.add.reduceat(keep, self._bounds[:-1], dtype=np.intp)
        for i in np.flatnonzero(counts < _MIN_IN_BIN):
            keep[self._bounds[i] : self._bounds[i + 1]] = True
            counts[i] = self._bounds[i + 1] - self._bounds[i]
        return _Ranking(self._order[keep], np.append(0, np.cumsum(counts)))

    def medians(self, values: _Values) -> _Values:
        """Return the median of some values in each bin."""
        return slice_medians(values[self._order], self._bounds)

    def widths(self, values: _Values) -> _Values:
        """Return the standard deviation about 0 of normal values with the same median distance from 0."""
        return _MAD_TO_SIGMA * slice_medians(np.abs(values[self._order]), self._bounds)

    def table(self, measure: _Plane, values: _Values, knots: _Plane) -> _Plane:
        """Return values of the bins, made never to fall with the measure, at some knots of it."""
        middles = (self._bounds[:-1] + self._bounds[1:]) // 2
        return np.interp(knots, measure[self._order[middles]], np.maximum.accumulate(values)).astype(
            np.float32
        )


def median_share(left: _Values, brightness: _Plane, noise: _Values) -> float:
    """Return the scatter of bright pixels as a fraction of their brightness; 0 if they are few.

    Parameters
    ----------
    left
        What a fit leaves, ``(n,)``.
    brightness
        How bright each pixel is.
    noise
        Square of its noise.
    """
    bright = brightness > _BRIGHT * np.sqrt(noise)
    return _width(left[bright] / brightness[bright]) if np.count_nonzero(bright) >= _MIN_IN_BIN else 0.0


def _halves(n: int) -> NDArray[np.intp]:
    """Return the bounds of the bins of n numbers."""
    bounds = [0]
    while n - bounds[-1] >= 2 * _MIN_IN_BIN:
        bounds.append(bounds[-1] + (n - bounds[-1] + 1) // 2)
    return np.array([*bounds, n])


def _knots(values: _Plane, order: NDArray[np.intp]) -> _Plane:
    """Return the middle value of each bin."""
    if not order.size:
        return np.zeros(1, np.float32)
    bounds = _halves(order.size)
    return np.unique(values[order[(bounds[:-1] + bounds[1:]) // 2]])


def _width(values: _Values) -> float:
    return _MAD_TO_SIGMA * float(slice_medians(np.abs(values), np.array([0, values.size]))[0])


def _excess(widths: _Values, noise: _Values) -> _Values:
    """Return the scatter that values have beyond their noise."""
    return np.sqrt(np.maximum(widths**2 - noise, 0.0))


def _weighted_fit(columns: _Values, values: _Values, weight: _Values) -> _Values:
    """Return coefficients of columns ``(n_columns, n)`` whose sum is nearest to some values."""
    normal, products = np.zeros((len(columns), len(columns))), np.zeros(len(columns))
    for begin in range(0, values.size, _AT_ONCE):
        own = columns[:, begin : begin + _AT_ONCE]
        weighted = own * weight[begin : begin + _AT_ONCE]
        normal += weighted @ own.T
        products += weighted @ values[begin : begin + _AT_ONCE]
    size = np.sqrt(np.diagonal(normal))
    size[size == 0] = 1
    scaled, *_rest = np.linalg.lstsq(normal / np.outer(size, size), products / size, rcond=None)
    result: _Values = scaled / size
    return result


def _scaled(pixels: NDArray[np.intp], n: int) -> _Values:
    """Return places along a side of n pixels, from -1 to 1."""
    return 2.0 * pixels / max(1, n - 1) - 1.0


def _sky_terms(y: Any, x: Any, degree: int) -> list[Any]:
    """Return the monomials of the sky's polynomial at some places, by degree."""
    return [y**j * x ** (total - j) for total in range(degree + 1) for j in range(total + 1)]


def _degree(n_terms: int) -> int:
    """Return the degree of a polynomial of some number of terms."""
    return (math.isqrt(8 * n_terms + 1) - 3) // 2
