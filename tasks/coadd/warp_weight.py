"""Warp weight: how much a warp counts in a coadd."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from butler.images import MaskedImage

from ..kernels.stacking import clipped_mean
from .data_box import data_box

__all__ = ["WarpWeight", "measure_weight"]


class WarpWeight(NamedTuple):
    """The weight of a warp, or why it has none."""

    value: float
    """Weight, the inverse of the square of the warp's unit; 0 if it has none."""

    fault: str
    """What is wrong with the warp; empty if it can be used."""


def measure_weight(warp: MaskedImage, bad_planes: Iterable[str], **clipping: Any) -> WarpWeight:
    """Return the inverse of the clipped mean of the variance over the good pixels.

    Parameters
    ----------
    warp
        The warp, within the patch.
    bad_planes
        Mask planes whose pixels do not count; those that the warp does not know are left out.
    **clipping
        ``num_sigma`` and ``num_iter`` of the clipping.
    """
    names = list(bad_planes)
    if "NO_DATA" in names and (box := data_box(warp.mask)) is not None:
        warp = warp[box]
    if not any(np.isfinite(row).any() for row in warp.image.array):
        return WarpWeight(0.0, "has no finite pixel in the patch")
    and_mask = warp.mask.known_bit_mask(names)
    mean = float(clipped_mean(warp.variance.array, warp.mask.array, and_mask=and_mask, **clipping))
    # The kernels hold weights as float32, and there too they must stay finite and positive.
    with np.errstate(all="ignore"):
        weight = float(1.0 / np.float64(mean))
        usable = 0 < np.float32(weight) < np.inf
    if not usable:
        return WarpWeight(0.0, f"has a mean variance of {mean:g} over its good pixels")
    return WarpWeight(weight, "")
