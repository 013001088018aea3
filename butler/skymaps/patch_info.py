"""PatchInfo: one patch of a tract."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ..images import Box2I, SkyWcs
from ..regions import SkyRegion

__all__ = ["Index2D", "PatchInfo"]


class Index2D(NamedTuple):
    """The column and row of a patch in its tract, or their numbers."""

    x: int
    y: int


@dataclass(frozen=True)
class PatchInfo:
    """A patch: the area that one coadd covers. It shares the pixels of its tract."""

    tract_id: int
    """The tract it belongs to."""

    index: Index2D
    """Column and row, from the tract's low corner."""

    sequential_index: int
    """The number that data IDs carry: ``n_x * y + x``."""

    inner_bbox: Box2I
    """Pixels that belong to this patch alone; the inner boxes tile the tract."""

    outer_bbox: Box2I
    """The inner box and its border, cut off at the tract's edge."""

    wcs: SkyWcs = field(hash=False)
    """WCS of the tract, in parent pixels."""

    def getIndex(self) -> Index2D:
        """Return column and row."""
        return self.index

    def getSequentialIndex(self) -> int:
        """Return the number that data IDs carry."""
        return self.sequential_index

    def getInnerBBox(self) -> Box2I:
        """Return the box that belongs to this patch alone."""
        return self.inner_bbox

    def getOuterBBox(self) -> Box2I:
        """Return the box with its border."""
        return self.outer_bbox

    def getWcs(self) -> SkyWcs:
        """Return the tract's WCS."""
        return self.wcs

    @property
    def region(self) -> SkyRegion:
        """Polygon of the outer box: the region of the patch's dimension record."""
        return SkyRegion.from_wcs(self.wcs, self.outer_bbox)

    @property
    def inner_sky_polygon(self) -> SkyRegion:
        """Polygon of the inner box."""
        return SkyRegion.from_wcs(self.wcs, self.inner_bbox)
