"""The clipped mean of all pixels of one plane."""

import math
from typing import Any

import numpy.typing as npt

from .plane_pixels import PlanePixels
from .rules import IQR_TO_SIGMA, check_clipping


def clipped_mean(
    values: npt.NDArray[Any], mask: npt.NDArray[Any], *, num_sigma: float, num_iter: int, and_mask: int
) -> float:
    """Compute the sigma-clipped mean of the good pixels of a plane, all with the same weight.

    The algorithm is that of the MEANCLIP of a stack. Sums are float64, but not in the order of the pixels:
    the last digits may differ from LSST's, but not those of the float32 that weighs an image. Of a variance
    plane the mean is the number whose inverse weighs an image.

    Parameters
    ----------
    values
        Pixels, float32 of either byte order, shape ``(n_y, n_x)``; read in place.
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
    pixels = PlanePixels(values, mask, and_mask)
    n, lower, centre, upper = pixels.quartiles()
    if lower == upper:
        # At least half of the pixels are the same number, and an interval of no width holds nothing else.
        return centre
    half_width = num_sigma * IQR_TO_SIGMA * (upper - lower)
    for _ in range(num_iter):
        n_kept, offset, mean_square = pixels.moments_within(centre, half_width)
        centre += offset
        # A single point has no deviation, and keeps the first interval.
        if n > 1:
            debias = n_kept * n_kept / (n_kept * n_kept - n_kept) if n_kept > 1 else math.nan
            half_width = num_sigma * math.sqrt(max((mean_square - offset * offset) * debias, 0.0))
    return centre
