"""Detection of what rises above, or falls below, the noise of an image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal, get_args

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .label import component_areas, label_components
from .smooth import kernel_width, smooth_gaussian

__all__ = ["DetectedSet", "Detections", "Polarity", "ThresholdType", "detect_footprints"]

Polarity = Literal["positive", "negative", "both"]
"""Which sign to look for."""

ThresholdType = Literal["stdev", "pixel_stdev", "value", "variance"]
"""What the threshold multiplies: one clipped standard deviation, that of each pixel, 1, one variance."""

_CLIP_SIGMA: Final = 3.0
_CLIP_PASSES: Final = 3

_IQR_TO_SIGMA: Final = 0.5 / NormalDist().inv_cdf(0.75)
"""Standard deviation of a normal distribution over its interquartile range."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectedSet:
    """The detections of one sign.

    Parameters
    ----------
    labels
        Number of the detection of each pixel after growth, ``(n_y, n_x)``: 1 to n in the order in which
        a raster scan meets them, 0 elsewhere.
    n
        Number of detections.
    peak_labels, peak_y, peak_x, peak_values
        One peak for each part that was separate before growth, ``(n_peaks,)``: the detection it belongs
        to, its array index, and the value of the searched image. Ordered by detection, the most extreme
        value first.
    """

    labels: NDArray[np.int32]
    n: int
    peak_labels: NDArray[np.int32]
    peak_y: NDArray[np.int64]
    peak_x: NDArray[np.int64]
    peak_values: NDArray[np.float32]


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
    border = 0
    if smoothed:
        width = kernel_width(sigma, n_sigma_for_kernel)
        border = width // 2
        image, variance = smooth_gaussian(image, variance, sigma, width)
    limit = _limit(image, variance, threshold, threshold_type)
    radius = int(n_sigma_to_grow * sigma + 0.5)
    half_widths = _half_widths(radius, isotropic_grow)
    positive = negative = None
    if polarity != "negative":
        positive = _detected(image, image >= limit, 1, min_pixels, half_widths)
    if polarity != "positive":
        negative = _detected(image, image <= -limit, -1, min_pixels, half_widths)
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


def _limit(
    image: NDArray[np.float32],
    variance: NDArray[np.float32],
    threshold: float,
    threshold_type: ThresholdType,
) -> NDArray[np.float32]:
    """Return what a value must reach: one for each pixel ``(n_y, n_x)``, or one for all, ``()``."""
    match threshold_type:
        case "pixel_stdev":
            with np.errstate(invalid="ignore"):
                limit = np.sqrt(variance)
            limit *= threshold
            return limit
        case "stdev":
            scale = _clipped_stdev(image)
        case "variance":
            scale = _clipped_stdev(image) ** 2
        case "value":
            scale = 1.0
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
    parts, n_parts = label_components(beyond)
    large = np.append(False, component_areas(parts, n_parts) >= min_pixels)
    beyond = large[parts]
    grown = np.zeros_like(beyond)
    _grow(beyond, half_widths, grown)
    labels, n = label_components(grown)

    y, x = np.nonzero(beyond)
    part, extremeness = parts[y, x], sign * image[y, x]
    by_part = np.lexsort((-extremeness, part))
    peaks = by_part[np.unique(part[by_part], return_index=True)[1]]
    peaks = peaks[np.lexsort((-extremeness[peaks], labels[y[peaks], x[peaks]]))]
    y, x = y[peaks], x[peaks]
    return DetectedSet(labels, n, labels[y, x], y, x, image[y, x])


@njit(cache=True)
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
