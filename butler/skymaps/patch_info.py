"""PatchInfo: one patch of a tract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..images import Box2I, Extent2I, SkyWcs
from ..regions import SkyRegion
from .cell_info import CellInfo
from .index import Grid, Index2D
from .patch_layout import CellLayout

__all__ = ["PatchInfo"]


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
    """The inner box and its border. It is cut off at the tract's edge, but a patch of cells is not."""

    wcs: SkyWcs = field(hash=False)
    """WCS of the tract, in parent pixels."""

    cells: CellLayout | None = None
    """How it is cut into cells; None if it is not."""

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

    def getInnerSkyPolygon(self) -> SkyRegion:
        """Return the polygon of the inner box."""
        return self.inner_sky_polygon

    def getOuterSkyPolygon(self) -> SkyRegion:
        """Return the polygon of the outer box."""
        return self.outer_sky_polygon

    @property
    def region(self) -> SkyRegion:
        """Polygon of the outer box: the region of the patch's dimension record."""
        return SkyRegion.from_wcs(self.wcs, self.outer_bbox)

    outer_sky_polygon = region

    @property
    def inner_sky_polygon(self) -> SkyRegion:
        """Polygon of the inner box."""
        return SkyRegion.from_wcs(self.wcs, self.inner_bbox)

    # Cells

    @property
    def num_cells(self) -> Index2D:
        """Columns and rows of cells, with those in the border; (0, 0) without cells."""
        n = 0 if self.cells is None else self.cells.num_per_side
        return Index2D(n, n)

    def getNumCells(self) -> Index2D:
        """Return the columns and rows of cells."""
        return self.num_cells

    def getCellInnerDimensions(self) -> Extent2I:
        """Return width and height of a cell without border, pixels; (0, 0) without cells."""
        return Extent2I(0, 0) if self.cells is None else self.cells.inner_dimensions

    def getCellBorder(self) -> int:
        """Return the width of a cell's border, pixels; 0 without cells."""
        return 0 if self.cells is None else self.cells.border

    def getCellInfo(self, index: int | tuple[int, int]) -> CellInfo:
        """Return a cell by its ``(x, y)`` index or its number.

        Raises
        ------
        IndexError
            Raised if the patch has no such cell.
        """
        pair = self._cell_grid.pair(index)
        assert self.cells is not None
        inner = self.cells.inner_box(self.inner_bbox, pair)
        outer = inner.dilatedBy(self.cells.border)
        return CellInfo(pair, self._cell_grid.number(pair), inner, outer, self.wcs)

    def getSequentialCellIndex(self, cell_info: CellInfo) -> int:
        """Return the number of a cell: ``n * y + x``."""
        return self._cell_grid.number(cell_info.index)

    def getSequentialCellIndexFromPair(self, index: tuple[int, int]) -> int:
        """Return the number of the cell in a column and row.

        Raises
        ------
        IndexError
            Raised if the patch has no such cell.
        """
        return self._cell_grid.number(index)

    def getCellIndexPair(self, sequential_index: int) -> Index2D:
        """Return column and row of the cell of a number.

        Raises
        ------
        IndexError
            Raised if the patch has no such cell.
        """
        return self._cell_grid.pair(sequential_index)

    def __len__(self) -> int:
        return self._cell_grid.size

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: int | tuple[int, int]) -> CellInfo:
        return self.getCellInfo(index)

    def __iter__(self) -> Iterator[CellInfo]:
        return (self.getCellInfo(i) for i in range(len(self)))

    @property
    def _cell_grid(self) -> Grid:
        what = f"patch {self.sequential_index} of tract {self.tract_id} has no cell"
        return Grid(*self.num_cells, what)
