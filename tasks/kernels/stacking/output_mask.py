"""The mask of the stacked pixels."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..loops.jit import part
from .rules import StackRules


class Tally(Protocol):
    """What screening the inputs of some pixels told; a block of either kind."""

    @property
    def n_good(self) -> npt.NDArray[np.int32]:
        """Number of good inputs, shape ``(width,)``."""

    @property
    def good_bits(self) -> npt.NDArray[np.int32]:
        """OR of the masks of the good inputs, shape ``(width,)``."""

    @property
    def any_bits(self) -> npt.NDArray[np.int32]:
        """OR of the masks of all inputs, shape ``(width,)``."""

    @property
    def good_weight(self) -> npt.NDArray[np.float64]:
        """Sum of the weights of the good inputs, shape ``(width,)``."""

    @property
    def lost_weight(self) -> npt.NDArray[np.float64]:
        """Sum of the weights rejected with each threshold bit, shape ``(n_thresholds, width)``."""


@part
def combine_masks(
    block: Tally, n_kept: npt.NDArray[np.int32], rules: StackRules, mask: npt.NDArray[np.int32]
) -> None:
    """Make the output mask of a block.

    The order matters: bits of the good inputs, whether clipped later or not; bits that come back from
    rejected inputs; no good input at all; clipping; and last the map, which acts where anything was rejected
    but then looks at the bits of good inputs as well.

    Parameters
    ----------
    block
        The screened inputs.
    n_kept
        Number of good inputs that were not clipped, shape ``(width,)``.
    rules
        Bits and thresholds.
    mask
        Result, of shape ``(width,)``.
    """
    n, n_good, good_bits, any_bits = rules.weights.size, block.n_good, block.good_bits, block.any_bits
    for p in range(mask.size):
        mask[p] = good_bits[p]
    for j in range(rules.thresholds.size):
        _return_bit(
            mask, block.lost_weight[j], block.good_weight, rules.threshold_bits[j], rules.thresholds[j]
        )
    no_good_pixels_mask, clipped = rules.no_good_pixels_mask, rules.clipped
    for p in range(mask.size):
        bits = no_good_pixels_mask if n_good[p] == 0 else mask[p]
        mask[p] = bits | (clipped if n_kept[p] < n_good[p] else 0)
    for j in range(rules.map_from.size):
        look_for, found = rules.map_from[j], rules.map_to[j]
        for p in range(mask.size):
            mask[p] |= found if (n_good[p] < n) & ((any_bits[p] & look_for) != 0) else 0


@part
def _return_bit(
    mask: npt.NDArray[np.int32],
    lost_weight: npt.NDArray[np.float64],
    good_weight: npt.NDArray[np.float64],
    bit: np.int32,
    threshold: float,
) -> None:
    """Set a bit where too much weight was rejected with it; other rejected weight is not in the share."""
    for p in range(mask.size):
        share = lost_weight[p] / (good_weight[p] + lost_weight[p])
        mask[p] |= bit if share > threshold else 0
