"""Footprints: the polygons that images cover on the sky."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from lsst.sphgeom import ConvexPolygon, Region
from numpy.typing import NDArray

from .hulls import cross, hull_of, unit_vectors, vectors_of

if TYPE_CHECKING:
    from ..images import Box2I

__all__ = ["box_outline", "footprints"]

_EDGE_STEPS: Final = 16
"""Steps in which an edge of a pixel box is looked at."""
_ROUNDING: Final = 5e-16
"""Area that three places on one great circle may seem to have, steradians."""


@lru_cache(maxsize=64)
def box_outline(bbox: Box2I) -> NDArray[np.float64]:
    """Return positions ``(x, y)`` along the outer edges of a box, in order, each corner once; shared."""
    corners = np.array(bbox.corners, dtype=float)
    along = np.arange(_EDGE_STEPS)[:, np.newaxis] / _EDGE_STEPS
    edges = [a + along * (b - a) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    outline: NDArray[np.float64] = np.concatenate(edges).T.copy()
    outline.flags.writeable = False
    return outline


def footprints(
    ra: NDArray[np.float64], dec: NDArray[np.float64], bbox: Box2I
) -> Iterator[Region | ValueError]:
    """Yield the polygons of the outlines of one pixel box in several projections.

    Parameters
    ----------
    ra, dec
        Degrees, where the `box_outline` lies on the sky, ``(n, m)``.
    bbox
        The box.

    Yields
    ------
    region
        The polygon of the corners, and of points along edges that bulge out between them; an error where a
        point has no position, where there is no area, or where no hemisphere holds all of it.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        edges = vectors_of(ra, dec)
        corners = edges[:, ::_EDGE_STEPS]
        normals = cross(corners, np.roll(corners, -1, axis=1))
        turns = np.sum(normals * np.roll(corners, 1, axis=1), axis=2)
        pixels = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1) * _EDGE_STEPS / bbox.width
        bulges = _farthest_outside(edges, corners, normals) >= 0.1 * pixels
    mirrored = np.all(turns < 0, axis=1)
    # An image of the sky is seen from inside; counter-clockwise from outside is the other way round.
    encoded = np.where(mirrored[:, np.newaxis, np.newaxis], corners[:, [1, 0, 3, 2]], corners).astype("<f8")
    is_hull = ~bulges & (mirrored | np.all(turns > 0, axis=1))
    is_line = np.all(np.abs(turns) < _ROUNDING, axis=1)
    is_told = np.all(np.isfinite(ra) & np.isfinite(dec), axis=1)
    for i, vectors in enumerate(encoded):
        if not is_told[i]:
            yield ValueError(
                f"pixel box {bbox} has an edge or corner without a sky position; use a smaller box"
            )
        elif is_line[i]:
            yield ValueError(f"pixel box {bbox} has no area on the sky: its corners lie on one line")
        elif is_hull[i]:
            yield ConvexPolygon.decode(b"p" + vectors.tobytes())
        else:
            step = 1 if bulges[i] else _EDGE_STEPS
            yield _hull(ra[i, ::step], dec[i, ::step])


def _farthest_outside(
    points: NDArray[np.float64], corners: NDArray[np.float64], normals: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far, in radians, points lie beyond the great circles between corners; inf if two are one."""
    around = np.where(np.sum(normals[:, 0] * corners[:, 2], axis=1) > 0, 1.0, -1.0)
    lengths = np.linalg.norm(normals, axis=2) * around[:, np.newaxis]
    outwards = -normals / lengths[:, :, np.newaxis]
    farthest = (points @ outwards.transpose(0, 2, 1)).max(axis=(1, 2))
    return np.where(np.all(lengths != 0.0, axis=1), farthest, np.inf)


def _hull(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Region | ValueError:
    try:
        return hull_of(unit_vectors(ra, dec))
    except ValueError as error:
        return error
