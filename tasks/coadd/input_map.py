"""Input map: which detectors went into a coadd, at every place on the sky."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from butler.images import Box2I, CcdInput, Mask, SkyWcs

from ..config import Config
from ..kernels.sky_cells import count_flagged
from ..task import Task
from .map_pixels import MapPixels

__all__ = ["CcdInputMap", "HealSparseInputMapConfig", "HealSparseInputMapTask"]


class HealSparseInputMapConfig(Config):
    """Resolution of the map, and how much of a map pixel may be bad."""

    nside: int = Field(default=32768, gt=0, description="nside of the map's pixels (6.4 arcsec)")
    nside_coverage: int = Field(default=256, gt=0, description="nside of the blocks the map is stored in")
    bad_mask_min_coverage: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="a visit is taken out of a map pixel if more than this fraction of its area is bad",
    )

    @field_validator("nside", "nside_coverage")
    @classmethod
    def _check_nside(cls, value: int, info: ValidationInfo) -> int:
        """Refuse what HEALPix does not have, and blocks smaller than their pixels."""
        if value & (value - 1):
            raise ValueError("it must be a power of 2")
        known = {**info.data, str(info.field_name): value}
        # While a config is made, the field that comes later is not known yet, and asks again.
        coverage, nside = known.get("nside_coverage", 1), known.get("nside", value)
        if coverage > nside:
            raise ValueError(f"nside_coverage={coverage} is above nside={nside}; change that one first")
        return value


class HealSparseInputMapTask(Task):
    """Makes maps of the detectors that went into a coadd."""

    ConfigClass: ClassVar[type[Config]] = HealSparseInputMapConfig
    _DefaultName: ClassVar[str] = "healSparseInputMap"

    def build_ccd_input_map(self, bbox: Box2I, wcs: SkyWcs, ccds: Sequence[CcdInput]) -> CcdInputMap:
        """Start the map of one patch from the outlines of its detectors.

        Parameters
        ----------
        bbox, wcs
            Outer box and WCS of the patch.
        ccds
            The detectors, ordered by visit and number; each gets the bit of its place in the list.
        """
        return CcdInputMap(self.config, bbox, wcs, ccds)


class CcdInputMap:
    """The map of one patch while bad pixels are being counted.

    Parameters
    ----------
    config
        Resolution and limit.
    bbox, wcs
        Outer box and WCS of the patch.
    ccds
        The detectors, ordered by visit and number.

    Notes
    -----
    Bit i of the map stands for detector i of the list; its number, visit and weight are the map's metadata
    ``B0000CCD``, ``B0000VIS`` and ``B0000WT``. A map pixel has the bit if its centre lies in the convex hull
    of the detector's valid polygon (of its box, if it has none) and in the patch.
    """

    def __init__(
        self, config: HealSparseInputMapConfig, bbox: Box2I, wcs: SkyWcs, ccds: Sequence[CcdInput]
    ) -> None:
        import healsparse

        self._config = config
        self._wcs = wcs
        self._bits: dict[int, list[int]] = {}
        self._map = healsparse.HealSparseMap.make_empty(
            config.nside_coverage,
            config.nside,
            healsparse.WIDE_MASK,
            wide_mask_maxbits=max(len(ccds), 1),
            metadata=_bit_metadata(ccds),
        )
        patch = self._pixels_inside(np.array(bbox.corners), wcs)
        for bit, ccd in enumerate(ccds):
            hull = _convex_hull(ccd.validPolygon) if ccd.validPolygon else np.array(ccd.bbox.corners)
            self._map.set_bits_pix(np.intersect1d(patch, self._pixels_inside(hull, ccd.require_wcs())), [bit])
            self._bits.setdefault(ccd.visit, []).append(bit)
        self._pixels = MapPixels(config.nside, np.sort(self._map.valid_pixels), wcs)
        self._n_bad = {visit: np.zeros(self._pixels.pixels.size, dtype=np.int64) for visit in self._bits}
        self._limit = self._max_bad_pixels(bbox)
        self._slot_box: Box2I | None = None
        self._slots = np.zeros((0, 0), dtype=np.int32)

    @property
    def ccd_input_map(self) -> Any:
        """The HealSparse map; complete after `finalize_ccd_input_map_mask`."""
        return self._map

    def mask_warp_bbox(self, bbox: Box2I, visit: int, mask: Mask, bit_mask_value: int) -> None:
        """Count the bad pixels of a box of a visit's warp.

        Parameters
        ----------
        bbox
            The box; boxes of one visit must not overlap.
        visit
            Visit; one without detectors in the map is ignored.
        mask
            Mask that covers the box.
        bit_mask_value
            Bit mask of the bad planes.
        """
        n = self._pixels.pixels.size
        if visit not in self._n_bad or not n:
            return
        if bbox != self._slot_box:
            # The visits of a coadd come one after the other with the same box.
            self._slot_box, self._slots = bbox, self._pixels.slots(bbox)
        self._n_bad[visit] += count_flagged(mask[bbox].array, bit_mask_value, self._slots, n)

    def finalize_ccd_input_map_mask(self) -> None:
        """Take visits out of the map pixels in which too many of their pixels are bad."""
        for visit, n_bad in self._n_bad.items():
            self._map.clear_bits_pix(self._pixels.pixels[n_bad > self._limit], self._bits[visit])

    def _pixels_inside(self, vertices: NDArray[np.float64], wcs: SkyWcs) -> NDArray[np.int64]:
        """Return the map pixels whose centres lie in a convex polygon of image positions ``(n, 2)``."""
        import hpgeom

        ra, dec = wcs.pixelToSky(*vertices.T)
        pixels: NDArray[np.int64] = hpgeom.query_polygon(self._config.nside, ra, dec, inclusive=False)
        return pixels

    def _max_bad_pixels(self, bbox: Box2I) -> float:
        """Return how many bad image pixels a map pixel may have, from the pixel area at the box's centre."""
        import hpgeom

        x, y = bbox.center
        ra, dec = self._wcs.pixelToSky([x, x + 1, x], [y, y, y + 1])
        dx, dy = (ra - ra[0] + 180) % 360 - 180, dec - dec[0]
        area = abs(dx[1] * dy[2] - dx[2] * dy[1]) * math.cos(math.radians(dec[0]))
        map_area: float = hpgeom.nside_to_pixel_area(self._config.nside)
        limit: float = self._config.bad_mask_min_coverage * map_area / area
        return limit


def _convex_hull(polygon: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Return the vertices ``(n, 2)`` of the convex hull of a polygon."""
    from scipy.spatial import ConvexHull

    vertices = np.array(polygon, dtype=float)
    hull: NDArray[np.float64] = vertices[ConvexHull(vertices).vertices]
    return hull


def _bit_metadata(ccds: Sequence[CcdInput]) -> dict[str, Any]:
    """Return what each bit stands for, by header keyword."""
    metadata: dict[str, Any] = {}
    for bit, ccd in enumerate(ccds):
        metadata |= {f"B{bit:04d}CCD": ccd.ccd, f"B{bit:04d}VIS": ccd.visit, f"B{bit:04d}WT": ccd.weight}
    return metadata
