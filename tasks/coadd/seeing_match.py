"""Seeing match: what PSF, place and scale of a warp make of a template, to second order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .difference_sky import SkyCells

__all__ = ["SeeingMatch", "TemplateModel"]

_Plane = NDArray[np.float32]

_MAX_POINTS: Final = 200_000
_PASSES: Final = 5
_CLIP: Final = 3.0
_MAD_TO_SIGMA: Final = 1.4826
_PRIOR_SCATTER: Final = 0.05
"""Scatter as a fraction of the brightness, before it is measured."""
_REACH: Final = 5.0
"""How far from a source a wrong PSF shows, in units of the PSF's sigma."""
_BRIGHT: Final = 20.0
"""Signal over noise of places whose scatter is at least that of the median one, relative to brightness."""
_STANDING: Final = 5.0
"""Signal over noise of places whose brightness counts as a source's."""
_MIN_IN_BIN: Final = 100
_SKY_DEGREE: Final = 3
"""Total degree of the polynomial of the sky over the image."""

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


class SeeingMatch(NamedTuple):
    """What a template says of one warp; planes ``(n_y, n_x)``."""

    model: _Plane
    """Expected difference of warp and template."""

    scatter: _Plane
    """How far the warp may be from that, as measured at all places that are as bright."""

    noise_factor: float
    """By what the noise at faint places exceeds the variances of warp and template; at least 1."""


