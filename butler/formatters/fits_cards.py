"""Values of a FITS header's cards, without the time that an editable header takes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["CardValues", "card_items", "card_values"]

_CARD: Final = 80
_FIELDS: Final = np.dtype([("name", "S8"), ("sign", "<u2"), ("rest", "V70")])
"""What stands where in a card."""
_HAS_VALUE: Final = int.from_bytes(b"= ", "little")
_KEY: Final = re.compile(r"[A-Z0-9_-]+")
_ODD: Final = ("CONTINUE", "HIERARCH", "\0")
"""What cards have whose names or values do not stand where those of others do."""
_HIERARCH: Final = re.compile(r"HIERARCH ([A-Z0-9_-]+(?: [A-Z0-9_-]+)*) = ")
"""A name that is longer than others, up to its value."""
_NO_VALUE: Final = frozenset({"", "COMMENT", "HISTORY", "END"})
_VALUE: Final = re.compile(
    r" *(?:'(?P<text>(?:[^']|'')*)'|(?P<logical>[TF])|(?P<integer>[+-]?\d+)"
    r"|(?P<real>[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[ED]))(?:[ED][+-]?\d+)?))? *(?:/.*)?",
    re.ASCII,
)
"""A value and a comment, as the FITS standard (version 4.0, section 4.2) writes them."""
_NOT_FINITE: Final = re.compile(r"[ ']*([+-]?(?:NAN|INF(?:INITY)?))[ ']*(?:/.*)?", re.IGNORECASE)
"""Value and comment of a card whose number is none, in the quotes that astropy puts around it."""


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
        for end in np.flatnonzero(cards["name"] == b"END     ").tolist():
            if not self._text[_CARD * end + 8 : _CARD * (end + 1)].strip():
                cards = cards[:end]
                break
        has_value = cards["sign"] == _HAS_VALUE
        others = set(cards["name"][~has_value].astype(str).tolist())
        if not _NO_VALUE.issuperset(map(str.rstrip, others)):
            # astropy finds a value even there.
            return None
        begins = _CARD * np.flatnonzero(has_value)
        # Backwards, so that of cards with the same name the first stays.
        begins = begins[::-1]
        names = cards["name"][begins // _CARD].astype(str).tolist()
        # Names that astropy would correct: with small letters, or blanks before them.
        if not (joined := "".join(names)).isupper() or not _KEY.fullmatch(joined[::8]):
            return None
        return dict(zip(map(str.rstrip, names), begins.tolist(), strict=True))


def card_values(text: str) -> dict[str, Any]:
    """Return the values of all cards but comments; of a repeated card the first.

    Parameters
    ----------
    text
        Cards of 80 characters each.
    """
    values: dict[str, Any] = {}
    for key, value in card_items(text):
        if value is not None:
            values.setdefault(key, value)
    return values


def card_items(text: str) -> Iterator[tuple[str, Any]]:
    """Return names and values of all cards but comments, in order; None for what is no value.

    astropy reads what is not plain: long texts, record values, and cards that break the rules, of which it
    mends some. NaN and infinity, for which FITS has no words, are what they say, so that nobody takes them
    for cards that are not there.

    Parameters
    ----------
    text
        Cards of 80 characters each.
    """
    if "CONTINUE" in text:
        yield from _items_by_astropy(text)
        return
    for begin in range(0, len(text), _CARD):
        card = text[begin : begin + _CARD]
        key = card[:8].rstrip()
        if key == "END" and not card[8:].strip():
            return
        if key in _NO_VALUE:
            continue
        long_name = _HIERARCH.match(card) if key == "HIERARCH" else None
        plain = long_name or (card[8:10] == "= " and _KEY.fullmatch(key))
        match = _VALUE.fullmatch(card, long_name.end() if long_name else 10) if plain else None
        if match is None or _may_be_record(match):
            yield from _items_by_astropy(card)
        else:
            yield long_name[1] if long_name else key, None if match.lastgroup is None else _plain(match)


def _items_by_astropy(text: str) -> Iterator[tuple[str, Any]]:
    from astropy.io import fits

    for card in fits.Header.fromstring(text).cards:
        if card.keyword in _NO_VALUE:
            continue
        try:
            value = card.value
        except fits.VerifyError:
            value = _not_finite(card)
        yield card.keyword, None if isinstance(value, fits.card.Undefined) else value


def _not_finite(card: fits.Card) -> float | None:
    """Return what a card that breaks the rules says if that is NaN or infinity."""
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        found = _NOT_FINITE.fullmatch(card.image, 10)
    return None if found is None else float(found[1])


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
