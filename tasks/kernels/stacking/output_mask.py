"""The mask of the stacked pixels."""

import numpy as np
import numpy.typing as npt

from .block import Block
from .jit import part
from .rules import StackRules


@part
def combine_masks(
    block: Block, n_kept: npt.NDArray[np.int32], rules: StackRules, mask: npt.NDArray[np.int32]
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
    n, n_good, good_bits, any_bits = block.good.shape[0], block.n_good, block.good_bits, block.any_bits
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
