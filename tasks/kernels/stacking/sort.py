"""Sorting the good inputs of each pixel."""

import numpy as np
import numpy.typing as npt

from ..loops.jit import part
from .block import Block
from .order import Order


@part
def sort_good(order: Order, block: Block, nan_safe: bool) -> None:
    """Set ``order`` from the good inputs.

    Unless ``nan_safe`` says that these are finite, a NaN may be among them. It has no place in an order, and
    makes all values and quartiles of its pixel NaN.
    """
    values = order.values
    for i in range(values.shape[0]):
        value, good, row = block.value[i], block.good[i], values[i]
        for p in range(row.size):
            row[p] = value[p] if good[p] else np.float32(np.inf)
    _sort_columns(values)
    if not nan_safe:
        for i in range(values.shape[0]):
            for p in range(values.shape[1]):
                if block.good[i, p] and np.isnan(block.value[i, p]):
                    values[:, p] = np.nan
    _set_quartiles(order, block.n_good)


@part
def set_order(order: Order, n_good: npt.NDArray[np.int32]) -> None:
    """Sort ``values``, which are the good inputs and infinities for the others, and set the quartiles."""
    _sort_columns(order.values)
    _set_quartiles(order, n_good)


@part
def _set_quartiles(order: Order, n_good: npt.NDArray[np.int32]) -> None:
    for j in range(3):
        _interpolate(order.values, n_good, 0.25 * (j + 1), order.quartiles[j])


@part
def _sort_columns(rows: npt.NDArray[np.float32]) -> None:
    """Sort every column by Batcher's merge exchange (Knuth, TAOCP vol. 3, 5.2.2, algorithm M).

    Which pairs are exchanged does not depend on the data, so each exchange runs over two whole rows.
    """
    n = rows.shape[0]
    top = 1
    while top < n:
        top *= 2
    p = top // 2
    while p > 0:
        q, r, d = top // 2, 0, p
        while d > 0:
            for i in range(n - d):
                if i & p == r:
                    _exchange(rows[i], rows[i + d])
            d, q, r = q - p, q // 2, p
        p //= 2


@part
def _exchange(low: npt.NDArray[np.float32], high: npt.NDArray[np.float32]) -> None:
    """Put the smaller of each pair into ``low``, the other into ``high``."""
    for p in range(low.size):
        a, b = low[p], high[p]
        low[p] = b if b < a else a
        high[p] = a if b < a else b


@part
def _interpolate(
    values: npt.NDArray[np.float32],
    n_good: npt.NDArray[np.int32],
    fraction: float,
    result: npt.NDArray[np.float64],
) -> None:
    """Interpolate linearly at rank ``fraction * (n_good - 1)``.

    Neighbours have much the same number of good inputs. For each number that occurs, the values are those of
    two rows, so that a loop over all pixels is quicker than looking up the rows of each.
    """
    fewest, most = n_good[0], n_good[0]
    for p in range(result.size):
        fewest, most = min(fewest, n_good[p]), max(most, n_good[p])
    for n in range(fewest, most + 1):
        rank = fraction * (n - 1)
        below = int(rank) if n > 1 else 0
        share = rank - below if n > 1 else 0.0
        low, high = values[below], values[below + 1 if n > 1 else below]
        for p in range(result.size):
            between = (1.0 - share) * np.float64(low[p]) + share * np.float64(high[p])
            value = between if n > 1 else np.float64(low[p])
            result[p] = value if n_good[p] == n else result[p]
