"""The intervals of sigma clipping, and the inputs that lie within."""

import numpy as np

from ..loops.jit import part
from .block import Block
from .moments import Moments
from .order import Order
from .rules import IQR_TO_SIGMA


@part
def set_robust_interval(moments: Moments, order: Order, num_sigma: float) -> None:
    """Set the interval of the first pass: robust standard deviations about the median, without weights."""
    centre, half_width, quartiles = moments.pivot, moments.half_width, order.quartiles
    for p in range(centre.size):
        centre[p] = quartiles[1, p]
        half_width[p] = num_sigma * IQR_TO_SIGMA * (quartiles[2, p] - quartiles[0, p])


@part
def set_next_interval(moments: Moments, block: Block, num_sigma: float) -> None:
    """Set the interval of a further pass from mean and standard deviation of what the last pass chose.

    A pixel with one good input has no standard deviation and keeps its half-width.
    """
    centre, half_width, n_good = moments.pivot, moments.half_width, block.n_good
    mean, variance = moments.mean, moments.variance
    for p in range(centre.size):
        not_negative = 0.0 if variance[p] < 0 else variance[p]
        centre[p] = mean[p]
        half_width[p] = num_sigma * np.sqrt(not_negative) if n_good[p] > 1 else half_width[p]


@part
def choose_within(moments: Moments, block: Block) -> None:
    """Choose, from *all* good inputs, those in the interval, ends included; one with a NaN holds nothing."""
    centre, half_width = moments.pivot, moments.half_width
    for i in range(block.good.shape[0]):
        value, good, chosen = block.value[i], block.good[i], moments.chosen[i]
        for p in range(centre.size):
            chosen[p] = good[p] & (np.abs(np.float64(value[p]) - centre[p]) <= half_width[p])
