"""HealSparse maps as images."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..errors import ButlerUserError
from ..images import Image, SkyWcs

__all__ = ["rasterize_map"]

_N_PIXELS: Final = 600
"""Pixels along the longer side of the image."""


def rasterize_map(
    sky_map: Any, center: tuple[float, float] | None = None, size: tuple[float, float] | None = None
) -> tuple[Image, SkyWcs]:
    """Look up a HealSparse map at the pixels of an image.

    Parameters
    ----------
    sky_map
        ``healsparse.HealSparseMap``; of one that keeps bits, the number of bits set is taken.
    center
        Right ascension and declination of the middle, ICRS degrees; the whole map is shown if None.
    size
        Width and height, degrees.

    Returns
    -------
    image, wcs
        Pixels without a value are NaN, or 0 in a map of counts.

    Raises
    ------
    ButlerUserError
        Raised if the map has no pixel there.
    """
    if center is None or size is None:
        center, size = _extent(sky_map)
    scale = max(size) / _N_PIXELS
    n_x, n_y = (max(2, round(side / scale)) for side in size)
    wcs = SkyWcs.make_tan(
        crval=center, crpix=((n_x - 1) / 2, (n_y - 1) / 2), cd=[[-scale, 0.0], [0.0, scale]]
    )
    y, x = np.mgrid[:n_y, :n_x]
    ra, dec = wcs.pixelToSky(x.ravel(), y.ravel())
    if sky_map.is_wide_mask_map:
        packed = sky_map.get_values_pos(ra, dec)
        counts = np.unpackbits(packed.astype(np.uint8), axis=-1).sum(axis=-1, dtype=np.int32)
        image = Image(counts.reshape(n_y, n_x), unit="bits set")
        is_empty = not counts.any()
    else:
        has_value = sky_map.get_values_pos(ra, dec, valid_mask=True)
        values = np.where(has_value, sky_map.get_values_pos(ra, dec), np.nan)
        image = Image(values.reshape(n_y, n_x).astype(np.float32))
        is_empty = not has_value.any()
    if is_empty:
        raise ButlerUserError(f"the map has no value around RA {center[0]:.5f}, Dec {center[1]:.5f}")
    return image, wcs


def _extent(sky_map: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return centre, and width and height, of a tangent-plane frame around all pixels of a map, degrees."""
    ra, dec = (np.radians(angles) for angles in sky_map.valid_pixels_pos())
    if not ra.size:
        raise ButlerUserError("the map has no value anywhere")
    mean = [np.mean(np.cos(dec) * np.cos(ra)), np.mean(np.cos(dec) * np.sin(ra)), np.mean(np.sin(dec))]
    ra0, dec0 = math.atan2(mean[1], mean[0]), math.atan2(mean[2], math.hypot(mean[0], mean[1]))
    east = np.cos(dec) * np.sin(ra - ra0)
    north = np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra - ra0)
    pixel = math.sqrt(4 * math.pi / (12 * sky_map.nside_sparse**2))
    half = [math.degrees(min(1.0, float(np.abs(side).max())) + pixel) for side in (east, north)]
    return (math.degrees(ra0) % 360, math.degrees(dec0)), (2 * half[0], 2 * half[1])
