"""Median sky: the static sky that as many as almost half of the visits cannot change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from butler.images import Box2I, Exposure, Image, MaskedImage

from ..kernels.stacking import statistics_stack
from .box_tiling import RowStrips
from .difference_sky import SkyCells, SkySurface
from .scale_zero_point import ImageScaler
from .warp_pixels import memory_of, read_warp

__all__ = ["median_sky"]

_FEWEST: Final = 3
"""Visits of which a median is more than their mean."""
_MEDIAN_ERROR: Final = math.pi / 2
"""Square of the error of a median over that of the mean of as many values."""

_STEP: Final = 4
"""Distance of the pixels at which backgrounds are compared."""
_BYTES_PER_VISIT: Final = 8
"""Bytes of each pixel of each visit beside the warp: its background, and the difference."""


def median_sky(
    staticSky: Exposure, matched: Sequence[Any], scalers: Sequence[ImageScaler | None]
) -> Exposure:
    """Return a static sky with the median of the visits wherever three or more have data.

    The quartiles, between which a clipped mean looks for its width, are no longer those of the sky where two
    of five or six visits have an artifact; the median is. Backgrounds that differ between visits are brought
    to that of the static sky before. The variance is that of the median of many normal values of unequal
    errors, ``pi / 2 * n / sum(1 / sigma)**2``.

    Parameters
    ----------
    staticSky
        The clipped mean of the visits; it stays where fewer have data. Not changed.
    matched, scalers
        Handles of the PSF-matched warps, and their scalers.
    """
    bbox = staticSky.bbox
    image, variance = staticSky.image.array.copy(), staticSky.variance.array.copy()
    surfaces = _Backgrounds(staticSky).of_visits(matched, scalers)
    strips = RowStrips(bbox, len(matched), _BYTES_PER_VISIT * len(matched))
    for strip in strips:
        where = strip.slices_in(bbox)
        warps = [_scaled(handle, scaler, strip) for handle, scaler in zip(matched, scalers, strict=True)]
        strips.note_memory(strip, memory_of(warps))
        stacked = statistics_stack(
            [
                np.subtract(warp.image.array, surface.rows(where[0].start, where[0].stop), dtype=np.float32)
                for warp, surface in zip(warps, surfaces, strict=True)
            ],
            [warp.variance.array for warp in warps],
            [warp.mask.array for warp in warps],
            [1.0] * len(warps),
            statistic="MEDIAN",
        )
        n_known, precision = np.zeros(strip.shape, np.uint16), np.zeros(strip.shape, np.float32)
        for warp in warps:
            known = np.isfinite(warp.image.array) & (warp.variance.array > 0)
            n_known += known
            precision += 1 / np.sqrt(np.where(known, warp.variance.array, np.float32(np.inf)))
        enough = n_known >= _FEWEST
        image[where][enough] = stacked.image[enough]
        variance[where][enough] = _MEDIAN_ERROR * n_known[enough] / np.square(precision[enough])
    pixels = MaskedImage(
        Image(image, bbox.minimum, staticSky.image.unit),
        staticSky.mask,
        Image(variance, bbox.minimum, staticSky.variance.unit),
    )
    return replace(staticSky, maskedImage=pixels)


class _Backgrounds:
    """How much higher the sky of each visit is than the static one.

    Parameters
    ----------
    staticSky
        The static sky.
    """

    def __init__(self, staticSky: Exposure) -> None:
        self._bbox = staticSky.bbox
        n_y, n_x = staticSky.bbox.shape
        rows, columns = np.meshgrid(np.arange(0, n_y, _STEP), np.arange(0, n_x, _STEP), indexing="ij")
        self._at = rows.ravel(), columns.ravel()
        self._sky = staticSky.image.array[self._at]
        self._cells = SkyCells((n_y, n_x), self._at[0] * n_x + self._at[1])

    def of_visits(self, matched: Sequence[Any], scalers: Sequence[ImageScaler | None]) -> list[SkySurface]:
        """Return the surface of each visit: through medians of cells, or, with few cells, of all."""
        return [self._of_visit(_scaled(*one, self._bbox)) for one in zip(matched, scalers, strict=True)]

    def _of_visit(self, warp: MaskedImage) -> SkySurface:
        higher = (warp.image.array[self._at] - self._sky).astype(np.float64)
        use = np.isfinite(higher)
        if self._cells.suffice(use):
            return self._cells.fit(higher, use)[0]
        flat = self._cells.flat()
        level = np.median(higher[use]) if use.any() else 0.0
        return flat._replace(coefficients=flat.coefficients + np.float32(level))


def _scaled(handle: Any, scaler: ImageScaler | None, box: Box2I) -> MaskedImage:
    """Read a box of a warp on the scale of the static sky."""
    warp = read_warp(handle, box)
    return warp if scaler is None else scaler.scaled(warp)
