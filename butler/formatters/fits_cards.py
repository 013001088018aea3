"""Values of a FITS header's cards, without the time that an editable header takes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = ["CardValues", "card_items", "card_values"]

_CARD: Final = 80
_VALUE_AT: Final = 10
"""Where the value begins in a card."""
_HEAD: Final = np.dtype([("name", "S8"), ("sign", "<u2")])
"""What stands before it."""
_HAS_VALUE: Final = int.from_bytes(b"= ", "little")
_KEY: Final = re.compile(r"[A-Z0-9_-]+")
_ODD: Final = frozenset({b"CONTINUE", b"HIERARCH"})
"""What cards are called whose names or values do not stand where those of others do."""
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
        raw = text.encode("ascii", "replace")
        heads = np.ndarray(len(raw) // _CARD, f"V{_VALUE_AT}", raw, strides=(_CARD,))
        self._names = _card_names(heads.tobytes())
        self._places = None if "\0" in text else self._names.places
        """Where the first card of each name with a value begins; None if names may stand elsewhere."""
        end = self._names.end
        if end is not None and text[_CARD * end + 8 : _CARD * (end + 1)].strip():
            self._places = None

    def __getitem__(self, key: str) -> Any:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a card, or the default."""
        places = self._places
        if places is None:
            return self.all.get(key, default)
        begin = places.get(key)
        if begin is None:
            return default if _may_be_name(key) else self.all.get(key, default)
        value = _plain_value(self._text[begin + _VALUE_AT : begin + _CARD])
        return self.all.get(key, default) if value is None else value

    def __iter__(self) -> Iterator[str]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def select(self, wanted: Callable[[str], object]) -> dict[str, Any]:
        """Return the cards with certain names, without a look at the others.

        Parameters
        ----------
        wanted
            Tells whether a name is one of them; always the same function for the same question.
        """
        if self._places is None:
            return {name: value for name, value in self.all.items() if wanted(name)}
        found = {name: self.get(name) for name in self._names.names_that(wanted)}
        return {name: value for name, value in found.items() if value is not None}

    def may_have(self, wanted: Callable[[str], object]) -> bool:
        """Tell whether there may be a card, with a value or not, with a certain name; see `select`."""
        return self._places is None or bool(self._names.names_that(wanted))

    @cached_property
    def all(self) -> dict[str, Any]:
        """All values; not to be changed."""
        return card_values(self._text)


class _CardNames:
    """The names of a header's cards, which the headers of one camera have in common.

    Parameters
    ----------
    heads
        The first ten characters of each card.
    """

    def __init__(self, heads: bytes) -> None:
        cards = np.frombuffer(heads, _HEAD)
        ends = np.flatnonzero(cards["name"] == b"END     ").tolist()
        self.end: int | None = ends[0] if ends else None
        """Number of the first card that is END if nothing else stands in it."""
        self.places = _places_of(cards[: self.end])
        """Where the first card of each name with a value begins; None if names may stand elsewhere."""
        self._chosen: dict[Callable[[str], object], list[str]] = {}

    def names_that(self, wanted: Callable[[str], object]) -> list[str]:
        """Return the names of which something holds."""
        chosen = self._chosen.get(wanted)
        if chosen is None:
            chosen = self._chosen[wanted] = list(filter(wanted, self.places or ()))
        return chosen


_card_names: Final = lru_cache(maxsize=256)(_CardNames)


def _places_of(cards: NDArray[np.void]) -> dict[str, int] | None:
    has_value = cards["sign"] == _HAS_VALUE
    if not _ODD.isdisjoint(cards["name"].tolist()):
        return None
    others = set(cards["name"][~has_value].astype(str).tolist())
    if not _NO_VALUE.issuperset(map(str.rstrip, others)):
        # astropy finds a value even there.
        return None
    numbers = np.flatnonzero(has_value)
    names = cards["name"][numbers].astype(str).tolist()
    # Names that astropy would correct: with small letters, or blanks before them.
    if not (joined := "".join(names)).isupper() or not _KEY.fullmatch(joined[::8]):
        return None
    places: dict[str, int] = {}
    for name, place in zip(names, (_CARD * numbers).tolist(), strict=True):
        places.setdefault(name.rstrip(), place)
    return places


@lru_cache(maxsize=1024)
def _may_be_name(key: str) -> bool:
    """Tell whether something may be a card's name; what looks like one within a value has other signs."""
    return " " in key or _KEY.fullmatch(key) is not None


@lru_cache(maxsize=8192)
def _plain_value(text: str) -> Any:
    """Return what stands in a card, as in many of one camera; None if it has no value, or is not plain."""
    match = _VALUE.fullmatch(text)
    if match is None or match.lastgroup is None or _may_be_record(match):
        return None
    return _plain(match)


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
    for card in _whole_cards(text):
        if card.startswith("END") and card[:_CARD].rstrip() == "END":
            return
        yield from _items_of(card)


def _whole_cards(text: str) -> Iterator[str]:
    """Yield cards, each with those that continue its value."""
    begin = 0
    for end in range(_CARD, len(text) + _CARD, _CARD):
        if not text.startswith("CONTINUE", end):
            yield text[begin:end]
            begin = end


@lru_cache(maxsize=8192)
def _items_of(card: str) -> tuple[tuple[str, Any], ...]:
    """Return the name and value of a card, as in many of one camera; nothing for a comment."""
    if len(card) > _CARD or card.startswith("CONTINUE"):
        return tuple(_items_by_astropy(card))
    key = card[:8].rstrip()
    if key in _NO_VALUE:
        return ()
    long_name = _HIERARCH.match(card) if key == "HIERARCH" else None
    plain = long_name or (card[8:10] == "= " and _KEY.fullmatch(key))
    match = _VALUE.fullmatch(card, long_name.end() if long_name else _VALUE_AT) if plain else None
    if match is None or _may_be_record(match):
        return tuple(_items_by_astropy(card))
    return ((long_name[1] if long_name else key, None if match.lastgroup is None else _plain(match)),)


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
    """Return what a card that breaks the rules says if that is NaN or infinity, None if not."""
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        try:
            found = _NOT_FINITE.fullmatch(card.image, 10)
        except (ValueError, fits.VerifyError):
            # Signs that are not ASCII between value and comment, say.
            return None
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
