"""Values as the text of FITS cards."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from typing import Any, Final

from ..errors import StorageClassError

__all__ = ["header_text"]

_CARD: Final = 80
_BLOCK: Final = 2880
_SHORT_NAME: Final = re.compile(r"[A-Z0-9_-]{1,8}")
_LONG_NAME: Final = re.compile(r"[A-Z0-9_-]+(?: [A-Z0-9_-]+)*")
_COMMENTS: Final = ("", "COMMENT", "HISTORY")
_NO_VALUE: Final = (*_COMMENTS, "CONTINUE", "HIERARCH", "END")


def header_text(cards: Mapping[str, Any]) -> str:
    """Return a header with END, filled up to a whole block.

    None, and what is not finite, is left out; names over 8 characters are HIERARCH; numbers keep all their
    digits. Long texts, which take several cards, are written by astropy.

    Parameters
    ----------
    cards
        Values by name; small letters of a name become capital ones.

    Raises
    ------
    StorageClassError
        Raised for a name or value that cannot stand in a FITS header.
    """
    plain = {key.upper(): value.item() if hasattr(value, "item") else value for key, value in cards.items()}
    known = {key: value for key, value in plain.items() if _is_known(value)}
    text = "".join(_card_text(key, value) for key, value in known.items()) + "END".ljust(_CARD)
    return text.ljust(-(-len(text) // _BLOCK) * _BLOCK)


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _card_text(key: str, value: Any) -> str:
    """Return a card, or the several ones that a long text takes."""
    if isinstance(value, str):
        value = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in value)
    text = _value_text(value)
    name = key.removeprefix("HIERARCH ")
    if text is not None and _LONG_NAME.fullmatch(name) and key not in _NO_VALUE:
        is_short = _SHORT_NAME.fullmatch(key)
        image = f"{key:<8}= {text:>20}" if is_short else f"HIERARCH {name} = {text.rstrip()}"
        if len(image) <= _CARD:
            return image.ljust(_CARD)
    return _text_by_astropy(key, value)


def _value_text(value: Any) -> str | None:
    """Return a value as it stands in a card, None if it is of a rarer type."""
    match value:
        case bool():
            return "T" if value else "F"
        case int():
            return str(value)
        case float():
            mantissa, exponent_sign, exponent = str(value).upper().partition("E")
            point = "" if "." in mantissa else ".0"
            return mantissa + point + exponent_sign + exponent
        case str():
            # A text begins in its column, however short it is.
            return "'{}'".format(value.replace("'", "''").ljust(8 if value else 0)).ljust(20)
    return None


def _text_by_astropy(key: str, value: Any) -> str:
    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = str(fits.Card(key, value).image)
            known = value.rstrip() if isinstance(value, str) else value
            if key not in _COMMENTS and fits.Card.fromstring(image).value != known:
                raise ValueError("it is too long")
            return image
    except (ValueError, TypeError) as error:
        raise StorageClassError(f"cannot write {key!r} = {value!r} as a FITS card: {error}") from error
