"""ZenithalProjection: the gnomonic and stereographic projections, which most exposures and coadds have."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .distortion import Distortion, is_distortion_card
from .plane_map import PlaneMap
from .projection_cards import Card, check_numbers

__all__ = ["ZenithalProjection"]

_Places = tuple[NDArray[np.float64], NDArray[np.float64]]
_KINDS: Final = ("TAN", "STG")
_UNITS: Final = {"CUNIT1": "deg", "CUNIT2": "deg"}
_ICRS: Final[Mapping[str, Card]] = {"RADESYS": "ICRS"}
_FK5: Final[Mapping[str, Card]] = {"RADESYS": "FK5", "EQUINOX": 2000.0}
_REFERENCE: Final = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")
_CD: Final = ("CD1_1", "CD1_2", "CD2_1", "CD2_2")
_CDELT: Final = ("CDELT1", "CDELT2")
_NO_TURN: Final = {"PC1_1": 1.0, "PC1_2": 0.0, "PC2_1": 0.0, "PC2_2": 1.0}
_USUAL: Final = {**_UNITS, "WCSAXES": 2, "LONPOLE": 180}
"""What cards say that need not be there. LATPOLE has no effect: the centre is a pole of the projection."""
_NO_MORE: Final = re.compile(r"system=\w+|wtype=(tan|tpv) axtype=\w+")
"""What IRAF's own cards of a WCS say if they say nothing more than the others do."""


class ZenithalProjection:
    """A gnomonic or stereographic projection, whose centre is the reference position.

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
    distortion
        Polynomials that bend a gnomonic projection.
    frame
        Cards that name the frame of the positions, which changes nothing else: ICRS, or FK5 of 2000.

    Raises
    ------
    FileFormatError
        Raised if a number is not finite, or the matrix is not 2 x 2, or singular.
    """

    def __init__(
        self,
        kind: str,
        crval: tuple[float, float],
        crpix: tuple[float, float],
        cd: ArrayLike,
        distortion: Distortion | None = None,
        frame: Mapping[str, Card] = _ICRS,
    ) -> None:
        self.crval = crval
        self._kind = kind
        self._crpix = crpix
        self._distortion = distortion
        self._frame = frame
        self._name = distortion.kind if distortion else kind
        self._on_pixels = distortion.map if distortion and distortion.kind == "TAN-SIP" else None
        self._on_plane = distortion.map if distortion and distortion.kind == "TPV" else None
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
        distorting: dict[str, Card] = {}
        left: dict[str, Card] = {}
        for key, value in cards.items():
            (distorting if is_distortion_card(key) else left)[key] = value
        kind = str(left.pop("CTYPE1", "")).rstrip().removeprefix("RA---")
        if str(left.pop("CTYPE2", "")).rstrip() != f"DEC--{kind}":
            return None
        distortion = Distortion.from_cards(kind, distorting) if distorting else None
        if distorting and distortion is None:
            return None
        reference, matrix, frame = _take_numbers(left, _REFERENCE), _take_matrix(left), _take_frame(left)
        if reference is None or matrix is None or frame is None or not _says_nothing(left):
            return None
        ra, dec, x, y = reference
        kind = "TAN" if distortion else kind
        if not cls.can_do(kind, (ra, dec)):
            return None
        return cls(kind, (ra, dec), (x + xy0[0], y + xy0[1]), matrix, distortion, frame)

    @staticmethod
    def can_do(kind: str, crval: tuple[float, float]) -> bool:
        """Tell whether a kind, and a reference position, are ones that are understood here."""
        return kind in _KINDS and 0.0 <= crval[0] < 360.0 and -90.0 < crval[1] < 90.0

    @property
    def ctype(self) -> str:
        """Kind of the first axis."""
        return f"RA---{self._name}"

    def cards(self) -> dict[str, Any]:
        """Return the FITS cards of an image whose first pixel is ``(0, 0)``."""
        reference = dict(zip(_REFERENCE, (*self.crval, *self._crpix), strict=True))
        matrix = dict(zip(_CD, self.scale_matrix.ravel().tolist(), strict=True))
        axes = {"CTYPE1": self.ctype, "CTYPE2": f"DEC--{self._name}"}
        distorting = self._distortion.cards if self._distortion else {}
        return {"WCSAXES": 2, **_UNITS, **self._frame, **axes, **reference, **matrix, **distorting}

    @np.errstate(invalid="ignore", over="ignore")
    def pixel_to_sky(self, x: ArrayLike, y: ArrayLike) -> _Places:
        """Return right ascension and declination (degrees) of 0-based positions."""
        dx = np.asarray(x, dtype=float) + 1.0 - self._crpix[0]
        dy = np.asarray(y, dtype=float) + 1.0 - self._crpix[1]
        if self._on_pixels is not None:
            dx, dy = self._on_pixels(dx, dy)
        east, north = (a * dx + b * dy for a, b in self.scale_matrix.tolist())
        if self._on_plane is not None:
            east, north = self._on_plane(east, north)
        return _sky_of_plane(self._kind, east, north, self.crval[0], self._pole)

    @property
    def alike(self) -> tuple[str, str]:
        """What projections share of which `rows_to_sky` can ask together."""
        return self._kind, self._name

    @staticmethod
    @np.errstate(invalid="ignore", over="ignore")
    def rows_to_sky(projections: Sequence[ZenithalProjection], x: ArrayLike, y: ArrayLike) -> _Places:
        """Do as `pixel_to_sky` by projections that are `alike`, of which each gives a row ``(n, m)``."""
        numbers = [(*p._crpix, *p.scale_matrix.flat, p.crval[0], *p._pole) for p in projections]
        x0, y0, xx, xy, yx, yy, ra, *pole = np.array(numbers).T[..., np.newaxis]
        dx = np.asarray(x, dtype=float) + 1.0 - x0
        dy = np.asarray(y, dtype=float) + 1.0 - y0
        on_pixels, on_plane = (
            [found for each in projections if (found := getattr(each, name)) is not None]
            for name in ("_on_pixels", "_on_plane")
        )
        if on_pixels:
            dx, dy = PlaneMap.map_rows(on_pixels, dx, dy)
        east, north = xx * dx + xy * dy, yx * dx + yy * dy
        if on_plane:
            east, north = PlaneMap.map_rows(on_plane, east, north)
        return _sky_of_plane(projections[0]._kind, east, north, ra, pole)

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
        if self._on_plane is not None:
            east, north = self._on_plane.inverse(east, north)
        (xx, xy), (yx, yy) = self.scale_matrix.tolist()
        area = xx * yy - xy * yx
        dx, dy = (yy * east - xy * north) / area, (xx * north - yx * east) / area
        if self._on_pixels is not None:
            dx, dy = self._on_pixels.inverse(dx, dy)
        return dx + self._crpix[0] - 1.0, dy + self._crpix[1] - 1.0

    @property
    def _pole(self) -> tuple[float, float]:
        """Sine and cosine of the declination of the reference position."""
        dec = math.radians(self.crval[1])
        return math.sin(dec), math.cos(dec)


