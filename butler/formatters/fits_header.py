"""The cards of an exposure's FITS headers, from and to our values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import FileFormatError, StorageClassError
from ..images import Exposure
from .fits_file import number_card
from .fits_visit import VISIT_CARDS, calib_cards, filter_cards, visit_cards

__all__ = [
    "mask_plane_cards",
    "metadata_from_cards",
    "origin_cards",
    "origin_from_header",
    "planes_from_cards",
    "primary_cards",
]

_MAX_PIXEL: Final = 2**31
# Cards that describe the file, the WCS or a component: they are written from those, never copied.
_STRUCTURAL: Final = re.compile(
    r"SIMPLE|BITPIX|NAXIS\d*|EXTEND|GCOUNT|PCOUNT|XTENSION|TFIELDS|BSCALE|BZERO|BLANK|BUNIT|DATASUM|CHECKSUM"
    r"|EXTNAME|EXTVER|EXTTYPE|INHERIT|END|Z(IMAGE|CMPTYPE|BITPIX|NAXIS\d*|TILE\d*|NAME\d*|VAL\d*|QUANTIZ|DITHER0)"
    r"|WCSAXES[A-Z]?|C(TYPE|UNIT|RPIX|RVAL|DELT|ROTA)\d+[A-Z]?|(CD|PC|PV|PS)\d+_\d+[A-Z]?|RADE(SYS|CSYS)[A-Z]?"
    r"|EQUINOX[A-Z]?|LONPOLE|LATPOLE|LTV\d|LTM\d_\d|(A|B|AP|BP)_(ORDER|DMAX|\d_\d)|MP_\w+|"
    r"COMMENT|HISTORY|"
)
_COMPONENT: Final = re.compile(
    r"FILTER|BAND|FLUXMAG0(ERR)?|EXPID|EXPINFO_V|AR_HDU|ARCHIVE_ID_\w+|EXPTIME|DATE-AVG|TIMESYS|INSTRUMENT|IDNUM"
    r"|(SKYWCS|WCS|PSF|PHOTOCALIB|DETECTOR|VALID_POLYGON|COADD_INPUTS|AP_CORR_MAP|TRANSMISSION_CURVE|FILTER"
    r"|SUMMARYSTATS)_ID"
)
"""Cards of a component, or of the archive that holds it."""


def metadata_from_cards(values: Mapping[str, Any], *, has_visit: bool) -> dict[str, Any]:
    """Return the free cards: those that describe neither the file nor a component.

    Parameters
    ----------
    values
        Values of cards.
    has_visit
        Whether there is a visit, to which its cards belong.
    """
    archived = {key.removeprefix("ARCHIVE_ID_") + "_ID" for key in values if key.startswith("ARCHIVE_ID_")}
    taken = archived | (VISIT_CARDS if has_visit else set())
    return {
        key: value
        for key, value in values.items()
        if key not in taken and not _STRUCTURAL.fullmatch(key) and not _COMPONENT.fullmatch(key)
    }


def origin_cards(xy0: tuple[int, int]) -> dict[str, Any]:
    """Return the cards that give the parent coordinates of the first pixel (LTV and WCS ``A``)."""
    return {
        "LTV1": float(-xy0[0]),
        "LTV2": float(-xy0[1]),
        "CTYPE1A": "LINEAR",
        "CTYPE2A": "LINEAR",
        "CRPIX1A": 1.0,
        "CRPIX2A": 1.0,
        "CRVAL1A": float(xy0[0]),
        "CRVAL2A": float(xy0[1]),
        "CUNIT1A": "PIXEL",
        "CUNIT2A": "PIXEL",
    }


def origin_from_header(header: Mapping[str, Any]) -> tuple[int, int]:
    """Return the parent coordinates of the first pixel; (0, 0) where no card gives them.

    Raises
    ------
    FileFormatError
        Raised if cards give what is no position of a pixel.
    """
    if str(header.get("CTYPE1A", "")).strip() == "LINEAR" and header.get("CRPIX1A") == 1.0:
        keys, sign = ("CRVAL1A", "CRVAL2A"), 1.0
    else:
        keys, sign = ("LTV1", "LTV2"), -1.0
    x, y = (sign * number_card(header, key, 0.0) for key in keys)
    if max(abs(x), abs(y)) >= _MAX_PIXEL:
        raise FileFormatError(f"the image begins at ({x:g}, {y:g}) by the cards {keys[0]} and {keys[1]}")
    return round(x), round(y)


def mask_plane_cards(planes: Mapping[str, int]) -> dict[str, int]:
    """Return the ``MP_<PLANE>`` cards, in alphabetical order.

    Raises
    ------
    StorageClassError
        Raised for a name with other characters than FITS keywords have.
    """
    for name in planes:
        if not re.fullmatch(r"[A-Z0-9_-]{1,60}", name):
            raise StorageClassError(
                f"cannot write the mask plane {name!r}: FITS knows capital letters, digits, _ and - only"
            )
    return {f"MP_{name}": planes[name] for name in sorted(planes)}


def planes_from_cards(items: Sequence[tuple[str, Any]]) -> dict[str, int]:
    """Return the mask planes of ``MP_<PLANE>`` cards, of which the same may be there twice.

    Raises
    ------
    FileFormatError
        Raised if two planes share a bit, if one has two, or if a bit is no number from 0 to 31.
    """
    cards = {(key.removeprefix("MP_"), value) for key, value in items}
    planes = dict(cards)
    bits = set(planes.values())
    if not all(isinstance(bit, int) and 0 <= bit < 32 for bit in bits) or not (
        len(bits) == len(planes) == len(cards)
    ):
        raise FileFormatError(
            f"the mask planes of the header contradict each other: {sorted(cards, key=str)}"
        )
    return planes


def primary_cards(exposure: Exposure) -> dict[str, Any]:
    """Return the cards of the primary header: metadata, filter, calibration and visit."""
    metadata = {key.upper(): value for key, value in exposure.metadata.items()}
    known = {key: value for key, value in visit_cards(exposure.visitInfo).items() if _is_known(value)}
    number = exposure.id if exposure.id is not None or exposure.visitInfo is None else exposure.visitInfo.id
    return {
        **metadata_from_cards(metadata, has_visit=False),
        **filter_cards(exposure.filter),
        **calib_cards(exposure.photoCalib),
        **({} if number is None else {"EXPID": number}),
        **known,
    }


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))
