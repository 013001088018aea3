"""A slow, obvious stack of one pixel at a time: the oracle for ``tasks.kernels.stacking``.

Written from the formulas of the coadd semantics alone, in float64 scalars, without the kernel's blocks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

IQR_TO_SIGMA = 0.741301109252802


class Pixel(NamedTuple):
    """The stacked result of one output pixel."""

    value: float
    variance: float
    mask: int
    n_image: int


class Sums(NamedTuple):
    """Weighted sums over a set of points about a pivot."""

    pivot: float
    n: int
    w: float
    w2: float
    wd: float
    wd2: float
    vw: float
    vw2: float

    @property
    def mean(self) -> float:
        return self.wd / self.w + self.pivot

    @property
    def sample_variance(self) -> float:
        biased = self.wd2 / self.w - (self.wd / self.w) * (self.wd / self.w)
        return biased * (self.w * self.w / (self.w * self.w - self.w2))

    def squared_error(self, from_input_variance: bool) -> float:
        if from_input_variance:
            return self.vw2 / (self.w * self.w)
        return self.sample_variance * self.w2 / (self.w * self.w)


class Point(NamedTuple):
    """One input of one pixel, everything as float64."""

    x: np.float64
    v: np.float64
    w: np.float64


def sums_about(points: Sequence[Point], pivot: float) -> Sums:
    """Add the points up in list order."""
    w = w2 = wd = wd2 = vw = vw2 = np.float64(0.0)
    for point in points:
        d = point.x - pivot
        w = w + point.w
        w2 = w2 + point.w * point.w
        wd = wd + point.w * d
        wd2 = wd2 + (point.w * d) * d
        vw = vw + point.v * point.w
        vw2 = vw2 + (point.v * point.w) * point.w
    return Sums(pivot, len(points), w, w2, wd, wd2, vw, vw2)


def quantile(values: Sequence[float], fraction: float) -> float:
    """Interpolate linearly at rank ``fraction * (n - 1)`` of the sorted values."""
    if any(np.isnan(value) for value in values):
        return np.nan
    ordered = sorted(values)
    if len(ordered) == 1:
        return ordered[0]
    rank = fraction * (len(ordered) - 1)
    low = int(rank)
    return (low + 1 - rank) * ordered[low] + (rank - low) * ordered[low + 1]


def two_pass_sums(points: Sequence[Point]) -> Sums:
    """Sum about the pivot that the first pass about zero gives."""
    first = sums_about(points, 0.0)
    return sums_about(points, first.wd / np.float64(first.n))


def clip(points: Sequence[Point], num_sigma: float, num_iter: int) -> Sums:
    """Run every clipping pass over all points and give the sums of the last."""
    values = [point.x for point in points]
    centre = quantile(values, 0.5)
    iqr = quantile(values, 0.75) - quantile(values, 0.25)
    robust_width = num_sigma * IQR_TO_SIGMA * iqr
    width = robust_width
    for _ in range(num_iter):
        sums = sums_about([point for point in points if abs(point.x - centre) <= width], centre)
        centre = sums.mean
        if len(points) > 1:
            s2 = sums.sample_variance
            width = num_sigma * np.sqrt(np.float64(0.0) if s2 < 0 else s2)
    return sums


def value_and_squared_error(
    statistic: str, points: Sequence[Point], options: dict
) -> tuple[float, float, int]:
    """Evaluate one statistic of the good points: value, squared error, number of clipped points."""
    n = len(points)
    if n == 0:
        return np.nan, np.nan, 0
    values = [point.x for point in points]
    from_input = options["calc_error_from_input_variance"]
    if statistic.endswith("CLIP"):
        sums = clip(points, options["num_sigma"], options["num_iter"])
        n_clipped = n - sums.n
        if statistic == "MEANCLIP":
            return sums.mean, sums.squared_error(from_input), n_clipped
        if statistic == "VARIANCECLIP":
            return sums.sample_variance, np.nan, n_clipped
        return np.sqrt(sums.sample_variance), 0.0, n_clipped
    sums = two_pass_sums(points)
    s2 = sums.sample_variance
    any_nan = any(np.isnan(value) for value in values)
    biased = sums.wd2 / sums.w - (sums.wd / sums.w) * (sums.wd / sums.w)
    table = {
        "MEAN": (sums.mean, sums.squared_error(from_input)),
        "MEDIAN": (quantile(values, 0.5), np.float64(np.pi / 2) * s2 / n),
        "VARIANCE": (s2, np.nan if n == 1 else 2.0 * (n - 1) * s2 * s2 / (n * n)),
        "STDEV": (np.sqrt(s2), 0.0),
        "MIN": (np.nan if any_nan else min(values), 0.0),
        "MAX": (np.nan if any_nan else max(values), 0.0),
        "SUM": (sums.wd + sums.w * sums.pivot, 0.0),
        "IQRANGE": (quantile(values, 0.75) - quantile(values, 0.25), 0.0),
        "MEANSQUARE": (biased + sums.mean * sums.mean, 0.0),
        "NPOINT": (float(n), 0.0),
    }
    value, squared_error = table[statistic]
    return value, squared_error, 0


def stack_pixel(statistic: str, x, v, m, w, options: dict) -> Pixel:
    """Stack one pixel; ``w`` is None for inverse-variance weights."""
    good, rejected = [], []
    for i in range(len(x)):
        if not options["weighted"]:
            weight = np.float64(1.0)
        elif w is None:
            weight = np.float64(1.0) / np.float64(v[i])
        else:
            weight = np.float64(np.float32(w[i]))
        point = Point(np.float64(x[i]), np.float64(v[i]), weight)
        usable = not (int(m[i]) & options["and_mask"]) and (np.isfinite(x[i]) or not options["nan_safe"])
        (good if usable else rejected).append((point, int(m[i])))
    points = [point for point, _ in good]
    value, squared_error, n_clipped = value_and_squared_error(statistic, points, options)

    mask = 0
    for _, bits in good:
        mask |= bits
    thresholds = options["mask_propagation_thresholds"]
    total = sums_about(points, 0.0).w
    for bit in range(max(thresholds, default=-1) + 1):
        lost = np.float64(0.0)
        for point, bits in rejected:
            if bits >> bit & 1:
                lost = lost + point.w
        if lost / (total + lost) > thresholds.get(bit, 1.0):
            mask |= 1 << bit
    if not good:
        mask = options["no_good_pixels_mask"]
    if n_clipped > 0:
        mask |= options["clipped"]
    if rejected:
        for from_bits, to_bits in options["mask_map"]:
            if any(int(bits) & from_bits for bits in m):
                mask |= to_bits
    n_image = sum(1 for bits in m if not int(bits) & options["and_mask"])
    error = np.sqrt(squared_error)
    return Pixel(value, error * error, mask, n_image)


def stack(statistic: str, images, variances, masks, weights, options: dict) -> tuple[npt.NDArray, ...]:
    """Stack every pixel: image, variance (float32), mask and n_image (int32)."""
    shape = np.shape(images)[1:]
    image, variance = np.empty(shape, np.float32), np.empty(shape, np.float32)
    mask, n_image = np.empty(shape, np.int32), np.empty(shape, np.int32)
    with np.errstate(all="ignore"):
        for index in np.ndindex(shape):
            at = (slice(None), *index)
            pixel = stack_pixel(statistic, images[at], variances[at], masks[at], weights, options)
            image[index], variance[index] = pixel.value, pixel.variance
            mask[index] = np.array(pixel.mask & 0xFFFFFFFF, np.uint32).view(np.int32)
            n_image[index] = pixel.n_image
    return image, variance, mask, n_image
