"""Taking the sums of `Moments`."""

import numpy as np

from ..loops.jit import part
from .block import Block
from .moments import Moments


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
