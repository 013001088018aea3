"""Seeing match: what PSF, place and scale of a warp make of a template, to second order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SeeingMatch", "TemplateModel"]

_Plane = NDArray[np.float32]

_MAX_POINTS = 200_000
_PASSES = 4
_CLIP = 3.0
_MAD_TO_SIGMA = 1.4826
_BRIGHT = 20.0
"""Signal over noise from which what is left tells how far the model can be trusted."""
_PRIOR_SCATTER = 0.05
"""Relative scatter by which bright pixels are weighted down before the scatter is known."""
_MIN_BRIGHT = 100


class SeeingMatch(NamedTuple):
    """What a template says of one warp; planes ``(n_y, n_x)``."""

    model: _Plane
    """Expected difference of warp and template."""

    scatter: _Plane
    """How far the warp may be from that: a fraction of the template's brightness, measured on the warp."""


class TemplateModel:
    """A template and its derivatives, from which the differences of warps are predicted.

    A narrow convolution, a shift, a scale and a sky level change an image by a sum of the image, its first
    and second derivatives and a plane; the coefficients are fitted to each warp, without outliers. What no
    such sum can describe is, at the pixels of bright sources, a fraction of their brightness.

    Parameters
    ----------
    image, variance
        The template, ``(n_y, n_x)``; NaN where it has no data.
    """

    def __init__(self, image: _Plane, variance: _Plane) -> None:
        from scipy import ndimage

        self.known: NDArray[np.bool_] = np.isfinite(image)
        """Where the template has data."""
        sky = np.float32(np.median(image[self.known])) if self.known.any() else np.float32(0)
        filled = np.where(self.known, image, sky) - sky
        self.image: _Plane = filled + sky
        """The template, with its median where it has no data."""
        self.variance: _Plane = np.where(self.known, variance, np.float32(0))
        """Its variance, likewise 0."""
        self.brightness: _Plane = ndimage.maximum_filter(np.abs(filled), 3)
        """Largest distance from the sky level of a pixel and its neighbours."""
        along_y, along_x = np.gradient(filled)
        n_y, n_x = filled.shape
        y, x = np.meshgrid(
            np.linspace(-1, 1, n_y, dtype=np.float32),
            np.linspace(-1, 1, n_x, dtype=np.float32),
            indexing="ij",
        )
        second_yy, second_xy = np.gradient(along_y)
        second_xx = np.gradient(along_x, axis=1)
        self._basis = (np.ones_like(filled), x, y, filled, along_x, along_y, second_xx, second_xy, second_yy)

    def match(self, image: _Plane, variance: _Plane, good: NDArray[np.bool_]) -> SeeingMatch:
        """Fit the coefficients of a warp.

        Parameters
        ----------
        image, variance
            The warp, ``(n_y, n_x)``.
        good
            Its pixels that count; others may be NaN.
        """
        place = np.flatnonzero(good & self.known)
        place = place[:: max(1, place.size // _MAX_POINTS)]
        if place.size <= len(self._basis):
            return SeeingMatch(np.zeros_like(self.image), np.zeros_like(self.image))
        columns = np.stack([plane.ravel()[place] for plane in self._basis], axis=1).astype(np.float64)
        difference = (image - self.image).ravel()[place].astype(np.float64)
        brightness = self.brightness.ravel()[place]
        noise = (variance + self.variance).ravel()[place].astype(np.float64)
        weight = 1 / np.sqrt(noise + (_PRIOR_SCATTER * brightness) ** 2)
        kept = np.ones(place.size, bool)
        for _ in range(_PASSES):
            w = weight[kept]
            found, *_rest = np.linalg.lstsq(
                columns[kept] * w[:, np.newaxis], difference[kept] * w, rcond=None
            )
            left = difference - columns @ found
            pull = np.abs(left * weight)
            kept = pull <= _CLIP * _MAD_TO_SIGMA * np.median(pull)
        bright = brightness > _BRIGHT * np.sqrt(noise)
        share = 0.0
        if np.count_nonzero(bright) >= _MIN_BRIGHT:
            share = _MAD_TO_SIGMA * float(np.median(np.abs(left[bright]) / brightness[bright]))
        model = np.zeros_like(self.image)
        for coefficient, plane in zip(found, self._basis, strict=True):
            model += np.float32(coefficient) * plane
        return SeeingMatch(model, np.float32(share) * self.brightness)
