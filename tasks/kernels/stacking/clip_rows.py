"""The clipped mean with fixed weights, and with it the plain mean.

The same sums in the same order as in `moments`, so that results are the same bits. Inputs that are not good
are NaN, which lies in no interval; so nothing else is asked of an input but its value, and the last pass
leaves out the sums of which only a further interval would be made.
"""

import numpy as np
import numpy.typing as npt

from ..loops.jit import part
from .clip_block import ClipBlock
from .mean_block import NAN, TOGETHER, WIDTH, MeanBlock
from .mean_sums import add_distances, load_block, tally_of, write_mean
from .order import Order
from .output_mask import combine_masks
from .outputs import IMAGE, MASK, N_IMAGE, VARIANCE, Outputs
from .planes import PlaneTable
from .rules import IQR_TO_SIGMA, StackRules
from .sort import set_order
from .words import as_float, row_of, swap

# Rows of `ClipBlock.sums`.
_CENTRE, _HALF_WIDTH, _N, _W, _W2, _WD, _WD2, _VW2 = (i * WIDTH for i in range(8))


@part
def clip_rows(
    planes: PlaneTable,
    rules: StackRules,
    with_mean: bool,
    block: MeanBlock,
    clip: ClipBlock,
    outputs: Outputs,
    y_begin: int,
    y_end: int,
) -> None:
    """Compute the clipped mean of rows ``y_begin`` up to, not including, ``y_end``.

    Inputs have fixed weights and must be finite; errors follow from theirs. With the mean, that is the
    first of two outputs. A row is cut into blocks of equal width; the last one may repeat some pixels of
    the one before.
    """
    n_blocks = (outputs.n_x + WIDTH - 1) // WIDTH
    width = (outputs.n_x + n_blocks - 1) // n_blocks
    for y in range(y_begin, y_end):
        for i_block in range(n_blocks):
            x = min(i_block * width, outputs.n_x - width)
            load_block(block, planes, rules, with_mean, y, x, width)
            if with_mean:
                add_distances(block, width)
                write_mean(block, rules, outputs, y, x, width)
            _clip(clip, block, rules, width)
            _add_errors(clip, block, planes, y, x, width)
            _write(clip, block, rules, outputs, 1 if with_mean else 0, y, x, width)


@part
def _clip(clip: ClipBlock, block: MeanBlock, rules: StackRules, width: int) -> None:
    """Make all passes: each takes an interval, and sums over the good inputs in it.

    There are always as many passes as asked for, without a test for convergence.
    """
    n_good, sums, quartiles = tally_of(block, width).n_good, clip.sums, clip.order.quartiles
    _sort(clip.order, block, n_good)
    for p in range(width):
        sums[_CENTRE + p] = quartiles[1, p]
        sums[_HALF_WIDTH + p] = rules.num_sigma * IQR_TO_SIGMA * (quartiles[2, p] - quartiles[0, p])
    for i_pass in range(rules.num_iter):
        sums[_N:].fill(0.0)
        last = i_pass + 1 == rules.num_iter
        for first in range(0, block.weights.size, TOGETHER):
            kept, weights = block.kept[first * WIDTH :], block.weights[first:]
            if last:
                _add_last(kept, weights, sums, width)
            else:
                _add(kept, weights, sums, width)
        if not last:
            _set_next_interval(sums, n_good, rules.num_sigma)


@part
def _sort(order: Order, block: MeanBlock, n_good: npt.NDArray[np.int32]) -> None:
    """Sort the good inputs of each pixel."""
    infinity = np.float32(np.inf)
    for i in range(order.values.shape[0]):
        own, row = block.kept[i * WIDTH :], order.values[i]
        for p in range(row.size):
            row[p] = as_float(own[p]) if own[p] != NAN else infinity
    set_order(order, n_good)


@part
def _terms(
    word: np.uint32, weight: float, centre: float, half_width: float
) -> tuple[float, float, float, float]:
    """Return what an input adds to a number, ``w``, ``w d`` and ``(w d) d``: zeros if it lies outside."""
    distance = np.float64(as_float(word)) - centre
    within = np.abs(distance) <= half_width
    product = weight * distance
    return (
        1.0 if within else 0.0,
        weight if within else 0.0,
        product if within else 0.0,
        product * distance if within else 0.0,
    )


