"""Coordinate maps and a plain-loop oracle for the tests of resampling."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tasks.kernels import MaskedPlanes, map_nodes, resample, resampling_kernel

Transform = Callable[
    [NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]
]

BAD, EDGE, NO_DATA = 1, 1 << 4, 1 << 8
HALF_LENGTHS = {"bilinear": 1, "lanczos2": 2, "lanczos3": 3, "lanczos4": 4, "lanczos5": 5}


def affine(matrix: tuple[float, float, float, float], x0: float, y0: float) -> Transform:
    """Return output -> source for a matrix (xx, xy, yx, yy) and the source of output pixel (0, 0)."""
    xx, xy, yx, yy = matrix
    return lambda i, j: (xx * i + xy * j + x0, yx * i + yy * j + y0)


def rotation(angle: float, scale: float, centre: float, source_centre: float) -> Transform:
    """Return a rotated and scaled map that takes (centre, centre) to (source_centre, source_centre)."""
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return affine((c, -s, s, c), source_centre - (c - s) * centre, source_centre - (c + s) * centre)


def nodes_of(transform: Transform, shape: tuple[int, int], step: int) -> dict:
    """Evaluate a map where the kernel wants it, as keyword arguments."""
    j, i = np.meshgrid(map_nodes(shape[0], step), map_nodes(shape[1], step), indexing="ij")
    x, y = transform(i, j)
    return {"map_x": x, "map_y": y, "step": step, "out_shape": shape}


def warp(
    image: NDArray,
    transform: Transform,
    shape: tuple[int, int],
    *,
    variance: NDArray | None = None,
    mask: NDArray | None = None,
    step: int = 16,
    kernel: str = "lanczos3",
    corrected: bool = False,
    stretch: float = 1.0,
    mask_kernel: str = "bilinear",
) -> MaskedPlanes:
    """Resample with unit variance, an empty mask, plain taps and the usual bits unless told otherwise."""
    variance = np.ones(image.shape, dtype=np.float32) if variance is None else variance
    mask = np.zeros(image.shape, dtype=np.int32) if mask is None else mask
    nodes = nodes_of(transform, shape, step)
    return resample(
        image,
        variance,
        mask,
        **nodes,
        kernel=resampling_kernel(kernel, corrected=corrected, stretch=stretch),
        no_data_bit=NO_DATA,
        grow_full_mask=EDGE,
        mask_kernel=mask_kernel,
    )


def interpolated_map(transform: Transform, shape: tuple[int, int], step: int) -> NDArray[np.float64]:
    """Return the x, y and area that the kernel interpolates at every output pixel, shape (3, n_y, n_x)."""
    # With numba, which resampling itself may do without.
    from tasks.kernels.loops.resample import map_row

    nodes = nodes_of(transform, shape, step)
    planes = np.empty((3, *shape))
    lines = np.empty((4, nodes["map_x"].shape[1]))
    for row in range(shape[0]):
        positions = np.empty((3, shape[1]))
        map_row(nodes["map_x"], nodes["map_y"], step, row, lines, positions)
        planes[:, row] = positions
    return planes


def slow_taps(kernel: str, f: float) -> list[float]:
    """Return the normalised taps straight from the definition, one at a time."""
    half = HALF_LENGTHS[kernel]
    taps = []
    for offset in range(1 - half, half + 1):
        u = offset - f
        if kernel == "bilinear":
            taps.append(1.0 - abs(u))
        elif u == 0.0:
            taps.append(1.0)
        elif f == 0.0:
            taps.append(0.0)
        else:
            taps.append(math.sin(math.pi * u) * math.sin(math.pi * u / half) * half / (math.pi * u) ** 2)
    return [tap / math.fsum(taps) for tap in taps]


def split(position: float) -> tuple[int, float]:
    """Split a position into whole pixel and fraction, snapping to pixel centres within 1e-9."""
    if abs(position - round(position)) <= 1e-9:
        return round(position), 0.0
    return math.floor(position), position - math.floor(position)


def slow_pixel(
    source: MaskedPlanes, x: float, y: float, area: float, kernel: str, mask_kernel: str
) -> tuple[float, float, int]:
    """Resample one pixel with plain loops over its support."""
    half = HALF_LENGTHS[kernel]
    n_y, n_x = source.image.shape
    (ix, fx), (iy, fy) = split(x), split(y)
    columns, rows = range(ix - half + 1, ix + half + 1), range(iy - half + 1, iy + half + 1)
    if columns[0] < 0 or rows[0] < 0 or columns[-1] >= n_x or rows[-1] >= n_y:
        return math.nan, math.inf, NO_DATA
    value, variance, word = 0.0, 0.0, 0
    for row, tap_y in zip(rows, slow_taps(kernel, fy), strict=True):
        for column, tap_x in zip(columns, slow_taps(kernel, fx), strict=True):
            bits = int(source.mask[row, column])
            word |= bits & EDGE if mask_kernel else bits
            if abs(column - x) < 1.0 - 1e-9 and abs(row - y) < 1.0 - 1e-9:
                word |= bits
            if tap_x * tap_y != 0.0:
                value += area * tap_x * tap_y * float(source.image[row, column])
                variance += (area * tap_x * tap_y) ** 2 * float(source.variance[row, column])
    if not (math.isfinite(value) and math.isfinite(variance)):
        return math.nan, math.inf, word | NO_DATA
    return value, variance, word


def gaussian(shape: tuple[int, int], x: float, y: float, sigma: float, flux: float) -> NDArray[np.float64]:
    """Return a point-sampled round Gaussian star."""
    j, i = np.indices(shape)
    return flux / (2 * math.pi * sigma**2) * np.exp(-((i - x) ** 2 + (j - y) ** 2) / (2 * sigma**2))
