"""PatchLayout: how a tract is cut into patches, and patches into cells."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ..images import Box2I, Extent2I, Point2I

__all__ = ["CellLayout", "PatchLayout"]


@dataclass(frozen=True, slots=True)
class CellLayout:
    """How patches are cut into square cells; those of neighbouring patches coincide."""

    inner_dimensions: Extent2I
    """Width and height of a cell without border, pixels."""

    border: int
    """Width of a cell's border, pixels."""

    num_per_patch_inner: int
    """Cells along each side of a patch without border."""

    num_in_patch_border: int
    """Cells along each side that a patch's border has besides."""

    @property
    def num_per_side(self) -> int:
        """Cells along each side of a patch, with those in its border."""
        return self.num_per_patch_inner + 2 * self.num_in_patch_border

    @property
    def patch_inner_dimensions(self) -> Extent2I:
        """Width and height of a patch without border, pixels."""
        width, height = self.inner_dimensions
        return Extent2I(width * self.num_per_patch_inner, height * self.num_per_patch_inner)

    @property
    def patch_border(self) -> int:
        """Width of a patch's border, pixels: whole cells, and the border of the last."""
        return self.num_in_patch_border * self.inner_dimensions.x + self.border

    def inner_box(self, patch_inner_box: Box2I, index: tuple[int, int]) -> Box2I:
        """Return the box of a cell, counted from the low corner of the patch's border.

        Parameters
        ----------
        patch_inner_box
            The patch without border.
        index
            Column and row of the cell.
        """
        steps = [i - self.num_in_patch_border for i in index]
        corner = Point2I(
            patch_inner_box.minX + steps[0] * self.inner_dimensions.x,
            patch_inner_box.minY + steps[1] * self.inner_dimensions.y,
        )
        return Box2I(corner, self.inner_dimensions)


@dataclass(frozen=True, slots=True)
class PatchLayout:
    """How a tract is cut into patches."""

    inner_dimensions: Extent2I
    """Width and height of a patch without border, pixels."""

    border: int
    """Width of a patch's border, pixels."""

    cells: CellLayout | None = None
    """How patches are cut into cells; None if they are not."""

    @classmethod
    def of_cells(cls, cells: CellLayout) -> PatchLayout:
        """Make the layout of patches that consist of cells."""
        return cls(cells.patch_inner_dimensions, cells.patch_border, cells)

    def inner_box(self, index: tuple[int, int]) -> Box2I:
        """Return the pixels that belong to the patch of a column and row alone."""
        width, height = self.inner_dimensions
        return Box2I(Point2I(index[0] * width, index[1] * height), self.inner_dimensions)

    def outer_box(self, index: tuple[int, int], tract_box: Box2I) -> Box2I:
        """Return a patch with its border: cut off at the tract's edge, but patches of cells are whole."""
        grown = self.inner_box(index).dilatedBy(self.border)
        return grown if self.cells is not None else grown.clippedTo(tract_box)

    def packed(self) -> bytes:
        """Return the little-endian bytes that a sky map's hash is made of."""
        if self.cells is None:
            return struct.pack("<iii", *self.inner_dimensions, self.border)
        c = self.cells
        numbers = (*c.inner_dimensions, c.border, c.num_per_patch_inner, c.num_in_patch_border)
        return struct.pack("<iiiii", *numbers)
