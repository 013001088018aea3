"""The good pixels of one plane: their quartiles, and the moments of those in an interval."""

import math
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..native_loop import NativeLoop
from .planes import PlaneTable, readable_planes
from .rules import mask_value

_SAMPLE: Final = 512  # rows, and columns, that tell about where a quartile is
_MARGIN: Final = 0.004  # how far from there it is looked for, as a share of all pixels
_FRACTIONS: Final = (0.25, 0.5, 0.75)
AT_ONCE: Final = 512
"""Pixels that are looked at together."""
FLAGS_AT_ONCE: Final = 8
"""Flags that are looked at together."""

_collect_within = NativeLoop("tasks.kernels.stacking.plane_scan", "collect_within")
_sum_within = NativeLoop("tasks.kernels.stacking.plane_scan", "sum_within")


class Quartiles(NamedTuple):
    """The quartiles of some pixels, interpolated linearly at ranks ``fraction * (n - 1)``."""

    n: int
    """Number of pixels."""

    lower: float
    """First quartile; like the others NaN if there are no pixels."""

    median: float
    """Second quartile."""

    upper: float
    """Third quartile."""


class PlanePixels:
    """The good pixels of a plane, read where they lie as often as something is asked of them.

    Parameters
    ----------
    values
        Pixels, float32 of either byte order, ``(n_y, n_x)``.
    mask
        Their mask, int32 of either byte order, of the same shape.
    and_mask
        A pixel is good if it is finite and its mask has none of these bits.

    Raises
    ------
    ValueError
        Raised if the shapes differ, or a type is another.
    """

    def __init__(self, values: npt.NDArray[Any], mask: npt.NDArray[Any], and_mask: int) -> None:
        [self._values] = readable_planes([values], "values", np.float32)
        [self._mask] = readable_planes([mask], "mask", np.int32)
        if values.shape != mask.shape:
            raise ValueError(f"values have shape {values.shape}, but the mask has {mask.shape}")
        self._and_mask = mask_value("and_mask", and_mask)
        table = PlaneTable.from_planes([[self._values], [self._mask]])
        self._where = (table, *values.shape, self._and_mask.view(np.uint32))

    def moments_within(self, centre: float, half_width: float) -> tuple[float, float, float]:
        """Return number, mean distance and mean squared distance from a centre of what is that near to it."""
        totals = np.empty(3)
        _sum_within(*self._where, float(centre), float(half_width), np.zeros(3 * AT_ONCE), totals)
        n, sum_d, sum_d2 = totals
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(n), float(sum_d / n), float(sum_d2 / n)

    def quartiles(self) -> Quartiles:
        """Return the quartiles.

        A sample tells about where they are; one pass over the plane counts the pixels below, and copies the
        few that are there. If the sample misled, all pixels are copied.
        """
        sample = self._sample()
        brackets = np.zeros((3, 2), np.float32)
        for bracket, fraction in zip(brackets, _FRACTIONS if sample.size else (), strict=False):
            low = math.floor(max(fraction - _MARGIN, 0) * (sample.size - 1))
            high = math.ceil(min(fraction + _MARGIN, 1) * (sample.size - 1))
            sample.partition((low, high))
            bracket[:] = sample[low], sample[high]
        for share in (8 * _MARGIN * len(_FRACTIONS), 1.0):
            n, counts, inside = self._collected(brackets, int(share * self._values.size))
            places = [fraction * (n - 1) for fraction in _FRACTIONS]
            found = [_at_rank(*arguments, inside) for arguments in zip(places, brackets, counts, strict=True)]
            if n == 0:
                break
            if None not in found:
                return Quartiles(n, *(value for value in found if value is not None))
            brackets[:] = -np.inf, np.inf
        return Quartiles(0, math.nan, math.nan, math.nan)

    def _sample(self) -> npt.NDArray[np.float32]:
        """Return the good pixels of some rows and columns."""
        step_y, step_x = (max(1, n // _SAMPLE) for n in self._values.shape)
        values, mask = (plane[::step_y, ::step_x] for plane in (self._values, self._mask))
        good = np.isfinite(values) & ((mask & self._and_mask) == 0)
        sample: npt.NDArray[np.float32] = values[good].astype(np.float32, copy=False)
        return sample

    def _collected(
        self, brackets: npt.NDArray[np.float32], room: int
    ) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Return the number of good pixels, those below and up to the end of brackets, and what is inside.

        Nothing is inside if there is not enough room for it.
        """
        counts, points = np.empty((3, 2), np.int64), np.empty(room, np.float32)
        scratch = np.empty(AT_ONCE, np.uint32), np.zeros(AT_ONCE + FLAGS_AT_ONCE, np.uint8)
        numbers = np.empty(2, np.int64)
        _collect_within(*self._where, brackets, counts, points, scratch, numbers)
        n, n_inside = numbers.tolist()
        return n, counts, points[: n_inside if n_inside <= room else 0]


def median_of_finite(values: npt.NDArray[Any]) -> float:
    """Return the median of the finite pixels of a float32 plane ``(n_y, n_x)``; NaN if there are none."""
    # With no bit to look for, any plane of words will do for a mask.
    return PlanePixels(values, values.view(values.dtype.str.replace("f", "i")), 0).quartiles().median


def _at_rank(
    rank: float,
    bracket: npt.NDArray[np.float32],
    counts: npt.NDArray[np.int64],
    inside: npt.NDArray[np.float32],
) -> float | None:
    """Return the value at a rank, None if it is not inside its bracket."""
    n_below, n_up_to = (int(count) for count in counts)
    below = math.floor(rank)
    share = rank - below
    above = below + (share > 0)
    if below < n_below or above >= n_up_to:
        return None
    if bracket[0] == bracket[1]:
        return float(bracket[0])
    own = inside[(inside >= bracket[0]) & (inside <= bracket[1])]
    if own.size != n_up_to - n_below:
        return None
    own.partition((below - n_below, above - n_below))
    low, high = own[below - n_below], own[above - n_below]
    return float((1 - share) * np.float64(low) + share * np.float64(high))
