"""PatchInfo: one patch of a tract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..images import Extent2I
from ..regions import SkyRegion
from .cell_info import CellInfo
from .index import Grid, Index2D
from .patch_layout import CellLayout
from .sky_tile import SkyTile

__all__ = ["PatchInfo"]


@dataclass(frozen=True)
class PatchInfo(SkyTile):
    """A patch: the area that one coadd covers. It shares the pixels of its tract.

    Its number is the one that data IDs carry. The inner boxes tile the tract; the outer box is cut off at the
    tract's edge, but that of a patch of cells is not.
    """

    tract_id: int
    """The tract it belongs to."""

    cells: CellLayout | None = None
    """How it is cut into cells; None if it is not."""

    @property
    def region(self) -> SkyRegion:
        """Polygon of the outer box: the region of the patch's dimension record."""
        return self.outer_sky_polygon

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
