"""Loops for the tests of native loops."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Pair(NamedTuple):
    """Two arrays."""

    first: NDArray[np.float32]
    second: NDArray[np.int32]


@njit
def describe(
    pair: Pair,
    numbers: tuple[int, float, bool],
    bits: np.uint32,
    single: np.float32,
    cube: NDArray[np.uint8],
    flags: NDArray[np.bool_],
    told: NDArray[np.float64],
) -> None:
    """Write what the arguments are."""
    told[0], told[1] = pair.first.shape[0], pair.first.shape[1]
    told[2] = pair.first[1, 2]
    told[3] = pair.second[3]
    told[4], told[5] = numbers[0], numbers[1]
    told[6] = 1.0 if numbers[2] else 0.0
    told[7] = bits >> np.uint32(31)
    told[8] = cube[1, 2, 3]
    told[9] = flags.sum()
    told[10] = single
    pair.second[0] = -1


@njit
def total_of_copy(values: NDArray[np.float64], total: NDArray[np.float64]) -> None:
    """Add up a copy, which takes memory from numba."""
    total[0] = (values * 2.0).sum()


@njit
def refuse(values: NDArray[np.float64]) -> None:
    """Raise an error for values below 0."""
    if values[0] < 0:
        raise ValueError("below 0")
    values[0] = 5.0


@njit(error_model="numpy")
def halve(values: NDArray[np.float64]) -> None:
    """Halve values."""
    for i in range(values.size):
        values[i] /= 2.0
