"""Detection of what rises above, or falls below, the noise of an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .label import Components, find_components
from .native_loop import NativeLoop
from .smooth import kernel_width, smooth_plane

__all__ = ["DetectedSet", "Detections", "Polarity", "ThresholdType", "detect_footprints"]

Polarity = Literal["positive", "negative", "both"]
"""Which sign to look for."""

ThresholdType = Literal["stdev", "pixel_stdev", "value", "variance"]
"""What the threshold multiplies: one clipped standard deviation, that of each pixel, 1, one variance."""

_CLIP_SIGMA: Final = 3.0
_CLIP_PASSES: Final = 3
_STRIP_ROWS: Final = 256

_IQR_TO_SIGMA: Final = 0.5 / NormalDist().inv_cdf(0.75)
"""Standard deviation of a normal distribution over its interquartile range."""

_find_peaks = NativeLoop("tasks.kernels.loops.detect", "find_peaks")
_grow = NativeLoop("tasks.kernels.loops.detect", "grow")


@dataclass(frozen=True, slots=True, eq=False)
class DetectedSet:
    """The detections of one sign.

    Parameters
    ----------
    components
        The pixels of the detections after growth.
    peak_labels, peak_y, peak_x, peak_values
        One peak for each part that was separate before growth, ``(n_peaks,)``: the detection it belongs
        to, its array index, and the value of the searched image. Ordered by detection, the most extreme
        value first.
    """

    components: Components
    peak_labels: NDArray[np.int32]
    peak_y: NDArray[np.int64]
    peak_x: NDArray[np.int64]
    peak_values: NDArray[np.float32]

    @property
    def n(self) -> int:
        """Number of detections."""
        return self.components.n

    def with_peaks_of(self, other: DetectedSet, n_simple: int) -> DetectedSet:
        """Return the same detections with the peaks that another search of the same sign finds in them.

        A detection of at most ``n_simple`` peaks keeps them; one in which the other search finds none keeps
        its most extreme one.
        """
        labels = self.components.label_at(other.peak_y, other.peak_x)
        many = np.bincount(self.peak_labels, minlength=self.n + 1) > n_simple
        new = (labels > 0) & many[labels]
        found = np.zeros(self.n + 1, np.bool_)
        found[labels[new]] = True
        is_first = np.diff(self.peak_labels, prepend=0) > 0
        kept = ~many[self.peak_labels] | (~found[self.peak_labels] & is_first)
        labels = np.concatenate([self.peak_labels[kept], labels[new]])
        y, x, values = (
            np.concatenate([own[kept], others[new]])
            for own, others in (
                (self.peak_y, other.peak_y),
                (self.peak_x, other.peak_x),
                (self.peak_values, other.peak_values),
            )
        )
        order = np.lexsort((-np.abs(values), labels))
        return DetectedSet(self.components, labels[order], y[order], x[order], values[order])


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What was found in an image.

    Parameters
    ----------
    positive, negative
        Detections above and below; None if that sign was not asked for.
    border
        Width in pixels of the border that could not be searched, because the smoothing kernel
        leaves the image there. Growth may enter it.
    radius
        Radius in pixels by which the detections were grown.
    """

    positive: DetectedSet | None
    negative: DetectedSet | None
    border: int
    radius: int


