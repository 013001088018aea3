"""The stack itself, block by block along each row."""

import numpy as np
import numpy.typing as npt

from ..loops.jit import part
from .block import Block
from .clipping import choose_within, set_next_interval, set_robust_interval
from .evaluate import evaluate, is_clipped, is_ordered
from .moments import Moments
from .order import Order
from .output_mask import combine_masks
from .outputs import IMAGE, MASK, N_IMAGE, VARIANCE, Outputs
from .planes import PlaneTable
from .rules import StackRules
from .scratch import Scratch
from .screen import load
from .sort import sort_good
from .sums import add_up, add_up_errors, choose_good
from .words import row_of


@part
def stack_rows(
    planes: PlaneTable,
    rules: StackRules,
    codes: npt.NDArray[np.int64],
    scratch: Scratch,
    outputs: Outputs,
    y_begin: int,
    y_end: int,
) -> None:
    """Compute the statistics ``codes`` of rows ``y_begin`` up to, not including, ``y_end``.

    A row is cut into blocks of equal width; the last one may repeat some pixels of the one before.
    """
    block, order, moments, result = scratch
    n_x, width = outputs.n_x, result.shape[1]
    n_blocks = (n_x + width - 1) // width
    any_ordered = False
    for code in codes:
        any_ordered |= is_ordered(code)
    for y in range(y_begin, y_end):
        for i_block in range(n_blocks):
            x = min(i_block * width, n_x - width)
            load(block, planes, rules, y, x)
            if any_ordered:
                sort_good(order, block, rules.nan_safe)
            for k in range(codes.size):
                _summarize(codes[k], block, order, moments, rules)
                evaluate(codes[k], block, order, moments, rules.input_errors, result)
                _write(result, block, outputs, k, y, x)
                mask = row_of(outputs.planes, MASK, k, y, x, width).view(np.int32)
                combine_masks(block, moments.n, rules, mask)


@part
def _summarize(code: int, block: Block, order: Order, moments: Moments, rules: StackRules) -> None:
    """Sum over all good inputs or, if the statistic is clipped, over those that the last pass chooses.

    There are always as many passes as asked for, without a test for convergence.
    """
    clipped = is_clipped(code)
    if clipped:
        set_robust_interval(moments, order, rules.num_sigma)
    else:
        choose_good(moments, block)
    for i_pass in range(rules.num_iter if clipped else 1):
        if i_pass > 0:
            set_next_interval(moments, block, rules.num_sigma)
        if clipped:
            choose_within(moments, block)
        add_up(moments, block)
    add_up_errors(moments, block)


@part
def _write(result: npt.NDArray[np.float64], block: Block, outputs: Outputs, k: int, y: int, x: int) -> None:
    """Write values, variances and counts of a block; NaN where no input is good."""
    n_good, n_unmasked, width = block.n_good, block.n_unmasked, block.n_good.size
    image = row_of(outputs.planes, IMAGE, k, y, x, width).view(np.float32)
    variance = row_of(outputs.planes, VARIANCE, k, y, x, width).view(np.float32)
    for p in range(width):
        # LSST keeps the error and squares it again; for equality in the last bit so must we.
        error = np.sqrt(result[1, p])
        image[p] = result[0, p] if n_good[p] > 0 else np.nan
        variance[p] = error * error if n_good[p] > 0 else np.nan
    n_image = row_of(outputs.planes, N_IMAGE, k, y, x, width)
    for p in range(width):
        n_image[p] = n_unmasked[p]
