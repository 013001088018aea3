"""The good inputs of each pixel in ascending order, and their quartiles."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Order(NamedTuple):
    """The good inputs of each pixel of a block sorted; scratch memory of one thread."""

    values: npt.NDArray[np.float32]
    """At each pixel the good inputs ascending, then infinities for the others; shape ``(n, width)``."""

    quartiles: npt.NDArray[np.float64]
    """The three quartiles, shape ``(3, width)``; infinity where no input is good."""


def new_order(n: int, width: int) -> Order:
    """Take the memory for ``n`` inputs of ``width`` pixels."""
    return Order(values=np.empty((n, width), np.float32), quartiles=np.empty((3, width)))
