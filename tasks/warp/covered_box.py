"""Covered box: where the pixels of one image fall in another."""

from __future__ import annotations

import math

import numpy as np

from butler.images import Box2I, SkyWcs

__all__ = ["covered_box"]

_POINTS_PER_SIDE = 33


def covered_box(bbox: Box2I, wcs: SkyWcs, other_wcs: SkyWcs, *, margin: int, limits: Box2I) -> Box2I | None:
    """Return the box that holds an image's pixels in the frame of another.

    Parameters
    ----------
    bbox, wcs
        Box and WCS of the image. Its outline is followed, so that curved sides are found.
    other_wcs
        WCS of the other frame.
    margin
        Pixels of the other frame by which the box is grown.
    limits
        Box in the other frame to which the result is clipped.

    Returns
    -------
    box
        Box in the other frame; None if it does not reach the limits, or if any part of the outline has no
        place in the other frame (it lies beyond the horizon of its projection).
    """
    along = np.linspace(0.0, 1.0, _POINTS_PER_SIDE)
    (x0, y0), _, (x1, y1), _ = bbox.corners
    side_x, side_y = x0 + along * (x1 - x0), y0 + along * (y1 - y0)
    x = np.concatenate([side_x, side_x, np.full_like(along, x0), np.full_like(along, x1)])
    y = np.concatenate([np.full_like(along, y0), np.full_like(along, y1), side_y, side_y])
    other_x, other_y = other_wcs.skyToPixel(*wcs.pixelToSky(x, y))
    if not (np.isfinite(other_x).all() and np.isfinite(other_y).all()):
        return None
    low = np.array([other_x.min(), other_y.min()]) - margin
    high = np.array([other_x.max(), other_y.max()]) + margin
    # Far away positions would not fit into the integers of a box.
    if (high < limits.minimum).any() or (low > (limits.maxX, limits.maxY)).any():
        return None
    first = [max(math.floor(v), limit) for v, limit in zip(low, limits.minimum, strict=True)]
    last = [min(math.ceil(v), limit) for v, limit in zip(high, (limits.maxX, limits.maxY), strict=True)]
    return Box2I.from_corners((first[0], first[1]), (last[0], last[1]))
