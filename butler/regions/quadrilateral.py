"""Quadrilateral: the corners of an image on the sky."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from lsst.sphgeom import ConvexPolygon, Region
from numpy.typing import NDArray

__all__ = ["Quadrilateral"]

_Vector = Sequence[float]


class Quadrilateral:
    """Four points on the sky, joined by great circles; for one of them faster than arrays are.

    Parameters
    ----------
    corners
        Unit vectors in order around it, ``(4, 3)``.
    """

    def __init__(self, corners: NDArray[np.float64]) -> None:
        self._corners = corners
        a, b, c, d = corners.tolist()
        self._normals = [_cross(a, b), _cross(b, c), _cross(c, d), _cross(d, a)]
        self.turns = [
            _dot(normal, before) for normal, before in zip(self._normals, (d, a, b, c), strict=True)
        ]
        """Six times the volumes of each corner with the edge that follows the next; all of one sign if the
        corners are convex, and positive if they go around against the clock, seen from outside."""
        self._orientation = 1.0 if _dot(self._normals[0], c) > 0 else -1.0

    def farthest_outside(self, points: NDArray[np.float64]) -> float:
        """Return how far beyond its edges points lie, radians; NaN if two corners are the same.

        Parameters
        ----------
        points
            Unit vectors ``(n, 3)`` that are not far outside.
        """
        lengths = [math.hypot(*normal) * self._orientation for normal in self._normals]
        if 0.0 in lengths:
            return math.nan
        outwards = [
            [-value / length for value in normal]
            for normal, length in zip(self._normals, lengths, strict=True)
        ]
        return float((points @ np.array(outwards).T).max())

    def region(self) -> Region | None:
        """Return it as a region; None if its corners are not convex."""
        if all(turn > 0 for turn in self.turns):
            corners = self._corners
        elif all(turn < 0 for turn in self.turns):
            # An image of the sky is seen from inside.
            corners = self._corners[[1, 0, 3, 2]]
        else:
            return None
        return ConvexPolygon.decode(b"p" + corners.astype("<f8").tobytes())


def _cross(a: _Vector, b: _Vector) -> _Vector:
    (ax, ay, az), (bx, by, bz) = a, b
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


def _dot(a: _Vector, b: _Vector) -> float:
    (ax, ay, az), (bx, by, bz) = a, b
    return ax * bx + ay * by + az * bz
