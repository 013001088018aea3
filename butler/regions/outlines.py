"""Outlines of regions, as positions close to one another."""

from __future__ import annotations

import math

import numpy as np
from lsst.sphgeom import Box, ConvexPolygon, Region
from numpy.typing import NDArray

__all__ = ["outline_of"]


def outline_of(region: Region, step: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right ascension and declination along the edge of a region, degrees; the last is the first.

    Parameters
    ----------
    region
        Convex polygon, circle or box, not empty; of another region it is that of the circle around it.
    step
        Largest distance from one position to the next, degrees.
    """
    match region:
        case ConvexPolygon():
            corners = np.array([(v.x(), v.y(), v.z()) for v in region.getVertices()])
            return _degrees(_along_great_circles(corners, step))
        case Box():
            return _around_box(region, step)
    circle = region.getBoundingCircle()
    center = circle.getCenter()
    axis = np.array([center.x(), center.y(), center.z()])
    return _degrees(_around(axis, circle.getOpeningAngle().asRadians(), step))


def _along_great_circles(corners: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Return unit vectors, ``(n, 3)``, along the edges of a polygon."""
    edges = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        angle = math.atan2(float(np.linalg.norm(np.cross(start, end))), float(start @ end))
        at = np.linspace(0.0, angle, _steps(math.degrees(angle), step), endpoint=False)[:, np.newaxis]
        edges.append((np.sin(angle - at) * start + np.sin(at) * end) / math.sin(angle))
    return np.concatenate([*edges, corners[:1]])


def _around(axis: NDArray[np.float64], radius: float, step: float) -> NDArray[np.float64]:
    """Return unit vectors, ``(n, 3)``, around a circle."""
    aside = np.cross(axis, (0.0, 0.0, 1.0) if abs(axis[2]) < 0.9 else (1.0, 0.0, 0.0))
    aside /= np.linalg.norm(aside)
    turns = np.linspace(0.0, 2 * math.pi, 1 + max(24, _steps(360 * math.sin(radius), step)))[:, np.newaxis]
    rim = np.cos(turns) * aside + np.sin(turns) * np.cross(axis, aside)
    return np.asarray(math.cos(radius) * axis + math.sin(radius) * rim)


def _around_box(box: Box, step: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right ascension and declination along parallels and meridians."""
    west, width = box.getLon().getA().asDegrees(), box.getWidth().asDegrees()
    south, north = box.getLat().getA().asDegrees(), box.getLat().getB().asDegrees()
    east = west + width
    eastward = np.linspace(west, east, 1 + _steps(width, step))
    if width >= 360 and (south <= -90 or north >= 90):
        # Around a pole: only one parallel is an edge.
        return eastward % 360, np.full(eastward.shape, north if south <= -90 else south)
    northward = np.linspace(south, north, 1 + _steps(north - south, step))
    ra = [eastward, np.full(northward.shape, east), eastward[::-1], np.full(northward.shape, west)]
    dec = [np.full(eastward.shape, south), northward, np.full(eastward.shape, north), northward[::-1]]
    return np.concatenate(ra) % 360, np.concatenate(dec)


def _steps(angle: float, step: float) -> int:
    return max(1, math.ceil(angle / step))


def _degrees(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y, z = vectors.T
    return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))
