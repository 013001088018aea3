"""Compiled loops behind `tasks.kernels.resample_planes`, which calls them as native loops."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..resample_parts import Float64Array, Int32Array, MaskedPlanes, SourcePart, padded_length

INTEGRAL_TOLERANCE = 1e-9
"""Source positions this close to a pixel centre, in pixels, are taken to be that pixel centre."""

# Without numba's Python error model no division is tested for zero, so that loops with divisions vectorise.
_compiled = njit(error_model="numpy")
# A sum that may be taken in any order vectorises; NaN and infinity keep their meaning. Which order it is, the
# compiler chooses for each copy of a function, and the process that compiles may call another copy than those
# that find the code kept: only what is inlined into the outermost function has the same bits in both.
_ANY_ORDER = {"reassoc", "contract", "nsz"}
_compiled_sum = njit(error_model="numpy", fastmath=_ANY_ORDER)
_inlined_sum = njit(error_model="numpy", fastmath=_ANY_ORDER, inline="always")


_padded_length = _compiled(padded_length)


@_compiled
def _lagrange_weights(t: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Weights of the nodes -1, 0, 1, 2 in a cubic interpolant at ``t``, and their derivatives."""
    weights = (
        -t * (t - 1.0) * (t - 2.0) / 6.0,
        (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0,
        -(t + 1.0) * t * (t - 2.0) / 2.0,
        (t + 1.0) * t * (t - 1.0) / 6.0,
    )
    slopes = (
        -(3.0 * t * t - 6.0 * t + 2.0) / 6.0,
        (3.0 * t * t - 4.0 * t - 1.0) / 2.0,
        -(3.0 * t * t - 2.0 * t - 2.0) / 2.0,
        (3.0 * t * t - 1.0) / 6.0,
    )
    return weights, slopes


@_compiled
def _cubic_coefficients(values: Float64Array, cell: int) -> tuple[float, float, float, float]:
    """Coefficients, lowest power first, of the cubic through four nodes; 0 to 1 spans the inner two."""
    a, b, c, d = values[cell], values[cell + 1], values[cell + 2], values[cell + 3]
    return b, c - a / 3.0 - b / 2.0 - d / 6.0, (a + c) / 2.0 - b, (d - a) / 6.0 + (b - c) / 2.0


@_compiled
def map_row(
    map_x: Float64Array,
    map_y: Float64Array,
    step: int,
    row: int,
    lines: Float64Array,
    positions: Float64Array,
) -> None:
    """Interpolate a coordinate map along one output row.

    The interpolant is the bicubic Lagrange polynomial of the 4 x 4 nodes around each cell: exact for maps
    that are cubic in x and in y, with an error of at most 3/128 step^4 times the fourth derivative otherwise.

    Parameters
    ----------
    map_x, map_y
        Source coordinates at the nodes that `tasks.kernels.map_nodes` lists, shape ``(nodes_y, nodes_x)``.
    step
        Distance of the nodes in output pixels.
    row
        Output row.
    lines
        Scratch memory, shape ``(4, nodes_x)``.
    positions
        Receives, shape ``(3, n_x)``, source x, source y, and the source pixels that one output pixel covers,
        which is the absolute Jacobian determinant of the interpolant.
    """
    cell_y = row // step
    weights, slopes = _lagrange_weights((row - cell_y * step) / step)
    n_nodes = map_x.shape[1]
    lines[:] = 0.0
    for j in range(4):
        for i in range(n_nodes):
            lines[0, i] += weights[j] * map_x[cell_y + j, i]
            lines[1, i] += weights[j] * map_y[cell_y + j, i]
            lines[2, i] += slopes[j] * map_x[cell_y + j, i]
            lines[3, i] += slopes[j] * map_y[cell_y + j, i]
    n_x = positions.shape[1]
    per_step = 1.0 / step
    for cell in range(n_nodes - 3):
        x0, x1, x2, x3 = _cubic_coefficients(lines[0], cell)
        y0, y1, y2, y3 = _cubic_coefficients(lines[1], cell)
        u0, u1, u2, u3 = _cubic_coefficients(lines[2], cell)
        v0, v1, v2, v3 = _cubic_coefficients(lines[3], cell)
        first = cell * step
        for i in range(first, min(first + step, n_x)):
            s = (i - first) * per_step
            positions[0, i] = x0 + s * (x1 + s * (x2 + s * x3))
            positions[1, i] = y0 + s * (y1 + s * (y2 + s * y3))
            x_by_i = x1 + s * (2.0 * x2 + s * 3.0 * x3)
            y_by_i = y1 + s * (2.0 * y2 + s * 3.0 * y3)
            x_by_j = u0 + s * (u1 + s * (u2 + s * u3))
            y_by_j = v0 + s * (v1 + s * (v2 + s * v3))
            positions[2, i] = abs(x_by_i * y_by_j - x_by_j * y_by_i) * per_step * per_step


@_compiled
def _split(position: float) -> tuple[float, float]:
    """Split a position into the pixel at or below it and the rest in [0, 1), exactly 0 close to a pixel.

    The pixel is a float too: a position may be NaN or beyond the integers.
    """
    whole = math.floor(position + INTEGRAL_TOLERANCE)
    rest = position - whole
    return whole, 0.0 if rest <= INTEGRAL_TOLERANCE else rest


@_compiled
def _phase(rest: float, n_phases: int) -> tuple[int, np.float32]:
    """Return the row of a table of taps at or below a phase, and the weight of the next one."""
    scaled = rest * n_phases
    row = int(scaled)
    return row, np.float32(scaled - row)


@_inlined_sum
def _sum_support(
    image: NDArray[np.float32],
    variance: NDArray[np.float32],
    corner: tuple[int, int],
    lengths: tuple[int, int],
    table: NDArray[np.float32],
    phases: tuple[int, np.float32, int, np.float32],
) -> tuple[np.float32, np.float32]:
    """Return the sums of w v and w^2 var over the pixels that begin at ``corner`` (y, x).

    ``lengths`` are the taps in y, and in x with those that are 0; ``phases`` are what `_phase` says of x and
    of y. One run of the outer loop is a column, so that the columns are the lanes of a vector.
    """
    # Unsigned indices spare the test for negative ones at every tap.
    y, x, one = np.uintp(corner[0]), np.uintp(corner[1]), np.uintp(1)
    row_x, rest_x, row_y, rest_y = np.uintp(phases[0]), phases[1], np.uintp(phases[2]), phases[3]
    image_sum = np.float32(0.0)
    variance_sum = np.float32(0.0)
    for column in range(lengths[1]):
        k = np.uintp(column)
        image_column = np.float32(0.0)
        variance_column = np.float32(0.0)
        for row in range(lengths[0]):
            j = np.uintp(row)
            tap = table[row_y, j] + rest_y * (table[row_y + one, j] - table[row_y, j])
            image_column += tap * image[y + j, x + k]
            variance_column += tap * tap * variance[y + j, x + k]
        tap = table[row_x, k] + rest_x * (table[row_x + one, k] - table[row_x, k])
        image_sum += tap * image_column
        variance_sum += tap * tap * variance_column
    return image_sum, variance_sum


@_compiled
def _sum_inside(
    plane: NDArray[np.floating],
    corner: tuple[int, int],
    n: int,
    table: NDArray[np.float32],
    phases: tuple[int, np.float32, int, np.float32],
    power: int,
) -> float:
    """Sum of w^power v over those of n x n pixels that exist and have a tap other than 0."""
    row_x, rest_x, row_y, rest_y = phases
    total = 0.0
    for j in range(max(0, -corner[0]), min(n, plane.shape[0] - corner[0])):
        tap_y = table[row_y, j] + rest_y * (table[row_y + 1, j] - table[row_y, j])
        for k in range(max(0, -corner[1]), min(n, plane.shape[1] - corner[1])):
            tap_x = table[row_x, k] + rest_x * (table[row_x + 1, k] - table[row_x, k])
            weight = float(tap_y) * float(tap_x)
            if weight != 0.0:
                total += weight**power * plane[corner[0] + j, corner[1] + k]
    return total


@_inlined_sum
def _resample_row(
    part: SourcePart,
    positions: Float64Array,
    table: NDArray[np.float32],
    support: tuple[int, ...],
    no_data: int,
    out: MaskedPlanes,
) -> None:
    """Resample pixels of one output row; ``out`` receives them, shape ``(n_x,)``."""
    image, variance, mask, wide_mask = part.image, part.variance, part.mask, part.wide_mask
    out_image, out_variance, out_mask = out
    out_image[:] = np.nan
    out_variance[:] = np.inf
    out_mask[:] = no_data
    n = len(support) or table.shape[1]
    lengths = (n, _padded_length(n) if len(support) else n)
    half, n_phases = n // 2, table.shape[0] - 1
    n_y, n_x = mask.shape
    for i in range(out_image.size):
        whole_x, rest_x = _split(positions[0, i])
        whole_y, rest_y = _split(positions[1, i])
        whole_x -= part.x
        whole_y -= part.y
        if not (half - 1 <= whole_x < n_x - half and half - 1 <= whole_y < n_y - half):
            continue
        phases = _phase(rest_x, n_phases) + _phase(rest_y, n_phases)
        x, y = int(whole_x), int(whole_y)
        corner = (y - half + 1, x - half + 1)
        next_x, next_y = x + int(rest_x > 0.0), y + int(rest_y > 0.0)
        scale = np.float32(positions[2, i])
        value_sum, variance_sum = _sum_support(image, variance, corner, lengths, table, phases)
        new_value = scale * value_sum
        new_variance = scale * scale * variance_sum
        # What is not finite may have no weight, or lie under no tap.
        if next_x == x or next_y == y or not (np.isfinite(new_value) and np.isfinite(new_variance)):
            new_value = np.float32(scale * _sum_inside(image, corner, n, table, phases, 1))
            new_variance = np.float32(scale * scale * _sum_inside(variance, corner, n, table, phases, 2))
        word = mask[y, x] | mask[y, next_x] | mask[next_y, x] | mask[next_y, next_x] | wide_mask[y, x]
        if np.isfinite(new_value) and 0.0 <= new_variance < np.inf:
            out_image[i] = new_value
            out_variance[i] = new_variance
            out_mask[i] = word
        else:
            out_mask[i] = word | no_data


@_compiled_sum
def resample_box(
    part: SourcePart,
    node_map: tuple[Float64Array, Float64Array, int],
    taps: tuple[NDArray[np.float32], tuple[int, ...]],
    no_data: int,
    box: tuple[int, int, int, int],
    scratch: tuple[Float64Array, Float64Array],
    out: MaskedPlanes,
) -> None:
    """Resample image, variance and mask onto a box of the output.

    Parameters
    ----------
    part
        What of the source is needed for the box; a kernel that reaches beyond it gives no data.
    node_map
        Source x and source y, in pixels of the whole source, at the nodes of the box, and the distance of
        the nodes in output pixels.
    taps
        Table of a `ResamplingKernel`, and a tuple with as many members as the kernel has taps: a length that
        the compiler knows makes faster loops, which it makes anew for each. The table then has columns of 0
        up to the `padded_length`. An empty tuple leaves the length open: the table has the taps only.
    no_data
        Mask bit for output pixels without a finite value and a finite variance of at least 0.
    box
        First row and the row after the last, then the same of the columns, of the output.
    scratch
        Memory for `map_row`, shapes ``(4, nodes_x)`` and ``(3, n_x)`` of the box.
    out
        The whole output; its box receives the result.
    """
    table, support = taps
    y_begin, y_end, x_begin, x_end = box
    lines, positions = scratch
    for row in range(y_begin, y_end):
        map_row(node_map[0], node_map[1], node_map[2], row - y_begin, lines, positions)
        out_row = MaskedPlanes(
            out.image[row, x_begin:x_end], out.variance[row, x_begin:x_end], out.mask[row, x_begin:x_end]
        )
        _resample_row(part, positions, table, support, no_data, out_row)


@_compiled
def _resample_padded_row(
    image: NDArray[np.floating],
    positions: Float64Array,
    table: NDArray[np.float32],
    scale_by_area: bool,
    out: NDArray[np.floating],
) -> None:
    """Resample one output row of a plane that is 0 outside; ``out`` receives the row, shape ``(n_x,)``."""
    n = table.shape[1]
    half, n_phases = n // 2, table.shape[0] - 1
    n_y, n_x = image.shape
    out[:] = 0.0
    for i in range(out.size):
        whole_x, rest_x = _split(positions[0, i])
        whole_y, rest_y = _split(positions[1, i])
        if not (-half <= whole_x < n_x + half and -half <= whole_y < n_y + half):
            continue
        phases = _phase(rest_x, n_phases) + _phase(rest_y, n_phases)
        corner = (int(whole_y) - half + 1, int(whole_x) - half + 1)
        scale = positions[2, i] if scale_by_area else 1.0
        out[i] = scale * _sum_inside(image, corner, n, table, phases, 1)


@_compiled
def resample_rows(
    image: NDArray[np.floating],
    node_map: tuple[Float64Array, Float64Array, int],
    table: NDArray[np.float32],
    scale_by_area: bool,
    rows: tuple[int, int],
    scratch: tuple[Float64Array, Float64Array],
    out: NDArray[np.floating],
) -> None:
    """Resample one plane that is 0 outside onto some output rows.

    ``table`` has the taps of a `ResamplingKernel`; ``rows`` are the first row and the row after the last, and
    ``scratch`` is memory for `map_row`, shapes ``(4, nodes_x)`` and ``(3, n_x)``.
    """
    lines, positions = scratch
    for row in range(rows[0], rows[1]):
        map_row(node_map[0], node_map[1], node_map[2], row, lines, positions)
        _resample_padded_row(image, positions, table, scale_by_area, out[row])


@_compiled
def spread_mask(mask: Int32Array, bits: int, half: int, padded: Int32Array, spread: Int32Array) -> None:
    """OR chosen mask bits over the support of a kernel.

    Parameters
    ----------
    mask
        Mask words, shape ``(n_y, n_x)``.
    bits
        Bits to keep; the others are 0 in the result.
    half
        Half length m of the kernel.
    padded
        Scratch memory, shape ``(n_x + 2 m,)``.
    spread
        Receives at (y, x) the OR over rows ``y - m + 1`` to ``y + m`` and the same columns, shape
        ``(n_y, n_x)``.
    """
    n_y, n_x = mask.shape
    bits32 = np.int32(bits)
    for y in range(n_y):
        padded[:] = 0
        line = padded[half : half + n_x]
        for j in range(max(0, y - half + 1), min(n_y, y + half + 1)):
            row = mask[j]
            for x in range(n_x):
                line[x] |= row[x]
        out = spread[y]
        out[:] = 0
        for offset in range(1 - half, half + 1):
            shifted = padded[half + offset :]
            for x in range(n_x):
                out[x] |= shifted[x]
        for x in range(n_x):
            out[x] &= bits32