def _sky_of_plane(
    kind: str, east: NDArray[np.float64], north: NDArray[np.float64], ra0: ArrayLike, pole: Sequence[Any]
) -> _Places:
    """Return right ascension and declination of places on the plane, all degrees."""
    # The coordinates on the plane are those of a vector of some length, but for its height.
    east, north = np.radians(east), np.radians(north)
    height = 1.0 if kind == "TAN" else 1.0 - (east**2 + north**2) / 4.0
    sin0, cos0 = pole
    across = height * cos0 - north * sin0
    ra = ra0 + np.degrees(np.arctan2(east, across))
    dec = np.degrees(np.arctan2(height * sin0 + north * cos0, np.hypot(east, across)))
    return np.where(ra < 0.0, ra + 360.0, np.where(ra > 360.0, ra - 360.0, ra)), dec


def _take_numbers(cards: dict[str, Card], keys: Sequence[str]) -> list[float] | None:
    """Take numbers out of cards; None if one is missing, or is none."""
    values = [cards.pop(key, None) for key in keys]
    numbers = [float(n) for n in values if isinstance(n, int | float) and not isinstance(n, bool)]
    return numbers if len(numbers) == len(keys) else None


def _take_matrix(cards: dict[str, Card]) -> NDArray[np.float64] | None:
    """Take the degrees per pixel, 2 x 2, out of cards; None if they are not there."""
    if not cards.keys() & set(_CDELT):
        numbers = _take_numbers(cards, _CD)
        return None if numbers is None else np.reshape(numbers, (2, 2))
    cards.update({key: value for key, value in _NO_TURN.items() if key not in cards})
    steps, turn = _take_numbers(cards, _CDELT), _take_numbers(cards, tuple(_NO_TURN))
    return None if steps is None or turn is None else np.diag(steps) @ np.reshape(turn, (2, 2))


def _take_frame(cards: dict[str, Card]) -> Mapping[str, Card] | None:
    """Take the frame of positions out of cards; None if it is none of those that all images here have."""
    # Of both cards the last counts for wcslib.
    names = [str(cards.pop(key)).rstrip() for key in list(cards) if key in ("RADESYS", "RADECSYS")]
    name, equinox = names[-1] if names else "", cards.pop("EQUINOX", None)
    # ICRS has no equinox; what has one, but no name, is FK5 (FITS standard 4.0, section 8.3).
    if name == "ICRS" or (not name and equinox is None):
        return _ICRS
    return _FK5 if name in ("", "FK5") and equinox in (None, 2000) else None


def _says_nothing(cards: Mapping[str, Card]) -> bool:
    """Tell whether cards beside the numbers say nothing that is not so anyway."""
    for key, value in cards.items():
        text = str(value).rstrip()
        if key.startswith("WAT"):
            known = _NO_MORE.fullmatch(text) is not None
        else:
            known = key == "LATPOLE" or _USUAL.get(key) in (value, text)
        if not known:
            return False
    return True
