"""The clipped mean of all pixels of one plane."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from .clipping import IQR_TO_SIGMA
from .rules import check_clipping, mask_value

_EXPONENT = np.uint32(0x7F800000)  # all its bits are set in the floats that are not finite
_SIGN = np.uint32(0x80000000)


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
    points = np.empty(values.size, np.float32)
    n = _gather_good(
        _words(values), not values.dtype.isnative, _words(mask), not mask.dtype.isnative,
        np.uint32(int(mask_value("and_mask", and_mask)) & 0xFFFFFFFF), points.view(np.uint32),
    )  # fmt: skip
    points = points[:n]
    if n == 0:
        return math.nan
    lower, centre, upper = _quartiles(points)
    half_width = num_sigma * IQR_TO_SIGMA * (upper - lower)
    for _ in range(num_iter):
        centre, deviation = _mean_and_deviation_within(points, centre, half_width)
        if n > 1:
            half_width = num_sigma * deviation
    return float(centre)


def _words(plane: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """View pixels as words of this machine; those of the other byte order are to be swapped."""
    words = plane.view(np.uint32)
    words.flags.writeable = False
    return words


def _quartiles(points: npt.NDArray[np.float32]) -> list[float]:
    """Interpolate linearly at ranks ``fraction * (n - 1)``."""
    n = points.size
    ranks = [fraction * (n - 1) for fraction in (0.25, 0.5, 0.75)]
    pairs = [(int(rank), min(int(rank) + 1, n - 1)) for rank in ranks]
    wanted = np.array([i for pair in pairs for i in pair], np.int64)
    values = _of_rank(points.view(np.uint32), wanted).view(np.float32).reshape(-1, 2)
    return [
        (below + 1 - rank) * float(low) + (rank - below) * float(high)
        for rank, (below, _), (low, high) in zip(ranks, pairs, values, strict=True)
    ]


@njit(cache=True, nogil=True)
def _gather_good(
    values: npt.NDArray[np.uint32],
    swap_values: bool,
    mask: npt.NDArray[np.uint32],
    swap_mask: bool,
    and_mask: np.uint32,
    points: npt.NDArray[np.uint32],
) -> int:
    """Collect the words of the good pixels, in row-major order, and return their number."""
    if swap_mask:
        and_mask = _swapped(and_mask)
    n = 0
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            word = _swapped(values[y, x]) if swap_values else values[y, x]
            points[n] = word
            n += ((mask[y, x] & and_mask) == 0) & ((word & _EXPONENT) != _EXPONENT)
    return n


@njit(cache=True, nogil=True)
def _of_rank(words: npt.NDArray[np.uint32], ranks: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
    """Return the floats of given ranks in ascending order, by counting first upper, then lower halves.

    Neither the order of the floats nor many equal ones cost more than two passes.
    """
    upper = np.zeros(1 << 16, np.int64)
    for word in words:
        upper[_key(word) >> 16] += 1
    slot_of = np.full(1 << 16, -1, np.int8)
    lower = np.zeros((ranks.size, 1 << 16), np.int64)
    found = np.empty(ranks.size, np.int64)
    left = np.empty(ranks.size, np.int64)
    n_slots = 0
    for k in range(ranks.size):
        found[k], left[k] = _bin_of_rank(upper, ranks[k])
        if slot_of[found[k]] < 0:
            slot_of[found[k]] = n_slots
            n_slots += 1
    for word in words:
        key = _key(word)
        slot = slot_of[key >> 16]
        if slot >= 0:
            lower[slot, key & 0xFFFF] += 1
    result = np.empty(ranks.size, np.uint32)
    for k in range(ranks.size):
        low, _ = _bin_of_rank(lower[slot_of[found[k]]], left[k])
        key = (found[k] << 16) | low
        result[k] = key ^ _SIGN if key & _SIGN else ~key & 0xFFFFFFFF
    return result


@njit(cache=True, nogil=True)
def _key(word: np.uint32) -> np.uint32:
    """Return a number that is greater the greater the float is whose word this is."""
    return np.uint32(~word) if word & _SIGN else np.uint32(word | _SIGN)


@njit(cache=True, nogil=True)
def _bin_of_rank(counts: npt.NDArray[np.int64], rank: int) -> tuple[int, int]:
    """Return the bin of the element of a rank, and its rank within the bin."""
    i = 0
    while rank >= counts[i]:
        rank -= counts[i]
        i += 1
    return i, rank


@njit(cache=True, nogil=True)
def _swapped(word: np.uint32) -> np.uint32:
    """Return a word with its bytes the other way round."""
    return np.uint32((word >> 24) | ((word >> 8) & 0xFF00) | ((word & 0xFF00) << 8) | (word << 24))


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