def detect_footprints(
    image: NDArray[np.float32],
    variance: NDArray[np.float32],
    *,
    sigma: float,
    threshold: float,
    polarity: Polarity,
    threshold_type: ThresholdType = "pixel_stdev",
    n_sigma_for_kernel: float = 7.0,
    n_sigma_to_grow: float = 2.4,
    isotropic_grow: bool = True,
    min_pixels: int = 1,
    include_multiplier: float = 1.0,
    negative_factor: float = 1.0,
    smoothed: bool = True,
) -> Detections:
    """Find connected regions beyond a threshold and grow them.

    The image is smoothed with a Gaussian like its PSF; pixels at or beyond the threshold form
    8-connected components; those of too few pixels are dropped; the others are grown within the image,
    and grown ones of one sign that overlap or touch become one detection.

    Parameters
    ----------
    image, variance
        Pixels ``(n_y, n_x)``; not changed. A pixel where either is NaN is in no component.
    sigma
        Standard deviation of the PSF, pixels.
    threshold
        Threshold, inclusive; its unit follows from ``threshold_type``.
    polarity
        Which sign to look for.
    threshold_type
        What the threshold multiplies. The one standard deviation or variance of the types ``"stdev"``
        and ``"variance"`` is that of the searched pixels, clipped at 3 sigma in 3 passes.
    n_sigma_for_kernel
        Width of the smoothing kernel, in units of sigma.
    n_sigma_to_grow
        Growth in units of sigma; rounded half up to whole pixels. 0 means none.
    isotropic_grow
        Whether to grow by a disc; if not, by a diamond (Manhattan distance).
    min_pixels
        Smallest number of pixels of a component, before growth.
    include_multiplier
        How many times the threshold a component must reach in at least one pixel.
    negative_factor
        How many times the threshold a pixel must fall below zero to be in a negative component.
    smoothed
        Whether to smooth. If not, the whole image is searched as it is.

    Raises
    ------
    ValueError
        Raised for a sigma that is not positive and finite, a negative growth, an unknown polarity or
        threshold type, a negative factor that is not positive, or planes of different shapes.
    """
    _check(image, variance, sigma, n_sigma_to_grow, polarity, threshold_type)
    if not negative_factor > 0:
        raise ValueError(f"the factor of the negative threshold must be positive, not {negative_factor}")
    border = kernel_width(sigma, n_sigma_for_kernel) // 2 if smoothed else 0
    radius = int(n_sigma_to_grow * sigma + 0.5)
    half_widths = _half_widths(radius, isotropic_grow)
    smooth = partial(smooth_plane, sigma=sigma, width=2 * border + 1) if smoothed else None
    if threshold_type == "pixel_stdev":
        strips = _strips(image, variance, threshold, smooth, border)
    else:
        searched = image if smooth is None else smooth(image)
        strips = iter([(slice(None), searched, _limit(searched, threshold, threshold_type))])
    factors = {"positive": (1.0, None), "negative": (None, -negative_factor), "both": (1.0, -negative_factor)}
    beyond = [
        None if factor is None else _Beyond(np.empty(image.shape, np.bool_), factor, include_multiplier)
        for factor in factors[polarity]
    ]
    for rows, searched, limit in strips:
        for found in beyond:
            if found is not None:
                found.note(rows, searched, limit)
    positive, negative = (
        None if found is None else _detected(found, min_pixels, half_widths) for found in beyond
    )
    return Detections(positive, negative, border, radius)


class _Beyond:
    """The pixels of one sign beyond the threshold, and their values, all that is kept of what was searched.

    Parameters
    ----------
    flags
        Gets where they are, ``(n_y, n_x)``.
    factor
        How many times the threshold a pixel must reach; negative for pixels below.
    multiplier
        How many times the threshold makes a pixel a clear one.
    """

    def __init__(self, flags: NDArray[np.bool_], factor: float, multiplier: float) -> None:
        self.flags = flags
        self.sign = 1 if factor > 0 else -1
        self.multiplier = multiplier
        self._factor = np.float32(factor)
        self._values: list[NDArray[np.float32]] = []
        self._clear: list[NDArray[np.bool_]] = []

    @property
    def values(self) -> NDArray[np.float32]:
        """The values of the pixels, in raster order."""
        return np.concatenate(self._values)

    def has_clear(self, parts: Components) -> NDArray[np.bool_]:
        """Return which components have a clear pixel, ``(n,)``."""
        if self.multiplier <= 1:
            return np.ones(parts.n, np.bool_)
        labels = np.repeat(parts.label, parts.x1 - parts.x0 + 1)
        found = np.zeros(parts.n, np.bool_)
        found[labels[np.concatenate(self._clear)] - 1] = True
        return found

    def note(self, rows: slice, searched: NDArray[np.float32], limit: NDArray[Any]) -> None:
        """Look at the next rows, from below."""
        flags = self.flags[rows]
        limit = limit if self._factor == 1 else self._factor * limit
        (np.greater_equal if self.sign > 0 else np.less_equal)(searched, limit, out=flags)
        values = searched[flags]
        self._values.append(values)
        if self.multiplier > 1:
            limits = np.broadcast_to(limit, searched.shape)[flags]
            self._clear.append(self.sign * values >= self.sign * self.multiplier * limits)


