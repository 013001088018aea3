"""DiscreteSkyMap: tracts placed by hand, or around exposures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..images import Box2I, SkyWcs
from ..regions import SkyRegion
from .config import DiscreteSkyMapConfig
from .positions import Coordinates, sky_positions
from .sky_map import SkyMap
from .tract_frame import vertices_of

__all__ = ["DiscreteSkyMap", "discrete_sky_map_around"]


class DiscreteSkyMap(SkyMap):
    """Tracts at given centres with given radii; the nearest centre is in charge, even of what lies outside.

    Parameters
    ----------
    config
        Where the tracts lie and how they are cut.
    """

    name: ClassVar[str] = "discrete"

    config: DiscreteSkyMapConfig

    def __init__(self, config: DiscreteSkyMapConfig) -> None:
        super().__init__(config)

    def __len__(self) -> int:
        return len(self.config.raList)

    def findTractIdArray(
        self, coord: Coordinates, dec: ArrayLike | None = None, *, degrees: bool = True
    ) -> NDArray[np.int64]:
        """Return the number of the tract with the nearest centre, the lower number of two as near."""
        if not len(self):
            raise LookupError("this sky map has no tracts; give raList, decList and radiusList")
        # With it comes all of astropy.coordinates, which others who read a sky map do not need.
        from astropy.coordinates import angular_separation

        lon, lat = sky_positions(coord, dec, degrees=degrees)
        centers = np.radians(self.config.raList), np.radians(self.config.decList)
        distances = angular_separation(lon[..., np.newaxis], lat[..., np.newaxis], *centers)
        return np.asarray(np.argmin(distances, axis=-1))

    def with_tract_around(self, regions: Sequence[SkyRegion], border_deg: float = 0.0) -> DiscreteSkyMap:
        """Return a sky map with one more tract, which contains all exposures.

        Parameters
        ----------
        regions
            Polygons of the exposures, as `SkyRegion.from_wcs` makes them.
        border_deg
            What to add around the exposures, degrees.

        Returns
        -------
        sky_map
            Its last tract holds the circle around the exposures' convex hull, grown by the border.

        Raises
        ------
        ValueError
            Raised if there are no regions, if one is not a polygon, or if they do not fit in one hemisphere.
        """
        if not regions:
            raise ValueError("no exposures to make a sky map around; give at least one region")
        ra, dec, radius = SkyRegion.convex_hull_of(regions).bounding_circle()
        c = self.config
        placement = {
            "raList": (*c.raList, ra),
            "decList": (*c.decList, dec),
            "radiusList": (*c.radiusList, radius + border_deg),
        }
        return DiscreteSkyMap(DiscreteSkyMapConfig.model_validate({**c.model_dump(), **placement}))

    def _placement(self, tract_id: int) -> tuple[tuple[float, float], float]:
        c = self.config
        return (c.raList[tract_id], c.decList[tract_id]), c.radiusList[tract_id]

    def tracts_near(self, ra: float, dec: float, radius: float) -> list[int]:
        """Return the numbers of all tracts."""
        return list(range(len(self)))

    def _inner_sky_region(self, tract_id: int, wcs: SkyWcs, bbox: Box2I) -> SkyRegion:
        return SkyRegion.from_polygon(*zip(*vertices_of(wcs, bbox), strict=True))

    def _packed_placement(self) -> bytes:
        c = self.config
        return np.array([*c.raList, *c.decList, *c.radiusList], dtype="<f8").tobytes()


def discrete_sky_map_around(
    regions: Sequence[SkyRegion],
    *,
    pixel_scale: float = 0.333,
    projection: str = "STG",
    patch_inner_dimensions: tuple[int, int] = (4000, 4000),
    patch_border: int = 100,
    border_deg: float = 0.0,
) -> DiscreteSkyMap:
    """Make a sky map of one tract that contains all exposures (LSST's makeDiscreteSkyMap).

    Parameters
    ----------
    regions
        Polygons of the exposures, as `SkyRegion.from_wcs` makes them.
    pixel_scale
        Scale at the tract's centre, arcseconds per pixel.
    projection
        Three-letter code of a FITS projection.
    patch_inner_dimensions
        Width and height of a patch without border, pixels.
    patch_border
        Width of a patch's border, pixels.
    border_deg
        What to add around the exposures, degrees.

    Returns
    -------
    sky_map
        Its tract holds the circle around the exposures' convex hull, grown by the border; the overlap is 0.

    Raises
    ------
    ValueError
        Raised if there are no regions, if one is not a polygon, if they do not fit in one hemisphere, or if a
        number is impossible.
    """
    base = DiscreteSkyMapConfig(
        tractOverlap=0.0,
        pixelScale=pixel_scale,
        projection=projection,
        patchInnerDimensions=patch_inner_dimensions,
        patchBorder=patch_border,
    )
    return DiscreteSkyMap(base).with_tract_around(regions, border_deg)
