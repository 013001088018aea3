"""Seeing match: what PSF, place and scale of a warp make of a template, to second order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels import (
    TemplateRows,
    cell_medians,
    expected_rows,
    knot_places,
    smooth_plane,
    template_lattice,
)
from .template_features import TemplateFeatures, features_of, reach_of_features
from .template_sample import SeeingFit, TemplateSample, median_share

__all__ = ["SeeingMatch", "TemplateModel"]

_Plane = NDArray[np.float32]

_MAX_POINTS: Final = 200_000
"""Pixels that a warp is fitted at; up to twice as many."""
_STRIP_ROWS: Final = 256
_SKY_STEP: Final = 2
"""Distance of the pixels that the sky is measured at; of those, the fainter half."""
_GAUSSIAN_REACH: Final = 3.0
"""How far Gaussians reach, in units of their own sigma."""
_LEAST_WEIGHT: Final = np.float32(0.1)
"""Share of what a Gaussian covers that is known, below which the rest is not made up for."""
_MEDIAN_ERROR: Final = math.pi / 2
"""Square of the error of a median over that of the mean of as many values."""


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
        The template, ``(n_y, n_x)``; NaN where it has no data. They are kept, not copied.
    sigma
        Size of its PSF, pixels.
    shown
        What tells how bright a place is, if not the template, ``(n_y, n_x)``.
    broader
        Widths of Gaussians, in units of sigma; the template smoothed by each is one more part of the sum
        (Alard and Lupton 1998), for warps whose seeing differs by factors.
    """

    def __init__(
        self,
        image: _Plane,
        variance: _Plane,
        sigma: float,
        *,
        shown: _Plane | None = None,
        broader: Sequence[float] = (),
    ) -> None:
        self._image, self._variance, self._sigma, self._broader = image, variance, sigma, broader
        place = self._places()
        self.level: np.float32 = np.float32(np.median(image.ravel()[place]) if place.size else 0)
        """Median of the template, which stands for its sky level."""
        self._shown, self._shown_level = None, self.level
        if shown is not None:
            self._shown = np.where(np.isfinite(shown), shown, self.image(0, len(image)))
            self._shown_level = np.median(self._shown)
        across, along = (-(-n // _SKY_STEP) for n in image.shape)
        self._sky_smoothed = np.empty((len(broader), across, along), np.float32)
        brightness = np.empty((across, along), np.float32)
        self._sample = self._sample_at(place, brightness)
        self._faint = brightness <= self._sample.faint

    def _places(self) -> NDArray[np.intp]:
        """Return the numbers of the pixels of a sample, as many from one to the next."""
        strips = list(self._strips())
        counts = [int(np.count_nonzero(self.known(*strip))) for strip in strips]
        step = max(1, sum(counts) // _MAX_POINTS)
        places, before = [np.empty(0, np.intp)], 0
        for strip, count in zip(strips, counts, strict=True):
            own = np.flatnonzero(self.known(*strip))[-before % step :: step]
            places.append(own + strip[0] * self._image.shape[1])
            before += count
        return np.concatenate(places)

    def known(self, begin: int, end: int) -> NDArray[np.bool_]:
        """Return where the template has data on some rows, ``(end - begin, n_x)``."""
        known: NDArray[np.bool_] = np.isfinite(self._image[begin:end])
        known &= np.isfinite(self._variance[begin:end])
        return known

    def image(self, begin: int, end: int) -> _Plane:
        """Return some rows of the template, with its median where it has no data."""
        return np.where(self.known(begin, end), self._image[begin:end], self.level)

    def rows(self, begin: int, end: int) -> TemplateRows:
        """Return some rows of the template, and what they show."""
        features, knots = self._features(begin, end), self._sample.knots
        return TemplateRows(
            self._padded(begin, end),
            np.where(self.known(begin, end), self._variance[begin:end], np.float32(np.nan)),
            knot_places(features.brightness, knots.brightness),
            knot_places(features.surroundings, knots.surroundings),
            knot_places(features.sharpness, knots.sharpness),
            features.standing,
        )

    def smoothed(self, begin: int, end: int) -> list[_Plane]:
        """Return some rows without the sky level, smoothed by each of the Gaussians."""
        planes = []
        for width in self._broader:
            half = int(_GAUSSIAN_REACH * width * self._sigma + 0.5)
            first, last = max(begin - half, 0), min(end + half, len(self._image))
            margins = (half - (begin - first), half - (last - end)), (half, half)
            known = self.known(first, last)
            padded = np.pad(self.image(first, last) - self.level, margins, mode="edge")
            smooth = smooth_plane(padded, width * self._sigma, 2 * half + 1)
            if not known.all():
                # Of what is not known nothing is smoothed into the neighbours.
                weight = np.pad(known.astype(np.float32), margins, mode="edge")
                smooth /= np.maximum(smooth_plane(weight, width * self._sigma, 2 * half + 1), _LEAST_WEIGHT)
            planes.append(smooth[half : half + end - begin, half:-half])
        return planes

    def _padded(self, begin: int, end: int) -> _Plane:
        """Return some rows without the sky level, and one more pixel on each side."""
        first, last = max(begin - 1, 0), min(end + 1, len(self._image))
        margins = (1 - (begin - first), 1 - (last - end)), (1, 1)
        return np.pad(self.image(first, last) - self.level, margins, mode="edge")

    def fit(
        self,
        image: _Plane,
        variance: _Plane,
        good: Callable[..., NDArray[np.bool_]],
        *,
        scale: float = 1.0,
    ) -> SeeingFit:
        """Fit the coefficients of a warp; `with_skies` then tells the sky better.

        Parameters
        ----------
        image, variance
            The warp, ``(n_y, n_x)``; of either byte order.
        good
            Tells which pixels of some rows and columns count; others may be NaN.
        scale
            What brings the image to the scale of the template.
        """
        factor = np.float32(scale)
        y, x = np.divmod(self._sample.place, image.shape[1])
        values, variances = image[y, x] * factor, variance[y, x] * np.square(factor)
        return self._sample.fit(values.astype(np.float32), variances.astype(np.float32), good(y, x))

    def with_skies(
        self,
        fits: Sequence[SeeingFit],
        pixels: Callable[[int, slice, slice], tuple[_Plane, NDArray[np.bool_]]],
    ) -> list[SeeingFit]:
        """Return fits with the skies of many more pixels than were fitted: their error is alike over a cell.

        What the template shows in a row of cells serves all warps.

        Parameters
        ----------
        fits
            Fit of each warp; one with a polynomial for its sky has too few cells, and remains.
        pixels
            Returns the image of a warp, by its number, at some rows and columns, to the scale of the
            template, and which of these pixels count; others may be NaN.
        """
        cells = self._sample.cells
        chosen = [i for i, found in enumerate(fits) if len(found.polynomial) == 1]
        columns = -(-cells.bounds[1] // _SKY_STEP)
        shape = len(fits), len(cells.bounds[0]) - 1, len(columns) - 1
        medians, counts = np.zeros(shape), np.zeros(shape, np.int64)
        for row, (begin, end) in enumerate(itertools.pairwise(cells.bounds[0]) if chosen else ()):
            first = -(-begin // _SKY_STEP) * _SKY_STEP
            template = template_lattice(self._padded(first, end), _SKY_STEP)
            at = slice(first // _SKY_STEP, first // _SKY_STEP + template.shape[2])
            for i in chosen:
                image, use = pixels(i, slice(first, end, _SKY_STEP), slice(None, None, _SKY_STEP))
                own = image - self.level
                for coefficient, plane in zip(fits[i].broader, self._sky_smoothed, strict=True):
                    own -= np.float32(coefficient) * plane[at]
                use = use & self._faint[at] & np.isfinite(own)
                stencil = fits[i].expectation.stencil
                medians[i, row], counts[i, row] = cell_medians(own, use, template, stencil, columns)
        told = list(fits)
        for i in chosen:
            told[i] = self._with_sky(fits[i], medians[i], counts[i])
        return told

    def _with_sky(
        self, found: SeeingFit, medians: NDArray[np.float64], counts: NDArray[np.int64]
    ) -> SeeingFit:
        """Return a fit with the sky of some cells."""
        sky, _ = self._sample.cells.surface(medians - found.polynomial[0], counts)
        floor = _MEDIAN_ERROR / max(1.0, float(np.median(counts[counts > 0]))) if counts.any() else 0.0
        return found._replace(expectation=found.expectation._replace(floor=floor), sky=sky)

    def match(
        self,
        image: _Plane,
        variance: _Plane,
        good: NDArray[np.bool_],
        saturated: NDArray[np.bool_] | None = None,
    ) -> SeeingMatch:
        """Fit the coefficients of a warp, and tell what follows for each of its pixels.

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
        found = self.fit(image, variance, lambda y, x: good[y, x])
        (found,) = self.with_skies([found], lambda _, y, x: (image[y, x], good[y, x]))
        model, scatter = np.empty(image.shape, np.float32), np.empty(image.shape, np.float32)
        standing = np.zeros(image.shape, np.float32) if saturated is not None else None
        for (begin, end), (rows, smoothed) in zip(self._strips(), self._all_rows, strict=True):
            surface = found.surface(begin, end, smoothed)
            own = slice(begin, end)
            model[own], scatter[own] = expected_rows(rows, found.expectation, surface, variance[own])
            if standing is not None:
                standing[own] = rows.standing
        if saturated is not None and standing is not None:
            finite = np.isfinite(image) & np.isfinite(variance)
            cut = saturated & self.known(0, len(image)) & finite
            noise = (variance[cut] + self._variance[cut]).astype(np.float64)
            left = (image - self._image - model)[cut].astype(np.float64)
            level = median_share(left, standing[cut], noise)
            scatter[cut] = np.maximum(scatter[cut], np.square(np.float32(level) * standing[cut]))
        return SeeingMatch(model, np.sqrt(scatter), found.expectation.factor)

    @cached_property
    def _all_rows(self) -> list[tuple[TemplateRows, list[_Plane]]]:
        """All rows and what is smoothed, for those who ask for whole planes of several warps."""
        return [(self.rows(*strip), self.smoothed(*strip)) for strip in self._strips()]

    def _strips(self) -> Iterator[tuple[int, int]]:
        for begin in range(0, len(self._image), _STRIP_ROWS):
            yield begin, min(begin + _STRIP_ROWS, len(self._image))

    def _features(self, begin: int, end: int) -> TemplateFeatures:
        """Return what some rows of the template show."""
        reach = reach_of_features(self._sigma)
        first, last = max(begin - reach, 0), min(end + reach, len(self._image))
        seen = self.image(first, last) if self._shown is None else self._shown[first:last]
        variance = np.where(self.known(first, last), self._variance[first:last], np.float32(0))
        features = features_of(seen - self._shown_level, variance, self._sigma)
        return features.rows(begin - first, end - first)

    def _sample_at(self, place: NDArray[np.intp], brightness: _Plane) -> TemplateSample:
        """Return the template at some pixels.

        Where the sky is measured, ``brightness`` gets the brightness, and ``_sky_smoothed`` what is smoothed.
        """
        n_y, n_x = self._image.shape
        around = np.empty((place.size, 3, 3), np.float32)
        smoothed = np.empty((len(self._broader), place.size), np.float32)
        image, variance = (plane.ravel()[place] for plane in (self._image, self._variance))
        features = TemplateFeatures(*np.empty((4, place.size), np.float32))
        for begin, end in self._strips():
            own = slice(*np.searchsorted(place, (begin * n_x, end * n_x)))
            y, x = np.divmod(place[own], n_x)
            padded, shown = self._padded(begin, end), self._features(begin, end)
            smooth = self.smoothed(begin, end)
            for dy, dx in np.ndindex(3, 3):
                around[own, dy, dx] = padded[y - begin + dy, x + dx]
            for values, plane in zip((*features, *smoothed), (*shown, *smooth), strict=True):
                values[own] = plane[y - begin, x]
            at = slice(-(-begin // _SKY_STEP), -(-end // _SKY_STEP))
            for lattice, plane in zip(
                (brightness, *self._sky_smoothed), (shown.brightness, *smooth), strict=True
            ):
                lattice[at] = plane[-begin % _SKY_STEP :: _SKY_STEP, ::_SKY_STEP]
        return TemplateSample((n_y, n_x), place, around, smoothed, image, variance, features)
