"""Values of a FITS header's cards, without the time that an editable header takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np
from astropy.io import fits

from .fits_header import header_values

__all__ = ["CardValues", "card_values"]

_CARD: Final = 80
_FIELDS: Final = np.dtype([("name", "S8"), ("sign", "<u2"), ("rest", "V70")])
"""What stands where in a card."""
_HAS_VALUE: Final = int.from_bytes(b"= ", "little")
_KEY: Final = re.compile(r"[A-Z0-9_-]+")
_ODD: Final = ("CONTINUE", "HIERARCH", "\0")
"""What cards have whose names or values do not stand where those of others do."""
_NO_VALUE: Final = frozenset({"", "COMMENT", "HISTORY", "END"})
_VALUE: Final = re.compile(
    r" *(?:'(?P<text>(?:[^']|'')*)'|(?P<logical>[TF])|(?P<integer>[+-]?\d+)"
    r"|(?P<real>[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[ED]))(?:[ED][+-]?\d+)?))? *(?:/.*)?",
    re.ASCII,
)
"""A value and a comment, as the FITS standard (version 4.0, section 4.2) writes them."""


class CardValues(Mapping[str, Any]):
    """The values that `card_values` returns, each read when it is asked for.

    Parameters
    ----------
    text
        Cards of 80 characters each.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __getitem__(self, key: str) -> Any:
        places = None if "all" in self.__dict__ else self._places
        if places is not None:
            begin = places.get(key)
            if begin is None and _KEY.fullmatch(key):
                raise KeyError(key)
            match = None if begin is None else _VALUE.fullmatch(self._text, begin + 10, begin + _CARD)
            if match is not None and match.lastgroup is not None and not _may_be_record(match):
                return _plain(match)
        return self.all[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    @property
    def names(self) -> Iterable[str]:
        """Names of the cards; among them may be some without a value, which `get` gives None for."""
        return self.all if self._places is None else self._places

    @cached_property
    def all(self) -> dict[str, Any]:
        """All values; not to be changed."""
        return card_values(self._text)

    @cached_property
    def _places(self) -> dict[str, int] | None:
        """Where the first card of each name with a value begins; None if names may stand elsewhere."""
        if any(odd in self._text for odd in _ODD):
            return None
        raw = self._text.encode("ascii", "replace")
        cards = np.frombuffer(raw, _FIELDS, count=len(raw) // _CARD)
        begins = _CARD * np.flatnonzero(cards["sign"] == _HAS_VALUE)
        for end in _CARD * np.flatnonzero(cards["name"] == b"END     "):
            if not self._text[end + 8 : end + _CARD].strip():
                begins = begins[begins < end]
                break
        # Backwards, so that of cards with the same name the first stays.
        begins = begins[::-1]
        names = cards["name"][begins // _CARD].astype(str).tolist()
        # Names that astropy would correct: with small letters, or blanks before them.
        if not (joined := "".join(names)).isupper() or not _KEY.fullmatch(joined[::8]):
            return None
        return dict(zip(map(str.rstrip, names), begins.tolist(), strict=True))


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
        if match is None or _may_be_record(match):
            for name, value in header_values(fits.Header.fromstring(card)).items():
                values.setdefault(name, value)
        elif match.lastgroup is not None:
            values[key] = _plain(match)
    return values


def _may_be_record(match: re.Match[str]) -> bool:
    """Tell whether a value may be a record value, which looks like a text: 'AXIS.1: 1.0'."""
    return match.lastgroup == "text" and ": " in match["text"]


def _plain(match: re.Match[str]) -> Any:
    match match.lastgroup:
        case "text":
            return match["text"].replace("''", "'").rstrip()
        case "logical":
            return match["logical"] == "T"
        case "integer":
            return int(match["integer"])
    return float(match["real"].replace("D", "E"))
