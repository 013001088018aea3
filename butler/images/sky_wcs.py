"""SkyWcs: between parent pixels and the sky."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import FileFormatError

if TYPE_CHECKING:
    from astropy.wcs import WCS

__all__ = ["SkyWcs", "is_wcs_card"]

_NUMERIC: Final = re.compile(
    r"(CRVAL|CRPIX|CDELT|CROTA)\d|(CD|PC|PV)\d_\d+|LONPOLE|LATPOLE|EQUINOX|(A|B|AP|BP)_\w+"
)
_PROJECTION: Final = re.compile(
    r"WCSAXES|C(RPIX|RVAL|TYPE|UNIT)\d|(PC|CD)\d_\d|CDELT\d|P[VS]\d_\d+|[AB]P?_(ORDER|DMAX|\d+_\d+)|RADESYS|EQUINOX"
)
"""Cards of the projection; what wcslib says of times besides would contradict the cards of the visit."""
_READ: Final = re.compile(
    r"WCSAXES|C(RPIX|RVAL|TYPE|UNIT|DELT|ROTA)\d|(PC|CD)\d_\d|PC00\d00\d|P[VS]\d_\d+|(A|B|AP|BP)_\w+|RADE(SYS|CSYS)"
    r"|EQUINOX|EPOCH|LONPOLE|LATPOLE|PROJP\d|C[PQ]DIS\d|D[PQ]\d|D2IM\w*|AXISCORR|WAT\d_\d+"
)
"""Cards that a projection is read from; astropy takes long over the others."""
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


@lru_cache(maxsize=4096)
def is_wcs_card(name: str) -> bool:
    """Tell by its name whether a header card may belong to what `SkyWcs` reads."""
    return _READ.fullmatch(name) is not None


class SkyWcs:
    """A celestial WCS in parent pixel coordinates (0-based, pixel centres at integers).

    Parameters
    ----------
    header
        FITS WCS cards of the image whose first pixel lies at ``xy0``.
    xy0
        Parent coordinates ``(x, y)`` of that first pixel.

    Raises
    ------
    FileFormatError
        Raised if the cards do not hold a finite two-dimensional equatorial WCS.

    Notes
    -----
    Equality compares the cards written for the origin (0, 0).
    """

    def __init__(self, header: Mapping[str, Any], xy0: tuple[int, int] = (0, 0)) -> None:
        wcs = _parse(header)
        self._poles = _explicit_poles(header, wcs)
        wcs.wcs.crpix = wcs.wcs.crpix + np.asarray(xy0, dtype=float)
        if wcs.sip is not None:
            # astropy keeps the reference pixel of SIP terms apart from that of the linear part.
            wcs.sip = _moved_sip(wcs.sip, wcs.wcs.crpix)
        self._wcs = wcs

    @classmethod
    def make_tan(
        cls,
        *,
        crval: tuple[float, float],
        crpix: tuple[float, float],
        cd: ArrayLike,
        projection: str = "TAN",
    ) -> SkyWcs:
        """Make an undistorted WCS.

        Parameters
        ----------
        crval
            Right ascension and declination at the reference pixel, ICRS degrees.
        crpix
            Reference position ``(x, y)``, parent pixels (0-based).
        cd
            Degrees per pixel, 2 x 2.
        projection
            Three-letter code of a FITS projection.

        Raises
        ------
        FileFormatError
            Raised if a number is not finite, the matrix is singular, or there is no such projection.
        """
        from astropy.wcs import WCS, WcsError

        wcs = WCS(naxis=2)
        made = cls.__new__(cls)
        made._poles, made._wcs = {}, wcs
        try:
            wcs.wcs.ctype = [f"RA---{projection}", f"DEC--{projection}"]
            wcs.wcs.cunit = ["deg", "deg"]
            wcs.wcs.crval = [float(value) for value in crval]
            wcs.wcs.crpix = [float(value) + 1.0 for value in crpix]
            wcs.wcs.cd = np.asarray(cd, dtype=float)
            wcs.wcs.radesys = "ICRS"
            _check_numbers(wcs)
            wcs.wcs.set()
        except (WcsError, ValueError) as error:
            if isinstance(error, FileFormatError):
                raise
            raise FileFormatError(f"cannot make a WCS: {' '.join(str(error).split())}") from error
        return made

    def pixelToSky(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return right ascension and declination (ICRS degrees) of parent positions; NaN where undefined."""
        sky = self._wcs.all_pix2world(x, y, 0)
        ra, dec = sky[self._wcs.wcs.lng], sky[self._wcs.wcs.lat]
        return np.asarray(ra, dtype=float), np.asarray(dec, dtype=float)

    def skyToPixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return parent positions of sky positions (ICRS degrees); NaN where undefined."""
        sky = (ra, dec) if self._wcs.wcs.lng == 0 else (dec, ra)
        position = np.array(self._wcs.all_world2pix(*sky, 0, quiet=True, tolerance=_TOLERANCE))
        if self._wcs.sip is not None:
            # Far from the image the polynomials may have no inverse, and the search ends anywhere.
            there = self._wcs.wcs_world2pix(*self._wcs.all_pix2world(*position, 0), 0)
            wanted = self._wcs.wcs_world2pix(*sky, 0)
            lost = ~(np.hypot(*np.subtract(there, wanted)) < _LOST)
            position = np.where(lost, np.nan, position)
        x, y = position
        return np.asarray(x, dtype=float), np.asarray(y, dtype=float)

    @property
    def pixel_scale(self) -> float:
        """Arcseconds per pixel at the reference position (geometric mean of both axes)."""
        from astropy.wcs.utils import proj_plane_pixel_scales

        return float(math.sqrt(np.prod(proj_plane_pixel_scales(self._wcs)))) * 3600.0

    def to_header(self, xy0: tuple[int, int] = (0, 0)) -> dict[str, Any]:
        """Return FITS cards for an image whose first pixel lies at ``xy0``."""
        header = self._wcs.to_header(relax=True)
        cards: dict[str, Any] = {
            key: float(header[key]) if isinstance(header[key], float) else header[key]
            for key in header
            if _PROJECTION.fullmatch(key)
        }
        # wcslib prints 12 digits; the exact numbers go over them.
        for i in (1, 2):
            cards[f"CRPIX{i}"] = float(self._wcs.wcs.crpix[i - 1]) - xy0[i - 1]
            cards[f"CRVAL{i}"] = float(self._wcs.wcs.crval[i - 1])
        for i, m, value in self._wcs.wcs.get_pv():
            cards[f"PV{i}_{m}"] = float(value)
        scale = self._wcs.pixel_scale_matrix
        for i in (1, 2):
            cards.pop(f"CDELT{i}", None)
            for j in (1, 2):
                cards.pop(f"PC{i}_{j}", None)
                cards[f"CD{i}_{j}"] = float(scale[i - 1, j - 1])
        cards.setdefault("RADESYS", "ICRS")
        return cards | self._poles

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SkyWcs):
            return NotImplemented
        return self.to_header() == other.to_header()

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        return {"header": self.to_header()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["header"])  # type: ignore[misc]

    def __repr__(self) -> str:
        ra, dec = self._wcs.wcs.crval
        return f"SkyWcs({self._wcs.wcs.ctype[0]}, crval=({ra:.6f}, {dec:.6f}), {self.pixel_scale:.4f} arcsec)"


def _parse(header: Mapping[str, Any]) -> WCS:
    """Parse WCS cards; refuse what is not a finite equatorial WCS of two axes."""
    from astropy.wcs import WCS, FITSFixedWarning, WcsError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            images = _card_images(header)
            wcs = _plain_wcs(images) if _is_plain(header) else WCS(images, naxis=2)
            is_celestial = wcs.has_celestial
        except (WcsError, ValueError, KeyError, TypeError, AttributeError, MemoryError) as error:
            if isinstance(error, FileFormatError):
                raise
            reason = _PLACE_IN_WCSLIB.sub("", " ".join(str(error).split()))
            raise FileFormatError(f"cannot read a WCS: {reason}") from error
    axes = [str(header.get(f"CTYPE{i}", "")).strip() or "nothing" for i in (1, 2)]
    if not is_celestial:
        raise FileFormatError(f"no celestial WCS: CTYPE1 and CTYPE2 are {axes[0]} and {axes[1]}")
    frame = _frame(wcs)
    if frame not in ("icrs", "fk5 of 2000"):
        raise FileFormatError(
            f"the WCS is in the frame {frame} ({axes[0]}, {axes[1]}); it must be ICRS or FK5 of 2000"
        )
    if axes[0][5:8] in _FOREIGN_PROJECTIONS:
        raise FileFormatError(f"a WCS with {axes[0]} is IRAF's own; refit it as TPV or TAN-SIP")
    # What is missing counts as 0, or 1 degree a pixel: rules that no image of the sky goes by.
    if missing := [key for key in _NEEDED if key not in header]:
        raise FileFormatError(f"the WCS has no {', '.join(missing)}")
    if not any(_SCALE.fullmatch(key) for key in header):
        raise FileFormatError("the WCS has no scale: neither CD nor PC nor CDELT cards")
    _check_numbers(wcs)
    return wcs


def _is_plain(header: Mapping[str, Any]) -> bool:
    """Tell whether cards are those of a projection that wcslib knows, without polynomials of others."""
    kinds = {str(header.get(f"CTYPE{i}", "")).strip()[4:] for i in (1, 2)}
    if any(_BY_ASTROPY.match(key) for key in header):
        return False
    return kinds == {"-TPV"} or (kinds == {"-TAN"} and not any(key.startswith("PV") for key in header))


def _plain_wcs(images: str) -> WCS:
    """Return what ``WCS`` makes of the cards, of which it reads most of its time in search of others."""
    from astropy.wcs import WCS, Wcsprm

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


def _check_numbers(wcs: WCS) -> None:
    """Refuse a WCS that maps nothing."""
    numbers = np.concatenate([wcs.wcs.crval, wcs.wcs.crpix, wcs.pixel_scale_matrix.ravel()])
    if not np.all(np.isfinite(numbers)):
        raise FileFormatError("the WCS has values that are not finite")
    if abs(np.linalg.det(wcs.pixel_scale_matrix)) == 0:
        raise FileFormatError("the WCS is singular: its CD matrix has determinant 0")


def _card_images(header: Mapping[str, Any]) -> str:
    """Return the cards that a WCS can be made of as FITS text, numbers with all their digits."""
    has_sip = "A_ORDER" in header and "B_ORDER" in header
    images = []
    for key in header:
        value = header[key]
        if isinstance(value, np.generic):
            value = value.item()
        if not is_wcs_card(key) or len(key) > 8 or not isinstance(value, str | int | float):
            continue
        _check_card(key, value)
        if isinstance(value, str):
            if has_sip and re.fullmatch(r"CTYPE[12]", key) and not value.rstrip().endswith("-SIP"):
                # Astropy applies the polynomials in any case, and says so at length.
                value = f"{value.rstrip()}-SIP"
            text = "'{}'".format(value.replace("'", "''").ljust(8))
        else:
            text = "FT"[value] if isinstance(value, bool) else repr(value).upper()
        image = f"{key:<8}= {text:>20}"
        if len(image) <= 80 and image.isascii() and image.isprintable():
            images.append(image.ljust(80))
    return "".join(images)


def _check_card(key: str, value: str | int | float) -> None:
    if re.fullmatch(r"(A|B|AP|BP)_ORDER", key):
        if value not in range(10):
            raise FileFormatError(f"the WCS card {key} is {value!r}, it must be an order from 0 to 9")
    elif _NUMERIC.fullmatch(key) and (isinstance(value, str) or not math.isfinite(value)):
        raise FileFormatError(f"the WCS card {key} is {value!r}, it must be a finite number")


def _explicit_poles(header: Mapping[str, Any], wcs: WCS) -> dict[str, float]:
    """Return LONPOLE and LATPOLE if the header gives values other than those that follow from the rest."""
    if "LONPOLE" not in header and "LATPOLE" not in header:
        return {}
    default = _parse({key: header[key] for key in header if key not in ("LONPOLE", "LATPOLE")})
    poles = {"LONPOLE": float(wcs.wcs.lonpole), "LATPOLE": float(wcs.wcs.latpole)}
    plain = (float(default.wcs.lonpole), float(default.wcs.latpole))
    return {} if tuple(poles.values()) == plain else poles


def _moved_sip(sip: Any, crpix: NDArray[np.float64]) -> Any:
    """Return the same SIP polynomials about another reference pixel."""
    return type(sip)(sip.a, sip.b, sip.ap, sip.bp, crpix)
