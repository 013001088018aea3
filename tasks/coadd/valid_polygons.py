"""Valid polygons of detectors, made smaller."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from butler.images import CcdInput, CoaddInputs

__all__ = ["shrunk_inputs"]

_Points = NDArray[np.float64]


def shrunk_inputs(inputs: CoaddInputs, margin: int) -> CoaddInputs:
    """Return coadd inputs whose detectors end some pixels before their edges.

    The polygon of a detector is cut at the box that lies ``margin`` pixels inside the polygon's own box; one
    without a polygon gets its box, made smaller. Where nothing is left, the polygon stays.
    """
    return CoaddInputs(inputs.visits, tuple(_shrunk(ccd, margin) for ccd in inputs.ccds))


def _shrunk(ccd: CcdInput, margin: int) -> CcdInput:
    box = ccd.bbox
    edges = (box.minX - 0.5, box.minY - 0.5, box.maxX + 0.5, box.maxY + 0.5)
    corners = [(edges[i], edges[j]) for i, j in ((0, 1), (2, 1), (2, 3), (0, 3))]
    points = np.array(ccd.validPolygon or corners, dtype=float)
    low, high = points.min(axis=0) + margin, points.max(axis=0) - margin
    for axis in (0, 1):
        points = _cut(points, axis, float(low[axis]), 1.0)
        points = _cut(points, axis, float(high[axis]), -1.0)
    vertices = tuple((float(x), float(y)) for x, y in points)
    return replace(ccd, validPolygon=vertices) if len(vertices) >= 3 else ccd


def _cut(points: _Points, axis: int, limit: float, sign: float) -> _Points:
    """Return the part of a polygon on one side of a line along an axis (Sutherland and Hodgman, 1974)."""
    kept: list[_Points] = []
    for here, following in zip(points, np.roll(points, -1, axis=0), strict=True):
        a, b = sign * (here[axis] - limit), sign * (following[axis] - limit)
        if a >= 0:
            kept.append(here)
        if a * b < 0:
            kept.append(here + (following - here) * (a / (a - b)))
    return np.array(kept).reshape(-1, 2)
