"""Resampling of images, variances and masks through a coordinate map, as in warping a visit to a patch."""

import math
import operator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .native_loop import NativeLoop
from .resample_parts import Float64Array, Int32Array, MaskedPlanes, SourcePart, padded_length
from .resample_tiles import Tile, tiles_of
from .resampling_kernels import ResamplingKernel
from .threads import in_threads

__all__ = ["MaskedPlanes", "map_nodes", "resample", "resample_image"]

_MASK_KERNELS = ("bilinear", "")
_ALL_BITS = -1
_LANES = 8
"""Pixels of a vector register; more taps of 0 a kernel does not have."""
_LINE = 16
"""Pixels of a line of a processor's cache."""
_STRIP_ROWS = 64
"""Rows of a single plane that a thread takes at once."""

_resample_box = NativeLoop("tasks.kernels.loops.resample", "resample_box")
_resample_rows = NativeLoop("tasks.kernels.loops.resample", "resample_rows")
_spread_mask = NativeLoop("tasks.kernels.loops.resample", "spread_mask")


def map_nodes(n: int, step: int) -> Float64Array:
    """Return the positions along one output axis at which a coordinate map has to be known.

    They start one step before the first pixel and end at least one step after the last, so that cubic
    interpolation has its four nodes everywhere.

    Parameters
    ----------
    n
        Length of the output axis, pixels.
    step
        Distance of the nodes, pixels.

    Returns
    -------
    nodes
        Output pixel positions -step, 0, step, ...; shape ``(ceil(n / step) + 3,)``.

    Raises
    ------
    ValueError
        Raised if ``n`` or ``step`` is below 1.
    """
    if n < 1 or step < 1:
        raise ValueError(f"a map needs an axis length and a step of at least 1 pixel; got {n} and {step}")
    n_cells = -(-n // step)
    return step * np.arange(-1.0, n_cells + 2.0)


def resample(
    image: NDArray[np.floating],
    variance: NDArray[np.floating],
    mask: NDArray[np.integer],
    map_x: Float64Array,
    map_y: Float64Array,
    *,
    step: int,
    out_shape: tuple[int, int],
    kernel: ResamplingKernel,
    no_data_bit: int,
    grow_full_mask: int,
    mask_kernel: str = "bilinear",
) -> MaskedPlanes:
    """Resample a masked image, conserving flux.

    With w the taps of the separable kernel and A the source pixels that one output pixel
    covers, the image is ``A sum(w v)`` and the variance ``A^2 sum(w^2 var)``; covariances are dropped. The
    map and A come from bicubic interpolation between the nodes. Where a position lies within 1e-9 of a
    pixel centre in x or in y, the other columns or rows have no weight and may hold anything.

    Output pixels are NaN, +inf and ``no_data_bit`` where the kernel does not lie wholly inside the source,
    or where the map is NaN within its 4 x 4 nodes. The same holds where the resampled value or variance is
    not finite, or the variance is negative, but there the mask keeps the bits of the source as well.

    Parameters
    ----------
    image, variance
        Source planes, shape ``(n_y, n_x)``, any byte order; converted to native float32 part by part.
        They are not changed.
    mask
        Source mask words of at most 32 bits, shape ``(n_y, n_x)``.
    map_x, map_y
        Source positions in pixels of these arrays, 0 being the centre of the first, shape ``(nodes_y,
        nodes_x)``: at the output rows ``map_nodes(out_shape[0], step)`` and the output columns
        ``map_nodes(out_shape[1], step)``.
    step
        Distance of the nodes, output pixels. The error of the interpolated position is below
        ``3/128 step^4`` times the fourth derivative of the map, per axis.
    out_shape
        Shape ``(n_y, n_x)`` of the output.
    kernel
        Kernel for image and variance.
    no_data_bit
        Value, not number, of the mask bit for output pixels without data.
    grow_full_mask
        Mask bits that reach every output pixel whose kernel touches them, whatever the mask kernel.
    mask_kernel
        ``bilinear``: an output mask is the OR of the 1, 2 or 4 source pixels that have a weight in a
        bilinear interpolation, and of as many more on each side as the kernel is stretched. Empty: the OR of
        all pixels under the image kernel.

    Returns
    -------
    planes
        New image, variance and mask, shape ``out_shape``.

    Raises
    ------
    ValueError
        Raised for an unknown mask kernel, planes of different shapes, nodes that do not match ``out_shape``
        and ``step``, or mask values that do not fit.
    TypeError
        Raised for an image or variance that is not real, or a mask that is not of integers.
    """
    if mask_kernel not in _MASK_KERNELS:
        raise ValueError(f"unknown mask kernel {mask_kernel!r}; allowed are {_MASK_KERNELS}")
    if not (0 < no_data_bit < 2**31 and no_data_bit.bit_count() == 1):
        raise ValueError(f"no_data_bit is the value of one of 31 mask bits, as 1 << 8, not {no_data_bit}")
    if not 0 <= grow_full_mask < 2**31:
        raise ValueError(f"grow_full_mask is an OR of 31 mask bits, in [0, 2**31), not {grow_full_mask}")
    shapes = {np.shape(plane) for plane in (image, variance, mask)}
    if len(shapes) != 1 or np.ndim(image) != 2:
        raise ValueError(f"image, variance and mask need one shape (n_y, n_x); got {sorted(shapes)}")
    # There are few kernels that are not stretched: they are worth loops of their own.
    support = (0,) * (2 * kernel.half) if kernel.stretch == 1.0 else ()
    taps = (_padded_table(kernel) if support else kernel.taps, support)
    planes = MaskedPlanes(_checked_real(image), _checked_real(variance), _checked_mask(mask))
    nodes = _checked_nodes(map_x, map_y, step, out_shape)
    wide_bits = grow_full_mask if mask_kernel else _ALL_BITS
    out = MaskedPlanes(
        np.empty(out_shape, dtype=np.float32),
        np.empty(out_shape, dtype=np.float32),
        np.empty(out_shape, dtype=np.int32),
    )

    def fill(tile: Tile) -> None:
        if tile.source is None:
            for plane, nothing in zip(out, (np.nan, np.inf, no_data_bit), strict=True):
                plane[tile.slices] = nothing
            return
        part = _source_part(planes, tile.source, wide_bits, kernel)
        scratch = _row_scratch(tile.node_map, tile.box[3] - tile.box[2])
        _resample_box(part, tile.node_map, taps, no_data_bit, tile.box, scratch, out)

    in_threads(fill, list(tiles_of(nodes, out_shape, planes.image.shape, kernel.half)))
    return out


def resample_image(
    image: NDArray[np.floating],
    map_x: Float64Array,
    map_y: Float64Array,
    *,
    step: int,
    out_shape: tuple[int, int],
    kernel: ResamplingKernel,
    scale_by_area: bool = True,
) -> NDArray[np.floating]:
    """Resample one plane that is 0 outside its array, such as the image of a PSF.

    Parameters
    ----------
    image
        Source, shape ``(n_y, n_x)``; not changed. NaN spreads to every pixel whose kernel touches it.
    map_x, map_y, step, out_shape, kernel
        As in `resample`; where the map is NaN the output is 0.
    scale_by_area
        Whether to multiply by the source pixels per output pixel. True conserves the sum, as for fluxes;
        False conserves the level, as for fractions.

    Returns
    -------
    resampled
        New image, shape ``out_shape``; float32 if the source is, else float64.

    Raises
    ------
    ValueError
        Raised for an image without two axes, or nodes that do not match ``out_shape`` and ``step``.
    TypeError
        Raised for an image that is not real.
    """
    source = np.asarray(image)
    dtype = np.float32 if np.can_cast(source.dtype, np.float32) else np.float64
    source = _native(source, dtype)
    if source.ndim != 2:
        raise ValueError(f"an image to resample has shape (n_y, n_x), not {source.shape}")
    out: NDArray[np.floating] = np.empty(out_shape, dtype=dtype)
    nodes = _checked_nodes(map_x, map_y, step, out_shape)

    def fill(rows: tuple[int, int]) -> None:
        scratch = _row_scratch(nodes, out_shape[1])
        _resample_rows(source, nodes, kernel.taps, scale_by_area, rows, scratch, out)

    n_y = out_shape[0]
    in_threads(fill, [(y, min(y + _STRIP_ROWS, n_y)) for y in range(0, n_y, _STRIP_ROWS)])
    return out


def _source_part(
    planes: MaskedPlanes, box: tuple[slice, slice], wide_bits: int, kernel: ResamplingKernel
) -> SourcePart:
    """Return a box of the source in the form of the compiled loops."""
    mask = np.ascontiguousarray(planes.mask[box], dtype=np.int32)
    wide_mask = _spread(mask, wide_bits, kernel.half)
    if kernel.stretch > 1.0:
        wide_mask |= _spread(mask, _ALL_BITS, math.ceil(kernel.stretch))
    image, variance = _padded(planes.image[box]), _padded(planes.variance[box])
    return SourcePart(image, variance, mask, wide_mask, box[0].start, box[1].start)


def _spread(mask: Int32Array, bits: int, half: int) -> Int32Array:
    """Return mask words whose bits reach as far as a kernel of that half length."""
    spread = np.empty_like(mask)
    _spread_mask(mask, bits, half, np.empty(mask.shape[1] + 2 * half, np.int32), spread)
    return spread


def _row_scratch(
    node_map: tuple[Float64Array, Float64Array, int], n_x: int
) -> tuple[Float64Array, Float64Array]:
    """Return memory for `map_row`: its lines of nodes, and the positions of a row."""
    return np.empty((4, node_map[0].shape[1])), np.empty((3, n_x))


def _native(plane: NDArray[Any], dtype: type[np.floating]) -> NDArray[np.floating]:
    """Return real pixels as C-contiguous native words, without a copy if they are that already."""
    return np.ascontiguousarray(_checked_real(plane), dtype=dtype)


def _padded(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Return a copy of real pixels, float32, with columns of 0 behind them.

    A vector register full of pixels may then be read at any of them. Their number keeps pixels of one column
    apart in the processor's caches, where all those at multiples of 4 KiB compete for a few places.
    """
    n_y, n_x = plane.shape
    width = -(-(n_x + _LANES) // _LINE) * _LINE
    if (width // _LINE) % 2 == 0:
        width += _LINE
    padded = np.empty((n_y, width), dtype=np.float32)
    padded[:, :n_x] = plane
    padded[:, n_x:] = 0.0
    return padded


def _padded_table(kernel: ResamplingKernel) -> NDArray[np.float32]:
    """Return the taps of a kernel with columns of 0 behind them."""
    n = kernel.taps.shape[1]
    return np.pad(kernel.taps, ((0, 0), (0, padded_length(n) - n)))


def _checked_real(plane: NDArray[Any]) -> NDArray[Any]:
    array = np.asarray(plane)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"image and variance are arrays of real numbers, not of {array.dtype}")
    return array


def _checked_mask(mask: NDArray[np.integer]) -> Int32Array:
    """Return a mask, also one of shorter or unsigned integers, of which the loops are compiled as well."""
    array = np.asarray(mask)
    if array.dtype.kind not in "iu" or array.dtype.itemsize > 4:
        raise TypeError(f"a mask is an array of integers of at most 32 bits, not of {array.dtype}")
    return cast(Int32Array, array)


def _checked_nodes(
    map_x: Float64Array, map_y: Float64Array, step: int, out_shape: tuple[int, int]
) -> tuple[Float64Array, Float64Array, int]:
    """Return the map in the form of the compiled loops, or refuse one that does not fit the output."""
    x = np.ascontiguousarray(map_x, dtype=np.float64)
    y = np.ascontiguousarray(map_y, dtype=np.float64)
    step = operator.index(step)
    shape = (map_nodes(out_shape[0], step).size, map_nodes(out_shape[1], step).size)
    if not x.shape == y.shape == shape:
        raise ValueError(
            f"map_x and map_y have shapes {x.shape} and {y.shape}; an output of shape {tuple(out_shape)} "
            f"with a node every {step} pixels needs {shape}, the positions of map_nodes"
        )
    return x, y, step
