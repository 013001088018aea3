"""The plain mean with fixed weights, which needs no more than two sweeps over the inputs of a block.

The same sums in the same order as in `moments`, so that results are the same bits; but only those sums that a
mean and its error need, added up while the inputs are read.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from .jit import part, source_digest
from .output_mask import combine_masks
from .outputs import Outputs
from .planes import PlaneTable, fetch_ahead, read_words
from .rules import StackRules

_MAX_BLOCK = 1024  # pixels: long enough to read ahead, short enough for twenty inputs to stay in the cache


class MeanBlock(NamedTuple):
    """Sums over the inputs of ``width`` output pixels; scratch memory of one thread."""

    words: npt.NDArray[np.uint32]
    """Value, variance and mask of one input, shape ``(3, width)``."""

    kept: npt.NDArray[np.float32]
    """Value of each good input, NaN of the others; shape ``(n, width)``."""

    n_good: npt.NDArray[np.int32]
    """Number of good inputs, shape ``(width,)``."""

    n_unmasked: npt.NDArray[np.int32]
    """Number of inputs that the mask lets through, finite or not; shape ``(width,)``."""

    good_bits: npt.NDArray[np.int32]
    """OR of the masks of the good inputs, shape ``(width,)``."""

    any_bits: npt.NDArray[np.int32]
    """OR of the masks of all inputs, shape ``(width,)``."""

    good_weight: npt.NDArray[np.float64]
    """Sum of the weights ``w`` of the good inputs, shape ``(width,)``."""

    lost_weight: npt.NDArray[np.float64]
    """Sum of the weights of the inputs rejected with each threshold bit, shape ``(n_thresholds, width)``."""

    pivot: npt.NDArray[np.float64]
    """Sum of ``w x``, then that over the number of good inputs; shape ``(width,)``."""

    wd: npt.NDArray[np.float64]
    """Sum of ``w (x - pivot)``, shape ``(width,)``."""

    vw2: npt.NDArray[np.float64]
    """Sum of ``(v w) w``, shape ``(width,)``."""


def suits_mean_rows(statistics: list[str], rules: StackRules) -> bool:
    """Tell whether `mean_rows` can make a stack."""
    return statistics == ["MEAN"] and rules.nan_safe and rules.input_errors and not rules.inverse_variance


def _compile_mean_rows(digest: str) -> Callable[..., str]:
    """Compile the kernel, or find it compiled from sources with the same digest."""

    @njit(cache=True, nogil=True, error_model="numpy")
    def mean_rows(planes: PlaneTable, rules: StackRules, outputs: Outputs, y_begin: int, y_end: int) -> str:
        """Compute the mean of rows ``y_begin`` up to, not including, ``y_end``."""
        n_x = outputs.n_image.shape[1]
        n_blocks = (n_x + _MAX_BLOCK - 1) // _MAX_BLOCK
        width = (n_x + n_blocks - 1) // n_blocks
        block = _new_block(rules, width)
        for y in range(y_begin, y_end):
            for i_block in range(n_blocks):
                x = min(i_block * width, n_x - width)
                _load(block, planes, rules, y, x)
                _add_distances(block, rules)
                _write(block, outputs, y, x)
                combine_masks(block, block.n_good, rules, outputs.mask[0, y, x : x + width])
        return digest

    return mean_rows


@part
def _new_block(rules: StackRules, width: int) -> MeanBlock:
    return MeanBlock(
        words=np.empty((3, width), np.uint32),
        kept=np.empty((rules.weights.size, width), np.float32),
        n_good=np.empty(width, np.int32),
        n_unmasked=np.empty(width, np.int32),
        good_bits=np.empty(width, np.int32),
        any_bits=np.empty(width, np.int32),
        good_weight=np.empty(width),
        lost_weight=np.empty((rules.thresholds.size, width)),
        pivot=np.empty(width),
        wd=np.empty(width),
        vw2=np.empty(width),
    )


@part
def _load(block: MeanBlock, planes: PlaneTable, rules: StackRules, y: int, x: int) -> None:
    """Read the block that begins at row ``y``, column ``x``, and take the sums that need no pivot."""
    for counts in (block.n_good, block.n_unmasked, block.good_bits, block.any_bits):
        counts.fill(0)
    for sums in (block.good_weight, block.pivot, block.vw2):
        sums.fill(0.0)
    block.lost_weight.fill(0.0)
    words = block.words
    value, variance, mask = words[0].view(np.float32), words[1].view(np.float32), words[2].view(np.int32)
    for i in range(rules.weights.size):
        for kind in range(3):
            read_words(planes, kind, i, y, x, words[kind])
        if i + 1 < rules.weights.size:
            fetch_ahead(planes, i + 1, y, x, mask.size)
        any_rejected = _screen(block, block.kept[i], value, mask, rules.and_mask)
        _add(block, block.kept[i], variance, rules.weights[i])
        if any_rejected:
            for j in range(rules.thresholds.size):
                _collect_lost_weight(
                    block.lost_weight[j], block.kept[i], mask, rules.threshold_bits[j], rules.weights[i]
                )


@part
def _screen(
    block: MeanBlock,
    kept: npt.NDArray[np.float32],
    value: npt.NDArray[np.float32],
    mask: npt.NDArray[np.int32],
    and_mask: np.int32,
) -> bool:
    """Decide which pixels of an input are good, and tell whether any is not.

    Here and below, loops over more arrays at once would not be vectorized: too many of them might overlap.
    """
    n_good, n_unmasked = block.n_good, block.n_unmasked
    good_bits, any_bits = block.good_bits, block.any_bits
    n_rejected = 0
    for p in range(mask.size):
        good = ((mask[p] & and_mask) == 0) & np.isfinite(value[p])
        kept[p] = value[p] if good else np.float32(np.nan)
        n_rejected += not good
    for p in range(mask.size):
        n_unmasked[p] += (mask[p] & and_mask) == 0
        any_bits[p] |= mask[p]
    for p in range(mask.size):
        n_good[p] += kept[p] == kept[p]
        good_bits[p] |= mask[p] if kept[p] == kept[p] else 0
    return n_rejected > 0


@part
def _add(
    block: MeanBlock, kept: npt.NDArray[np.float32], variance: npt.NDArray[np.float32], weight: float
) -> None:
    """Add the good pixels of an input to the sums."""
    good_weight, pivot, vw2 = block.good_weight, block.pivot, block.vw2
    for p in range(kept.size):
        good = kept[p] == kept[p]
        good_weight[p] += weight if good else 0.0
        pivot[p] += weight * np.float64(kept[p]) if good else 0.0
    for p in range(kept.size):
        good = kept[p] == kept[p]
        vw2[p] += (np.float64(variance[p]) * weight) * weight if good else 0.0


@part
def _collect_lost_weight(
    lost_weight: npt.NDArray[np.float64],
    kept: npt.NDArray[np.float32],
    mask: npt.NDArray[np.int32],
    bit: np.int32,
    weight: float,
) -> None:
    """Add the weight of an input where it is rejected and carries ``bit``."""
    for p in range(mask.size):
        lost_weight[p] += weight if (kept[p] != kept[p]) & ((mask[p] & bit) != 0) else 0.0


@part
def _add_distances(block: MeanBlock, rules: StackRules) -> None:
    """Set ``wd`` from the good inputs, about LSST's pivot: the sum of ``w x`` over their *number*."""
    pivot, wd, n_good = block.pivot, block.wd, block.n_good
    wd.fill(0.0)
    for p in range(pivot.size):
        pivot[p] /= n_good[p]
    for i in range(rules.weights.size):
        kept, weight = block.kept[i], rules.weights[i]
        for p in range(pivot.size):
            product = weight * (np.float64(kept[p]) - pivot[p])
            wd[p] += product if kept[p] == kept[p] else 0.0


@part
def _write(block: MeanBlock, outputs: Outputs, y: int, x: int) -> None:
    """Write values, variances and counts of a block; NaN where no input is good."""
    n_good, w, width = block.n_good, block.good_weight, block.n_good.size
    image, variance = outputs.image[0, y, x : x + width], outputs.variance[0, y, x : x + width]
    n_image = outputs.n_image[y, x : x + width]
    for p in range(width):
        # LSST keeps the error and squares it again; for equality in the last bit so must we.
        error = np.sqrt(block.vw2[p] / (w[p] * w[p]))
        image[p] = block.wd[p] / w[p] + block.pivot[p] if n_good[p] > 0 else np.nan
        variance[p] = error * error if n_good[p] > 0 else np.nan
        n_image[p] = block.n_unmasked[p]


mean_rows = _compile_mean_rows(source_digest())
"""The compiled kernel; it returns the digest of the sources that it was compiled from."""
