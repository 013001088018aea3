"""Compiled loops behind `tasks.kernels.resample`.

All compiled functions that call each other share this file: numba's disk cache watches only the file of the
outermost function, so a callee elsewhere could change without the stale machine code being noticed.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
Int32Array = NDArray[np.int32]

INTEGRAL_TOLERANCE = 1e-9
"""Source positions this close to a pixel centre, in pixels, are taken to be that pixel centre."""

_BLOCK = 128  # output pixels whose taps are computed together; the scratch arrays stay in the L1 cache

# Without numba's Python error model no division is tested for zero, so that loops with divisions vectorise.
_compiled = njit(cache=True, error_model="numpy")
_compiled_parallel = njit(cache=True, error_model="numpy", parallel=True)


class MaskedPlanes(NamedTuple):
    """The three planes of a masked image, all of one shape ``(n_y, n_x)``."""

    image: NDArray[np.float32]
    """Pixel values."""

    variance: NDArray[np.float32]
    """Variances, in the square of the unit of the image."""

    mask: Int32Array
    """Mask words."""


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
    positions
        Receives, shape ``(3, n_x)``, source x, source y, and the source pixels that one output pixel covers,
        which is the absolute Jacobian determinant of the interpolant.
    """
    cell_y = row // step
    weights, slopes = _lagrange_weights((row - cell_y * step) / step)
    n_nodes = map_x.shape[1]
    lines = np.zeros((4, n_nodes))
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
def _sine_cosine(angle: float) -> tuple[float, float]:
    """Sine and cosine for ``|angle| <= pi / 4`` to 1e-16; unlike the library calls, loops of it vectorise."""
    q = angle * angle
    sine = -1.0 / 39916800.0 + q * (1.0 / 6227020800.0 - q / 1307674368000.0)
    sine = 1.0 / 120.0 + q * (-1.0 / 5040.0 + q * (1.0 / 362880.0 + q * sine))
    sine = angle * (1.0 + q * (-1.0 / 6.0 + q * sine))
    cosine = 1.0 / 479001600.0 + q * (-1.0 / 87178291200.0 + q / 20922789888000.0)
    cosine = -1.0 / 720.0 + q * (1.0 / 40320.0 + q * (-1.0 / 3628800.0 + q * cosine))
    cosine = 1.0 + q * (-1.0 / 2.0 + q * (1.0 / 24.0 + q * cosine))
    return sine, cosine


@_compiled
def _fill_lanczos(fraction: Float64Array, support: tuple[int, ...], taps: Float64Array) -> None:
    """Lanczos taps up to a common factor, shape ``(2 m, n)``, and their sums as an extra last row.

    With u = o - f, sin(pi u) is +-sin(pi f) for all offsets o, so it cancels against the sum, and
    sin(pi u / m) follows from one sine and cosine by the addition theorem.
    """
    half = len(support) // 2
    n = fraction.size
    sines = np.empty(n)
    cosines = np.empty(n)
    for p in range(n):
        sines[p], cosines[p] = _sine_cosine(math.pi / half * (fraction[p] - 0.5))
        taps[2 * half, p] = 0.0
    for k in range(2 * half):
        offset = k - half + 1.0
        sign = -1.0 if k % 2 else 1.0
        sine = sign * math.sin(math.pi * (offset - 0.5) / half)
        cosine = sign * math.cos(math.pi * (offset - 0.5) / half)
        for p in range(n):
            u = offset - fraction[p]
            tap = (sine * cosines[p] - cosine * sines[p]) / (u * u)
            taps[k, p] = tap
            taps[2 * half, p] += tap


@_compiled
def _fill_taps(
    positions: Float64Array,
    support: tuple[int, ...],
    whole: Float64Array,
    fraction: Float64Array,
    taps: Float64Array,
) -> None:
    """Split positions along one axis into pixel and fraction, and compute the taps around them.

    Parameters
    ----------
    positions
        Source coordinates, shape ``(n,)``; n may be less than the length of the arrays that follow.
    support
        Tuple as long as the kernel, 2 m; its length is a constant to the compiler. 2 means linear.
    whole, fraction
        Receive the index of the pixel at or below each position and the rest in [0, 1); a rest within
        `INTEGRAL_TOLERANCE` of 0 or 1 becomes exactly 0.
    taps
        Receives the taps of the pixels ``whole - m + 1`` to ``whole + m``, then their sum, shape ``(2 m + 1,
        ...)``. Where the fraction is 0, one tap is 1 and the others are exactly 0.
    """
    half = len(support) // 2
    n = positions.size
    for p in range(n):
        whole[p] = math.floor(positions[p] + INTEGRAL_TOLERANCE)
        rest = positions[p] - whole[p]
        fraction[p] = 0.0 if rest <= INTEGRAL_TOLERANCE else rest
    if half == 1:
        for p in range(n):
            taps[0, p] = 1.0 - fraction[p]
            taps[1, p] = fraction[p]
            taps[2, p] = 1.0
        return
    _fill_lanczos(fraction[:n], support, taps)
    for p in range(n):
        if fraction[p] == 0.0:
            taps[:, p] = 0.0
            taps[half - 1, p] = 1.0
            taps[2 * half, p] = 1.0


