"""Index2D: columns and rows, and the numbers they turn into."""

from __future__ import annotations

import operator
from typing import NamedTuple

import numpy as np

__all__ = ["Grid", "Index2D"]


class Index2D(NamedTuple):
    """A column and a row, or their numbers."""

    x: int
    y: int


class Grid(NamedTuple):
    """Numbered places in columns and rows: patches in a tract, cells in a patch."""

    columns: int
    rows: int
    what: str
    """Of what the places are, for messages: ``tract 5 has no patch``."""

    def pair(self, index: int | tuple[int, int]) -> Index2D:
        """Return column and row of a place, given either by them or by its number.

        Raises
        ------
        IndexError
            Raised if there is no such place.
        TypeError
            Raised if it is no whole number, nor two of them.
        """
        if isinstance(index, (int, np.integer)):
            return self._pair_of(int(index))
        x, y = (operator.index(i) for i in index)
        self.number((x, y))
        return Index2D(x, y)

    def number(self, index: tuple[int, int]) -> int:
        """Return the number of the place in a column and row.

        Raises
        ------
        IndexError
            Raised if there is no such place.
        """
        x, y = index
        if not (0 <= x < self.columns and 0 <= y < self.rows):
            allowed = (
                f"x is 0..{self.columns - 1}, y is 0..{self.rows - 1}" if self.size else "there are none"
            )
            raise IndexError(f"{self.what} ({x}, {y}); {allowed}")
        return self.columns * y + x

    @property
    def size(self) -> int:
        """Number of places."""
        return self.columns * self.rows

    def _pair_of(self, number: int) -> Index2D:
        if not 0 <= number < self.size:
            allowed = f"numbers are 0..{self.size - 1}" if self.size else "there are none"
            raise IndexError(f"{self.what} {number}; {allowed}")
        y, x = divmod(number, self.columns)
        return Index2D(x, y)
