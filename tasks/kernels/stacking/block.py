"""A block: some neighbouring pixels of one output row, with all the inputs of each."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

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
