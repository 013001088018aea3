"""WcslibProjection: any projection that astropy and wcslib know."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from astropy.wcs import WCS, FITSFixedWarning, WcsError, Wcsprm
from numpy.typing import ArrayLike, NDArray

from ..errors import FileFormatError
from .projection_cards import Card, card_images, check_numbers

__all__ = ["WcslibProjection"]

_PROJECTION: Final = re.compile(
    r"WCSAXES|C(RPIX|RVAL|TYPE|UNIT)\d|(PC|CD)\d_\d|CDELT\d|P[VS]\d_\d+|[AB]P?_(ORDER|DMAX|\d+_\d+)|RADESYS|EQUINOX"
)
"""Cards of the projection; what wcslib says of times besides would contradict the cards of the visit."""
_BY_ASTROPY: Final = re.compile(r"(A|B|AP|BP)_|CPDIS|CQDIS|D[PQ]\d|D2IM|AXISCORR")
"""Cards of distortions that astropy reads, not wcslib."""
_NEEDED: Final = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2")
_SCALE: Final = re.compile(r"(CD|PC)\d_\d|CDELT\d|PC00\d00\d")
_PLACE_IN_WCSLIB: Final = re.compile(r"ERROR \d+ in \w+\(\) at line \d+ of file \S+: *")
_TOLERANCE: Final = 1e-6
"""Pixels to which positions of distorted images are found."""
_LOST: Final = 1e-3
"""Pixels by which a position may miss what it was found for."""
_FOREIGN_PROJECTIONS: Final = ("TNX", "ZPX")


class WcslibProjection:
    """A projection that wcslib does, with what astropy adds to it.

    Parameters
    ----------
    wcs
        The projection; 1-based, as FITS has it.
    poles
        LONPOLE and LATPOLE, if they do not follow from the rest.
    """

    def __init__(self, wcs: WCS, poles: Mapping[str, float]) -> None:
        self._wcs = wcs
        self._poles = dict(poles)

    @classmethod
    def from_cards(cls, cards: Mapping[str, Card], xy0: tuple[int, int]) -> WcslibProjection:
        """Read a projection from cards.

        Parameters
        ----------
        cards
            All cards that a projection is read from.
        xy0
            Parent coordinates ``(x, y)`` of the image's first pixel.

        Raises
        ------
        FileFormatError
            Raised if the cards do not hold a finite two-dimensional equatorial WCS.
        """
        wcs = _parse(cards)
        poles = _explicit_poles(cards, wcs)
        wcs.wcs.crpix = wcs.wcs.crpix + np.asarray(xy0, dtype=float)
        if wcs.sip is not None:
            # astropy keeps the reference pixel of SIP terms apart from that of the linear part.
            wcs.sip = _moved_sip(wcs.sip, wcs.wcs.crpix)
        return cls(wcs, poles)

    @classmethod
    def undistorted(
        cls, crval: tuple[float, float], crpix: tuple[float, float], cd: ArrayLike, projection: str
    ) -> WcslibProjection:
        """Make a projection of its numbers.

        Parameters
        ----------
        crval
            Right ascension and declination at the reference pixel, ICRS degrees.
        crpix
            Reference position ``(x, y)``, 0-based.
        cd
            Degrees per pixel, 2 x 2.
        projection
            Three-letter code of a FITS projection.

        Raises
        ------
        FileFormatError
            Raised if a number is not finite, the matrix is singular, or there is no such projection.
        """
        wcs = WCS(naxis=2)
        try:
            wcs.wcs.ctype = [f"RA---{projection}", f"DEC--{projection}"]
            wcs.wcs.cunit = ["deg", "deg"]
            wcs.wcs.crval = [float(value) for value in crval]
            wcs.wcs.crpix = [float(value) + 1.0 for value in crpix]
            wcs.wcs.cd = np.asarray(cd, dtype=float)
            wcs.wcs.radesys = "ICRS"
            check_numbers(wcs.wcs.crval, wcs.wcs.crpix, wcs.pixel_scale_matrix)
            wcs.wcs.set()
        except (WcsError, ValueError) as error:
            if isinstance(error, FileFormatError):
                raise
            raise FileFormatError(f"cannot make a WCS: {' '.join(str(error).split())}") from error
        return cls(wcs, {})

    @property
    def ctype(self) -> str:
        """Kind of the first axis."""
        return str(self._wcs.wcs.ctype[0])

    @property
    def crval(self) -> tuple[float, float]:
        """Reference position on the sky, in the order of the axes, degrees."""
        first, second = self._wcs.wcs.crval
        return float(first), float(second)

    @property
    def scale_matrix(self) -> NDArray[np.float64]:
        """Degrees per pixel, 2 x 2."""
        return np.asarray(self._wcs.pixel_scale_matrix, dtype=float)

    def pixel_to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
        """Return right ascension and declination, degrees; NaN where undefined."""
        sky = self._wcs.all_pix2world(x, y, 0)
        return sky[self._wcs.wcs.lng], sky[self._wcs.wcs.lat]

    def sky_to_pixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
        """Return 0-based positions of sky positions (degrees); NaN where undefined."""
        sky = (ra, dec) if self._wcs.wcs.lng == 0 else (dec, ra)
        position = np.array(self._wcs.all_world2pix(*sky, 0, quiet=True, tolerance=_TOLERANCE))
        if self._wcs.sip is not None:
            # Far from the image the polynomials may have no inverse, and the search ends anywhere.
            there = self._wcs.wcs_world2pix(*self._wcs.all_pix2world(*position, 0), 0)
            wanted = self._wcs.wcs_world2pix(*sky, 0)
            lost = ~(np.hypot(*np.subtract(there, wanted)) < _LOST)
            position = np.where(lost, np.nan, position)
        x, y = position
        return x, y

    def cards(self) -> dict[str, Any]:
        """Return the FITS cards of an image whose first pixel is ``(0, 0)``."""
        header = self._wcs.to_header(relax=True)
        cards: dict[str, Any] = {
            key: float(header[key]) if isinstance(header[key], float) else header[key]
            for key in header
            if _PROJECTION.fullmatch(key)
        }
        # wcslib prints 12 digits; the exact numbers go over them.
        for i in (1, 2):
            cards[f"CRPIX{i}"] = float(self._wcs.wcs.crpix[i - 1])
            cards[f"CRVAL{i}"] = float(self._wcs.wcs.crval[i - 1])
        for i, m, value in self._wcs.wcs.get_pv():
            cards[f"PV{i}_{m}"] = float(value)
        for i in (1, 2):
            cards.pop(f"CDELT{i}", None)
            for j in (1, 2):
                cards.pop(f"PC{i}_{j}", None)
                cards[f"CD{i}_{j}"] = float(self.scale_matrix[i - 1, j - 1])
        cards.setdefault("RADESYS", "ICRS")
        return cards | self._poles


def _parse(cards: Mapping[str, Card]) -> WCS:
    """Parse WCS cards; refuse what is not a finite equatorial WCS of two axes."""
    axes = [str(cards.get(f"CTYPE{i}", "")).strip() or "nothing" for i in (1, 2)]
    if axes[0][5:8] in _FOREIGN_PROJECTIONS:
        raise FileFormatError(f"a WCS with {axes[0]} is IRAF's own; refit it as TPV or TAN-SIP")
    _check_declination(cards, axes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            images = card_images(cards)
            wcs = _plain_wcs(images) if _is_plain(cards) else WCS(images, naxis=2)
            is_celestial = wcs.has_celestial
        except (WcsError, ValueError, KeyError, TypeError, AttributeError, MemoryError) as error:
            if isinstance(error, FileFormatError):
                raise
            reason = _PLACE_IN_WCSLIB.sub("", " ".join(str(error).split()))
            raise FileFormatError(f"cannot read a WCS: {reason}") from error
    if not is_celestial:
        raise FileFormatError(f"no celestial WCS: CTYPE1 and CTYPE2 are {axes[0]} and {axes[1]}")
    frame = _frame(wcs)
    if frame not in ("icrs", "fk5 of 2000"):
        raise FileFormatError(
            f"the WCS is in the frame {frame} ({axes[0]}, {axes[1]}); it must be ICRS or FK5 of 2000"
        )
    # What is missing counts as 0, or 1 degree a pixel: rules that no image of the sky goes by.
    if missing := [key for key in _NEEDED if key not in cards]:
        raise FileFormatError(f"the WCS has no {', '.join(missing)}")
    if not any(_SCALE.fullmatch(key) for key in cards):
        raise FileFormatError("the WCS has no scale: neither CD nor PC nor CDELT cards")
    check_numbers(wcs.wcs.crval, wcs.wcs.crpix, wcs.pixel_scale_matrix)
    return wcs


def _check_declination(cards: Mapping[str, Card], axes: Sequence[str]) -> None:
    """Refuse a reference position beyond a pole, which wcslib tells in words of its own."""
    for i, axis in enumerate(axes, 1):
        value, unit = cards.get(f"CRVAL{i}", 0.0), str(cards.get(f"CUNIT{i}", "")).strip() or "deg"
        if axis.startswith("DEC-") and unit == "deg" and not isinstance(value, str) and abs(value) > 90.0:
            raise FileFormatError(
                f"the WCS card CRVAL{i} is {value!r}; a declination lies within -90..90 degrees"
            )


def _is_plain(cards: Mapping[str, Card]) -> bool:
    """Tell whether cards are those of a projection that wcslib knows, without polynomials of others."""
    kinds = {str(cards.get(f"CTYPE{i}", "")).strip()[4:] for i in (1, 2)}
    if any(_BY_ASTROPY.match(key) for key in cards):
        return False
    return kinds == {"-TPV"} or (kinds == {"-TAN"} and not any(key.startswith("PV") for key in cards))


def _plain_wcs(images: str) -> WCS:
    """Return what ``WCS`` makes of the cards, of which it reads most of its time in search of others."""
    wcs = WCS(naxis=2, fix=False)
    wcs.wcs = Wcsprm(header=images.encode("ascii"), relax=True).sub(2)
    wcs.wcs.fix()
    wcs.wcs.set()
    return wcs


def _frame(wcs: WCS) -> str:
    """Return the frame of a WCS; where no card names one, what the FITS standard (4.0, 8.3) says."""
    kinds, equinox = {str(kind)[:4] for kind in wcs.wcs.ctype}, float(wcs.wcs.equinox)
    if kinds != {"RA--", "DEC-"}:
        return "galactic" if kinds == {"GLON", "GLAT"} else "neither equatorial nor galactic"
    name = str(wcs.wcs.radesys).lower()
    if not name:
        name = "icrs" if math.isnan(equinox) else "fk4" if equinox < 1984.0 else "fk5"
    if name == "icrs":
        return name
    return f"{name} of {2000.0 if math.isnan(equinox) and name == 'fk5' else equinox:g}"


def _explicit_poles(cards: Mapping[str, Card], wcs: WCS) -> dict[str, float]:
    """Return LONPOLE and LATPOLE if cards give values other than those that follow from the rest."""
    if "LONPOLE" not in cards and "LATPOLE" not in cards:
        return {}
    default = _parse({key: cards[key] for key in cards if key not in ("LONPOLE", "LATPOLE")})
    poles = {"LONPOLE": float(wcs.wcs.lonpole), "LATPOLE": float(wcs.wcs.latpole)}
    plain = (float(default.wcs.lonpole), float(default.wcs.latpole))
    return {} if tuple(poles.values()) == plain else poles


def _moved_sip(sip: Any, crpix: NDArray[np.float64]) -> Any:
    """Return the same SIP polynomials about another reference pixel."""
    return type(sip)(sip.a, sip.b, sip.ap, sip.bp, crpix)
