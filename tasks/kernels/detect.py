"""Detection of what rises above, or falls below, the noise of an image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final, Literal, get_args

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .label import Components, find_components
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
    smoothed
        Whether to smooth. If not, the whole image is searched as it is.

    Raises
    ------
    ValueError
        Raised for a sigma that is not positive and finite, a negative growth, an unknown polarity or
        threshold type, or planes of different shapes.
    """
    _check(image, variance, sigma, n_sigma_to_grow, polarity, threshold_type)
    border, searched = 0, image
    if smoothed:
        border = kernel_width(sigma, n_sigma_for_kernel) // 2
        searched = smooth_plane(image, sigma, 2 * border + 1)
    radius = int(n_sigma_to_grow * sigma + 0.5)
    half_widths = _half_widths(radius, isotropic_grow)
    signs = {"positive": (1, None), "negative": (None, -1), "both": (1, -1)}[polarity]
    if threshold_type == "pixel_stdev":
        limits = _pixel_limits(variance, threshold, sigma, border)
    else:
        limits = iter([(slice(None), _limit(searched, threshold, threshold_type))])
    beyond = [None if sign is None else np.empty(image.shape, np.bool_) for sign in signs]
    for rows, limit in limits:
        if beyond[0] is not None:
            np.greater_equal(searched[rows], limit, out=beyond[0][rows])
        if beyond[1] is not None:
            np.less_equal(searched[rows], -limit, out=beyond[1][rows])
    positive, negative = (
        None if found is None or sign is None else _detected(searched, found, sign, min_pixels, half_widths)
        for found, sign in zip(beyond, signs, strict=True)
    )
    return Detections(positive, negative, border, radius)


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


def _pixel_limits(
    variance: NDArray[np.float32], threshold: float, sigma: float, border: int
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield what the values of some rows must reach, a multiple of the pixels' own standard deviation.

    Variances are smoothed as the image was, whose kernel reaches ``border`` pixels; 0 means not at all.
    """
    n_y = len(variance)
    for begin in range(0, n_y, _STRIP_ROWS):
        end = min(begin + _STRIP_ROWS, n_y)
        # At the border of the image there is nothing to search, as in strips that have no neighbour.
        first, last = max(begin - border, 0), min(end + border, n_y)
        strip = variance[first:last]
        if border:
            strip = smooth_plane(strip, sigma, 2 * border + 1, squared=True)
        with np.errstate(invalid="ignore"):
            limit = np.sqrt(strip[begin - first : end - first])
        limit *= threshold
        yield slice(begin, end), limit


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


def _detected(
    image: NDArray[np.float32],
    beyond: NDArray[np.bool_],
    sign: int,
    min_pixels: int,
    half_widths: NDArray[np.int64],
) -> DetectedSet:
    """Make the detections of one sign out of the pixels beyond the threshold."""
    parts = find_components(beyond)
    large = parts.areas() >= min_pixels
    grown = np.zeros_like(beyond)
    _grow(parts.binary(large), half_widths, grown)
    components = find_components(grown)
    y, x = np.zeros((2, parts.n), np.int64)
    _find_peaks(image, sign, parts.y, parts.x0, parts.x1, parts.label, y, x)
    y, x = y[large], x[large]
    labels = components.label_at(y, x)
    order = np.lexsort((-sign * image[y, x], labels))
    y, x = y[order], x[order]
    return DetectedSet(components, labels[order], y, x, image[y, x])


@njit(cache=True, nogil=True)
def _find_peaks(
    image: NDArray[np.float32],
    sign: int,
    run_y: NDArray[np.int32],
    run_x0: NDArray[np.int32],
    run_x1: NDArray[np.int32],
    label: NDArray[np.int32],
    y: NDArray[np.int64],
    x: NDArray[np.int64],
) -> None:
    """Set the place of the most extreme pixel of each component, of equal ones the first."""
    peak = np.full(y.size, -np.inf)
    for i in range(label.size):
        n = label[i] - 1
        for column in range(run_x0[i], run_x1[i] + 1):
            value = sign * np.float64(image[run_y[i], column])
            if value > peak[n]:
                peak[n], y[n], x[n] = value, run_y[i], column


@njit(cache=True, nogil=True)
def _grow(binary: NDArray[np.bool_], half_widths: NDArray[np.int64], grown: NDArray[np.bool_]) -> None:
    """Set ``grown`` wherever the shape reaches when centred on a pixel of ``binary``."""
    n_y, n_x = binary.shape
    radius = half_widths.size // 2
    for y in range(n_y):
        x = 0
        while x < n_x:
            if not binary[y, x]:
                x += 1
                continue
            first = x
            while x < n_x and binary[y, x]:
                x += 1
            for k in range(half_widths.size):
                row = y + k - radius
                if 0 <= row < n_y:
                    grown[row, max(first - half_widths[k], 0) : min(x + half_widths[k], n_x)] = True
