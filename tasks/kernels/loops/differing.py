"""Loops of `tasks.kernels.differing`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .jit import fused_part, part

_Plane = NDArray[np.float32]


@fused_part
def search(
    difference: _Plane,
    error: _Plane,
    samples: _Plane,
    squares: _Plane,
    limit: np.float32,
    zeros: tuple[NDArray[np.float32], _Plane],
    smoothed: _Plane,
    signs: NDArray[np.int8],
) -> None:
    """Smooth along each row, and across the last rows that were smoothed as soon as there are enough.

    These rows, and one between margins, begin as ``zeros``; ``smoothed`` is scratch for a row of each plane.
    """
    n_y, n_x = difference.shape
    half = samples.size - 1
    n_rows = 2 * half + 1
    rows, row_errors, padded = zeros[0][0], zeros[0][1], zeros[1]
    value, size = smoothed[0], smoothed[1]
    for y in range(n_y + half):
        row, row_error = rows[y % n_rows], row_errors[y % n_rows]
        if y < n_y:
            _smooth_row(difference[y], samples, padded, row)
            _smooth_row(error[y], squares, padded, row_error)
        else:
            row[:] = 0
            row_error[:] = 0
        if y < half:
            continue
        _smooth_column(rows, y - half, samples, value)
        _smooth_column(row_errors, y - half, squares, size)
        for x in range(n_x):
            beyond = value[x] * value[x] >= limit * size[x] and size[x] > 0
            signs[y - half, x] = beyond * (1 if value[x] > 0 else -1)


@part
def _smooth_row(values: _Plane, samples: _Plane, padded: _Plane, row: _Plane) -> None:
    half = samples.size - 1
    n = row.size
    for x in range(n):
        padded[half + x] = values[x]
    _scale(padded[half : half + n], samples[half], row)
    ends = 2 * half
    paired = half - half % 4
    for i in range(0, paired, 4):
        _add_four(
            (
                padded[i : i + n],
                padded[i + 1 : i + 1 + n],
                padded[i + 2 : i + 2 + n],
                padded[i + 3 : i + 3 + n],
            ),
            (
                padded[ends - i : ends - i + n],
                padded[ends - i - 1 : ends - i - 1 + n],
                padded[ends - i - 2 : ends - i - 2 + n],
                padded[ends - i - 3 : ends - i - 3 + n],
            ),
            samples[i : i + 4],
            row,
        )
    for i in range(paired, half):
        _add(padded[i : i + n], padded[ends - i : ends - i + n], samples[i], row)


@part
def _smooth_column(rows: _Plane, y: int, samples: _Plane, smoothed: _Plane) -> None:
    half = samples.size - 1
    n = rows.shape[0]
    _scale(rows[y % n], samples[half], smoothed)
    paired = half - half % 4
    for i in range(0, paired, 4):
        away = half - i
        _add_four(
            (
                rows[(y - away) % n],
                rows[(y - away + 1) % n],
                rows[(y - away + 2) % n],
                rows[(y - away + 3) % n],
            ),
            (
                rows[(y + away) % n],
                rows[(y + away - 1) % n],
                rows[(y + away - 2) % n],
                rows[(y + away - 3) % n],
            ),
            samples[i : i + 4],
            smoothed,
        )
    for i in range(paired, half):
        away = half - i
        _add(rows[(y - away) % n], rows[(y + away) % n], samples[i], smoothed)


@part
def _scale(values: _Plane, sample: float, result: _Plane) -> None:
    for x in range(result.size):
        result[x] = sample * values[x]


@part
def _add(before: _Plane, after: _Plane, sample: float, result: _Plane) -> None:
    for x in range(result.size):
        result[x] += sample * (before[x] + after[x])


@part
def _add_four(
    before: tuple[_Plane, _Plane, _Plane, _Plane],
    after: tuple[_Plane, _Plane, _Plane, _Plane],
    samples: _Plane,
    result: _Plane,
) -> None:
    """Add four pairs of neighbours, one after the other, while the sum stays in a register."""
    b0, b1, b2, b3 = before
    a0, a1, a2, a3 = after
    s0, s1, s2, s3 = samples[0], samples[1], samples[2], samples[3]
    for x in range(result.size):
        total = result[x] + s0 * (b0[x] + a0[x])
        total += s1 * (b1[x] + a1[x])
        total += s2 * (b2[x] + a2[x])
        result[x] = total + s3 * (b3[x] + a3[x])
