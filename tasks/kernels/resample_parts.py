"""What the loops of `tasks.kernels.loops.resample` work on, told without the compiler."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
Int32Array = NDArray[np.int32]


class MaskedPlanes(NamedTuple):
    """The three planes of a masked image, all of one shape ``(n_y, n_x)``."""

    image: NDArray[np.float32]
    """Pixel values."""

    variance: NDArray[np.float32]
    """Variances, in the square of the unit of the image."""

    mask: Int32Array
    """Mask words."""


class SourcePart(NamedTuple):
    """A part of a masked image to resample, in the form of the loops, C-contiguous."""

    image: NDArray[np.float32]
    """Pixel values, with columns of 0 behind them: as many as a table of taps may have, or more."""

    variance: NDArray[np.float32]
    """Variances, as wide as the image."""

    mask: Int32Array
    """Mask words, shape ``(n_y, n_x)`` of the part."""

    wide_mask: Int32Array
    """Bits that a pixel brings to every output pixel in whose support it lies, from `spread_mask`."""

    y: int
    """Row of the whole at which the part begins."""

    x: int
    """Column of the whole at which the part begins."""


def padded_length(n: int) -> int:
    """Return how many taps a row of a kernel's table has: whole vector registers, the rest of them 0."""
    return n if n <= 4 else (n + 7) // 8 * 8
