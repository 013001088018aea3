"""Reading the inputs of a block, and screening them."""

import numpy as np
import numpy.typing as npt

from ..loops.jit import part
from .block import Block
from .planes import PlaneTable
from .rules import StackRules
from .words import fetch_ahead, read_words


@part
def load(block: Block, planes: PlaneTable, rules: StackRules, y: int, x: int) -> None:
    """Read the block that begins at row ``y``, column ``x``, and screen its inputs in list order."""
    block.n_good.fill(0)
    block.n_unmasked.fill(0)
    block.good_bits.fill(0)
    block.any_bits.fill(0)
    block.good_weight.fill(0.0)
    block.lost_weight.fill(0.0)
    for i in range(block.value.shape[0]):
        for kind in range(3):
            read_words(planes, kind, i, y, x, block.words[kind, i])
        if i + 1 < block.value.shape[0]:
            fetch_ahead(planes, i + 1, y, x, block.n_good.size)
        if rules.inverse_variance:
            for p in range(block.n_good.size):
                block.weight[i, p] = 1.0 / np.float64(block.variance[i, p])
        _screen(block, i, rules.and_mask, rules.nan_safe)
        lost_bits = _lost_bits(block, i)
        for j in range(rules.threshold_bits.size):
            if lost_bits & rules.threshold_bits[j]:
                _collect_lost_weight(block, i, rules.threshold_bits[j], block.lost_weight[j])


@part
def _screen(block: Block, i: int, and_mask: np.int32, nan_safe: bool) -> None:
    """Decide which pixels of input ``i`` are good."""
    value, mask, weight, good = block.value[i], block.mask[i], block.weight[i], block.good[i]
    n_unmasked, n_good = block.n_unmasked, block.n_good
    good_bits, any_bits, good_weight = block.good_bits, block.any_bits, block.good_weight
    for p in range(mask.size):
        unmasked = (mask[p] & and_mask) == 0
        accepted = unmasked & (np.isfinite(value[p]) | (not nan_safe))
        good[p] = accepted
        n_unmasked[p] += unmasked
        n_good[p] += accepted
    for p in range(mask.size):
        good_bits[p] |= mask[p] if good[p] else 0
        any_bits[p] |= mask[p]
        good_weight[p] += weight[p] if good[p] else 0.0


@part
def _lost_bits(block: Block, i: int) -> np.int32:
    """Return the mask bits of the pixels of input ``i`` that are not good."""
    mask, good = block.mask[i], block.good[i]
    bits = np.int32(0)
    for p in range(mask.size):
        bits = np.int32(bits | (np.int32(0) if good[p] else mask[p]))
    return bits


@part
def _collect_lost_weight(block: Block, i: int, bit: np.int32, lost_weight: npt.NDArray[np.float64]) -> None:
    """Add the weights of those rejected pixels of input ``i`` that carry ``bit``."""
    mask, weight, good = block.mask[i], block.weight[i], block.good[i]
    for p in range(mask.size):
        lost_weight[p] += weight[p] if (not good[p]) & ((mask[p] & bit) != 0) else 0.0
