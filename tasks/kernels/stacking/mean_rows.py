"""The plain mean with fixed weights, which needs no more than two sweeps over the inputs of a block."""

from collections.abc import Callable

from numba import njit

from .jit import source_digest
from .mean_block import WIDTH, add_distances, load_block, new_mean_block, write_mean
from .outputs import Outputs
from .planes import PlaneTable
from .rules import StackRules


def _compile_mean_rows(digest: str) -> Callable[..., str]:
    """Compile the kernel, or find it compiled from sources with the same digest."""

    @njit(cache=True, nogil=True, error_model="numpy")
    def mean_rows(planes: PlaneTable, rules: StackRules, outputs: Outputs, y_begin: int, y_end: int) -> str:
        """Compute the mean of rows ``y_begin`` up to, not including, ``y_end``.

        Inputs have fixed weights and must be finite; the error follows from theirs.
        """
        block = new_mean_block(rules)
        for y in range(y_begin, y_end):
            for x in range(0, outputs.n_x, WIDTH):
                width = min(WIDTH, outputs.n_x - x)
                load_block(block, planes, rules, True, y, x, width)
                add_distances(block, width)
                write_mean(block, rules, outputs, y, x, width)
        return digest

    return mean_rows


mean_rows = _compile_mean_rows(source_digest())
"""The compiled kernel; it returns the digest of the sources that it was compiled from."""
