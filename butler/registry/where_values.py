"""What constants in a `where` expression mean: numbers, times, identifiers, patterns and regions."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

from ..dimensions import Field, Timespan, time_to_ns
from ..errors import DataIdValueError
from ..regions import SkyRegion
from ..tai import any_year
from .conditions import ValueType

__all__ = [
    "SHAPES",
    "Pattern",
    "calculate",
    "instant",
    "is_list",
    "plain_value",
    "read_time",
    "region_of",
]

_UTC_STYLES: Final = ("iso", "isot", "fits", "yday", "unix")
SHAPES: Final[dict[str, tuple[int | None, Callable[..., SkyRegion]]]] = {
    "POINT": (2, SkyRegion.from_point),
    "CIRCLE": (3, SkyRegion.from_circle),
    "BOX": (4, SkyRegion.from_box),
    "POLYGON": (None, lambda *v: SkyRegion.from_polygon(v[::2], v[1::2])),
}
"""Functions that make a region, with the number of their arguments."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of texts.

    Parameters
    ----------
    parts
        Texts that stand for themselves; None for any run of characters, True for any one character.
    """

    parts: tuple[str | bool | None, ...]

    @classmethod
    def from_glob(cls, text: str) -> Pattern:
        """Read a pattern with ``*`` and ``?``."""
        return cls(tuple({"*": None, "?": True}.get(c, c) for c in text))

    @classmethod
    def from_like(cls, text: str, escape: str | None) -> Pattern:
        """Read a pattern with ``%`` and ``_``; what follows the escape character stands for itself.

        Raises
        ------
        ValueError
            Raised if nothing follows the escape character.
        """
        parts: list[str | bool | None] = []
        characters = iter(text)
        for character in characters:
            if character == escape:
                literal = next(characters, None)
                if literal is None:
                    raise ValueError("the pattern ends with its escape character")
                parts.append(literal)
            else:
                parts.append({"%": None, "_": True}.get(character, character))
        return cls(tuple(parts))

    @property
    def glob(self) -> str:
        """The pattern for SQLite's GLOB."""
        literal = {"*": "[*]", "?": "[?]", "[": "[[]"}
        return "".join(
            "*" if p is None else "?" if p is True else literal.get(str(p), str(p)) for p in self.parts
        )

    @property
    def like(self) -> str:
        r"""The pattern for LIKE with ``\`` as escape character."""
        literal = {"%": r"\%", "_": r"\_", "\\": r"\\"}
        return "".join(
            "%" if p is None else "_" if p is True else literal.get(str(p), str(p)) for p in self.parts
        )


def plain_value(value: Any) -> tuple[Any, ValueType]:
    """Return a given value as a database knows it, with its type.

    Raises
    ------
    ValueError
        Raised if a column cannot have such a value, or it is NaN.
    """
    plain = value.item() if isinstance(value, np.generic | np.ndarray) and value.ndim == 0 else value
    if type(plain) not in (int, float, str):
        if isinstance(plain, uuid.UUID):
            return plain.bytes, "uuid"
        region = SkyRegion.from_value(plain)
        if region is not None:
            return region, "region"
        if isinstance(plain, Timespan):
            return plain, "timespan"
        if hasattr(plain, "scale") or hasattr(plain, "timetuple"):
            return instant(plain), "datetime"
        if plain is None:
            return None, "null"
    if not isinstance(plain, bool | int | float | str):
        raise ValueError(f"cannot compare with {value!r}; bind a number, text, time, timespan or region")
    kind: Any = next(kind for kind in (bool, int, float, str) if isinstance(plain, kind))
    try:
        known = Field("", kind).coerce(plain, "a value in a condition")
    except DataIdValueError as error:
        raise ValueError(str(error)) from None
    if known is None:
        raise ValueError("nothing can be compared with NaN")
    return known, kind.__name__


def is_list(value: Any) -> bool:
    """Tell whether a bound value stands for several; numpy and astropy scalars have the shape ()."""
    return (
        isinstance(value, Iterable)
        and not isinstance(value, str | bytes)
        and getattr(value, "shape", None) != ()
        and SkyRegion.from_value(value) is None
    )


def instant(time: Any) -> int:
    """Return an astropy time, or a `datetime` (UTC unless it says otherwise), as TAI nanoseconds.

    Raises
    ------
    ValueError
        Raised if it is not one instant within 292 years of 1970.
    """
    from astropy.time import Time

    try:
        if not hasattr(time, "scale"):
            with any_year():
                time = Time(time, scale="utc")
        ns = time_to_ns(time)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"cannot use the time {time}: {' '.join(str(error).split())}") from error
    if not -(2**63) <= ns < 2**63:
        raise ValueError(f"cannot use the time {time}: it needs more than 64 bits")
    return ns


@lru_cache(maxsize=256)
def read_time(text: str) -> int:
    """Read ``[format/]value[/scale]``; ISO-like formats are UTC unless they say otherwise.

    Raises
    ------
    ValueError
        Raised if it is no time.
    """
    from astropy.time import Time

    parts = text.split("/")
    scale = parts.pop().lower() if len(parts) > 1 and parts[-1].lower() in Time.SCALES else None
    style = parts.pop(0).lower() if len(parts) > 1 else None
    value: Any = "/".join(parts).removesuffix("+00:00")
    try:
        number = float(value) if "." in value and ":" not in value else None
    except ValueError:
        number = None
    if value.upper().endswith("Z"):
        raise ValueError(f"cannot read the time {text!r}: write the scale after it, /utc or /tai, not Z")
    if style is None and value.startswith("+"):
        style = "fits"
    try:
        if number is not None or style in ("mjd", "jd"):
            style, value = style or "mjd", float(value)
        default = "utc" if style is None or style in _UTC_STYLES else "tt" if style == "cxcsec" else "tai"
        with any_year():
            time = Time(value, format=style, scale=scale or default)
    except ValueError as error:
        raise ValueError(f"cannot read the time {text!r}: {' '.join(str(error).split())}") from error
    return instant(time)


def calculate(operator: str, left: Any, right: Any) -> Any:
    """Return what two constants make, as the database would; a division by zero is not known.

    Raises
    ------
    ValueError
        Raised if the result is out of range.
    """
    if left is None or right is None:
        return None
    try:
        match operator:
            case "+":
                found = left + right
            case "-":
                found = left - right
            case "*":
                found = left * right
            case "/":
                found = left / right if right else None
            case _:
                # The sign of the dividend, as in SQL.
                found = (abs(left) % abs(right)) * (-1 if left < 0 else 1) if right else None
    except OverflowError:
        raise ValueError("the result is too large") from None
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError("the result is not finite")
    if isinstance(found, int) and not -(2**63) <= found < 2**63:
        raise ValueError("the result needs more than 64 bits")
    return found


def region_of(shape: str, numbers: Sequence[float]) -> SkyRegion:
    """Return the region of POINT, CIRCLE, BOX or POLYGON.

    Raises
    ------
    ValueError
        Raised if it has another number of arguments, or they make no region.
    """
    count, make = SHAPES[shape]
    if len(numbers) != count if count is not None else len(numbers) < 6 or len(numbers) % 2:
        wanted = count if count is not None else "three or more ra, dec pairs of"
        raise ValueError(f"{shape} takes {wanted} numbers, not {len(numbers)}")
    return make(*numbers)
