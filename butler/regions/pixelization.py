"""SkyPixelization: the numbered cells of HTM and HEALPix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from lsst.sphgeom import HtmPixelization, RangeSet

from .sky_region import SkyRegion

__all__ = ["SkyPixelization"]

_MAX_LEVELS: Final = {"htm": 24, "healpix": 17}


@dataclass(frozen=True)
class SkyPixelization:
    """One level of a hierarchy of pixels that cover the sky.

    Parameters
    ----------
    system
        ``"htm"`` (triangles) or ``"healpix"`` (NESTED order).
    level
        0 is the coarsest; each further level divides a pixel into four.

    Raises
    ------
    ValueError
        Raised if there is no such system or level.
    """

    system: str
    level: int

    def __post_init__(self) -> None:
        highest = _MAX_LEVELS.get(self.system)
        if highest is None or not 0 <= self.level <= highest:
            allowed = ", ".join(f"{name}0 to {name}{level}" for name, level in _MAX_LEVELS.items())
            raise ValueError(f"there is no pixelization {self.system}{self.level}; there are {allowed}")

    @classmethod
    def find(cls, name: str) -> SkyPixelization | None:
        """Return the pixelization of a name such as ``htm7``, None if it is no such name."""
        system = name.rstrip("0123456789")
        digits = name[len(system) :]
        highest = _MAX_LEVELS.get(system, -1)
        if not digits or len(digits) > 2 or str(int(digits)) != digits or int(digits) > highest:
            return None
        return cls(system, int(digits))

    @property
    def ids(self) -> range:
        """The numbers that pixels have."""
        count = (8 if self.system == "htm" else 12) * 4**self.level
        return range(count, 2 * count) if self.system == "htm" else range(count)

    def region(self, pixel: int) -> SkyRegion:
        """Return the polygon of a pixel; the curved sides of a HEALPix pixel are approximated.

        Raises
        ------
        ValueError
            Raised if there is no pixel of that number.
        """
        if pixel not in self.ids:
            first, last = self.ids[0], self.ids[-1]
            raise ValueError(f"{self.system}{self.level} has pixels {first} to {last}, not {pixel}")
        return SkyRegion(self._grid.pixel(pixel))

    def overlapping(self, region: SkyRegion, *, limit: int) -> list[int]:
        """Return the numbers of the pixels that share a position with a region, sorted.

        Parameters
        ----------
        region
            The region.
        limit
            Most pixels to look at.

        Raises
        ------
        ValueError
            Raised if there may be more.
        """
        if region.is_empty:
            return []
        found: RangeSet = self._grid.envelope(region._region)
        if found.cardinality() > limit:
            raise ValueError(
                f"a region covers up to {found.cardinality()} pixels of {self.system}{self.level}; "
                f"at most {limit} are counted, so take a coarser level"
            )
        # What lies wholly inside needs no test; lsst.sphgeom tells it of triangles only.
        inside: RangeSet = self._grid.interior(region._region) if self.system == "htm" else RangeSet()
        return sorted(
            pixel
            for first, last in found
            for pixel in range(first, last)
            if inside.contains(pixel) or self.region(pixel).overlaps(region)
        )

    @cached_property
    def _grid(self) -> Any:
        if self.system == "htm":
            return HtmPixelization(self.level)
        # Its module imports another package.
        from lsst.sphgeom import HealpixPixelization

        return HealpixPixelization(self.level)