@_compiled
def _sum_support(
    image: NDArray[np.float32],
    variance: NDArray[np.float32],
    corner: tuple[int, int],
    support: tuple[int, ...],
    taps: Float64Array,
    p: int,
) -> tuple[float, float]:
    """Return the sums of w v and w^2 var over the whole support, whose first pixel is ``corner`` (y, x)."""
    n = len(support)
    # Unsigned indices spare the test for negative ones at every tap.
    y, x = np.uintp(corner[0]), np.uintp(corner[1])
    image_sum = 0.0
    variance_sum = 0.0
    for j in range(n):
        image_line = 0.0
        variance_line = 0.0
        for k in range(n):
            tap = taps[0, k, p]
            image_line += tap * image[y + np.uintp(j), x + np.uintp(k)]
            variance_line += tap * tap * variance[y + np.uintp(j), x + np.uintp(k)]
        tap = taps[1, j, p]
        image_sum += tap * image_line
        variance_sum += tap * tap * variance_line
    return image_sum, variance_sum


@_compiled
def _sum_inside(
    plane: NDArray[np.floating], corner: tuple[int, int], taps: Float64Array, p: int, power: int
) -> float:
    """Sum of w^power v over the pixels that exist and have a tap other than 0."""
    n = taps.shape[1] - 1
    total = 0.0
    for j in range(max(0, -corner[0]), min(n, plane.shape[0] - corner[0])):
        for k in range(max(0, -corner[1]), min(n, plane.shape[1] - corner[1])):
            weight = taps[1, j, p] * taps[0, k, p]
            if weight != 0.0:
                total += weight**power * plane[corner[0] + j, corner[1] + k]
    return total


@_compiled
def _reaches(positions: Float64Array, shape: tuple[int, int], half: int) -> bool:
    """Whether any position may have its whole support inside a source of the given shape."""
    for p in range(positions.shape[1]):
        if half - 2 < positions[0, p] < shape[1] - half and half - 2 < positions[1, p] < shape[0] - half:
            return True
    return False


@_compiled
def _resample_row(
    source: MaskedPlanes,
    wide_mask: Int32Array,
    positions: Float64Array,
    support: tuple[int, ...],
    no_data: int,
    out: MaskedPlanes,
) -> None:
    """Resample one output row; ``out`` receives that row of the output, shape ``(n_x,)``."""
    image, variance, mask = source
    out_image, out_variance, out_mask = out
    out_image[:] = np.nan
    out_variance[:] = np.inf
    out_mask[:] = no_data
    length = len(support)
    half = length // 2
    n_y, n_x = image.shape
    whole = np.empty((2, _BLOCK))
    fraction = np.empty((2, _BLOCK))
    taps = np.empty((2, length + 1, _BLOCK))
    for start in range(0, out_image.size, _BLOCK):
        block = positions[:, start : start + _BLOCK]
        if not _reaches(block, image.shape, half):
            continue
        for axis in range(2):
            _fill_taps(block[axis], support, whole[axis], fraction[axis], taps[axis])
        for p in range(block.shape[1]):
            # Compared as floats: positions may be NaN or beyond the integers.
            if not (half - 1 <= whole[0, p] < n_x - half and half - 1 <= whole[1, p] < n_y - half):
                continue
            x, y = int(whole[0, p]), int(whole[1, p])
            corner = (y - half + 1, x - half + 1)
            next_x, next_y = x + int(fraction[0, p] > 0.0), y + int(fraction[1, p] > 0.0)
            if next_x > x and next_y > y:
                value_sum, variance_sum = _sum_support(image, variance, corner, support, taps, p)
            else:
                value_sum = _sum_inside(image, corner, taps, p, 1)
                variance_sum = _sum_inside(variance, corner, taps, p, 2)
            scale = block[2, p] / (taps[0, length, p] * taps[1, length, p])
            new_value = np.float32(scale * value_sum)
            new_variance = np.float32(scale * scale * variance_sum)
            word = mask[y, x] | mask[y, next_x] | mask[next_y, x] | mask[next_y, next_x] | wide_mask[y, x]
            finite = np.isfinite(new_value) and np.isfinite(new_variance)
            i = start + p
            out_image[i] = new_value if finite else np.float32(np.nan)
            out_variance[i] = new_variance if finite else np.float32(np.inf)
            out_mask[i] = word if finite else word | no_data


