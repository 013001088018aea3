"""A block of inputs with fixed weights: screening, and the sums of a plain mean.

The same sums in the same order as in `moments`, so that results are the same bits; but only those sums that a
mean and its error need, added up while the inputs are read.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..loops.jit import part
from .mean_block import NAN, TOGETHER, WIDTH, MeanBlock
from .output_mask import combine_masks
from .outputs import IMAGE, MASK, N_IMAGE, VARIANCE, Outputs
from .planes import PlaneTable
from .rules import StackRules
from .words import as_float, fetch_ahead, row_of, swap

_EXPONENT = np.uint32(0x7F800000)  # all its bits are set in the floats that are not finite
# Of one type with the counts: in wider numbers, half as many fit into a register.
_ZERO, _ONE = np.uint32(0), np.uint32(1)

# Rows of `MeanBlock.counts` and `MeanBlock.sums`.
_N_GOOD, _N_UNMASKED, _GOOD_BITS, _ANY_BITS = (i * WIDTH for i in range(4))
_WEIGHT, _PIVOT, _VW2, _WD = (i * WIDTH for i in range(4))


class MeanTally(NamedTuple):
    """What `combine_masks` asks of a block."""

    n_good: npt.NDArray[np.int32]
    n_unmasked: npt.NDArray[np.int32]
    good_bits: npt.NDArray[np.int32]
    any_bits: npt.NDArray[np.int32]
    good_weight: npt.NDArray[np.float64]
    lost_weight: npt.NDArray[np.float64]


@part
def tally_of(block: MeanBlock, width: int) -> MeanTally:
    """Return what screening told of the pixels of a block."""
    counts, sums = block.counts, block.sums
    return MeanTally(
        n_good=counts[_N_GOOD : _N_GOOD + width].view(np.int32),
        n_unmasked=counts[_N_UNMASKED : _N_UNMASKED + width].view(np.int32),
        good_bits=counts[_GOOD_BITS : _GOOD_BITS + width].view(np.int32),
        any_bits=counts[_ANY_BITS : _ANY_BITS + width].view(np.int32),
        good_weight=sums[_WEIGHT : _WEIGHT + width],
        lost_weight=block.lost_weight,
    )


@part
def load_block(
    block: MeanBlock, planes: PlaneTable, rules: StackRules, for_mean: bool, y: int, x: int, width: int
) -> None:
    """Read the block that begins at row ``y``, column ``x``, and take the sums that need no pivot.

    Without ``for_mean``, of the sums only those of the weights are taken.
    """
    block.counts.fill(0)
    block.sums.fill(0.0)
    block.lost_weight.fill(0.0)
    and_mask = np.uint32(rules.and_mask)
    for i in range(rules.weights.size):
        if i + 1 < rules.weights.size:
            fetch_ahead(planes, i + 1, y, x, width)
        kept = block.kept[i * WIDTH : i * WIDTH + width]
        mask = row_of(planes, 2, i, y, x, width)
        value = row_of(planes, 0, i, y, x, width)
        lost_bits = _screen(
            value, planes.swapped[0, i], mask, planes.swapped[2, i], and_mask, kept, block.counts
        )
        if for_mean:
            variance = row_of(planes, 1, i, y, x, width)
            _add(kept, variance, planes.swapped[1, i], rules.weights[i], block.sums)
        else:
            _add_weight(kept, rules.weights[i], block.sums)
        for j in range(rules.thresholds.size):
            if np.int32(lost_bits) & rules.threshold_bits[j]:
                bit, lost_weight = rules.threshold_bits[j], block.lost_weight[j]
                _collect_lost_weight(kept, mask, planes.swapped[2, i], bit, rules.weights[i], lost_weight)


@part
def _screen(
    value: npt.NDArray[np.uint32],
    value_swapped: bool,
    mask: npt.NDArray[np.uint32],
    mask_swapped: bool,
    and_mask: np.uint32,
    kept: npt.NDArray[np.uint32],
    counts: npt.NDArray[np.uint32],
) -> np.uint32:
    """Decide which pixels of an input are good, count them, and return the mask bits of the others."""
    lost_bits = _ZERO
    for p in range(kept.size):
        bits = swap(mask[p]) if mask_swapped else mask[p]
        word = swap(value[p]) if value_swapped else value[p]
        unmasked = (bits & and_mask) == 0
        good = unmasked & ((word & _EXPONENT) != _EXPONENT)
        kept[p] = word if good else NAN
        counts[_N_GOOD + p] += _ONE if good else _ZERO
        counts[_N_UNMASKED + p] += _ONE if unmasked else _ZERO
        counts[_GOOD_BITS + p] |= bits if good else _ZERO
        counts[_ANY_BITS + p] |= bits
        lost_bits |= _ZERO if good else bits
    return lost_bits


@part
def _add(
    kept: npt.NDArray[np.uint32],
    variance: npt.NDArray[np.uint32],
    swapped: bool,
    weight: float,
    sums: npt.NDArray[np.float64],
) -> None:
    """Add the good pixels of an input to the sums."""
    for p in range(kept.size):
        value = np.float64(as_float(kept[p]))
        v = np.float64(as_float(swap(variance[p]) if swapped else variance[p]))
        good = kept[p] != NAN
        sums[_WEIGHT + p] += weight if good else 0.0
        sums[_PIVOT + p] += weight * value if good else 0.0
        sums[_VW2 + p] += (v * weight) * weight if good else 0.0


@part
def _add_weight(kept: npt.NDArray[np.uint32], weight: float, sums: npt.NDArray[np.float64]) -> None:
    """Add the weight of an input where it is good."""
    for p in range(kept.size):
        sums[_WEIGHT + p] += weight if kept[p] != NAN else 0.0


@part
def _collect_lost_weight(
    kept: npt.NDArray[np.uint32],
    mask: npt.NDArray[np.uint32],
    swapped: bool,
    bit: np.int32,
    weight: float,
    lost_weight: npt.NDArray[np.float64],
) -> None:
    """Add the weight of an input where it is rejected and carries ``bit``."""
    for p in range(kept.size):
        bits = np.int32(swap(mask[p]) if swapped else mask[p])
        lost_weight[p] += weight if (kept[p] == NAN) & ((bits & bit) != 0) else 0.0


@part
def add_distances(block: MeanBlock, width: int) -> None:
    """Add up distances from LSST's pivot: the sum of ``w x`` over the *number* of good inputs."""
    sums, counts = block.sums, block.counts
    for p in range(width):
        sums[_PIVOT + p] /= counts[_N_GOOD + p]
    for first in range(0, block.weights.size, TOGETHER):
        _add_distances_of_four(block.kept[first * WIDTH :], block.weights[first:], sums, width)


