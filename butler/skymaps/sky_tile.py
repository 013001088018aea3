"""SkyTile: what patches and cells have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..images import Box2I, SkyWcs
from ..regions import SkyRegion
from .index import Index2D

__all__ = ["SkyTile"]


@dataclass(frozen=True)
class SkyTile:
    """A box of a tract's pixels that belongs to it alone, and one with a border around it."""

    index: Index2D
    """Column and row."""

    sequential_index: int
    """Its number: ``n_x * y + x``."""

    inner_bbox: Box2I
    """Pixels that belong to it alone."""

    outer_bbox: Box2I
    """The inner box and its border."""

    wcs: SkyWcs = field(hash=False)
    """WCS of the tract, in parent pixels."""

    def getIndex(self) -> Index2D:
        """Return column and row."""
        return self.index

    def getSequentialIndex(self) -> int:
        """Return the number, which counts row by row."""
        return self.sequential_index

    def getInnerBBox(self) -> Box2I:
        """Return the box that belongs to it alone."""
        return self.inner_bbox

    def getOuterBBox(self) -> Box2I:
        """Return the box with its border."""
        return self.outer_bbox

    def getWcs(self) -> SkyWcs:
        """Return the tract's WCS."""
        return self.wcs

    def getInnerSkyPolygon(self) -> SkyRegion:
        """Return the polygon of the inner box."""
        return self.inner_sky_polygon

    def getOuterSkyPolygon(self) -> SkyRegion:
        """Return the polygon of the outer box."""
        return self.outer_sky_polygon

    @property
    def outer_sky_polygon(self) -> SkyRegion:
        """Polygon of the outer box."""
        return SkyRegion.from_wcs(self.wcs, self.outer_bbox)

    @property
    def inner_sky_polygon(self) -> SkyRegion:
        """Polygon of the inner box."""
        return SkyRegion.from_wcs(self.wcs, self.inner_bbox)
