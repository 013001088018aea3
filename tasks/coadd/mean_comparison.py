"""Mean comparison: mean and clipped mean of some warps, made in one pass over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from butler.images import MaskedImage

from ..kernels.stacking import Target, mean_and_meanclip_stack
from .kept_mean import KeptMean

__all__ = ["COMPARISON_ROWS", "write_difference", "write_means"]

COMPARISON_ROWS: Final = 256
"""Rows of which mean and clipped mean are made and subtracted at a time."""


def write_means(
    kept: KeptMean,
    clipped: Target,
    warps: Sequence[MaskedImage],
    weights: Sequence[float],
    options: Mapping[str, Any],
    rows: slice = slice(None),
) -> None:
    """Write mean and clipped mean of some rows.

    Parameters
    ----------
    kept
        Gets the mean, and the number of warps.
    clipped
        Image, variance and mask that get the clipped mean; of these rows alone.
    warps, weights
        Boxes of the warps, and their weights.
    options
        Options of the stack.
    rows
        The rows.
    """
    mean = kept.pixels
    stacked, _ = mean_and_meanclip_stack(
        [warp.image.array[rows] for warp in warps],
        [warp.variance.array[rows] for warp in warps],
        [warp.mask.array[rows] for warp in warps],
        weights,
        targets=((mean.image.array[rows], mean.variance.array[rows], mean.mask.array[rows]), clipped),
        **options,
    )
    if kept.n_image is not None:
        kept.n_image.array[rows] = stacked.n_image


def write_difference(
    target: MaskedImage,
    kept: KeptMean,
    warps: Sequence[MaskedImage],
    weights: Sequence[float],
    options: Mapping[str, Any],
    scratch: Target,
) -> None:
    """Write the mean minus the clipped mean, in parts that stay in the cache until they are subtracted.

    Parameters
    ----------
    target
        Gets the difference, the sum of both variances, and the OR of both masks.
    kept
        Gets the mean; its pixels may be those of the target.
    warps, weights, options
        As for `write_means`.
    scratch
        Image, variance and mask of `COMPARISON_ROWS` rows, or as many as there are.
    """
    n_y, n_x = target.image.array.shape
    mean = kept.pixels
    for y in range(0, n_y, COMPARISON_ROWS):
        rows = slice(y, min(y + COMPARISON_ROWS, n_y))
        own = slice(rows.stop - y), slice(n_x)
        image, variance, mask = scratch[0][own], scratch[1][own], scratch[2][own]
        write_means(kept, (image, variance, mask), warps, weights, options, rows)
        np.subtract(mean.image.array[rows], image, out=target.image.array[rows])
        np.add(mean.variance.array[rows], variance, out=target.variance.array[rows])
        np.bitwise_or(mean.mask.array[rows], mask, out=target.mask.array[rows])
