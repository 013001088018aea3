"""The clipped mean of all pixels of one plane."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .clipping import IQR_TO_SIGMA
from .rules import check_clipping, mask_value


def clipped_mean(
    values: npt.NDArray[Any], mask: npt.NDArray[Any], *, num_sigma: float, num_iter: int, and_mask: int
) -> float:
    """Compute the sigma-clipped mean of the good pixels of a plane, all with the same weight.

    The algorithm is that of the MEANCLIP of a stack, with float64 sums in row-major order. Of a variance
    plane it is the number whose inverse weighs an image.

    Parameters
    ----------
    values
        Pixels, float32 of either byte order, shape ``(n_y, n_x)``.
    mask
        Their mask, int32 of either byte order, of the same shape.
    num_sigma
        Half-width of the clipping interval, in standard deviations.
    num_iter
        Number of clipping passes, the first about the median.
    and_mask
        A pixel is good if it is finite and its mask has none of these bits.

    Returns
    -------
    float
        The mean; NaN if no pixel is good.

    Raises
    ------
    ValueError
        If the shapes differ, a type is another, or an option is out of its range.
    """
    check_clipping(num_sigma, num_iter)
    for name, plane, dtype in (("values", values, np.float32), ("mask", mask, np.int32)):
        if plane.dtype.newbyteorder("=") != dtype:
            raise ValueError(f"{name} has type {plane.dtype}, expected {np.dtype(dtype)}; convert it first")
    if values.shape != mask.shape:
        raise ValueError(f"values have shape {values.shape}, but the mask has {mask.shape}")
    good = np.isfinite(values) & (mask & mask_value("and_mask", and_mask) == 0)
    points = values[good].astype(np.float32, copy=False)
    if points.size == 0:
        return math.nan
    lower, centre, upper = _quartiles(points)
    half_width = num_sigma * IQR_TO_SIGMA * (upper - lower)
    for _ in range(num_iter):
        centre, deviation = _mean_and_deviation_within(points, centre, half_width)
        if points.size > 1:
            half_width = num_sigma * deviation
    return float(centre)


def _quartiles(points: npt.NDArray[np.float32]) -> list[float]:
    """Interpolate linearly at ranks ``fraction * (n - 1)``."""
    ranks = [fraction * (points.size - 1) for fraction in (0.25, 0.5, 0.75)]
    pairs = [(int(rank), min(int(rank) + 1, points.size - 1)) for rank in ranks]
    ordered = np.partition(points, sorted({i for pair in pairs for i in pair}))
    return [
        (below + 1 - rank) * float(ordered[below]) + (rank - below) * float(ordered[above])
        for rank, (below, above) in zip(ranks, pairs, strict=True)
    ]


@njit(cache=True, nogil=True, error_model="numpy")
def _mean_and_deviation_within(
    points: npt.NDArray[np.float32], centre: float, half_width: float
) -> tuple[float, float]:
    """Mean and standard deviation of the points within the interval, ends included; NaN where undefined."""
    n = sum_d = sum_d2 = 0.0
    for point in points:
        d = np.float64(point) - centre
        if np.abs(d) <= half_width:
            n += 1.0
            sum_d += d
            sum_d2 += d * d
    offset = sum_d / n
    variance = (sum_d2 / n - offset * offset) * (n * n / (n * n - n))
    return offset + centre, np.sqrt(0.0 if variance < 0 else variance)
