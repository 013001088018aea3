"""Weighted sums over chosen inputs, and the mean and variance that follow from them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Row = npt.NDArray[np.float64]


class Moments(NamedTuple):
    """Which inputs of each pixel of a block are chosen, and sums over them; scratch memory of one thread.

    All but the first are of shape ``(width,)``; ``d`` is the distance ``x - pivot``. Products are formed in
    the order written and added in list order, in float64: results are compared bit for bit.
    """

    chosen: npt.NDArray[np.bool_]
    """Whether an input is chosen, shape ``(n, width)``."""

    pivot: Row
    """Value about which the sums are taken; centre of the interval in clipping."""

    half_width: Row
    """Half-width of the interval; of use in clipping only."""

    n: npt.NDArray[np.int32]
    """Number of chosen inputs."""

    w: Row
    """Sum of ``w``."""

    w2: Row
    """Sum of ``w w``."""

    wd: Row
    """Sum of ``w d``."""

    wd2: Row
    """Sum of ``(w d) d``."""

    vw2: Row
    """Sum of ``(v w) w``."""

    mean: Row
    """Weighted mean."""

    spread: Row
    """Weighted mean of the squared distance from the mean."""

    variance: Row
    """Sample variance: the spread, debiased for reliability weights; not finite for a single input."""


def new_moments(n: int, width: int) -> Moments:
    """Take the memory for ``n`` inputs of ``width`` pixels."""
    return Moments(
        chosen=np.empty((n, width), np.bool_),
        pivot=np.empty(width),
        half_width=np.empty(width),
        n=np.empty(width, np.int32),
        w=np.empty(width),
        w2=np.empty(width),
        wd=np.empty(width),
        wd2=np.empty(width),
        vw2=np.empty(width),
        mean=np.empty(width),
        spread=np.empty(width),
        variance=np.empty(width),
    )
