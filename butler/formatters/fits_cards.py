"""card_values: the values of a FITS header's cards, without the time that an editable header takes."""

from __future__ import annotations

import re
from typing import Any, Final

from astropy.io import fits

from .fits_header import header_values

__all__ = ["card_values"]

_CARD: Final = 80
_KEY: Final = re.compile(r"[A-Z0-9_-]+")
_NO_VALUE: Final = frozenset({"", "COMMENT", "HISTORY", "END"})
_VALUE: Final = re.compile(
    r" *(?:'(?P<text>(?:[^']|'')*)'|(?P<logical>[TF])|(?P<integer>[+-]?\d+)"
    r"|(?P<real>[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[ED]))(?:[ED][+-]?\d+)?))? *(?:/.*)?",
    re.ASCII,
)
"""A value and a comment, as the FITS standard (version 4.0, section 4.2) writes them."""


def card_values(text: str) -> dict[str, Any]:
    """Return the values of all cards but comments; of a repeated card the first.

    The same as `header_values` of the parsed header, which reads what is not plain: long texts, HIERARCH
    cards, record values, and cards that break the rules.

    Parameters
    ----------
    text
        Cards of 80 characters each.
    """
    if "CONTINUE" in text:
        return header_values(fits.Header.fromstring(text))
    values: dict[str, Any] = {}
    for begin in range(0, len(text), _CARD):
        card = text[begin : begin + _CARD]
        key = card[:8].rstrip()
        if key == "END" and not card[8:].strip():
            break
        if key in _NO_VALUE or key in values:
            continue
        plain = card[8:10] == "= " and _KEY.fullmatch(key)
        match = _VALUE.fullmatch(card, 10) if plain else None
        # Record values look like texts: 'AXIS.1: 1.0'.
        if match is None or (match["text"] and ": " in match["text"]):
            for name, value in header_values(fits.Header.fromstring(card)).items():
                values.setdefault(name, value)
        elif match.lastgroup is not None:
            values[key] = _plain(match)
    return values


def _plain(match: re.Match[str]) -> Any:
    match match.lastgroup:
        case "text":
            return match["text"].replace("''", "'").rstrip()
        case "logical":
            return match["logical"] == "T"
        case "integer":
            return int(match["integer"])
    return float(match["real"].replace("D", "E"))
