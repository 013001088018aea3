"""ClipBlock: scratch memory for a clipped mean with fixed weights."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .mean_block import WIDTH
from .order import Order, new_order


class ClipBlock(NamedTuple):
    """What clipping needs beside the screened inputs; scratch memory of one thread."""

    order: Order
    """The good inputs sorted."""

    sums: npt.NDArray[np.float64]
    """Centre and half-width of the interval, then sums over the inputs in it, with ``d`` the distance from
    the centre: their number; ``w``; ``w w``; ``w d``; ``(w d) d``; ``(v w) w``; ``(8 * 512,)``."""

    n_kept: npt.NDArray[np.int32]
    """Number of inputs in the last interval, ``(512,)``."""


def new_clip_block(n: int, n_x: int) -> ClipBlock:
    """Take the memory for ``n`` inputs of rows of ``n_x`` pixels, cut into blocks of equal width."""
    n_blocks = -(-n_x // WIDTH)
    return ClipBlock(
        order=new_order(n, -(-n_x // n_blocks)),
        sums=np.empty(8 * WIDTH),
        n_kept=np.empty(WIDTH, np.int32),
    )
