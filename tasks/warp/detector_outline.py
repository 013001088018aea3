"""Detector outline: the part of a warp that comes from one detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from butler.images import Box2I, CcdInput, SkyWcs

__all__ = ["detector_outline", "outline_box", "outline_eroded", "outline_mask"]

Outline: TypeAlias = NDArray[np.float64]
"""Vertices ``(n, 2)``, each ``x, y`` in parent pixels of the warp."""

_POINTS_PER_SIDE = 8


def detector_outline(ccd: CcdInput, wcs: SkyWcs) -> Outline | None:
    """Return the outline of a detector's valid polygon, or box, in a warp.

    Parameters
    ----------
    ccd
        The detector image.
    wcs
        WCS of the warp.

    Returns
    -------
    outline
        Points along all sides, so that curved ones are followed; None if one of them has no place there.
    """
    corners = np.array(ccd.validPolygon or ccd.bbox.corners, dtype=float)
    along = np.arange(_POINTS_PER_SIDE)[:, np.newaxis, np.newaxis] / _POINTS_PER_SIDE
    points = corners + along * (np.roll(corners, -1, axis=0) - corners)
    x, y = points.transpose(2, 1, 0).reshape(2, -1)
    outline = np.stack(wcs.skyToPixel(*ccd.require_wcs().pixelToSky(x, y)), axis=1)
    return outline if np.isfinite(outline).all() else None


def outline_box(outline: Outline, limits: Box2I) -> Box2I | None:
    """Return the box of the pixels whose centres an outline may enclose; None if it is outside ``limits``."""
    low = np.maximum(np.floor(outline.min(axis=0)), limits.minimum)
    high = np.minimum(np.ceil(outline.max(axis=0)), (limits.maxX, limits.maxY))
    if (low > high).any():
        return None
    return Box2I.from_corners((int(low[0]), int(low[1])), (int(high[0]), int(high[1])))


def outline_mask(outline: Outline, bbox: Box2I) -> NDArray[np.bool_]:
    """Return which pixels of a box have their centre inside an outline, ``(n_y, n_x)``."""
    crossings = np.zeros((bbox.height, bbox.width + 1), dtype=np.int32)
    rows = np.arange(bbox.height)
    vertices = outline - bbox.minimum
    for (x0, y0), (x1, y1) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        crossed = rows[(y0 > rows) != (y1 > rows)]
        if crossed.size:
            at_x = x0 + (crossed - y0) * (x1 - x0) / (y1 - y0)
            columns = np.clip(np.floor(at_x) + 1, 0, bbox.width).astype(np.int64)
            np.add.at(crossings, (crossed, columns), 1)
    inside: NDArray[np.bool_] = np.cumsum(crossings[:, :-1], axis=1) % 2 == 1
    return inside


def outline_eroded(outline: Outline, reach: int) -> Outline:
    """Return where a box of ``2 reach + 1`` pixels fits into an outline.

    Each side moves inwards; what is left of a convex outline is exact, that of another one too small.

    Returns
    -------
    eroded
        Vertices ``(n, 2)``; none if the box fits nowhere.
    """
    following = np.roll(outline, -1, axis=0)
    x, y = outline.T
    area = np.sum(x * following[:, 1] - y * following[:, 0])
    eroded = [tuple(point) for point in outline]
    for (x0, y0), (x1, y1) in zip(outline, following, strict=True):
        length = np.hypot(x1 - x0, y1 - y0)
        if length == 0:
            continue
        # The normal that points inwards.
        n_x, n_y = (np.array([y0 - y1, x1 - x0]) / length) * np.sign(area)
        limit = n_x * x0 + n_y * y0 + reach * (abs(n_x) + abs(n_y))
        eroded = _clipped(eroded, (float(n_x), float(n_y)), float(limit))
    return np.array(eroded, dtype=float).reshape(-1, 2)


def _clipped(
    polygon: Sequence[tuple[float, ...]], normal: tuple[float, float], limit: float
) -> list[tuple[float, ...]]:
    """Return the part of a polygon where the projection on a normal is at least a limit."""
    heights = [x * normal[0] + y * normal[1] - limit for x, y in polygon]
    kept: list[tuple[float, ...]] = []
    for i, (point, height) in enumerate(zip(polygon, heights, strict=True)):
        before, height_before = polygon[i - 1], heights[i - 1]
        if (height >= 0) != (height_before >= 0):
            t = height_before / (height_before - height)
            kept.append(tuple(a + t * (b - a) for a, b in zip(before, point, strict=True)))
        if height >= 0:
            kept.append(point)
    return kept
