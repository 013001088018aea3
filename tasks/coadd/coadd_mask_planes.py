"""Mask planes of a coadd: one dictionary of names and bits for all its warps and itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from butler.images import DEFAULT_MASK_PLANES, Box2I, Extent2I, Image, Mask

from ..errors import WarpError
from .warp_pixels import describe_data_id, read_warp_mask

__all__ = ["COADD_MASK_PLANES", "common_mask_planes", "set_coadd_edge_bits"]

COADD_MASK_PLANES: Final[Mapping[str, int]] = {
    **DEFAULT_MASK_PLANES,
    "REJECTED": 11,
    "CLIPPED": 12,
    "SENSOR_EDGE": 13,
    "INEXACT_PSF": 14,
}
"""The planes that every coadd has, on the bits they get where its warps have only the default ones."""


def common_mask_planes(handles: Sequence[Any], bbox: Box2I) -> dict[str, int]:
    """Return the planes of all warps and those that every coadd has.

    The first warp's planes keep their bits, so that warps of one origin need no change of bits.

    Parameters
    ----------
    handles
        Handles of the warps; one pixel of each mask is read.
    bbox
        A box that all of them contain.

    Raises
    ------
    WarpGeometryError
        Raised if a warp does not contain the box.
    WarpError
        Raised if the warps have more planes together than a mask has bits.
    """
    corner = Box2I(bbox.minimum, Extent2I(1, 1))
    planes: Mapping[str, int] | None = None
    for handle in handles:
        mask = read_warp_mask(handle, corner)
        planes = mask.planes if planes is None else _joined(planes, mask, describe_data_id(handle.dataId))
    own = Mask.from_bbox(corner, COADD_MASK_PLANES)
    return dict(own.planes if planes is None else _joined(planes, own, "coadd"))


def set_coadd_edge_bits(mask: Mask, variance: Image) -> None:
    """Set NO_DATA, in place, where the variance is exactly 0: all that went in there had none."""
    mask.set_where("NO_DATA", variance.array == 0)


def _joined(planes: Mapping[str, int], mask: Mask, owner: str) -> Mapping[str, int]:
    try:
        return mask.conformed(planes).planes
    except ValueError as error:
        raise WarpError(f"the mask planes of {owner} do not fit beside {sorted(planes)}: {error}") from error
