"""TractInfo: one tract of a sky map and its patches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BoxError
from ..images import Box2I, Extent2I, SkyWcs
from ..regions import SkyRegion
from .index import Grid, Index2D
from .patch_info import PatchInfo
from .patch_layout import PatchLayout
from .positions import Coordinates, sky_degrees
from .tract_frame import enclosing_box, vertices_of

__all__ = ["TractInfo"]


@dataclass(frozen=True)
class TractInfo:
    """A tract: one projection of a part of the sky, cut into patches.

    Its length is the number of patches; iteration and ``tract[index]`` give `PatchInfo`, rows from below.
    """

    tract_id: int
    """Its number in the sky map."""

    ctr_coord: tuple[float, float]
    """Right ascension and declination of its centre, degrees."""

    wcs: SkyWcs = field(hash=False)
    """WCS in parent pixels, which all of its patches share."""

    bbox: Box2I
    """Box of all patches, from (0, 0)."""

    layout: PatchLayout
    """How it is cut into patches."""

    tract_overlap: float
    """How far it reaches beyond its own area on each side, degrees."""

    inner_sky_region: SkyRegion
    """Where this tract, and not a neighbour, is in charge."""

    def getId(self) -> int:
        """Return the tract's number in the sky map."""
        return self.tract_id

    def getCtrCoord(self) -> tuple[float, float]:
        """Return right ascension and declination of the centre, degrees."""
        return self.ctr_coord

    def getWcs(self) -> SkyWcs:
        """Return the WCS."""
        return self.wcs

    def getBBox(self) -> Box2I:
        """Return the box of all patches."""
        return self.bbox

    def getNumPatches(self) -> Index2D:
        """Return the number of columns and rows of patches."""
        return self.num_patches

    def getPatchInnerDimensions(self) -> Extent2I:
        """Return width and height of a patch without border, pixels."""
        return self.patch_inner_dimensions

    def getPatchBorder(self) -> int:
        """Return the width of a patch's border, pixels."""
        return self.patch_border

    def getTractOverlap(self) -> float:
        """Return how far the tract reaches beyond its own area on each side, degrees."""
        return self.tract_overlap

    def getVertexList(self) -> list[tuple[float, float]]:
        """Return the corners of the box, a thousandth of a pixel inside, degrees: LL, LR, UR, UL."""
        return vertices_of(self.wcs, self.bbox)

    def getInnerSkyRegion(self) -> SkyRegion:
        """Return where this tract, and not a neighbour, is in charge."""
        return self.inner_sky_region

    def getInnerSkyPolygon(self) -> SkyRegion:
        """Return the convex hull of `getVertexList`."""
        return self.inner_sky_polygon

    def getOuterSkyPolygon(self) -> SkyRegion:
        """Return the polygon of the whole box."""
        return self.outer_sky_polygon

    @property
    def num_patches(self) -> Index2D:
        """Columns and rows of patches."""
        width, height = self.layout.inner_dimensions
        return Index2D(self.bbox.width // width, self.bbox.height // height)

    @property
    def patch_inner_dimensions(self) -> Extent2I:
        """Width and height of a patch without border, pixels."""
        return self.layout.inner_dimensions

    @property
    def patch_border(self) -> int:
        """Width of a patch's border, pixels."""
        return self.layout.border

    @property
    def inner_sky_polygon(self) -> SkyRegion:
        """Convex hull of `getVertexList`; where the tract is in charge, `inner_sky_region` says."""
        return SkyRegion.from_polygon(*zip(*self.getVertexList(), strict=True))

    @property
    def outer_sky_polygon(self) -> SkyRegion:
        """Polygon of the whole box, overlapping its neighbours: the region of the dimension record."""
        return SkyRegion.from_wcs(self.wcs, self.bbox)

    def getPatchInfo(self, index: int | tuple[int, int]) -> PatchInfo:
        """Return a patch by its ``(x, y)`` index or its sequential index.

        Raises
        ------
        IndexError
            Raised if the tract has no such patch.
        """
        pair = self._grid.pair(index)
        inner, outer = self.layout.inner_box(pair), self.layout.outer_box(pair, self.bbox)
        number = self._grid.number(pair)
        return PatchInfo(pair, number, inner, outer, self.wcs, self.tract_id, self.layout.cells)

    def getSequentialPatchIndex(self, patch_info: PatchInfo) -> int:
        """Return the number of a patch: ``n_x * y + x``."""
        return self.getSequentialPatchIndexFromPair(patch_info.index)

    def getSequentialPatchIndexFromPair(self, index: tuple[int, int]) -> int:
        """Return the number of the patch in a column and row.

        Raises
        ------
        IndexError
            Raised if the tract has no such patch.
        """
        return self._grid.number(index)

    def getPatchIndexPair(self, sequential_index: int) -> Index2D:
        """Return column and row of the patch of a number.

        Raises
        ------
        IndexError
            Raised if the tract has no such patch.
        """
        return self._grid.pair(sequential_index)

    def patch_regions(self) -> list[SkyRegion]:
        """Return the regions of all patches by number; quicker than one by one."""
        return SkyRegion.from_wcs_boxes(self.wcs, [patch.outer_bbox for patch in self])

    def findPatch(self, coord: Coordinates, dec: float | None = None) -> PatchInfo:
        """Return the patch whose inner box holds a position.

        Parameters
        ----------
        coord, dec
            The position; see `sky_degrees`.

        Raises
        ------
        LookupError
            Raised if the position is not in the tract.
        """
        number = int(self.find_patch_ids(coord, dec))
        if number < 0:
            ra, dec = (float(value) for value in sky_degrees(coord, dec))
            raise LookupError(
                f"({ra}, {dec}) is not in tract {self.tract_id}; the sky map's findTract names the right one"
            )
        return self.getPatchInfo(number)

    def find_patch_ids(self, coord: Coordinates, dec: ArrayLike | None = None) -> NDArray[np.int64]:
        """Return the number of the patch whose inner box holds each position; -1 outside of the tract.

        Parameters
        ----------
        coord, dec
            Positions; see `sky_degrees`.
        """
        ra, dec = sky_degrees(coord, dec)
        x, y = self.wcs.skyToPixel(ra, dec)
        # NaN, where the projection does not reach, is not within.
        within = (x >= self.bbox.minX - 0.5) & (x < self.bbox.maxX + 0.5)
        within &= (y >= self.bbox.minY - 0.5) & (y < self.bbox.maxY + 0.5)
        width, height = self.layout.inner_dimensions
        columns = np.floor(np.where(within, x, 0.0) + 0.5).astype(np.int64) // width
        rows = np.floor(np.where(within, y, 0.0) + 0.5).astype(np.int64) // height
        return np.where(within, rows * self.num_patches.x + columns, -1)

    def findPatchList(self, coord: Coordinates | SkyRegion, dec: ArrayLike | None = None) -> list[PatchInfo]:
        """Return the patches that may overlap the area around some positions, or do overlap a region.

        Parameters
        ----------
        coord, dec
            Positions, see `sky_degrees`; those that the projection does not reach are left out. Or a region.

        Returns
        -------
        patches
            Around positions column by column, in a region by number.

        Notes
        -----
        Positions are treated generously: every patch is listed whose inner box comes within a border's width
        of the bounding box, in pixels, of the positions. A region finds the patches whose outer boxes it
        overlaps, and no other.
        """
        if isinstance(coord, SkyRegion):
            return [p for p, region in zip(self, self.patch_regions(), strict=True) if region.overlaps(coord)]
        x, y = self.wcs.skyToPixel(*sky_degrees(coord, dec))
        defined = np.isfinite(x) & np.isfinite(y)
        if not np.any(defined):
            return []
        try:
            box = enclosing_box(x[defined], y[defined]).dilatedBy(self.patch_border).clippedTo(self.bbox)
        except BoxError:
            return []
        width, height = self.layout.inner_dimensions
        columns = range(box.minX // width, box.maxX // width + 1)
        rows = range(box.minY // height, box.maxY // height + 1)
        return [self.getPatchInfo((i, j)) for i in columns for j in rows]

    def contains(self, coord: Coordinates, dec: float | None = None) -> bool:
        """Tell whether a position falls on one of the tract's pixels."""
        return int(self.find_patch_ids(coord, dec)) >= 0

    def __len__(self) -> int:
        return self._grid.size

    def __getitem__(self, index: int | tuple[int, int]) -> PatchInfo:
        return self.getPatchInfo(index)

    def __iter__(self) -> Iterator[PatchInfo]:
        return (self.getPatchInfo(i) for i in range(len(self)))

    @property
    def _grid(self) -> Grid:
        return Grid(*self.num_patches, f"tract {self.tract_id} has no patch")
