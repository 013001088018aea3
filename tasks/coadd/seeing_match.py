"""Seeing match: what PSF, place and scale of a warp make of a template, to second order."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SeeingMatch", "TemplateModel"]

_Plane = NDArray[np.float32]

_MAX_POINTS: Final = 200_000
_PASSES: Final = 5
_CLIP: Final = 3.0
_MAD_TO_SIGMA: Final = 1.4826
_BRIGHT: Final = 20.0
"""Signal over noise from which what is left tells how far the model can be trusted."""
_PRIOR_SCATTER: Final = 0.05
"""Relative scatter by which bright pixels are weighted down before the scatter is known."""
_MIN_BRIGHT: Final = 100
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
    """How far the warp may be from that: a fraction of the template's brightness, measured on the warp."""

    noise_factor: float
    """By what the variance of what is left exceeds those of warp, template and scatter; at least 1."""


class TemplateModel:
    """A template and its derivatives, from which the differences of warps are predicted.

    A narrow convolution, a shift, a scale and a background change an image by a sum of the image, its first
    and second derivatives and a smooth surface; the coefficients are fitted to each warp, without outliers.
    What no such sum can describe is, at the pixels of bright sources, a fraction of their brightness.

    Parameters
    ----------
    image, variance
        The template, ``(n_y, n_x)``; NaN where it has no data.
    """

    def __init__(self, image: _Plane, variance: _Plane) -> None:
        from scipy import ndimage

        self.known: NDArray[np.bool_] = np.isfinite(image) & np.isfinite(variance)
        """Where the template has data."""
        self._sky: np.float32 = np.float32(np.median(image[self.known]) if self.known.any() else 0)
        self.image: _Plane = np.where(self.known, image, self._sky)
        """The template, with its median where it has no data."""
        self.variance: _Plane = np.where(self.known, variance, np.float32(0))
        """Its variance, likewise 0."""
        self.brightness: _Plane = ndimage.maximum_filter(np.abs(self.image - self._sky), 3)
        """Largest distance from the sky level of a pixel and its neighbours."""

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
        columns = self._columns(place)
        if place.size <= columns.shape[1]:
            return SeeingMatch(np.zeros_like(self.image), np.zeros_like(self.image), 1.0)
        difference = (image.ravel()[place] - self.image.ravel()[place]).astype(np.float64)
        brightness = self.brightness.ravel()[place]
        noise = (variance.ravel()[place] + self.variance.ravel()[place]).astype(np.float64)
        bright = brightness > _BRIGHT * np.sqrt(noise)
        enough = np.count_nonzero(bright) >= _MIN_BRIGHT
        share = _PRIOR_SCATTER
        kept = np.ones(place.size, bool)
        for _ in range(_PASSES):
            weight = kept / (noise + (share * brightness) ** 2)
            found = _weighted_fit(columns, difference, weight)
            left = np.abs(difference - columns @ found)
            if enough:
                share = _MAD_TO_SIGMA * float(np.median(left[bright] / brightness[bright]))
            pull = left / np.sqrt(noise + (share * brightness) ** 2)
            width = _MAD_TO_SIGMA * float(np.median(pull))
            kept = pull <= _CLIP * width
        scatter = np.float32(share if enough else 0.0) * self.brightness
        return SeeingMatch(self._model(found), scatter, max(1.0, width**2))

    def _columns(self, place: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return what the difference is a sum of, at some pixels, ``(n, n_terms)``."""
        y, x = np.divmod(place, self.image.shape[1])
        around = np.empty((place.size, 9))
        padded = np.pad(self.image - self._sky, 1, mode="edge")
        for k, (dy, dx) in enumerate(np.ndindex(3, 3)):
            around[:, k] = padded[y + dy, x + dx]
        sky = _sky_terms(*(2 * v / max(1, n - 1) - 1 for v, n in zip((y, x), self.image.shape, strict=True)))
        return np.concatenate(
            [around @ _STENCILS.reshape(len(_STENCILS), 9).T, np.stack(sky, axis=1)], axis=1
        )

    def _model(self, coefficients: NDArray[np.float64]) -> _Plane:
        """Return the sum itself."""
        from scipy import ndimage

        stencil = np.tensordot(coefficients[: len(_STENCILS)], _STENCILS, axes=1)
        model: _Plane = ndimage.correlate(self.image - self._sky, stencil.astype(np.float32), mode="nearest")
        n_y, n_x = self.image.shape
        y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in (n_y, n_x))
        sky = _sky_terms(y[:, np.newaxis], x)
        for coefficient, term in zip(coefficients[len(_STENCILS) :], sky, strict=True):
            model += np.float32(coefficient) * term
        return model


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


def _sky_terms(y: NDArray[Any], x: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the monomials of the sky's polynomial at some places, from -1 to 1."""
    return [y**j * x**i for j in range(_SKY_DEGREE + 1) for i in range(_SKY_DEGREE + 1 - j)]
