"""TanProjection: the plain gnomonic projection, which most coadds have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .projection_cards import Card, check_numbers

__all__ = ["TanProjection"]

_TEXTS: Final = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CUNIT1": "deg",
    "CUNIT2": "deg",
    "RADESYS": "ICRS",
}
_NEEDED: Final = ("CTYPE1", "CTYPE2")
_NUMBERS: Final = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")


class TanProjection:
    """A gnomonic projection of ICRS positions whose native pole lies at the reference position.

    The formulae are those of Calabretta & Greisen (2002), section 5.1.3, for a native pole at the longitude
    180 degrees, with differences of angles where sums would cancel. What is not so plain, `WcslibProjection`
    does; for what both can do they agree within rounding.

    Parameters
    ----------
    crval
        Right ascension in ``[0, 360)`` and declination between the poles, degrees.
    crpix
        Reference position ``(x, y)``, 1-based, as FITS has it.
    cd
        Degrees per pixel, 2 x 2.

    Raises
    ------
    FileFormatError
        Raised if a number is not finite, or the matrix is not 2 x 2, or singular.
    """

    ctype: Final = _TEXTS["CTYPE1"]

    def __init__(self, crval: tuple[float, float], crpix: tuple[float, float], cd: ArrayLike) -> None:
        self.crval = crval
        self._crpix = crpix
        self.scale_matrix: NDArray[np.float64] = np.array(cd, dtype=float)
        check_numbers(crval, crpix, self.scale_matrix)

    @classmethod
    def from_cards(cls, cards: Mapping[str, Card], xy0: tuple[int, int]) -> Self | None:
        """Return the projection of cards, None if they say more, or less, than is understood here.

        Parameters
        ----------
        cards
            All cards that a projection is read from.
        xy0
            Parent coordinates ``(x, y)`` of the image's first pixel.
        """
        texts = {key: value for key, value in cards.items() if key not in _NUMBERS and key != "WCSAXES"}
        plain = all(_TEXTS.get(key) == str(value).rstrip() for key, value in texts.items())
        if not plain or not all(key in texts for key in _NEEDED) or cards.get("WCSAXES", 2) != 2:
            return None
        if not all(type(cards.get(key)) in (int, float) for key in _NUMBERS):
            return None
        ra, dec, x, y, *matrix = (float(cards[key]) for key in _NUMBERS)
        if not cls.has_place((ra, dec)):
            return None
        return cls((ra, dec), (x + xy0[0], y + xy0[1]), np.reshape(matrix, (2, 2)))

    @staticmethod
    def has_place(crval: tuple[float, float]) -> bool:
        """Tell whether a reference position is one that is understood here."""
        return 0.0 <= crval[0] < 360.0 and -90.0 < crval[1] < 90.0

    def cards(self) -> dict[str, Any]:
        """Return the FITS cards of an image whose first pixel is ``(0, 0)``."""
        numbers = (*self.crval, *self._crpix, *self.scale_matrix.ravel().tolist())
        return {"WCSAXES": 2, **_TEXTS, **dict(zip(_NUMBERS, numbers, strict=True))}

    @np.errstate(invalid="ignore")
    def pixel_to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
        """Return right ascension and declination (degrees) of 0-based positions."""
        dx = np.asarray(x, dtype=float) + 1.0 - self._crpix[0]
        dy = np.asarray(y, dtype=float) + 1.0 - self._crpix[1]
        # Coordinates on the tangent plane.
        xi, eta = (np.radians(a * dx + b * dy) for a, b in self.scale_matrix.tolist())
        sin0, cos0 = self._pole
        across = cos0 - eta * sin0
        ra = self.crval[0] + np.degrees(np.arctan2(xi, across))
        dec = np.degrees(np.arctan2(sin0 + eta * cos0, np.hypot(xi, across)))
        return np.where(ra < 0.0, ra + 360.0, np.where(ra > 360.0, ra - 360.0, ra)), dec

    @np.errstate(invalid="ignore")
    def sky_to_pixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
        """Return 0-based positions of sky positions (degrees); NaN on the far half of the sky."""
        along = np.radians(np.asarray(ra, dtype=float) - self.crval[0])
        up = np.radians(np.asarray(dec, dtype=float) - self.crval[1])
        cos_dec = np.cos(np.radians(dec))
        sin0, cos0 = self._pole
        fall = 2.0 * cos_dec * np.sin(along / 2.0) ** 2
        height = np.cos(up) - cos0 * fall
        height = np.where(height > 0.0, height, np.nan)
        xi = np.degrees(cos_dec * np.sin(along) / height)
        eta = np.degrees((np.sin(up) + sin0 * fall) / height)
        (xx, xy), (yx, yy) = self.scale_matrix.tolist()
        area = xx * yy - xy * yx
        dx, dy = (yy * xi - xy * eta) / area, (xx * eta - yx * xi) / area
        return dx + self._crpix[0] - 1.0, dy + self._crpix[1] - 1.0

    @property
    def _pole(self) -> tuple[float, float]:
        """Sine and cosine of the declination of the reference position."""
        dec = math.radians(self.crval[1])
        return math.sin(dec), math.cos(dec)
