"""Positions and sizes on the command line, and the pixel boxes that they mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ..errors import ButlerUserError

if TYPE_CHECKING:
    from ..images import Box2I, SkyWcs

__all__ = ["SkyCutout", "cutout_of", "cutout_options", "parse_position", "parse_size"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

_NUMBER: Final = r"[+-]?\d+(?:\.\d*)?"
_DEGREES: Final = re.compile(rf"\s*({_NUMBER})\s*(?:,|\s)\s*({_NUMBER})\s*")
_SIZE: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:x(\d+(?:\.\d*)?|\.\d+))?\s*([a-z'\"]+)")
_ARCSEC: Final = {"arcsec": 1.0, '"': 1.0, "arcmin": 60.0, "'": 60.0, "deg": 3600.0}
_PIXELS: Final = ("px", "pix", "pixel", "pixels")


@dataclass(frozen=True, slots=True)
class SkyCutout:
    """A part of the sky around a position.

    Parameters
    ----------
    ra, dec
        The position, ICRS degrees.
    size
        Width and height.
    in_pixels
        Whether the size is in pixels, not arcseconds.
    """

    ra: float
    dec: float
    size: tuple[float, float]
    in_pixels: bool

    def box_in(self, wcs: SkyWcs, bbox: Box2I) -> Box2I:
        """Return the pixels of an image that belong to it.

        Parameters
        ----------
        wcs, bbox
            Of the image.

        Raises
        ------
        ButlerUserError
            Raised if the position is not on the image.
        """
        from ..images import Box2I, Extent2I, Point2I

        x, y = (float(v) for v in wcs.skyToPixel(self.ra, self.dec))
        if not bbox.contains((x, y)):
            ra, dec = (float(v) for v in wcs.pixelToSky(*bbox.center))
            raise ButlerUserError(
                f"{self} is not on the image, whose centre is at RA {ra:.6f}, Dec {dec:.6f}"
            )
        scale = 1.0 if self.in_pixels else 1 / wcs.pixel_scale
        width, height = (max(1, round(side * scale)) for side in self.size)
        corner = Point2I(round(x - (width - 1) / 2), round(y - (height - 1) / 2))
        return Box2I(corner, Extent2I(width, height)).clippedTo(bbox)

    def __str__(self) -> str:
        return f"RA {self.ra:.6f}, Dec {self.dec:.6f}"

    def degrees(self) -> tuple[float, float]:
        """Return width and height in degrees.

        Raises
        ------
        UsageError
            Raised if they are in pixels.
        """
        if self.in_pixels:
            raise click.UsageError("this map has no image's pixels; give the size in arcsec, arcmin or deg")
        return self.size[0] / 3600, self.size[1] / 3600


def cutout_options(default_size: str) -> Callable[[_Function], _Function]:
    """Return a decorator that adds the options of `cutout_of`.

    Parameters
    ----------
    default_size
        Size if none is given.
    """
    options = (
        click.option("--ra", help="Right ascension of a cutout's centre, degrees or h:m:s."),
        click.option("--dec", help="Declination of a cutout's centre, degrees or d:m:s."),
        click.option("--position", help="Both: '150.1 2.2', '10:00:24 +02:12:00' or '10h00m24s +2d12m'."),
        click.option(
            "--size", default=default_size, show_default=True, help="Of a cutout: 30arcsec, 2x1arcmin, 200px."
        ),
    )

    def decorate(function: _Function) -> _Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def cutout_of(ra: str | None, dec: str | None, position: str | None, size: str) -> SkyCutout | None:
    """Return the part of the sky that options name; None if they name none.

    Raises
    ------
    UsageError
        Raised if they are not understood, or contradict each other.
    """
    if (ra is None) is not (dec is None) or (position is not None and ra is not None):
        raise click.UsageError("give both --ra and --dec, or --position")
    text = position if ra is None else f"{ra} {dec}"
    extent = parse_size(size)
    return None if text is None else SkyCutout(*parse_position(text), *extent)


def parse_position(text: str) -> tuple[float, float]:
    """Read a position: two numbers in degrees, or hours, minutes and seconds and degrees.

    Returns
    -------
    ra, dec
        ICRS degrees.

    Raises
    ------
    UsageError
        Raised if the text is no position.
    """
    if match := _DEGREES.fullmatch(text):
        ra, dec = float(match[1]), float(match[2])
    else:
        from astropy.coordinates import SkyCoord

        try:
            found = SkyCoord(text, unit=("hourangle", "deg"), frame="icrs")
            ra, dec = float(found.ra.deg), float(found.dec.deg)
        except (ValueError, TypeError) as error:
            raise click.UsageError(
                f"cannot read the position {text!r}; write degrees '150.1 2.2', or '10:00:24 +02:12:00'"
            ) from error
    if not (-360 <= ra <= 360 and -90 <= dec <= 90):
        raise click.UsageError(f"RA {ra:g}, Dec {dec:g} is no position on the sky")
    return ra % 360, dec


def parse_size(text: str) -> tuple[tuple[float, float], bool]:
    """Read a size: ``30arcsec``, ``2x1arcmin``, ``200px``.

    Returns
    -------
    size, in_pixels
        Width and height in pixels, or in arcseconds.

    Raises
    ------
    UsageError
        Raised if the text is no size.
    """
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None or not (match[3] in _ARCSEC or match[3] in _PIXELS):
        raise click.UsageError(f"cannot read the size {text!r}; write 30arcsec, 2x1arcmin, 0.1deg or 200px")
    factor = _ARCSEC.get(match[3], 1.0)
    size = float(match[1]) * factor, float(match[2] or match[1]) * factor
    if not all(size):
        raise click.UsageError(f"the size {text!r} is nothing")
    return size, match[3] in _PIXELS
