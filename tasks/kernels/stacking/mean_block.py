"""MeanBlock: scratch memory for a mean with fixed weights.

What is added up lies in few arrays, at distances that the compiler knows: loops over more arrays at once
would not be vectorized, since too many of them might overlap.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .rules import StackRules

WIDTH = 512
"""Pixels of a block: long enough to read ahead, short enough for twenty inputs to stay in the cache."""

NAN = np.uint32(0x7FC00000)
"""Bits that stand for an input that is not good."""

TOGETHER = 4
"""Inputs that are added in one pass, so that sums go less often to and from the cache."""


class MeanBlock(NamedTuple):
    """Sums over the inputs of up to 512 neighbouring pixels; scratch memory of one thread."""

    kept: npt.NDArray[np.uint32]
    """Bits of the value of each good input, NaN of the others; input after input, ``(n * 512,)``. The number
    is rounded up to whole groups of inputs that are added together, and those too many are not good."""

    weights: npt.NDArray[np.float64]
    """Weight of each of these inputs; 0 of those too many."""

    counts: npt.NDArray[np.uint32]
    """Number of good inputs, of those that the mask lets through; OR of the masks of the good ones, of all;
    ``(4 * 512,)``."""

    sums: npt.NDArray[np.float64]
    """Sums over the good inputs: ``w``; ``w x``, then that over their number, the pivot; ``(v w) w``;
    ``w (x - pivot)``; ``(4 * 512,)``."""

    lost_weight: npt.NDArray[np.float64]
    """Sum of the weights of the inputs rejected with each threshold bit, ``(n_thresholds, 512)``."""


def new_mean_block(rules: StackRules) -> MeanBlock:
    """Take the memory of a block and set the weights; `load_block` sets the rest."""
    n = rules.weights.size
    n_padded = (n + TOGETHER - 1) // TOGETHER * TOGETHER
    weights = np.zeros(n_padded)
    weights[:n] = rules.weights
    return MeanBlock(
        kept=np.full(n_padded * WIDTH, NAN, np.uint32),
        weights=weights,
        counts=np.empty(4 * WIDTH, np.uint32),
        sums=np.empty(4 * WIDTH),
        lost_weight=np.empty((rules.thresholds.size, WIDTH)),
    )