@part
def _add(
    kept: npt.NDArray[np.uint32],
    weights: npt.NDArray[np.float64],
    sums: npt.NDArray[np.float64],
    width: int,
) -> None:
    """Add four inputs, one after the other, to the sums that the next interval needs."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for p in range(width):
        centre, half_width = sums[_CENTRE + p], sums[_HALF_WIDTH + p]
        _, a, a1, a2 = _terms(kept[p], w0, centre, half_width)
        _, b, b1, b2 = _terms(kept[WIDTH + p], w1, centre, half_width)
        _, c, c1, c2 = _terms(kept[2 * WIDTH + p], w2, centre, half_width)
        _, d, d1, d2 = _terms(kept[3 * WIDTH + p], w3, centre, half_width)
        sums[_W + p] = (((sums[_W + p] + a) + b) + c) + d
        sums[_W2 + p] = (((sums[_W2 + p] + a * a) + b * b) + c * c) + d * d
        sums[_WD + p] = (((sums[_WD + p] + a1) + b1) + c1) + d1
        sums[_WD2 + p] = (((sums[_WD2 + p] + a2) + b2) + c2) + d2


@part
def _add_last(
    kept: npt.NDArray[np.uint32],
    weights: npt.NDArray[np.float64],
    sums: npt.NDArray[np.float64],
    width: int,
) -> None:
    """Add four inputs, one after the other, to the sums that the result needs."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for p in range(width):
        centre, half_width = sums[_CENTRE + p], sums[_HALF_WIDTH + p]
        a0, a, a1, _ = _terms(kept[p], w0, centre, half_width)
        b0, b, b1, _ = _terms(kept[WIDTH + p], w1, centre, half_width)
        c0, c, c1, _ = _terms(kept[2 * WIDTH + p], w2, centre, half_width)
        d0, d, d1, _ = _terms(kept[3 * WIDTH + p], w3, centre, half_width)
        sums[_N + p] += (a0 + b0) + (c0 + d0)
        sums[_W + p] = (((sums[_W + p] + a) + b) + c) + d
        sums[_WD + p] = (((sums[_WD + p] + a1) + b1) + c1) + d1


@part
def _set_next_interval(
    sums: npt.NDArray[np.float64], n_good: npt.NDArray[np.int32], num_sigma: float
) -> None:
    """Set the interval from mean and standard deviation of what lies in the last one.

    A pixel with one good input has no standard deviation and keeps its half-width.
    """
    for p in range(n_good.size):
        w, w_squared = sums[_W + p], sums[_W + p] * sums[_W + p]
        offset = sums[_WD + p] / w
        spread = sums[_WD2 + p] / w - offset * offset
        variance = spread * (w_squared / (w_squared - sums[_W2 + p]))
        not_negative = 0.0 if variance < 0 else variance
        half_width = num_sigma * np.sqrt(not_negative)
        sums[_CENTRE + p] = offset + sums[_CENTRE + p]
        sums[_HALF_WIDTH + p] = half_width if n_good[p] > 1 else sums[_HALF_WIDTH + p]


@part
def _add_errors(clip: ClipBlock, block: MeanBlock, planes: PlaneTable, y: int, x: int, width: int) -> None:
    """Add up the squared errors of what lies in the last interval."""
    for i in range(planes.address.shape[1]):
        own = block.kept[i * WIDTH : i * WIDTH + width]
        variance = row_of(planes, 1, i, y, x, width)
        _add_error(own, variance, planes.swapped[1, i], block.weights[i], clip.sums)


@part
def _add_error(
    kept: npt.NDArray[np.uint32],
    variance: npt.NDArray[np.uint32],
    swapped: bool,
    weight: float,
    sums: npt.NDArray[np.float64],
) -> None:
    """Add the squared error of an input where it lies in the interval."""
    for p in range(kept.size):
        v = np.float64(as_float(swap(variance[p]) if swapped else variance[p]))
        distance = np.float64(as_float(kept[p])) - sums[_CENTRE + p]
        within = np.abs(distance) <= sums[_HALF_WIDTH + p]
        sums[_VW2 + p] += (v * weight) * weight if within else 0.0


@part
def _write(
    clip: ClipBlock,
    block: MeanBlock,
    rules: StackRules,
    outputs: Outputs,
    k: int,
    y: int,
    x: int,
    width: int,
) -> None:
    """Write values, variances, masks and counts of a block; NaN where no input is good."""
    sums, n_kept, tally = clip.sums, clip.n_kept[:width], tally_of(block, width)
    image = row_of(outputs.planes, IMAGE, k, y, x, width).view(np.float32)
    variance = row_of(outputs.planes, VARIANCE, k, y, x, width).view(np.float32)
    for p in range(width):
        good, w = tally.n_good[p] > 0, sums[_W + p]
        # LSST keeps the error and squares it again; for equality in the last bit so must we.
        error = np.sqrt(sums[_VW2 + p] / (w * w))
        image[p] = sums[_WD + p] / w + sums[_CENTRE + p] if good else np.nan
        variance[p] = error * error if good else np.nan
    n_image = row_of(outputs.planes, N_IMAGE, k, y, x, width)
    for p in range(width):
        n_image[p] = tally.n_unmasked[p]
    for p in range(width):
        n_kept[p] = np.int32(sums[_N + p])
    combine_masks(tally, n_kept, rules, row_of(outputs.planes, MASK, k, y, x, width).view(np.int32))
