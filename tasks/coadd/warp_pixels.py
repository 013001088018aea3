"""Warp pixels: reading boxes of warps through their handles, and refusing what does not fit the patch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from mmap import mmap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from butler.errors import BoxError
from butler.images import Box2I, Image, Mask, MaskedImage, SkyWcs

from ..errors import WarpGeometryError, WarpUnitError

__all__ = [
    "check_warp_geometry",
    "check_warp_unit",
    "describe_data_id",
    "memory_of",
    "read_warp",
    "read_warp_mask",
]

_WCS_TOLERANCE: Final = 0.01
"""Largest distance, in pixels, of the warp's and the patch's position of the same pixel."""

_UNIT: Final = "nJy"


def describe_data_id(data_id: Mapping[str, Any]) -> str:
    """Return a data ID as text, ``visit=903986, tract=0``."""
    return ", ".join(f"{name}={value}" for name, value in data_id.items())


def read_warp(handle: Any, bbox: Box2I) -> MaskedImage:
    """Read a box of a warp; the pixels are not to be changed, and may be a file mapped into memory.

    Raises
    ------
    WarpGeometryError
        Raised if the warp does not contain the box.
    """
    pixels: MaskedImage = _read_box(handle, "maskedImage", bbox)
    return pixels


def read_warp_mask(handle: Any, bbox: Box2I) -> Mask:
    """Read a box of a warp's mask; as for `read_warp`, its pixels are not to be changed.

    Raises
    ------
    WarpGeometryError
        Raised if the warp does not contain the box.
    """
    mask: Mask = _read_box(handle, "mask", bbox)
    return mask


def memory_of(warps: Iterable[MaskedImage]) -> int:
    """Return how many bytes of memory the pixels of some warps take; a mapped file takes none."""
    planes = (plane.array for warp in warps for plane in (warp.image, warp.variance, warp.mask))
    return sum(array.nbytes for array in planes if not _is_mapped(array))


def _is_mapped(array: NDArray[Any]) -> bool:
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return isinstance(owner, memoryview) and isinstance(owner.obj, mmap)


def check_warp_geometry(handles: Sequence[Any], bbox: Box2I, wcs: SkyWcs) -> None:
    """Refuse warps that do not lie on the patch's pixels.

    Parameters
    ----------
    handles
        Handles of the warps.
    bbox, wcs
        Outer box and WCS of the patch.

    Raises
    ------
    WarpGeometryError
        Raised if a warp's box does not contain the patch, or if its WCS puts a corner of the patch more
        than 0.01 pixel away from where the patch has it.
    """
    corners = np.array(bbox.corners)
    ra, dec = wcs.pixelToSky(*corners.T)
    for handle in handles:
        warp_box: Box2I = handle.get(component="bbox")
        if not warp_box.contains(bbox):
            raise _outside(handle, f"covers {warp_box}", bbox)
        warp_wcs: SkyWcs | None = handle.get(component="wcs")
        if warp_wcs is None:
            raise WarpGeometryError(f"warp {describe_data_id(handle.dataId)} has no WCS; make it again")
        x, y = warp_wcs.skyToPixel(ra, dec)
        distance = float(np.hypot(x - corners[:, 0], y - corners[:, 1]).max())
        if not distance <= _WCS_TOLERANCE:
            raise WarpGeometryError(
                f"the WCS of warp {describe_data_id(handle.dataId)} is not that of the patch: corners lie up "
                f"to {distance:g} pixels apart; make the warp again with this sky map"
            )


def check_warp_unit(handle: Any, image: Image) -> None:
    """Refuse a warp whose pixels are not in nJy.

    Raises
    ------
    WarpUnitError
        Raised with the unit found.
    """
    if image.unit != _UNIT:
        raise WarpUnitError(
            f"warp {describe_data_id(handle.dataId)} has unit {image.unit!r}, not {_UNIT!r}; calibrate it "
            "when it is made, or set doScaleZeroPoint=True"
        )


def _read_box(handle: Any, component: str, bbox: Box2I) -> Any:
    try:
        return handle.get(component=component, parameters={"bbox": bbox, "inPlace": True})
    except BoxError as error:
        raise _outside(handle, str(error), bbox) from error


def _outside(handle: Any, found: str, bbox: Box2I) -> WarpGeometryError:
    return WarpGeometryError(
        f"warp {describe_data_id(handle.dataId)} does not contain {bbox} of the patch: {found}; "
        "make the warp again with this sky map"
    )