@_compiled_parallel
def resample_planes(
    source: MaskedPlanes,
    wide_mask: Int32Array,
    node_map: tuple[Float64Array, Float64Array, int],
    support: tuple[int, ...],
    no_data: int,
    out: MaskedPlanes,
) -> None:
    """Resample image, variance and mask.

    Parameters
    ----------
    source
        MaskedPlanes to resample, shape ``(n_y, n_x)``, C-contiguous.
    wide_mask
        Bits that a pixel brings to every output pixel in whose support it lies, from `spread_mask`.
    node_map
        Source x and source y at the nodes, and the distance of the nodes in output pixels.
    support
        Tuple as long as the kernel; 2 means bilinear.
    no_data
        Mask bit for output pixels without a finite value and variance.
    out
        Receives the result.
    """
    for row in prange(out.image.shape[0]):
        positions = np.empty((3, out.image.shape[1]))
        map_row(node_map[0], node_map[1], node_map[2], row, positions)
        out_row = MaskedPlanes(out.image[row], out.variance[row], out.mask[row])
        _resample_row(source, wide_mask, positions, support, no_data, out_row)


@_compiled
def _resample_padded_row(
    image: NDArray[np.floating],
    positions: Float64Array,
    support: tuple[int, ...],
    scale_by_area: bool,
    out: NDArray[np.floating],
) -> None:
    """Resample one output row of a plane that is 0 outside; ``out`` receives the row, shape ``(n_x,)``."""
    length = len(support)
    half = length // 2
    n_y, n_x = image.shape
    out[:] = 0.0
    whole = np.empty((2, _BLOCK))
    fraction = np.empty((2, _BLOCK))
    taps = np.empty((2, length + 1, _BLOCK))
    for start in range(0, out.size, _BLOCK):
        block = positions[:, start : start + _BLOCK]
        for axis in range(2):
            _fill_taps(block[axis], support, whole[axis], fraction[axis], taps[axis])
        for p in range(block.shape[1]):
            if not (-half <= whole[0, p] < n_x + half and -half <= whole[1, p] < n_y + half):
                continue
            corner = (int(whole[1, p]) - half + 1, int(whole[0, p]) - half + 1)
            scale = block[2, p] if scale_by_area else 1.0
            scale /= taps[0, length, p] * taps[1, length, p]
            out[start + p] = scale * _sum_inside(image, corner, taps, p, 1)


@_compiled_parallel
def resample_plane(
    image: NDArray[np.floating],
    node_map: tuple[Float64Array, Float64Array, int],
    support: tuple[int, ...],
    scale_by_area: bool,
    out: NDArray[np.floating],
) -> None:
    """Resample one plane that is 0 outside; arguments as in `resample_planes`."""
    for row in prange(out.shape[0]):
        positions = np.empty((3, out.shape[1]))
        map_row(node_map[0], node_map[1], node_map[2], row, positions)
        _resample_padded_row(image, positions, support, scale_by_area, out[row])


@_compiled_parallel
def spread_mask(mask: Int32Array, bits: int, half: int) -> Int32Array:
    """OR chosen mask bits over the support of a kernel.

    Parameters
    ----------
    mask
        Mask words, shape ``(n_y, n_x)``.
    bits
        Bits to keep; the others are 0 in the result.
    half
        Half length m of the kernel.

    Returns
    -------
    spread
        At (y, x) the OR over rows ``y - m + 1`` to ``y + m`` and the same columns, shape ``(n_y, n_x)``.
    """
    n_y, n_x = mask.shape
    spread = np.zeros((n_y, n_x), dtype=np.int32)
    bits32 = np.int32(bits)
    for y in prange(n_y):
        padded = np.zeros(n_x + 2 * half, dtype=np.int32)
        line = padded[half : half + n_x]
        for j in range(max(0, y - half + 1), min(n_y, y + half + 1)):
            row = mask[j]
            for x in range(n_x):
                line[x] |= row[x]
        out = spread[y]
        for offset in range(1 - half, half + 1):
            shifted = padded[half + offset :]
            for x in range(n_x):
                out[x] |= shifted[x]
        for x in range(n_x):
            out[x] &= bits32
    return spread