@part
def _add_distances_of_four(
    kept: npt.NDArray[np.uint32],
    weights: npt.NDArray[np.float64],
    sums: npt.NDArray[np.float64],
    width: int,
) -> None:
    """Add the distances of four inputs, one after the other."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for p in range(width):
        pivot, total = sums[_PIVOT + p], sums[_WD + p]
        total += _distance(kept[p], w0, pivot)
        total += _distance(kept[WIDTH + p], w1, pivot)
        total += _distance(kept[2 * WIDTH + p], w2, pivot)
        total += _distance(kept[3 * WIDTH + p], w3, pivot)
        sums[_WD + p] = total


@part
def _distance(word: np.uint32, weight: float, pivot: float) -> float:
    """Return the weighted distance of an input from the pivot; 0 if it is not good."""
    product = weight * (np.float64(as_float(word)) - pivot)
    return product if word != NAN else 0.0


@part
def write_mean(block: MeanBlock, rules: StackRules, outputs: Outputs, y: int, x: int, width: int) -> None:
    """Write values, variances, masks and counts of a block; NaN where no input is good."""
    counts, sums = block.counts, block.sums
    image = row_of(outputs.planes, IMAGE, 0, y, x, width).view(np.float32)
    variance = row_of(outputs.planes, VARIANCE, 0, y, x, width).view(np.float32)
    for p in range(width):
        good, w = counts[_N_GOOD + p] > 0, sums[_WEIGHT + p]
        # LSST keeps the error and squares it again; for equality in the last bit so must we.
        error = np.sqrt(sums[_VW2 + p] / (w * w))
        image[p] = sums[_WD + p] / w + sums[_PIVOT + p] if good else np.nan
        variance[p] = error * error if good else np.nan
    n_image = row_of(outputs.planes, N_IMAGE, 0, y, x, width)
    for p in range(width):
        n_image[p] = counts[_N_UNMASKED + p]
    tally = tally_of(block, width)
    mask = row_of(outputs.planes, MASK, 0, y, x, width).view(np.int32)
    combine_masks(tally, tally.n_good, rules, mask)
