"""A block: some neighbouring pixels of one output row, with all the inputs of each."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .jit import part
from .planes import PlaneTable, fetch_ahead, read_words
from .rules import StackRules


class Block(NamedTuple):
    """The inputs of ``width`` output pixels and what screening them told; scratch memory of one thread."""

    words: npt.NDArray[np.uint32]
    """Memory of ``value``, ``variance`` and ``mask`` together, shape ``(3, n, width)``."""

    value: npt.NDArray[np.float32]
    """Pixel values, shape ``(n, width)``."""

    variance: npt.NDArray[np.float32]
    """Pixel variances, shape ``(n, width)``."""

    mask: npt.NDArray[np.int32]
    """Masks, shape ``(n, width)``."""

    weight: npt.NDArray[np.float64]
    """Weights, shape ``(n, width)``."""

    good: npt.NDArray[np.bool_]
    """Whether an input counts, shape ``(n, width)``."""

    n_good: npt.NDArray[np.int32]
    """Number of good inputs, shape ``(width,)``."""

    n_unmasked: npt.NDArray[np.int32]
    """Number of inputs that the mask lets through, finite or not; shape ``(width,)``."""

    good_bits: npt.NDArray[np.int32]
    """OR of the masks of the good inputs, shape ``(width,)``."""

    any_bits: npt.NDArray[np.int32]
    """OR of the masks of all inputs, shape ``(width,)``."""

    good_weight: npt.NDArray[np.float64]
    """Sum of the weights of the good inputs, shape ``(width,)``."""

    lost_weight: npt.NDArray[np.float64]
    """Sum of the weights of the inputs rejected with each threshold bit, shape ``(n_thresholds, width)``."""


@part
def new_block(rules: StackRules, width: int) -> Block:
    """Take the memory of a block and set the weights of the images; `load` sets the rest."""
    n = rules.weights.size
    words = np.empty((3, n, width), np.uint32)
    weight = np.empty((n, width))
    for i in range(n):
        weight[i].fill(rules.weights[i])
    return Block(
        words=words,
        value=words[0].view(np.float32),
        variance=words[1].view(np.float32),
        mask=words[2].view(np.int32),
        weight=weight,
        good=np.empty((n, width), np.bool_),
        n_good=np.empty(width, np.int32),
        n_unmasked=np.empty(width, np.int32),
        good_bits=np.empty(width, np.int32),
        any_bits=np.empty(width, np.int32),
        good_weight=np.empty(width),
        lost_weight=np.empty((rules.thresholds.size, width)),
    )


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
