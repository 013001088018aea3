"""The pixel frame of a tract: its WCS and its box."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..images import ORIGIN, Box2I, Extent2I, SkyWcs
from .config import SkyMapConfig

__all__ = ["enclosing_box", "tract_frame", "vertices_of"]

_INNER_MARGIN: Final = 0.001


def tract_frame(center: tuple[float, float], radius: float, config: SkyMapConfig) -> tuple[SkyWcs, Box2I]:
    """Lay out the pixels of a square tract around a centre.

    Parameters
    ----------
    center
        Right ascension and declination, degrees; the reference position of the WCS.
    radius
        Half the side of the tract without overlap, degrees.
    config
        Overlap, scale, projection, rotation and patch size.

    Returns
    -------
    wcs
        WCS whose reference pixel is a whole number.
    bbox
        Box from (0, 0); a whole number of inner patches on each side.

    Raises
    ------
    ValueError
        Raised if the projection does not reach that far from the centre.

    Notes
    -----
    LSST's rule: project the points at distance ``radius + tractOverlap`` east, north, west and south of the
    centre, take the integer box around them, and grow it to whole patches, an odd pixel going to the upper
    side.
    """
    reach = radius + config.tractOverlap
    ra, dec = _compass_points(center, reach)
    x, y = _tangent_wcs(center, (0, 0), config).skyToPixel(ra, dec)
    if not np.all(np.isfinite([x, y])):
        raise ValueError(
            f"a tract of radius {radius} deg and overlap {config.tractOverlap} deg is too large for the "
            f"projection {config.projection}; make it smaller or choose another"
        )
    box, inner = enclosing_box(x, y), config.layout.inner_dimensions
    x0, width = _whole_patches(box.minX, box.width, inner.x)
    y0, height = _whole_patches(box.minY, box.height, inner.y)
    return _tangent_wcs(center, (-x0, -y0), config), Box2I(ORIGIN, Extent2I(width, height))


def enclosing_box(x: NDArray[np.float64], y: NDArray[np.float64]) -> Box2I:
    """Return the box of every pixel that the bounding box of finite positions touches."""
    return Box2I.from_corners(
        (math.ceil(x.min() - 0.5), math.ceil(y.min() - 0.5)),
        (math.floor(x.max() + 0.5), math.floor(y.max() + 0.5)),
    )


def vertices_of(wcs: SkyWcs, bbox: Box2I) -> list[tuple[float, float]]:
    """Return right ascension and declination of a box's corners, a thousandth of a pixel inside."""
    corners = np.array(bbox.corners)
    x, y = (corners - _INNER_MARGIN * np.sign(corners - np.array(bbox.center))).T
    ra, dec = wcs.pixelToSky(x, y)
    return list(zip(ra.tolist(), dec.tolist(), strict=True))


def _tangent_wcs(center: tuple[float, float], crpix: tuple[int, int], config: SkyMapConfig) -> SkyWcs:
    """Make the WCS of a tract whose centre lies at a given pixel."""
    scale = config.pixelScale / 3600.0
    cos, sin = math.cos(math.radians(config.rotation)), math.sin(math.radians(config.rotation))
    return SkyWcs.make_tan(
        crval=center,
        crpix=crpix,
        cd=[[-scale * cos, scale * sin], [scale * sin, scale * cos]],
        projection=config.projection,
    )


def _compass_points(center: tuple[float, float], distance: float) -> NDArray[np.float64]:
    """Return ``(2, 4)``: ra and dec of the points at a distance east, north, west and south, degrees."""
    lon, lat = np.radians(center)
    outward = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    # At a pole the right ascension of the centre says where east is.
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    north = np.cross(outward, east)
    step = np.radians(distance)
    points = [outward * np.cos(step) + side * np.sin(step) for side in (east, north, -east, -north)]
    x, y, z = np.transpose(points)
    return np.degrees([np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))])


def _whole_patches(first: int, size: int, inner: int) -> tuple[int, int]:
    """Grow ``size`` pixels from ``first`` to a multiple of ``inner``; return the new first pixel and size."""
    grown = -(-size // inner) * inner
    return first - (grown - size) // 2, grown
