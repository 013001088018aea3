"""Convex hulls of positions on the sky."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from lsst.sphgeom import ConvexPolygon, LonLat, Region, UnitVector3d
from numpy.typing import ArrayLike, NDArray

__all__ = ["components", "cross", "hull_of", "quadrilaterals", "unit_vectors", "vectors_of"]

_HULL_TOLERANCE: Final = 1e-12
_NEXT, _LAST = [1, 2, 0], [2, 0, 1]


def unit_vectors(ra: ArrayLike, dec: ArrayLike) -> list[UnitVector3d]:
    """Return unit vectors of positions in degrees, refusing what is not a position."""
    lon = np.atleast_1d(np.asarray(ra, dtype=float))
    lat = np.atleast_1d(np.asarray(dec, dtype=float))
    if lon.shape != lat.shape or lon.ndim != 1:
        raise ValueError(f"need one ra for each dec, not shapes {lon.shape} and {lat.shape}")
    bad = ~(np.isfinite(lon) & (np.abs(lat) <= 90.0))
    if np.any(bad):
        i = int(np.argmax(bad))
        raise ValueError(
            f"(ra, dec) = ({lon[i]}, {lat[i]}) is not a sky position; dec must be within -90..90 degrees"
        )
    pairs = zip(lon.tolist(), lat.tolist(), strict=True)
    return [UnitVector3d(LonLat.fromDegrees(a, b)) for a, b in pairs]


def vectors_of(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unit vectors of positions in degrees, of shape ``(..., 3)``."""
    lon, lat = np.radians(ra), np.radians(dec)
    across = np.cos(lat)
    return np.stack([across * np.cos(lon), across * np.sin(lon), np.sin(lat)], axis=-1)


def cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the products of vectors of shape ``(..., 3)``; for few of them ten times faster than numpy's."""
    product: NDArray[np.float64] = a[..., _NEXT] * b[..., _LAST] - a[..., _LAST] * b[..., _NEXT]
    return product


def quadrilaterals(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> list[Region]:
    """Return the convex hulls of four points each, given in order around them, shape ``(n, 4)``, degrees."""
    corners = vectors_of(ra, dec)
    # An image of the sky is seen from inside; counter-clockwise from outside is the other way round.
    corners = corners[:, [1, 0, 3, 2]]
    turns = np.sum(corners * cross(corners[:, [1, 2, 3, 0]], corners[:, [2, 3, 0, 1]]), axis=2)
    mirrored = np.all(turns < 0, axis=1)
    corners[mirrored] = corners[mirrored][:, [1, 0, 3, 2]]
    # The corners of a box are a hull already, but at the edges of strange projections.
    simple = mirrored | np.all(turns > 0, axis=1)
    return [
        ConvexPolygon.decode(b"p" + vectors.tobytes()) if is_simple else hull_of(unit_vectors(*angles))
        for is_simple, vectors, angles in zip(
            simple, corners.astype("<f8"), zip(ra, dec, strict=True), strict=True
        )
    ]


def hull_of(points: Sequence[UnitVector3d]) -> ConvexPolygon:
    """Return the convex hull, refusing points that have none."""
    if len(points) < 3:
        raise ValueError(f"a polygon needs at least 3 points, not {len(points)}")
    try:
        hull = ConvexPolygon.convexHull(points)
    except ValueError as error:
        raise ValueError(
            f"{len(points)} points have no convex hull; they need 3 that are not on one great circle, "
            f"and one hemisphere that holds all: {error}"
        ) from error
    # Points on a whole great circle can pass as a hull that leaves some of them out.
    vertices = components(hull.getVertices())
    normals = np.cross(vertices, np.roll(vertices, -1, axis=0))
    if np.min(normals @ components(points).T) < -_HULL_TOLERANCE:
        raise ValueError(f"{len(points)} points have no convex hull: no hemisphere holds them all")
    return hull


def components(vectors: Sequence[UnitVector3d]) -> NDArray[np.float64]:
    """Return vectors as an array ``(n, 3)``."""
    return np.array([(v.x(), v.y(), v.z()) for v in vectors])
