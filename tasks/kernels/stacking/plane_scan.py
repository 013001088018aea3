"""Passes over the good pixels of one plane: sums of those in an interval, and those in some brackets."""

import numpy as np
import numpy.typing as npt

from ..loops.jit import part
from .plane_pixels import AT_ONCE, FLAGS_AT_ONCE
from .planes import PlaneTable
from .words import as_float, row_of, swap

_EXPONENT = np.uint32(0x7F800000)  # all its bits are set in the floats that are not finite
_NAN = np.uint32(0x7FC00000)


@part
def _is_good(word: np.uint32, mask: np.uint32, rejected: np.uint32) -> np.bool_:
    """Tell whether a pixel is finite and not masked."""
    good: np.bool_ = ((mask & rejected) == 0) & ((word & _EXPONENT) != _EXPONENT)
    return good


@part
def _add_within(
    planes: PlaneTable,
    y: int,
    x: int,
    width: int,
    and_mask: np.uint32,
    centre: float,
    half_width: float,
    sums: npt.NDArray[np.float64],
) -> None:
    """Add pixels of a row to the sums, each to another."""
    source, mask = row_of(planes, 0, 0, y, x, width), row_of(planes, 1, 0, y, x, width)
    swapped, rejected = planes.swapped[0, 0], swap(and_mask) if planes.swapped[1, 0] else and_mask
    for p in range(width):
        word = swap(source[p]) if swapped else source[p]
        distance = np.float64(as_float(word)) - centre
        within = _is_good(word, mask[p], rejected) & (np.abs(distance) <= half_width)
        distance = distance if within else np.float64(0.0)
        sums[p] += 1.0 if within else 0.0
        sums[AT_ONCE + p] += distance
        sums[2 * AT_ONCE + p] += distance * distance


@part
def _load_good(
    planes: PlaneTable, y: int, x: int, and_mask: np.uint32, words: npt.NDArray[np.uint32]
) -> npt.NDArray[np.float32]:
    """Read pixels of a row into memory, those that are not good as NaN."""
    source, mask = row_of(planes, 0, 0, y, x, words.size), row_of(planes, 1, 0, y, x, words.size)
    swapped, rejected = planes.swapped[0, 0], swap(and_mask) if planes.swapped[1, 0] else and_mask
    for p in range(words.size):
        word = swap(source[p]) if swapped else source[p]
        words[p] = word if _is_good(word, mask[p], rejected) else _NAN
    return words.view(np.float32)


@part
def sum_within(
    planes: PlaneTable,
    n_y: int,
    n_x: int,
    and_mask: np.uint32,
    centre: float,
    half_width: float,
    sums: npt.NDArray[np.float64],
    totals: npt.NDArray[np.float64],
) -> None:
    """Set totals to number, summed distance and summed squared distance of the good pixels in an interval.

    ``sums`` are zeros to work with, ``(3 * 512,)``. Every 512th pixel of a row goes into the same sum; the
    sums are added up at the end. That is quicker than one sum, of which each addition waits for the last, and
    loses less.
    """
    for y in range(n_y):
        for x in range(0, n_x, AT_ONCE):
            _add_within(planes, y, x, min(AT_ONCE, n_x - x), and_mask, centre, half_width, sums)
    for k in range(3):
        totals[k] = sums[k * AT_ONCE : (k + 1) * AT_ONCE].sum()


@part
def collect_within(
    planes: PlaneTable,
    n_y: int,
    n_x: int,
    and_mask: np.uint32,
    brackets: npt.NDArray[np.float32],
    counts: npt.NDArray[np.int64],
    collected: npt.NDArray[np.float32],
    scratch: tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]],
    numbers: npt.NDArray[np.int64],
) -> None:
    """Count the good pixels below and up to the end of three brackets, and copy those inside of any.

    Parameters
    ----------
    planes, n_y, n_x, and_mask
        The plane and its mask.
    brackets
        First and last value of each bracket, ``(3, 2)``. Of a bracket of one value nothing is copied.
    counts
        Gets the number of pixels below the first, and up to the last value, ``(3, 2)``.
    collected
        Gets the pixels; as many as there is room for.
    scratch
        Memory to work with, ``(512,)``, and zeros, ``(520,)``.
    numbers
        Gets the number of good pixels, and of those to be copied.
    """
    words, flags = scratch
    n = n_inside = 0
    counts.fill(0)
    for y in range(n_y):
        for x in range(0, n_x, AT_ONCE):
            values = _load_good(planes, y, x, and_mask, words[: min(AT_ONCE, n_x - x)])
            n += int(_count(values, brackets, counts, flags))
            n_inside = _copy_flagged(values, flags, collected, n_inside)
    numbers[0], numbers[1] = n, n_inside


@part
def _count(
    values: npt.NDArray[np.float32],
    brackets: npt.NDArray[np.float32],
    counts: npt.NDArray[np.int64],
    flags: npt.NDArray[np.uint8],
) -> np.int32:
    """Add to the counts of the brackets, flag what is to be copied, and return the number of good pixels."""
    a0, b0, c0 = brackets[0, 0], brackets[1, 0], brackets[2, 0]
    a1, b1, c1 = brackets[0, 1], brackets[1, 1], brackets[2, 1]
    a_wide, b_wide, c_wide = a0 < a1, b0 < b1, c0 < c1
    n = below_a = below_b = below_c = up_to_a = up_to_b = up_to_c = np.int32(0)
    for p in range(values.size):
        value = values[p]
        n += not np.isnan(value)
        below_a += value < a0
        below_b += value < b0
        below_c += value < c0
        up_to_a += value <= a1
        up_to_b += value <= b1
        up_to_c += value <= c1
        in_a, in_b = (value >= a0) & (value <= a1) & a_wide, (value >= b0) & (value <= b1) & b_wide
        flags[p] = in_a | in_b | ((value >= c0) & (value <= c1) & c_wide)
    counts[0, 0] += below_a
    counts[0, 1] += up_to_a
    counts[1, 0] += below_b
    counts[1, 1] += up_to_b
    counts[2, 0] += below_c
    counts[2, 1] += up_to_c
    return n


@part
def _copy_flagged(
    values: npt.NDArray[np.float32],
    flags: npt.NDArray[np.uint8],
    collected: npt.NDArray[np.float32],
    n: int,
) -> int:
    """Append flagged pixels to those that were collected before; most are not flagged."""
    flags[values.size : values.size + FLAGS_AT_ONCE] = 0
    at_once = flags.view(np.uint64)
    for i in range((values.size + FLAGS_AT_ONCE - 1) // FLAGS_AT_ONCE):
        if at_once[i]:
            for p in range(i * FLAGS_AT_ONCE, min((i + 1) * FLAGS_AT_ONCE, values.size)):
                if flags[p]:
                    if n < collected.size:
                        collected[n] = values[p]
                    n += 1
    return n
