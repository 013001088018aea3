"""Template features: how bright a place of a template and its surroundings are, and how sharp."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels import smooth_plane

__all__ = ["TemplateFeatures", "features_of", "reach_of_features"]

_Plane = NDArray[np.float32]

_REACH: Final = 5.0
"""How far from a source a wrong PSF shows, in units of the PSF's sigma."""
_SMOOTHING: Final = 4.0
"""How far the Gaussian reaches that takes the detail of an image, in units of the PSF's sigma."""
_STANDING: Final = 5.0
"""Signal over noise of places whose brightness counts as a source's."""


class TemplateFeatures(NamedTuple):
    """What a template shows; planes ``(n_y, n_x)``."""

    brightness: _Plane
    """Largest distance from the sky level of a pixel and its neighbours."""

    surroundings: _Plane
    """Largest brightness as far as a wrong PSF shows."""

    sharpness: _Plane
    """Part of the brightness that a broader PSF would take, whatever the brightness: large on peaks."""

    standing: _Plane
    """Brightness where it counts as a source's, else 0."""

    def rows(self, begin: int, end: int) -> TemplateFeatures:
        """Return some rows."""
        return TemplateFeatures(*(plane[begin:end] for plane in self))


def reach_of_features(sigma: float) -> int:
    """Return how many pixels away what a template shows may depend on its pixels."""
    return max(round(_REACH * sigma), int(_SMOOTHING * sigma + 0.5)) + 1


def features_of(seen: _Plane, variance: _Plane, sigma: float) -> TemplateFeatures:
    """Return what a template shows.

    Parameters
    ----------
    seen
        The template without its sky level, ``(n_y, n_x)``; 0 where it has no data.
    variance
        Its variance, likewise.
    sigma
        Size of its PSF, pixels.
    """
    absolute = np.abs(seen)
    brightness = _largest(absolute, 1)
    half = int(_SMOOTHING * sigma + 0.5)
    smooth = smooth_plane(np.pad(seen, half, mode="symmetric"), sigma, 2 * half + 1)
    detail = np.maximum(_largest(seen - smooth[half:-half, half:-half], 1), 0)
    return TemplateFeatures(
        brightness,
        _largest(brightness, round(_REACH * sigma)),
        np.divide(detail, brightness, out=np.zeros_like(detail), where=brightness > 0),
        np.where(brightness > _STANDING * np.sqrt(variance), brightness, np.float32(0)),
    )


def _largest(plane: _Plane, radius: int) -> _Plane:
    """Return the largest value up to a number of rows and columns away."""
    for axis in (0, 1):
        sides = [(0, 0), (0, 0)]
        sides[axis] = (radius, radius)
        plane = _largest_ahead(np.pad(plane, sides, mode="edge"), 2 * radius + 1, axis)
    return plane


def _largest_ahead(plane: _Plane, size: int, axis: int) -> _Plane:
    """Return the largest of each value and those after it, ``size`` in all, by doubling their number."""
    n = 1
    while n < size:
        step = min(n, size - n)
        length = plane.shape[axis] - step
        first, second = (_along(axis, slice(k, k + length)) for k in (0, step))
        plane = np.maximum(plane[first], plane[second])
        n += step
    return plane


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (part,) if axis == 0 else (slice(None), part)
