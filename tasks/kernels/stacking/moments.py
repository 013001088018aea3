"""Weighted sums over chosen inputs, and the mean and variance that follow from them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .block import Block
from .jit import part

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


@part
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


@part
def choose_good(moments: Moments, block: Block) -> None:
    """Choose all good inputs, and set the pivot to the sum of their ``w x`` divided by their *number*.

    That is near the mean only for weights near 1. The last bits of the result depend on it, so it stays as
    LSST has it.
    """
    pivot, n_good = moments.pivot, block.n_good
    pivot.fill(0.0)
    for i in range(block.good.shape[0]):
        value, weight, good, chosen = block.value[i], block.weight[i], block.good[i], moments.chosen[i]
        for p in range(pivot.size):
            product = weight[p] * np.float64(value[p])
            pivot[p] += product if good[p] else 0.0
        for p in range(pivot.size):
            chosen[p] = good[p]
    for p in range(pivot.size):
        pivot[p] /= n_good[p]


@part
def add_up(moments: Moments, block: Block) -> None:
    """Set everything but ``vw2`` from the chosen inputs and the pivot.

    An input that is not chosen adds zeros, which change no sum and spare the inner loop a branch.
    """
    pivot, n, w, w2, wd, wd2 = moments.pivot, moments.n, moments.w, moments.w2, moments.wd, moments.wd2
    mean, spread, variance = moments.mean, moments.spread, moments.variance
    n.fill(0)
    for total in (w, w2, wd, wd2):
        total.fill(0.0)
    for i in range(block.good.shape[0]):
        value, weight, chosen = block.value[i], block.weight[i], moments.chosen[i]
        for p in range(pivot.size):
            weight_p = weight[p] if chosen[p] else 0.0
            distance = np.float64(value[p]) - pivot[p] if chosen[p] else 0.0
            product = weight_p * distance
            n[p] += chosen[p]
            w[p] += weight_p
            w2[p] += weight_p * weight_p
            wd[p] += product
            wd2[p] += product * distance
    for p in range(pivot.size):
        offset = wd[p] / w[p]
        w_squared = w[p] * w[p]
        mean[p] = offset + pivot[p]
        spread[p] = wd2[p] / w[p] - offset * offset
        variance[p] = spread[p] * (w_squared / (w_squared - w2[p]))


@part
def add_up_errors(moments: Moments, block: Block) -> None:
    """Set ``vw2`` from the variances of the chosen inputs."""
    vw2 = moments.vw2
    vw2.fill(0.0)
    for i in range(block.good.shape[0]):
        variance, weight, chosen = block.variance[i], block.weight[i], moments.chosen[i]
        for p in range(vw2.size):
            product = (np.float64(variance[p]) * weight[p]) * weight[p]
            vw2[p] += product if chosen[p] else 0.0
