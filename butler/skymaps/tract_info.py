"""TractInfo: one tract of a sky map and its patches."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BoxError
from ..images import Box2I, Extent2I, Point2I, SkyWcs
from ..regions import SkyRegion
from .patch_info import Index2D, PatchInfo
from .tract_frame import enclosing_box

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

    patch_inner_dimensions: Extent2I
    """Width and height of a patch without border, pixels."""

    patch_border: int
    """Width of a patch's border, pixels."""

    inner_sky_region: SkyRegion
    """Where this tract, and not a neighbour, is in charge."""

    def getId(self) -> int:
        """Return the tract's number in the sky map."""
        return self.tract_id

    def getWcs(self) -> SkyWcs:
        """Return the WCS."""
        return self.wcs

    def getBBox(self) -> Box2I:
        """Return the box of all patches."""
        return self.bbox

    def getNumPatches(self) -> Index2D:
        """Return the number of columns and rows of patches."""
        inner = self.patch_inner_dimensions
        return Index2D(self.bbox.width // inner.x, self.bbox.height // inner.y)

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
        if isinstance(index, (int, np.integer)):
            index = self.getPatchIndexPair(int(index))
        x, y = (operator.index(i) for i in index)
        sequential_index = self.getSequentialPatchIndexFromPair((x, y))
        width, height = self.patch_inner_dimensions
        inner = Box2I(Point2I(x * width, y * height), self.patch_inner_dimensions)
        outer = inner.dilatedBy(self.patch_border).clippedTo(self.bbox)
        return PatchInfo(self.tract_id, Index2D(x, y), sequential_index, inner, outer, self.wcs)

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
        x, y = index
        n_x, n_y = self.getNumPatches()
        if not (0 <= x < n_x and 0 <= y < n_y):
            raise IndexError(
                f"tract {self.tract_id} has no patch ({x}, {y}); x is 0..{n_x - 1}, y is 0..{n_y - 1}"
            )
        return n_x * y + x

    def getPatchIndexPair(self, sequential_index: int) -> Index2D:
        """Return column and row of the patch of a number.

        Raises
        ------
        IndexError
            Raised if the tract has no such patch.
        """
        if not 0 <= sequential_index < len(self):
            raise IndexError(
                f"tract {self.tract_id} has no patch {sequential_index}; patches are 0..{len(self) - 1}"
            )
        y, x = divmod(sequential_index, self.getNumPatches().x)
        return Index2D(x, y)

    def findPatch(self, ra: float, dec: float) -> PatchInfo:
        """Return the patch whose inner box holds a position (degrees).

        Raises
        ------
        LookupError
            Raised if the position is not in the tract.
        """
        pixel = self._pixel_of(ra, dec)
        if pixel is None:
            raise LookupError(
                f"({ra}, {dec}) is not in tract {self.tract_id}; the sky map's findTract names the right one"
            )
        return self.getPatchInfo(
            (pixel.x // self.patch_inner_dimensions.x, pixel.y // self.patch_inner_dimensions.y)
        )

    def findPatchList(self, ra: ArrayLike, dec: ArrayLike) -> list[PatchInfo]:
        """Return the patches that may overlap the area around some positions, column by column.

        Parameters
        ----------
        ra, dec
            Positions, degrees; those that the projection does not reach are left out.

        Notes
        -----
        Generous: every patch is listed whose inner box comes within a border's width of the bounding box, in
        pixels, of the positions.
        """
        x, y = self.wcs.skyToPixel(ra, dec)
        defined = np.isfinite(x) & np.isfinite(y)
        if not np.any(defined):
            return []
        try:
            box = enclosing_box(x[defined], y[defined]).dilatedBy(self.patch_border).clippedTo(self.bbox)
        except BoxError:
            return []
        width, height = self.patch_inner_dimensions
        columns = range(box.minX // width, box.maxX // width + 1)
        rows = range(box.minY // height, box.maxY // height + 1)
        return [self.getPatchInfo((i, j)) for i in columns for j in rows]

    def contains(self, ra: float, dec: float) -> bool:
        """Tell whether a position (degrees) falls on one of the tract's pixels."""
        return self._pixel_of(ra, dec) is not None

    def __len__(self) -> int:
        n_x, n_y = self.getNumPatches()
        return n_x * n_y

    def __getitem__(self, index: int | tuple[int, int]) -> PatchInfo:
        return self.getPatchInfo(index)

    def __iter__(self) -> Iterator[PatchInfo]:
        return (self.getPatchInfo(i) for i in range(len(self)))

    def _pixel_of(self, ra: float, dec: float) -> Point2I | None:
        """Return the pixel that holds a position, if it is one of the tract's."""
        x, y = (float(v) for v in self.wcs.skyToPixel(ra, dec))
        if not (math.isfinite(x) and math.isfinite(y)):
            return None
        pixel = Point2I(math.floor(x + 0.5), math.floor(y + 0.5))
        return pixel if self.bbox.contains(pixel) else None
