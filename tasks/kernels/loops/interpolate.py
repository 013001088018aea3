"""Loops of `tasks.kernels.interpolate`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..interpolate import LONG_RUN, REACH, SLOTS
from .jit import part

_MIN_FLOAT32 = float(np.finfo(np.float32).min)


@part
def _slot(n: int, i: int) -> int:
    """Return the row of the weight table for pixel ``i`` of a run of ``n``."""
    if n < LONG_RUN or i < REACH:
        return i
    return max(SLOTS - (n - i), REACH)


@part
def _neighbours(
    row: NDArray[np.float32],
    bad: NDArray[np.bool_],
    a: int,
    b: int,
    touches: tuple[bool, bool],
    values: NDArray[np.float64],
) -> tuple[int, int]:
    """Return how many pixels beside the run [a, b] are usable on each side, and set the values of all four.

    ``touches`` says at which edges of the image the run lay before its far part was filled.
    """
    values[:] = 0.0
    n_left, n_right = min(a, 2), min(row.size - 1 - b, 2)
    if n_left == 2 and bad[a - 2] and not (touches[0] or touches[1]):
        n_left = 1
    other_run = n_right == 2 and bad[b + 2] and not touches[1]
    starts_in_column_1 = a == 1 and not touches[0]
    if other_run and not starts_in_column_1:
        n_right = 1
    for k in range(n_left):
        values[k] = row[a - 1 - k]
    for k in range(n_right):
        values[2 + k] = row[b + 1 + k]
    if other_run and starts_in_column_1:
        values[3] = np.nan
    return n_left, n_right


@part
def _fill_run(
    row: NDArray[np.float32],
    bad: NDArray[np.bool_],
    a: int,
    b: int,
    fallback: float,
    fallback_at_edge: bool,
    table: NDArray[np.float64],
    values: NDArray[np.float64],
) -> None:
    """Fill the run [a, b] of one row in place; ``values`` is scratch for the pixels beside it."""
    touches = (a == 0, b == row.size - 1)
    if touches[0] and touches[1]:
        row[:] = fallback
        return
    if fallback_at_edge and b - a + 1 > REACH:
        if touches[0]:
            a = b - REACH + 1
            row[:a] = fallback
        elif touches[1]:
            b = a + REACH - 1
            row[b + 1 :] = fallback
    n = b - a + 1
    n_left, n_right = _neighbours(row, bad, a, b, touches, values)
    if n_left == 0:
        nearest = values[2]
    elif n_right == 0:
        nearest = values[0]
    else:
        nearest = 0.5 * (values[0] + values[2])
    clamped = n == 2 and n_left == 1 and n_right == 1
    for i in range(n):
        weights = table[n_left, n_right, min(n, LONG_RUN), _slot(n, i)]
        value = 0.0
        for k in range(4):
            value += weights[k] * values[k]
        if clamped and value < 0.0:
            value = 0.0
        if np.isnan(value) or value < _MIN_FLOAT32:
            value = nearest
        row[a + i] = value


@part
def fill_plane(
    plane: NDArray[np.float32],
    bad: NDArray[np.bool_],
    fallback: float,
    fallback_at_edge: bool,
    table: NDArray[np.float64],
    values: NDArray[np.float64],
) -> None:
    """Fill every run of bad pixels of every row in place; ``values`` is scratch for four pixels."""
    n_y, n_x = plane.shape
    for y in range(n_y):
        x = 0
        while x < n_x:
            if not bad[y, x]:
                x += 1
                continue
            a = x
            while x < n_x and bad[y, x]:
                x += 1
            _fill_run(plane[y], bad[y], a, x - 1, fallback, fallback_at_edge, table, values)