class TemplateModel:
    """A template and its derivatives, from which the differences of warps are predicted.

    A narrow convolution, a shift, a scale and a background change an image by a sum of the image, its first
    and second derivatives and a smooth surface; the coefficients are fitted to each warp, without outliers.
    What no such sum can describe depends on the brightness of a place and on that of its surroundings; it is
    measured on the warp at all places that are as bright, by medians, so that an artifact changes little.

    Parameters
    ----------
    image, variance
        The template, ``(n_y, n_x)``; NaN where it has no data.
    sigma
        Size of its PSF, pixels.
    shown
        What tells how bright a place is, if not the template, ``(n_y, n_x)``.
    """

    def __init__(self, image: _Plane, variance: _Plane, sigma: float, *, shown: _Plane | None = None) -> None:
        from scipy import ndimage

        self.known: NDArray[np.bool_] = np.isfinite(image) & np.isfinite(variance)
        """Where the template has data."""
        self._sky: np.float32 = np.float32(np.median(image[self.known]) if self.known.any() else 0)
        self.image: _Plane = np.where(self.known, image, self._sky)
        """The template, with its median where it has no data."""
        self.variance: _Plane = np.where(self.known, variance, np.float32(0))
        """Its variance, likewise 0."""
        seen, level = self.image, self._sky
        if shown is not None:
            seen = np.where(np.isfinite(shown), shown, self.image)
            level = np.median(seen)
        self.brightness: _Plane = ndimage.maximum_filter(np.abs(seen - level), 3)
        """Largest distance from the sky level of a pixel and its neighbours."""
        size = 2 * round(_REACH * sigma) + 1
        self.surroundings: _Plane = ndimage.maximum_filter(self.brightness, size)
        """Largest brightness as far as a wrong PSF shows."""
        detail = seen - ndimage.gaussian_filter(seen, sigma)
        detail = np.maximum(ndimage.maximum_filter(detail, 3), 0)
        self.sharpness: _Plane = np.divide(
            detail, self.brightness, out=np.zeros_like(detail), where=self.brightness > 0
        )
        """Part of the brightness that a broader PSF would take, whatever the brightness: large on peaks."""
        self._standing: _Plane = np.where(
            self.brightness > _STANDING * np.sqrt(self.variance), self.brightness, 0
        )

    def match(
        self,
        image: _Plane,
        variance: _Plane,
        good: NDArray[np.bool_],
        saturated: NDArray[np.bool_] | None = None,
    ) -> SeeingMatch:
        """Fit the coefficients of a warp.

        Parameters
        ----------
        image, variance
            The warp, ``(n_y, n_x)``.
        good
            Its pixels that count; others may be NaN.
        saturated
            Pixels that saturated ones of the warp or of the template went into, as far as a matching kernel
            reaches. A convolution of what was cut off is no image of the sky: the scatter there is their own,
            as a fraction of the brightness. Saturated artifacts on a faint sky so remain outliers.
        """
        place = np.flatnonzero(good & self.known)
        place = place[:: max(1, place.size // _MAX_POINTS)]
        sky = SkyCells(self.image.shape, place)
        degree = 0 if sky.suffice else _SKY_DEGREE
        columns = self._columns(place, degree)
        if place.size <= columns.shape[1]:
            return SeeingMatch(np.zeros_like(self.image), np.zeros_like(self.image), 1.0)
        difference = (image.ravel()[place] - self.image.ravel()[place]).astype(np.float64)
        brightness, around, sharpness, standing = (
            plane.ravel()[place]
            for plane in (self.brightness, self.surroundings, self.sharpness, self._standing)
        )
        noise = (variance.ravel()[place] + self.variance.ravel()[place]).astype(np.float64)
        bins, bins_around = _bins(brightness), _bins(around)
        faint = bins[0]
        is_faint = np.zeros(place.size, bool)
        is_faint[faint] = True
        error = noise + (_PRIOR_SCATTER * brightness) ** 2
        smooth = np.zeros(place.size)
        believed = np.ones(place.size)
        for _ in range(_PASSES):
            found = _weighted_fit(columns, difference - smooth, believed / error)
            left = difference - columns @ found
            sky.fit(left, is_faint)
            smooth = sky.at_places()
            left -= smooth
            calm, calm_around = (_among(sky.usual, each) for each in (bins, bins_around))
            factor = max(1.0, _width(left[calm[0]] / np.sqrt(noise[calm[0]])) ** 2)
            excess = _Curve(brightness, calm, [_excess(left[own], factor * noise[own]) for own in calm])
            share = _shares(left, brightness, sharpness, factor * noise)
            base = factor * noise + np.maximum(excess(brightness), share(sharpness) * standing) ** 2
            pull = left / np.sqrt(base)
            stretch = _Curve(around, calm_around, [max(1.0, _width(pull[own])) for own in calm_around])
            error = base * stretch(around) ** 2
            believed = 1.0 / (1.0 + left**2 / error)
        known = np.where(self.known & np.isfinite(variance), variance, np.float32(0)) + self.variance
        own = np.square(np.maximum(excess(self.brightness), share(self.sharpness) * self._standing))
        scatter = own + (np.square(stretch(self.surroundings)) - 1) * (np.float32(factor) * known + own)
        explained = self._model(found, degree) + sky.image()
        if saturated is not None:
            cut = saturated & self.known & np.isfinite(image) & np.isfinite(variance)
            noise = (variance[cut] + self.variance[cut]).astype(np.float64)
            left = (image - self.image - explained)[cut].astype(np.float64)
            level = _median_share(left, self.brightness[cut], noise)
            scatter[cut] = np.maximum(scatter[cut], np.square(np.float32(level) * self.brightness[cut]))
        return SeeingMatch(explained, np.sqrt(scatter), factor)

    def _columns(self, place: NDArray[np.intp], degree: int) -> NDArray[np.float64]:
        """Return what the difference is a sum of, at some pixels, ``(n, n_terms)``."""
        y, x = np.divmod(place, self.image.shape[1])
        around = np.empty((place.size, 9))
        padded = np.pad(self.image - self._sky, 1, mode="edge")
        for k, (dy, dx) in enumerate(np.ndindex(3, 3)):
            around[:, k] = padded[y + dy, x + dx]
        y, x = (2 * v / max(1, n - 1) - 1 for v, n in zip((y, x), self.image.shape, strict=True))
        sky = _sky_terms(y, x, degree)
        return np.concatenate(
            [around @ _STENCILS.reshape(len(_STENCILS), 9).T, np.stack(sky, axis=1)], axis=1
        )

    def _model(self, coefficients: NDArray[np.float64], degree: int) -> _Plane:
        """Return the sum itself."""
        from scipy import ndimage

        stencil = np.tensordot(coefficients[: len(_STENCILS)], _STENCILS, axes=1)
        model: _Plane = ndimage.correlate(self.image - self._sky, stencil.astype(np.float32), mode="nearest")
        n_y, n_x = self.image.shape
        y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in (n_y, n_x))
        sky = _sky_terms(y[:, np.newaxis], x, degree)
        for coefficient, term in zip(coefficients[len(_STENCILS) :], sky, strict=True):
            model += np.float32(coefficient) * term
        return model


class _Curve:
    """A measure as a function of brightness that never falls.

    Parameters
    ----------
    brightness
        Of each pixel, ``(n,)``.
    bins
        Pixels of each bin, by their numbers.
    values
        What was measured in each.
    """

    def __init__(self, brightness: _Plane, bins: Sequence[NDArray[np.intp]], values: Sequence[float]) -> None:
        self._places = np.array([np.median(brightness[own]) for own in bins])
        self._values = np.maximum.accumulate(values)

    def __call__(self, brightness: _Plane) -> _Plane:
        """Return the measure at some brightness."""
        return np.interp(brightness, self._places, self._values).astype(np.float32)


def _bins(brightness: _Plane) -> list[NDArray[np.intp]]:
    """Return numbers of pixels: the fainter half, of the rest the fainter half, and so on."""
    rest = np.argsort(brightness, kind="stable")
    bins = []
    while rest.size >= 2 * _MIN_IN_BIN:
        half = (rest.size + 1) // 2
        bins.append(rest[:half])
        rest = rest[half:]
    return [*bins, rest]


def _among(chosen: NDArray[np.bool_], bins: Sequence[NDArray[np.intp]]) -> list[NDArray[np.intp]]:
    """Return the chosen pixels of each bin; all of a bin that would have too few."""
    found = []
    for own in bins:
        few = own[chosen[own]]
        found.append(few if few.size >= _MIN_IN_BIN else own)
    return found


def _width(values: NDArray[np.float64]) -> float:
    """Return the standard deviation of a normal distribution about 0 with the same median distance from 0."""
    return _MAD_TO_SIGMA * float(np.median(np.abs(values)))


def _excess(left: NDArray[np.float64], noise: NDArray[np.float64]) -> float:
    """Return the scatter that values have beyond their noise."""
    return math.sqrt(max(0.0, _width(left) ** 2 - float(np.median(noise))))


def _shares(
    left: NDArray[np.float64], brightness: _Plane, sharpness: _Plane, noise: NDArray[np.float64]
) -> _Curve:
    """Return the scatter of bright pixels as a fraction of their brightness, as a function of sharpness.

    What a wrong PSF leaves is a linear function of the image, so that its part of the brightness depends on
    the shape of the image alone: it is the same on the peaks of all stars.
    """
    bright = np.flatnonzero(brightness > _BRIGHT * np.sqrt(noise))
    if bright.size < _MIN_IN_BIN:
        return _Curve(np.zeros(1, np.float32), [np.zeros(1, np.intp)], [0.0])
    shape, part = sharpness[bright], left[bright] / brightness[bright]
    part_noise = noise[bright] / brightness[bright] ** 2
    bins = _bins(shape)
    return _Curve(shape, bins, [_excess(part[own], part_noise[own]) for own in bins])


def _median_share(left: NDArray[np.float64], brightness: _Plane, noise: NDArray[np.float64]) -> float:
    """Return the scatter of bright pixels as a fraction of their brightness; 0 if they are few."""
    bright = brightness > _BRIGHT * np.sqrt(noise)
    return _width(left[bright] / brightness[bright]) if np.count_nonzero(bright) >= _MIN_IN_BIN else 0.0


def _weighted_fit(
    columns: NDArray[np.float64], values: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the coefficients of the columns whose sum is nearest to some values, from normal equations."""
    weighted = columns.T * weight
    normal = weighted @ columns
    size = np.sqrt(np.diagonal(normal))
    size[size == 0] = 1
    scaled, *_rest = np.linalg.lstsq(normal / np.outer(size, size), weighted @ values / size, rcond=None)
    result: NDArray[np.float64] = scaled / size
    return result


def _sky_terms(y: NDArray[Any], x: NDArray[Any], degree: int) -> list[NDArray[Any]]:
    """Return the monomials of the sky's polynomial at some places, from -1 to 1."""
    return [y**j * x**i for j in range(degree + 1) for i in range(degree + 1 - j)]
