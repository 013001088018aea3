"""Figures of merit: what is left of a trail, what was clipped, and whether fluxes stayed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from butler.images import Exposure, Image, Mask, SkyWcs

from ..coadd import spans_of_row

__all__ = [
    "Line",
    "aperture_fluxes",
    "clipped_mask",
    "expected_n_image",
    "line_through",
    "mapped_mask",
    "strip_excess",
]


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line between two points ``(x, y)`` in pixels."""

    start: tuple[float, float]
    end: tuple[float, float]

    def mapped(self, source: SkyWcs, target: SkyWcs) -> Line:
        """Return the line in the pixels of another image."""
        x, y = zip(self.start, self.end, strict=True)
        u, v = target.skyToPixel(*source.pixelToSky(x, y))
        return Line((float(u[0]), float(v[0])), (float(u[1]), float(v[1])))

    def strip(self, image: Image, *, width: float, offset: float = 0.0) -> NDArray[np.bool_]:
        """Return the pixels of an image in a strip along the line.

        Parameters
        ----------
        image
            Gives box and shape.
        width
            Full width of the strip, pixels.
        offset
            Distance of the strip's axis from the line, pixels.
        """
        n_y, n_x = image.array.shape
        y, x = np.mgrid[:n_y, :n_x] + np.array(image.xy0[::-1])[:, None, None]
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        length = math.hypot(dx, dy)
        along = ((x - self.start[0]) * dx + (y - self.start[1]) * dy) / length
        across = ((x - self.start[0]) * dy - (y - self.start[1]) * dx) / length
        inside: NDArray[np.bool_] = (along >= 0) & (along <= length) & (np.abs(across - offset) <= width / 2)
        return inside


def line_through(mask: NDArray[np.bool_]) -> Line:
    """Return the axis of an elongated set of pixels, from end to end.

    Raises
    ------
    ValueError
        Raised if fewer than two pixels are set.
    """
    y, x = np.nonzero(mask)
    if len(x) < 2:
        raise ValueError("a line needs at least two pixels")
    centre = np.array([x.mean(), y.mean()])
    _, axes = np.linalg.eigh(np.cov(x, y))
    along = (np.stack([x, y], axis=1) - centre) @ axes[:, 1]
    start, end = centre + along.min() * axes[:, 1], centre + along.max() * axes[:, 1]
    return Line((float(start[0]), float(start[1])), (float(end[0]), float(end[1])))


def strip_excess(coadd: Exposure, reference: Exposure, line: Line, *, width: float = 12.0) -> float:
    """Return the excess of a coadd over a reference along a line, in units of its error.

    The mean difference in the strip, less that of two strips beside it, over the error that the coadd's
    variance plane gives to the mean; pixels without data in either are left out.

    Parameters
    ----------
    coadd, reference
        Coadds on the same pixels.
    line
        Line in their pixels.
    width
        Full width of the strips, pixels.
    """
    difference = coadd.image.array.astype(float) - reference.image.array
    bad = coadd.mask.isSet("NO_DATA") | reference.mask.isSet("NO_DATA") | ~np.isfinite(difference)
    inside = line.strip(coadd.image, width=width) & ~bad
    beside = np.zeros_like(inside)
    for offset in (-2.5 * width, 2.5 * width):
        beside |= line.strip(coadd.image, width=width, offset=offset)
    beside &= ~bad
    error = math.sqrt(float(coadd.variance.array[inside].sum(dtype=float))) / np.count_nonzero(inside)
    return float((difference[inside].mean() - difference[beside].mean()) / error)


def clipped_mask(record: Table, visit: int, like: Image) -> NDArray[np.bool_]:
    """Return where a visit was clipped, according to the clip record; ``(n_y, n_x)``."""
    mask = Mask.from_bbox(like.bbox)
    for row in record:
        if int(row["visit"]) == visit:
            spans_of_row(row).clippedTo(mask.bbox).setMask(mask, 1)
    return mask.any_of(1)


def mapped_mask(mask: NDArray[np.bool_], source: SkyWcs, target: SkyWcs, like: Image) -> NDArray[np.bool_]:
    """Return a mask of one image on the pixels of another: at each, the nearest pixel's value.

    Parameters
    ----------
    mask
        Mask ``(n_y, n_x)`` whose first pixel is (0, 0).
    source, target
        WCS of the mask, and of the pixels wanted.
    like
        Gives box and shape of the result.
    """
    n_y, n_x = like.array.shape
    y, x = np.mgrid[:n_y, :n_x] + np.array(like.xy0[::-1])[:, None, None]
    u, v = source.skyToPixel(*target.pixelToSky(x.ravel(), y.ravel()))
    column, row = np.rint(u).astype(int), np.rint(v).astype(int)
    inside = (column >= 0) & (column < mask.shape[1]) & (row >= 0) & (row < mask.shape[0])
    found = np.zeros(x.size, dtype=bool)
    found[inside] = mask[row[inside], column[inside]]
    return found.reshape(n_y, n_x)


def expected_n_image(
    warps: Iterable[Any], record: Table, bad_planes: Sequence[str], like: Image
) -> NDArray[np.int64]:
    """Return the number of warps at each pixel less those that are masked or clipped there.

    Parameters
    ----------
    warps
        Handles of the warps.
    record
        Clip record of the coadd.
    bad_planes
        Planes whose pixels do not count.
    like
        Gives the box.
    """
    count = np.zeros(like.array.shape, dtype=np.int64)
    for handle in warps:
        mask = handle.get(component="mask", parameters={"bbox": like.bbox})
        bad = mask.any_of(mask.known_bit_mask(bad_planes))
        count += ~(bad | clipped_mask(record, int(handle.dataId["visit"]), like))
    return count


def aperture_fluxes(exposure: Exposure, stars: Table, radius: float) -> NDArray[np.float64]:
    """Return the fluxes of stars in circular apertures; NaN where the aperture is not all on data.

    Parameters
    ----------
    exposure
        Image with WCS.
    stars
        Columns ``ra`` and ``dec``, ICRS degrees.
    radius
        Radius, pixels.
    """
    if exposure.wcs is None:
        raise ValueError("the exposure has no WCS")
    x, y = exposure.wcs.skyToPixel(np.asarray(stars["ra"]), np.asarray(stars["dec"]))
    no_data = exposure.mask.isSet("NO_DATA")
    n_y, n_x = no_data.shape
    rows, columns = np.mgrid[:n_y, :n_x]
    fluxes = np.full(len(x), np.nan)
    for i, (u, v) in enumerate(zip(x - exposure.image.xy0.x, y - exposure.image.xy0.y, strict=True)):
        if not (radius < u < n_x - radius - 1 and radius < v < n_y - radius - 1):
            continue
        box = np.s_[int(v - radius) : int(v + radius) + 2, int(u - radius) : int(u + radius) + 2]
        inside = (columns[box] - u) ** 2 + (rows[box] - v) ** 2 <= radius**2
        if not no_data[box][inside].any():
            fluxes[i] = exposure.image.array[box][inside].sum(dtype=float)
    return fluxes
