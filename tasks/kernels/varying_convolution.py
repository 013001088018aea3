"""Convolution with a kernel that varies over the image, and the reach of its mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .native_loop import NativeLoop
from .threads import in_threads

__all__ = ["convolve_varying", "spread_bits"]

_BLOCK = 256  # output pixels of a row whose sums are kept together in the L1 cache
_STRIP_ROWS = 16  # rows that a thread takes at once

_convolve = NativeLoop("tasks.kernels.loops.varying_convolution", "convolve_rows")


def convolve_varying(
    image: NDArray[np.floating[Any]],
    variance: NDArray[np.floating[Any]],
    kernels: NDArray[np.float64],
    node_y: NDArray[np.float64],
    node_x: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Convolve an image with a kernel known at the nodes of a grid, bilinear in between.

    With k the kernel of an output pixel, the image is ``sum(k v)`` and the variance ``sum(k**2 var)``;
    covariances are dropped.

    Parameters
    ----------
    image, variance
        Pixels ``(n_y, n_x)``; not changed. A value that is not finite makes every pixel NaN whose kernel
        reaches it.
    kernels
        Kernels at the nodes ``(m_y, m_x, n, n)``, n odd, centred.
    node_y, node_x
        Increasing rows ``(m_y,)`` and columns ``(m_x,)`` of the nodes, in pixels of the array. Beyond the
        outer nodes the kernel stays as it is there.

    Returns
    -------
    image, variance
        Planes ``(n_y, n_x)``; NaN where the kernel leaves the image.

    Raises
    ------
    ValueError
        Raised for shapes that do not fit together.
    """
    n = kernels.shape[-1]
    if image.ndim != 2 or image.shape != variance.shape:
        raise ValueError(f"image {image.shape} and variance {variance.shape} need one shape (n_y, n_x)")
    if kernels.shape != (len(node_y), len(node_x), n, n) or n % 2 == 0 or not kernels.size:
        raise ValueError(
            f"kernels {kernels.shape} must be odd squares, one at each of {len(node_y)} x {len(node_x)} nodes"
        )
    out_image = np.full(image.shape, np.nan, dtype=np.float32)
    out_variance = np.full(image.shape, np.nan, dtype=np.float32)
    if min(image.shape) < n:
        return out_image, out_variance
    rows, columns = np.arange(image.shape[0]), np.arange(image.shape[1])
    planes = [np.ascontiguousarray(plane, dtype=np.float32) for plane in (image, variance)]
    # Flipped, so that the loop runs forwards over kernel and image alike.
    flipped = np.ascontiguousarray(kernels[:, :, ::-1, ::-1])
    cells = _cells(rows, node_y), _cells(columns, node_x)

    def convolve(first: int) -> None:
        last = min(first + _STRIP_ROWS, image.shape[0] - n + 1)
        scratch = np.empty((2, n, n), np.float32), np.empty((2, _BLOCK), np.float32)
        _convolve(*planes, flipped, *cells, (first, last), scratch, out_image, out_variance)

    in_threads(convolve, range(0, image.shape[0] - n + 1, _STRIP_ROWS))
    # An infinity would have become one of either sign, or a NaN.
    wrong = ~(np.isfinite(out_image) & np.isfinite(out_variance))
    out_image[wrong] = np.nan
    out_variance[wrong] = np.nan
    return out_image, out_variance


def spread_bits(mask: NDArray[np.int32], reach: int) -> NDArray[np.int32]:
    """Return the OR of the mask words in the box of ``2 reach + 1`` pixels about each pixel.

    Parameters
    ----------
    mask
        Mask words ``(n_y, n_x)``; not changed. There are none outside.
    reach
        Pixels on each side, at least 0.
    """
    for axis in (0, 1):
        mask = _spread_along(mask, reach, axis)
    return mask


def _spread_along(mask: NDArray[np.int32], reach: int, axis: int) -> NDArray[np.int32]:
    """Return the OR along one axis; each step doubles the part of the window that is done."""
    pad = [(0, 0), (0, 0)]
    pad[axis] = (reach, reach)
    words = np.moveaxis(np.pad(mask, pad), axis, 0)
    width, done = 2 * reach + 1, 1
    while done < width:
        step = min(done, width - done)
        words = words[:-step] | words[step:]
        done += step
    return np.ascontiguousarray(np.moveaxis(words, 0, axis))


def _cells(
    pixels: NDArray[np.int64], nodes: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return the nodes before and after each pixel, and the weight of the latter."""
    after = np.clip(np.searchsorted(nodes, pixels, side="right"), 1, max(len(nodes) - 1, 1))
    before, after = after - 1, np.minimum(after, len(nodes) - 1)
    width = nodes[after] - nodes[before]
    weight = np.where(width > 0, (pixels - nodes[before]) / np.where(width > 0, width, 1.0), 0.0)
    return before, after, np.clip(weight, 0.0, 1.0).astype(np.float32)