def _check(
    image: NDArray[np.float32],
    variance: NDArray[np.float32],
    sigma: float,
    n_sigma_to_grow: float,
    polarity: str,
    threshold_type: str,
) -> None:
    if image.ndim != 2 or image.shape != variance.shape:
        raise ValueError(
            f"image and variance need one shape (n_y, n_x), not {image.shape} and {variance.shape}"
        )
    if not 0 < sigma < math.inf:
        raise ValueError(f"the PSF needs a positive, finite sigma, not {sigma} pixels")
    if not 0 <= n_sigma_to_grow < math.inf:
        raise ValueError(f"growth is 0 or more sigma, not {n_sigma_to_grow}")
    if polarity not in get_args(Polarity):
        raise ValueError(f"polarity {polarity!r} is not one of {get_args(Polarity)}")
    if threshold_type not in get_args(ThresholdType):
        raise ValueError(f"threshold type {threshold_type!r} is not one of {get_args(ThresholdType)}")


def _strips(
    image: NDArray[np.float32],
    variance: NDArray[np.float32],
    threshold: float,
    smooth: Callable[..., NDArray[np.float32]] | None,
    border: int,
) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.float32]]]:
    """Yield rows, their smoothed values, and what these must reach, a multiple of each pixel's own error.

    A smoothing kernel reaches ``border`` pixels.
    """
    n_y = len(image)
    for begin in range(0, n_y, _STRIP_ROWS):
        end = min(begin + _STRIP_ROWS, n_y)
        # At the border of the image there is nothing to search, as in strips that have no neighbour.
        first, last = max(begin - border, 0), min(end + border, n_y)
        values, variances = image[first:last], variance[first:last]
        if smooth is not None:
            values, variances = smooth(values), smooth(variances, squared=True)
        own = slice(begin - first, end - first)
        with np.errstate(invalid="ignore"):
            limit = np.sqrt(variances[own])
        limit *= threshold
        yield slice(begin, end), values[own], limit


def _limit(image: NDArray[np.float32], threshold: float, threshold_type: ThresholdType) -> NDArray[Any]:
    """Return what all values must reach, ``()``."""
    scale = 1.0
    if threshold_type != "value":
        scale = _clipped_stdev(image) ** (2 if threshold_type == "variance" else 1)
    return np.asarray(threshold * scale, dtype=np.float32)


def _clipped_stdev(image: NDArray[np.float32]) -> float:
    """Return the standard deviation of the finite pixels, clipped about median, then mean."""
    values = image[np.isfinite(image)].astype(np.float64)
    if not values.size:
        return math.nan
    q25, centre, q75 = np.percentile(values, [25, 50, 75])
    stdev = _IQR_TO_SIGMA * (q75 - q25)
    for _ in range(_CLIP_PASSES):
        kept = values[np.abs(values - centre) <= _CLIP_SIGMA * stdev]
        if kept.size < 2:
            return math.nan
        centre, stdev = kept.mean(), kept.std(ddof=1)
    return float(stdev)


def _half_widths(radius: int, isotropic: bool) -> NDArray[np.int64]:
    """Return the half width of each row of the growth shape, from ``-radius`` to ``radius``."""
    dy = np.arange(-radius, radius + 1)
    if not isotropic:
        return radius - np.abs(dy)
    half_widths: NDArray[np.int64] = np.floor(np.sqrt(radius**2 - dy**2)).astype(np.int64)
    return half_widths


def _detected(beyond: _Beyond, min_pixels: int, half_widths: NDArray[np.int64]) -> DetectedSet:
    """Make the detections of one sign out of the pixels beyond the threshold, whose flags are used up."""
    parts = find_components(beyond.flags)
    large = (parts.areas() >= min_pixels) & beyond.has_clear(parts)
    values = beyond.values
    y, x, place = np.zeros((3, parts.n), np.int64)
    runs = parts.y, parts.x0, parts.x1, parts.label
    _find_peaks(values, beyond.sign, runs, np.full(parts.n, -np.inf), y, x, place)
    grown = beyond.flags
    grown.fill(False)
    of_large = large[parts.label - 1]
    _grow(parts.y[of_large], parts.x0[of_large], parts.x1[of_large], half_widths, grown)
    components = find_components(grown)
    y, x, peaks = y[large], x[large], values[place[large]]
    labels = components.label_at(y, x)
    order = np.lexsort((-beyond.sign * peaks, labels))
    return DetectedSet(components, labels[order], y[order], x[order], peaks[order])
