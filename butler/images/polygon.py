"""Polygon: the part of an image that is valid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Polygon", "in_polygon"]


@dataclass(frozen=True, slots=True)
class Polygon:
    """A simple polygon in pixels.

    Parameters
    ----------
    vertices
        Corners ``(x, y)`` in parent pixels, at least three.

    Raises
    ------
    ValueError
        Raised for fewer.
    """

    vertices: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        vertices = tuple((float(x), float(y)) for x, y in self.vertices)
        if len(vertices) < 3:
            raise ValueError(f"a polygon needs three vertices, not {len(vertices)}")
        object.__setattr__(self, "vertices", vertices)

    @property
    def area(self) -> float:
        """Area in square pixels."""
        x, y = np.array(self.vertices).T
        return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)

    def clipped(self, minimum: tuple[float, float], maximum: tuple[float, float]) -> Polygon | None:
        """Return the part inside a rectangle, None if there is none.

        Parameters
        ----------
        minimum, maximum
            Corners ``(x, y)`` of the rectangle. It is cut off side by side (Sutherland & Hodgman 1974): of
            a polygon that is not convex, parts may stay joined by a line along the rectangle.
        """
        vertices = [*self.vertices]
        for axis in (0, 1):
            for sign, limit in ((1.0, maximum[axis]), (-1.0, minimum[axis])):
                vertices = _cut_off(vertices, axis, sign, limit)
        if len(vertices) < 3:
            return None
        clipped = Polygon(tuple(vertices))
        return clipped if clipped.area > 0 else None

    def contains(self, x: float, y: float) -> bool:
        """Tell whether a position lies inside."""
        return in_polygon(x, y, self.vertices)


def in_polygon(x: float, y: float, polygon: Sequence[tuple[float, float]]) -> bool:
    """Tell whether a position lies inside a simple polygon; one without vertices contains everything."""
    vertices = np.asarray(polygon, dtype=float).reshape(-1, 2)
    if not len(vertices):
        return True
    following = np.roll(vertices, -1, axis=0)
    crosses = (vertices[:, 1] > y) != (following[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at_x = vertices[:, 0] + (y - vertices[:, 1]) * (following[:, 0] - vertices[:, 0]) / (
            following[:, 1] - vertices[:, 1]
        )
    return bool(np.count_nonzero(crosses & (x < at_x)) % 2)


def _cut_off(
    vertices: Sequence[tuple[float, float]], axis: int, sign: float, limit: float
) -> list[tuple[float, float]]:
    """Return the vertices of the part where ``sign * (coordinate - limit) <= 0``."""
    kept: list[tuple[float, float]] = []
    for i, here in enumerate(vertices):
        before = vertices[i - 1]
        inside, was_inside = (sign * (point[axis] - limit) <= 0 for point in (here, before))
        if inside != was_inside:
            share = (limit - before[axis]) / (here[axis] - before[axis])
            crossing = [b + share * (h - b) for b, h in zip(before, here, strict=True)]
            crossing[axis] = limit
            kept.append((crossing[0], crossing[1]))
        if inside:
            kept.append(here)
    return kept
