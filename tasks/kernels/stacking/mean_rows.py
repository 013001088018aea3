"""The plain mean with fixed weights, which needs no more than two sweeps over the inputs of a block."""

from ..loops.jit import part
from .mean_block import WIDTH, MeanBlock
from .mean_sums import add_distances, load_block, write_mean
from .outputs import Outputs
from .planes import PlaneTable
from .rules import StackRules


@part
def mean_rows(
    planes: PlaneTable, rules: StackRules, block: MeanBlock, outputs: Outputs, y_begin: int, y_end: int
) -> None:
    """Compute the mean of rows ``y_begin`` up to, not including, ``y_end``.

    Inputs have fixed weights and must be finite; the error follows from theirs.
    """
    for y in range(y_begin, y_end):
        for x in range(0, outputs.n_x, WIDTH):
            width = min(WIDTH, outputs.n_x - x)
            load_block(block, planes, rules, True, y, x, width)
            add_distances(block, width)
            write_mean(block, rules, outputs, y, x, width)
