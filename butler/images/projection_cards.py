"""The cards that a projection is read from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from ..errors import FileFormatError

__all__ = ["Card", "card_images", "check_numbers", "is_wcs_card", "projection_cards"]

Card = str | int | float

_PLAIN: Final = (str, int, float)
_NUMERIC: Final = re.compile(
    r"(CRVAL|CRPIX|CDELT|CROTA)\d|(CD|PC|PV)\d_\d+|LONPOLE|LATPOLE|EQUINOX|(A|B|AP|BP)_\w+"
)
_READ: Final = re.compile(
    r"WCSAXES|C(RPIX|RVAL|TYPE|UNIT|DELT|ROTA)\d|(PC|CD)\d_\d|PC00\d00\d|P[VS]\d_\d+|(A|B|AP|BP)_\w+|RADE(SYS|CSYS)"
    r"|EQUINOX|EPOCH|LONPOLE|LATPOLE|PROJP\d|C[PQ]DIS\d|D[PQ]\d|D2IM\w*|AXISCORR|WAT\d_\d+"
)
"""Cards that a projection is read from; astropy takes long over the others."""
_DEGREES: Final = re.compile(r" *deg(ree)?s? *", re.IGNORECASE)
"""What headers call degrees."""


@lru_cache(maxsize=4096)
def is_wcs_card(name: str) -> bool:
    """Tell by its name whether a header card may belong to a projection."""
    return _READ.fullmatch(name) is not None


def projection_cards(header: Mapping[str, Any]) -> dict[str, Card]:
    """Return those cards of a header that a projection is read from.

    Raises
    ------
    FileFormatError
        Raised for one that must be a finite number, and is none.
    """
    cards: dict[str, Card] = {}
    for key in header:
        kind = _kind_of(key)
        if not kind:
            continue
        value = header[key]
        if type(value) not in _PLAIN:
            value = value.item() if isinstance(value, np.generic) else value
            if not isinstance(value, _PLAIN):
                continue
        if kind == "number" and (isinstance(value, str) or not math.isfinite(value)):
            raise FileFormatError(f"the WCS card {key} is {value!r}, it must be a finite number")
        if kind == "order" and value not in range(10):
            raise FileFormatError(f"the WCS card {key} is {value!r}, it must be an order from 0 to 9")
        cards[key] = "deg" if kind == "unit" and _DEGREES.fullmatch(str(value)) else value
    return cards


def card_images(cards: Mapping[str, Card]) -> str:
    """Return cards as FITS text, numbers with all their digits."""
    has_sip = "A_ORDER" in cards and "B_ORDER" in cards
    images = []
    for key, value in cards.items():
        image = f"{key:<8}= {_value_text(key, value, has_sip):>20}"
        if len(image) <= 80 and image.isascii() and image.isprintable():
            images.append(image.ljust(80))
    return "".join(images)


def _value_text(key: str, value: Card, has_sip: bool) -> str:
    if not isinstance(value, str):
        return "FT"[value] if isinstance(value, bool) else repr(value).upper()
    # Astropy applies the polynomials in any case, and says so at length where CTYPE does not name them.
    unnamed = has_sip and re.fullmatch(r"CTYPE[12]", key) and not value.rstrip().endswith("-SIP")
    text = f"{value.rstrip()}-SIP" if unnamed else value
    return "'{}'".format(text.replace("'", "''").ljust(8))


def check_numbers(crval: Iterable[float], crpix: Iterable[float], cd: ArrayLike) -> None:
    """Refuse numbers of a projection that map nothing.

    Raises
    ------
    FileFormatError
        Raised if one is not finite, or the matrix is not 2 x 2, or singular.
    """
    if np.shape(cd) != (2, 2):
        raise FileFormatError(f"the CD matrix of a WCS must be 2 x 2, not of shape {np.shape(cd)}")
    (xx, xy), (yx, yy) = np.asarray(cd, dtype=float).tolist()
    if not all(map(math.isfinite, (*crval, *crpix, xx, xy, yx, yy))):
        raise FileFormatError("the WCS has values that are not finite")
    if xx * yy - xy * yx == 0:
        raise FileFormatError("the WCS is singular: its CD matrix has determinant 0")


@lru_cache(maxsize=4096)
def _kind_of(name: str) -> str:
    """Return what a card of a projection must hold: a number, order, unit, or any text; empty for others."""
    if not is_wcs_card(name) or len(name) > 8:
        return ""
    if re.fullmatch(r"(A|B|AP|BP)_ORDER", name):
        return "order"
    return "number" if _NUMERIC.fullmatch(name) else "unit" if name.startswith("CUNIT") else "text"
