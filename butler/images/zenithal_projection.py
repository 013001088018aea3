"""ZenithalProjection: the plain gnomonic and stereographic projections, which most coadds have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .projection_cards import Card, check_numbers

__all__ = ["ZenithalProjection"]

_KINDS: Final = ("TAN", "STG")
_TEXTS: Final = {"CUNIT1": "deg", "CUNIT2": "deg", "RADESYS": "ICRS"}
_NUMBERS: Final = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")


class ZenithalProjection:
    """A gnomonic or stereographic projection of ICRS positions, whose centre is the reference position.

    A position is the unit vector ``(east, north, height)`` in the frame of the centre. The formulae are those
    of Calabretta & Greisen (2002), sections 5.1.3 and 5.1.4, written for such vectors, with differences of
    angles where sums would cancel. What is not so plain, `WcslibProjection` does; for what both can do they
    agree within rounding.

    Parameters
    ----------
    kind
        TAN (gnomonic) or STG (stereographic).
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

    def __init__(
        self, kind: str, crval: tuple[float, float], crpix: tuple[float, float], cd: ArrayLike
    ) -> None:
        self.ctype = f"RA---{kind}"
        self.crval = crval
        self._kind = kind
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
        kind = str(cards.get("CTYPE1", "")).rstrip().removeprefix("RA---")
        expected = {**_TEXTS, "CTYPE1": f"RA---{kind}", "CTYPE2": f"DEC--{kind}"}
        texts = {key: value for key, value in cards.items() if key not in _NUMBERS and key != "WCSAXES"}
        plain = all(expected.get(key) == str(value).rstrip() for key, value in texts.items())
        if not plain or "CTYPE2" not in texts or cards.get("WCSAXES", 2) != 2:
            return None
        if not all(type(cards.get(key)) in (int, float) for key in _NUMBERS):
            return None
        ra, dec, x, y, *matrix = (float(cards[key]) for key in _NUMBERS)
        if not cls.can_do(kind, (ra, dec)):
            return None
        return cls(kind, (ra, dec), (x + xy0[0], y + xy0[1]), np.reshape(matrix, (2, 2)))

    @staticmethod
    def can_do(kind: str, crval: tuple[float, float]) -> bool:
        """Tell whether a kind, and a reference position, are ones that are understood here."""
        return kind in _KINDS and 0.0 <= crval[0] < 360.0 and -90.0 < crval[1] < 90.0

    def cards(self) -> dict[str, Any]:
        """Return the FITS cards of an image whose first pixel is ``(0, 0)``."""
        numbers = (*self.crval, *self._crpix, *self.scale_matrix.ravel().tolist())
        axes = {"CTYPE1": self.ctype, "CTYPE2": f"DEC--{self._kind}"}
        return {"WCSAXES": 2, **_TEXTS, **axes, **dict(zip(_NUMBERS, numbers, strict=True))}

    @np.errstate(invalid="ignore")
    def pixel_to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
        """Return right ascension and declination (degrees) of 0-based positions."""
        dx = np.asarray(x, dtype=float) + 1.0 - self._crpix[0]
        dy = np.asarray(y, dtype=float) + 1.0 - self._crpix[1]
        # The coordinates on the plane are those of a vector of some length, but for its height.
        east, north = (np.radians(a * dx + b * dy) for a, b in self.scale_matrix.tolist())
        height = 1.0 if self._kind == "TAN" else 1.0 - (east**2 + north**2) / 4.0
        sin0, cos0 = self._pole
        across = height * cos0 - north * sin0
        ra = self.crval[0] + np.degrees(np.arctan2(east, across))
        dec = np.degrees(np.arctan2(height * sin0 + north * cos0, np.hypot(east, across)))
        return np.where(ra < 0.0, ra + 360.0, np.where(ra > 360.0, ra - 360.0, ra)), dec

    @np.errstate(invalid="ignore")
    def sky_to_pixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
        """Return 0-based positions of sky positions (degrees); NaN where the plane has none."""
        along = np.radians(np.asarray(ra, dtype=float) - self.crval[0])
        up = np.radians(np.asarray(dec, dtype=float) - self.crval[1])
        cos_dec = np.cos(np.radians(dec))
        sin0, cos0 = self._pole
        fall = 2.0 * cos_dec * np.sin(along / 2.0) ** 2
        height = np.cos(up) - cos0 * fall
        distance = height if self._kind == "TAN" else (1.0 + height) / 2.0
        distance = np.where(distance > 0.0, distance, np.nan)
        east = np.degrees(cos_dec * np.sin(along) / distance)
        north = np.degrees((np.sin(up) + sin0 * fall) / distance)
        (xx, xy), (yx, yy) = self.scale_matrix.tolist()
        area = xx * yy - xy * yx
        dx, dy = (yy * east - xy * north) / area, (xx * north - yx * east) / area
        return dx + self._crpix[0] - 1.0, dy + self._crpix[1] - 1.0

    @property
    def _pole(self) -> tuple[float, float]:
        """Sine and cosine of the declination of the reference position."""
        dec = math.radians(self.crval[1])
        return math.sin(dec), math.cos(dec)
