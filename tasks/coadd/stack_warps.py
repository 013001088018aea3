"""Stacking warps into a coadd: all pixels of a box, or some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from butler.images import MaskedImage, SpanSet

from ..kernels.stacking import statistics_stack
from .box_tiling import pixels_at_once

__all__ = ["stack_all", "stack_some"]


def stack_all(
    target: MaskedImage,
    n_image: NDArray[np.uint16] | None,
    warps: Sequence[MaskedImage],
    weights: Sequence[float],
    **options: Any,
) -> None:
    """Combine all pixels of warps, in place.

    Parameters
    ----------
    target, n_image
        Get the statistic and, unless None, the number of inputs ``(n_y, n_x)``.
    warps, weights
        The warps, all with the box of the target, and their weights.
    **options
        As for `statistics_stack`, ``statistic`` among them.
    """
    stacked = statistics_stack(
        [warp.image.array for warp in warps],
        [warp.variance.array for warp in warps],
        [warp.mask.array for warp in warps],
        weights,
        target=(target.image.array, target.variance.array, target.mask.array),
        **options,
    )
    if n_image is not None:
        n_image[:] = stacked.n_image


def stack_some(
    target: MaskedImage,
    n_image: NDArray[np.uint16] | None,
    warps: Sequence[MaskedImage],
    weights: Sequence[float],
    where: SpanSet,
    **options: Any,
) -> None:
    """Combine some pixels of warps, in place, as if they were one row; as `stack_all` where they are.

    Parameters
    ----------
    target, n_image, warps, weights, **options
        As for `stack_all`.
    where
        The pixels; those outside the box are left out.
    """
    rows, columns = where.clippedTo(target.bbox).indices(target.xy0)
    step = pixels_at_once(len(warps))
    for first in range(0, rows.size, step):
        chosen = rows[first : first + step], columns[first : first + step]
        stacked = statistics_stack(
            [warp.image.array[chosen][np.newaxis] for warp in warps],
            [warp.variance.array[chosen][np.newaxis] for warp in warps],
            [warp.mask.array[chosen][np.newaxis] for warp in warps],
            weights,
            **options,
        )
        target.image.array[chosen] = stacked.image[0]
        target.variance.array[chosen] = stacked.variance[0]
        target.mask.array[chosen] = stacked.mask[0]
        if n_image is not None:
            n_image[chosen] = stacked.n_image[0]
