"""Filling of bad pixels along rows.

Bad pixels are predicted from the good ones beside them by ordinary kriging: the weights minimise the
expected error under the constraint that they sum to 1 (Matheron 1963; Rybicki & Press 1992), for
pixels whose covariance at a distance of d pixels is that of noise-free stars of sigma = 1 pixel,
``exp(-d**2 / 4)``.
"""

from __future__ import annotations

import functools
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .native_loop import NativeLoop
from .stacking import clipped_mean, median_of_finite

__all__ = ["fallback_value", "interpolate_rows", "kriging_weights"]

REACH: Final = 6
"""Pixels from the good data beyond which kriging has nothing more to say than their mean."""

LONG_RUN: Final = 11
"""Length from which the two sides of a run no longer know of each other."""

SLOTS: Final = 2 * REACH + 1
"""Rows of the weight table for one run length; long runs share the middle one."""

_fill_plane = NativeLoop("tasks.kernels.loops.interpolate", "fill_plane")


def fallback_value(
    image: NDArray[np.float32], *, statistic: str = "MEDIAN", negative_fallback_allowed: bool = False
) -> float:
    """Return the value for pixels far from any good one: a statistic of the finite pixels.

    Parameters
    ----------
    image
        Pixels ``(n_y, n_x)``.
    statistic
        MEDIAN, MEAN, or MEANCLIP: the mean after 3 passes of clipping at 3 sigma.
    negative_fallback_allowed
        Whether the value may be negative; if not, 0 takes its place.

    Returns
    -------
    value
        The value; NaN if no pixel is finite.

    Raises
    ------
    ValueError
        Raised for another statistic.
    """
    match statistic:
        case "MEDIAN":
            value = median_of_finite(image)
        case "MEAN":
            finite = image[np.isfinite(image)]
            value = float(finite.mean(dtype=np.float64)) if finite.size else math.nan
        case "MEANCLIP":
            value = clipped_mean(
                image.astype(np.float32, copy=False), np.zeros(image.shape, np.int32),
                num_sigma=3.0, num_iter=3, and_mask=0,
            )  # fmt: skip
        case _:
            raise ValueError(f"statistic {statistic!r} is not one of MEDIAN, MEAN, MEANCLIP")
    return value if negative_fallback_allowed or math.isnan(value) else max(value, 0.0)


def interpolate_rows(
    image: NDArray[np.float32],
    variance: NDArray[np.float32] | None,
    bad: NDArray[np.bool_],
    fallback: float,
    *,
    fallback_at_edge: bool = True,
    transpose: bool = False,
) -> None:
    """Replace bad pixels in place, from up to two good pixels on either side of each run.

    Each maximal run of bad pixels of a row is filled on its own, from left to right:

    - From the two pixels on each side with kriging weights; the outer one of a pair is left out if
      it belongs to another run or lies outside the image.
    - A result that is NaN (or below all float32 numbers) becomes the mean of the nearest pixels on
      both sides.
    - Runs of 11 pixels or more use each side's weights as if the other were infinitely far away.
    - Of a run at an edge that is longer than 6 pixels, only the 6 next to good data are
      interpolated; the rest is set to the fallback value first and serves as the other side. Without
      ``fallback_at_edge`` the whole run has the weights of its one side.
    - A row without good pixels is set to the fallback value.

    Parameters
    ----------
    image
        Pixels ``(n_y, n_x)``; changed.
    variance
        Variance ``(n_y, n_x)``, changed, or None. It is treated like the image: the same weights, not
        squared, and the image's fallback value.
    bad
        Which pixels to replace, ``(n_y, n_x)``.
    fallback
        Value for pixels at an edge that are far from good ones, and for rows without any.
    fallback_at_edge
        Whether a run at an edge ends in that value.
    transpose
        Whether to run along columns.

    Raises
    ------
    ValueError
        Raised for arrays of different shapes or of types other than float32 and bool.

    Notes
    -----
    The rules are those of LSST's interpolation task with its fallback at the edge, down to three
    peculiarities: a run of 2 pixels with one usable pixel on each side is clamped at 0; a run that
    ends at the last column uses the second pixel before it even if that one was filled before; and a
    run that starts in column 1 takes the second pixel after it as NaN if it belongs to another run
    (in coadds it is).
    """
    planes = [image] if variance is None else [image, variance]
    for plane in planes:
        if plane.shape != bad.shape or plane.dtype != np.float32 or bad.dtype != np.bool_ or bad.ndim != 2:
            raise ValueError(
                "interpolation needs float32 planes and a bool array of one shape (n_y, n_x), not "
                f"{plane.dtype} {plane.shape} and {bad.dtype} {bad.shape}"
            )
    where = bad.T if transpose else bad
    for plane in planes:
        rows = plane.T if transpose else plane
        _fill_plane(rows, where, float(fallback), fallback_at_edge, _weight_table(), np.empty(4))


def kriging_weights(n: int, i: int, n_left: int, n_right: int) -> NDArray[np.float64]:
    """Return the weights of the good pixels beside a run, for one of its pixels.

    Parameters
    ----------
    n
        Length of the run; from 11 on, a side is infinitely far from the other side and from pixels
        more than 6 away.
    i
        Index of the pixel in the run, 0 to n - 1.
    n_left, n_right
        Usable pixels on each side, 0 to 2 and at least one in all.

    Returns
    -------
    weights
        Weights ``(4,)`` of the pixels just before the run, one further, just after it, one further;
        0 for those not usable. Their sum is 1.

    Notes
    -----
    With points p, the pixel x and the Lagrange multiplier L, solves
    ``sum_j C(p_i - p_j) w_j + L = C(p_i - x)`` and ``sum_j w_j = 1``.
    """
    near_left, near_right = i + 1.0, float(n - i)
    if n >= LONG_RUN:
        near_left = near_left if near_left <= REACH else np.inf
        near_right = near_right if near_right <= REACH and near_left == np.inf else np.inf
    distances = np.array([near_left, near_left + 1, near_right, near_right + 1])
    side = np.array([0, 0, 1, 1])
    offset = np.array([0, 1, 0, 1])
    across = n + 1.0 + offset[:, np.newaxis] + offset if n < LONG_RUN else np.inf
    between = np.where(side[:, np.newaxis] == side, np.abs(offset[:, np.newaxis] - offset), across)
    usable = np.array([n_left > 0, n_left > 1, n_right > 0, n_right > 1])
    size = int(usable.sum())
    system = np.ones((size + 1, size + 1))
    system[size, size] = 0.0
    system[:size, :size] = _covariance(between[np.ix_(usable, usable)])
    weights = np.zeros(4)
    weights[usable] = np.linalg.solve(system, np.append(_covariance(distances[usable]), 1.0))[:size]
    return weights


def _covariance(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    covariance: NDArray[np.float64] = np.exp(-(distance**2) / 4.0)
    return covariance


@functools.cache
def _weight_table() -> NDArray[np.float64]:
    """Return all weights, by pixels on the left and on the right, length of run, and slot.

    Runs from `LONG_RUN` on share one entry, with the slots `_slot` says.
    """
    table = np.zeros((3, 3, LONG_RUN + 1, SLOTS, 4))
    for n_left in range(3):
        for n_right in range(3):
            if n_left + n_right == 0:
                continue
            for n in range(1, LONG_RUN):
                for i in range(n):
                    table[n_left, n_right, n, i] = kriging_weights(n, i, n_left, n_right)
            for slot in range(SLOTS):
                table[n_left, n_right, LONG_RUN, slot] = kriging_weights(SLOTS, slot, n_left, n_right)
    table.setflags(write=False)
    return table
