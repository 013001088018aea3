"""Scratch: the memory that one thread needs for any statistic."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .block import Block, new_block
from .moments import Moments, new_moments
from .order import Order, new_order
from .rules import StackRules

_MAX_BLOCK = 512  # pixels: long enough to hide the cost of a loop, short enough to stay in the cache


class Scratch(NamedTuple):
    """The inputs of a block of pixels, and what is made of them."""

    block: Block
    """The inputs."""

    order: Order
    """The good ones sorted."""

    moments: Moments
    """Sums over them."""

    result: npt.NDArray[np.float64]
    """Values and squared errors, shape ``(2, width)``."""


def new_scratch(rules: StackRules, n_x: int) -> Scratch:
    """Take the memory for rows of ``n_x`` pixels, which are cut into blocks of equal width."""
    n, n_blocks = rules.weights.size, -(-n_x // _MAX_BLOCK)
    width = -(-n_x // n_blocks)
    return Scratch(new_block(rules, width), new_order(n, width), new_moments(n, width), np.empty((2, width)))
