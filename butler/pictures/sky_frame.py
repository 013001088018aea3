"""SkyFrame: the part of the sky that a picture shows, and how it lies on the page."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from ..images import SkyWcs
from ..regions import SkyRegion

__all__ = ["SkyFrame"]

_LONG_SIDE: Final = 1200
"""Pixels along the longer side; what is drawn in lines does not depend on them."""
_MAX_RADIUS: Final = 40.0
"""Largest radius, degrees, that is shown by a gnomonic projection; beyond comes the whole sky."""
_MARGIN: Final = 1.12
_EDGE: Final = 1e-6
"""Degrees to the meridian opposite the middle, where its two sides are apart."""
_MOLLWEIDE: Final = 360.0 * 2 * math.sqrt(2) / math.pi
"""Width of Mollweide's ellipse, degrees of its WCS; it is half as high."""


@dataclass(frozen=True, slots=True)
class SkyFrame:
    """A frame of pixels with north up and east to the left.

    Parameters
    ----------
    wcs
        WCS of the pixels.
    shape
        Rows and columns.
    center
        Right ascension and declination of the middle, degrees.
    radius
        Angle from there to a corner, degrees; 180 for the whole sky.
    """

    wcs: SkyWcs
    shape: tuple[int, int]
    center: tuple[float, float]
    radius: float

    @classmethod
    def of_box(cls, center: tuple[float, float], size: tuple[float, float]) -> SkyFrame:
        """Make a gnomonic frame, or that of the whole sky if it would be too large.

        Parameters
        ----------
        center
            Right ascension and declination of the middle, degrees.
        size
            Width and height, degrees.
        """
        radius = math.degrees(math.atan(math.radians(math.hypot(*size) / 2)))
        if radius > _MAX_RADIUS:
            return cls.whole_sky()
        scale = max(size) / _LONG_SIDE
        n_x, n_y = (max(2, round(side / scale)) for side in size)
        middle = ((n_x - 1) / 2, (n_y - 1) / 2)
        wcs = SkyWcs.make_tan(crval=center, crpix=middle, cd=[[-scale, 0.0], [0.0, scale]])
        return cls(wcs, (n_y, n_x), center, radius)

    @classmethod
    def whole_sky(cls, ra: float = 0.0) -> SkyFrame:
        """Make a frame of the whole sky in Mollweide's projection, around a right ascension in degrees."""
        n_x, n_y = _LONG_SIDE, _LONG_SIDE // 2
        scale = _MOLLWEIDE / n_x
        middle = ((n_x - 1) / 2, (n_y - 1) / 2)
        cd = [[-scale, 0.0], [0.0, scale]]
        wcs = SkyWcs.make_tan(crval=(ra, 0.0), crpix=middle, cd=cd, projection="MOL")
        return cls(wcs, (n_y, n_x), (ra, 0.0), 180.0)

    @classmethod
    def around(cls, regions: Iterable[SkyRegion]) -> SkyFrame:
        """Make a frame that shows all of some regions, and a little around them."""
        outlines = [region.outline() for region in regions]
        if not outlines:
            return cls.whole_sky()
        ra, dec = (np.radians(np.concatenate(angles)) for angles in zip(*outlines, strict=True))
        x, y, z = (
            float(np.mean(v)) for v in (np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec))
        )
        center = math.degrees(math.atan2(y, x)) % 360, math.degrees(math.atan2(z, math.hypot(x, y)))
        # Mean of the positions, then middle of what they span: once more is enough for any small area.
        for _ in range(3):
            plane = SkyWcs.make_tan(crval=center, crpix=(0, 0), cd=[[-1, 0], [0, 1]])
            east, north = plane.skyToPixel(np.degrees(ra), np.degrees(dec))
            if not np.all(np.isfinite(east)):
                return cls.whole_sky()
            span = (np.ptp(east), np.ptp(north))
            middle = plane.pixelToSky((east.max() + east.min()) / 2, (north.max() + north.min()) / 2)
            center = float(middle[0]), float(middle[1])
        # A narrow strip still needs room for its axes.
        least = 0.35 * max(span)
        width, height = (max(float(side), least) * _MARGIN for side in span)
        return cls.of_box(center, (width, height))

    @property
    def is_whole_sky(self) -> bool:
        """Whether all of the sky is shown."""
        return self.radius == 180.0

    @property
    def region(self) -> SkyRegion:
        """A circle around what is shown."""
        return SkyRegion.from_circle(*self.center, self.radius)

    @property
    def step(self) -> float:
        """Degrees from one position on a curve to the next, so that it looks smooth."""
        return min(2.0, max(self.radius / 60, 1e-5))

    def curves(self, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Return a curve on the sky as curves of pixels, each ``(n, 2)``, cut where the projection tears it.

        Parameters
        ----------
        ra, dec
            Positions along the curve, degrees; it ends and begins anew at NaN.
        """
        if self.is_whole_sky:
            ra, dec = _cut_at(ra, dec, self.center[0] + 180)
        points = np.stack(self.wcs.skyToPixel(ra, dec), axis=-1)
        torn = ~np.all(np.isfinite(points), axis=1)
        pieces = np.split(points, np.flatnonzero(torn[1:] | torn[:-1]) + 1)
        return [piece for piece in pieces if len(piece) > 1 and np.all(np.isfinite(piece))]

    def outline(self, region: SkyRegion) -> list[NDArray[np.float64]]:
        """Return the edge of a region as curves of pixels."""
        return self.curves(*region.outline(self.step))

    def grid(self, every: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the positions of each so-many-th pixel, degrees; NaN off the sky."""
        rows, columns = self.shape
        y, x = np.mgrid[0:rows:every, 0:columns:every]
        ra, dec = self.wcs.pixelToSky(x.ravel(), y.ravel())
        return ra.reshape(x.shape), dec.reshape(x.shape)

    def axes(self, figure: Any) -> Any:
        """Add axes in degrees of right ascension and declination to a figure."""
        from astropy.visualization.wcsaxes.frame import EllipticalFrame

        wcs = WCS(self.wcs.to_header())
        if self.is_whole_sky:
            axes = figure.add_subplot(1, 1, 1, projection=wcs, frame_class=EllipticalFrame)
        else:
            axes = figure.add_subplot(1, 1, 1, projection=wcs)
        rows, columns = self.shape
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(-0.5, rows - 0.5)
        axes.set_aspect("equal")
        for coordinate in axes.coords:
            coordinate.set_major_formatter(f"d.{'d' * self._digits}" if self._digits else "d")
            coordinate.set_ticklabel(size=7, exclude_overlapping=True)
            coordinate.grid(color="gray", alpha=0.3, linestyle=":", linewidth=0.5)
        axes.coords[1].set_axislabel("Dec (ICRS)", minpad=1.0)
        axes.coords[0].set_axislabel("RA (ICRS)")
        if self.is_whole_sky:
            # The right ascension would be written across what is drawn; `marks` are not.
            axes.coords[0].set_ticks_visible(False)
            axes.coords[0].set_ticklabel_visible(False)
            axes.coords[0].set_axislabel("")
        return axes

    def marks(self) -> list[tuple[str, list[tuple[float, float]]]]:
        """Return right ascensions that the axes do not tell, each with pixels where it may be written."""
        if not self.is_whole_sky:
            return []
        found = []
        for step in (-120, -60, 0, 60, 120):
            ra, dec = np.full(5, self.center[0] + step), [0.0, -4.0, 4.0, -8.0, 8.0]
            x, y = self.wcs.skyToPixel(ra, dec)
            found.append((f"RA {ra[0] % 360:g}°", list(zip(x.tolist(), y.tolist(), strict=True))))
        return found

    @property
    def _digits(self) -> int:
        """Decimals that tell one tick from the next."""
        return 0 if self.radius > 8 else min(4, max(1, math.ceil(-math.log10(self.radius / 4))))


def _cut_at(
    ra: NDArray[np.float64], dec: NDArray[np.float64], seam: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a curve that NaN interrupts where it crosses a meridian, which it reaches from both sides."""
    # A position on the seam itself is on the side of 0; the projection could take either.
    east = np.clip((np.asarray(ra) - seam) % 360, _EDGE, 360 - _EDGE)
    crossings = np.flatnonzero(np.abs(np.diff(east)) > 180)
    before, after = east[crossings], east[crossings + 1]
    leaves = np.where(before > after, 360 - _EDGE, _EDGE)
    to_seam, from_seam = np.minimum(before, 360 - before), np.minimum(after, 360 - after)
    on_seam = dec[crossings] + np.diff(dec)[crossings] * to_seam / (to_seam + from_seam)
    gap = np.full(len(crossings), np.nan)
    where = np.repeat(crossings + 1, 3)
    new_east = np.insert(east, where, np.stack([leaves, gap, 360 - leaves], axis=-1).ravel())
    new_dec = np.insert(dec, where, np.stack([on_seam, gap, on_seam], axis=-1).ravel())
    return new_east + seam, new_dec
