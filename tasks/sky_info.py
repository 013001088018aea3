"""Sky info: the part of a sky map that a quantum works on."""

from __future__ import annotations

from typing import Any

from .struct import Struct

__all__ = ["make_sky_info"]


def make_sky_info(skyMap: Any, tract_id: int, patch_id: int) -> Struct:
    """Collect the geometry of one patch.

    Parameters
    ----------
    skyMap
        Sky map.
    tract_id, patch_id
        Tract and sequential patch number.

    Returns
    -------
    skyInfo
        ``skyMap``, ``tractInfo``, ``patchInfo``, ``wcs`` (of the tract) and ``bbox`` (outer box of the
        patch, in the tract's pixels).

    Raises
    ------
    LookupError
        Raised by the sky map if it has no such tract or patch.
    """
    tractInfo = skyMap[tract_id]
    patchInfo = tractInfo.getPatchInfo(patch_id)
    return Struct(
        skyMap=skyMap,
        tractInfo=tractInfo,
        patchInfo=patchInfo,
        wcs=tractInfo.getWcs(),
        bbox=patchInfo.getOuterBBox(),
    )
