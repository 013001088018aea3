"""Integer pixel geometry: points, extents and inclusive boxes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..errors import BoxError

__all__ = ["ORIGIN", "Box2I", "Extent2I", "Point2I"]


class Point2I(NamedTuple):
    """A pixel, in parent coordinates (0-based)."""

    x: int
    y: int


ORIGIN: Final = Point2I(0, 0)
"""The first pixel of a parent frame."""


class Extent2I(NamedTuple):
    """A size in pixels."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Box2I:
    """A box of whole pixels; both corners belong to it.

    Parameters
    ----------
    minimum
        The pixel with the smallest x and y, ``(x, y)``.
    dimensions
        Width and height in pixels; both at least 1.

    Raises
    ------
    BoxError
        Raised if the box would be empty.
    """

    minimum: Point2I
    dimensions: Extent2I

    def __post_init__(self) -> None:
        x, y = self.minimum
        width, height = self.dimensions
        if not type(x) is type(y) is type(width) is type(height) is int:
            x, y, width, height = int(x), int(y), int(width), int(height)
        if width < 1 or height < 1:
            raise BoxError(f"a box needs at least one pixel on each side, not {width} x {height}")
        object.__setattr__(self, "minimum", Point2I(x, y))
        object.__setattr__(self, "dimensions", Extent2I(width, height))

    @classmethod
    def from_corners(cls, minimum: tuple[int, int], maximum: tuple[int, int]) -> Box2I:
        """Make a box from its first and last pixel, both ``(x, y)`` and inclusive."""
        extent = Extent2I(maximum[0] - minimum[0] + 1, maximum[1] - minimum[1] + 1)
        return cls(Point2I(*minimum), extent)

    @classmethod
    def parse(cls, text: str) -> Box2I:
        """Read a box from ``x0..x1,y0..y1`` (inclusive) or ``x0,y0,width,height``.

        Raises
        ------
        BoxError
            Raised if the text has another form.
        """
        number = r"\s*([+-]?\d+)\s*"
        if match := re.fullmatch(rf"{number}\.\.{number},{number}\.\.{number}", text):
            x0, x1, y0, y1 = (int(g) for g in match.groups())
            return cls.from_corners((x0, y0), (x1, y1))
        if match := re.fullmatch(",".join([number] * 4), text):
            x0, y0, width, height = (int(g) for g in match.groups())
            return cls(Point2I(x0, y0), Extent2I(width, height))
        raise BoxError(f"cannot read a box from {text!r}; write x0..x1,y0..y1 or x0,y0,width,height")

    @property
    def minX(self) -> int:
        """First column."""
        return self.minimum.x

    @property
    def minY(self) -> int:
        """First row."""
        return self.minimum.y

    @property
    def maxX(self) -> int:
        """Last column (inclusive)."""
        return self.minimum.x + self.dimensions.x - 1

    @property
    def maxY(self) -> int:
        """Last row (inclusive)."""
        return self.minimum.y + self.dimensions.y - 1

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.dimensions.x

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.dimensions.y

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def shape(self) -> tuple[int, int]:
        """Array shape ``(n_y, n_x)``."""
        return self.height, self.width

    @property
    def corners(self) -> list[tuple[float, float]]:
        """Outer corners ``(x, y)``, half a pixel beyond the centres: LL, LR, UR, UL."""
        x0, x1 = self.minX - 0.5, self.maxX + 0.5
        y0, y1 = self.minY - 0.5, self.maxY + 0.5
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]

    @property
    def center(self) -> tuple[float, float]:
        """Centre ``(x, y)``."""
        return (self.minX + self.maxX) / 2, (self.minY + self.maxY) / 2

    def contains(self, other: Box2I | tuple[float, float]) -> bool:
        """Tell whether a box, or a position ``(x, y)``, lies inside."""
        if isinstance(other, Box2I):
            return (
                self.minX <= other.minX
                and self.minY <= other.minY
                and other.maxX <= self.maxX
                and other.maxY <= self.maxY
            )
        x, y = other
        return self.minX - 0.5 <= x < self.maxX + 0.5 and self.minY - 0.5 <= y < self.maxY + 0.5

    def overlaps(self, other: Box2I) -> bool:
        """Tell whether the boxes share a pixel."""
        return (
            self.minX <= other.maxX
            and other.minX <= self.maxX
            and self.minY <= other.maxY
            and other.minY <= self.maxY
        )

    def clippedTo(self, other: Box2I) -> Box2I:
        """Return the common part.

        Raises
        ------
        BoxError
            Raised if there is none.
        """
        if not self.overlaps(other):
            raise BoxError(f"boxes {self} and {other} do not overlap")
        return Box2I.from_corners(
            (max(self.minX, other.minX), max(self.minY, other.minY)),
            (min(self.maxX, other.maxX), min(self.maxY, other.maxY)),
        )

    def expandedTo(self, other: Box2I) -> Box2I:
        """Return the smallest box that contains both."""
        return Box2I.from_corners(
            (min(self.minX, other.minX), min(self.minY, other.minY)),
            (max(self.maxX, other.maxX), max(self.maxY, other.maxY)),
        )

    def dilatedBy(self, border: int) -> Box2I:
        """Return the box grown by ``border`` pixels on each side (shrunk if negative)."""
        return Box2I.from_corners(
            (self.minX - border, self.minY - border), (self.maxX + border, self.maxY + border)
        )

    def shiftedBy(self, offset: tuple[int, int]) -> Box2I:
        """Return the box moved by ``(x, y)`` pixels."""
        return Box2I(Point2I(self.minX + offset[0], self.minY + offset[1]), self.dimensions)

    def slices_in(self, outer: Box2I) -> tuple[slice, slice]:
        """Return the array index of this box in an array that covers ``outer``.

        Raises
        ------
        BoxError
            Raised if this box is not inside ``outer``; nothing is clipped.
        """
        if not outer.contains(self):
            raise BoxError(f"box {self} is not inside the image's box {outer}; give a box inside it")
        y, x = self.minY - outer.minY, self.minX - outer.minX
        return slice(y, y + self.height), slice(x, x + self.width)

    def __str__(self) -> str:
        return f"[{self.minX}..{self.maxX}, {self.minY}..{self.maxY}]"
