"""Instants as TAI nanoseconds since 1970-01-01T00:00:00 TAI; astropy is only imported for its own times."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = [
    "NS_PER_DAY",
    "any_year",
    "ns_to_iso",
    "ns_to_mjd",
    "ns_to_time",
    "parse_iso",
    "time_to_ns",
]

NS_PER_DAY: Final = 86_400_000_000_000
_EPOCH_MJD: Final = 40587
_EPOCH: Final = date(1970, 1, 1).toordinal()
_WHOLE_LEAPS: Final = "1972"
"""Since then TAI and UTC differ by whole seconds, which change between days."""
_ISO: Final = re.compile(r"(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?", re.ASCII)


@contextmanager
def any_year() -> Iterator[None]:
    """Keep astropy and erfa from warnings of years without known leap seconds: TAI is what we keep."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*dubious year")
        yield


def time_to_ns(time: Time) -> int:
    """Return TAI nanoseconds since 1970-01-01T00:00:00 TAI, exact to the nanosecond."""
    with any_year():
        tai = time.tai
    day, fraction = divmod(tai.jd1 - 2400000.5 - _EPOCH_MJD, 1)
    return int(day) * NS_PER_DAY + round(float(fraction + tai.jd2) * NS_PER_DAY)


def ns_to_time(ns: int) -> Time:
    """Return the TAI time of nanoseconds since 1970-01-01T00:00:00 TAI."""
    from astropy.time import Time

    day, rest = divmod(ns, NS_PER_DAY)
    return Time(day + _EPOCH_MJD, rest / NS_PER_DAY, format="mjd", scale="tai")


def ns_to_mjd(ns: int) -> float:
    """Return the modified Julian date (TAI)."""
    return _EPOCH_MJD + ns / NS_PER_DAY


def ns_to_iso(ns: int) -> str:
    """Return the text of an instant (TAI), with all nine digits of its second.

    Raises
    ------
    ValueError
        Raised outside the years 1 to 9999.
    """
    day, rest = divmod(ns, NS_PER_DAY)
    try:
        text = date.fromordinal(day + _EPOCH).isoformat()
    except OverflowError as error:
        raise ValueError(f"no date is {day} days from 1970") from error
    seconds, fraction = divmod(rest, 1_000_000_000)
    return f"{text}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:09}"


def parse_iso(text: str, scale: str = "tai") -> int | None:
    """Return the instant of a text ``YYYY-MM-DDThh:mm:ss`` with at most nine digits behind a point.

    Parameters
    ----------
    text
        The text.
    scale
        Its time scale; TAI and, from 1972 on, UTC are understood.

    Returns
    -------
    ns
        TAI nanoseconds since 1970-01-01T00:00:00 TAI; None if it is another text, which may still be a time.
    """
    match = _ISO.fullmatch(text)
    if match is None or scale not in ("tai", "utc") or (scale == "utc" and text < _WHOLE_LEAPS):
        return None
    try:
        day = date.fromisoformat(match[1]).toordinal() - _EPOCH
    except ValueError:
        return None
    seconds = (int(match[2]) * 60 + int(match[3])) * 60 + int(match[4])
    ahead = _tai_ahead_of_utc(match[1]) if scale == "utc" else 0
    return day * NS_PER_DAY + (seconds + ahead) * 1_000_000_000 + int((match[5] or "").ljust(9, "0"))


@lru_cache(maxsize=1024)
def _tai_ahead_of_utc(day: str) -> int:
    """Return how many seconds TAI is ahead of UTC on a day ``YYYY-MM-DD`` since 1972."""
    from erfa import dat

    year, month, number = (int(part) for part in day.split("-"))
    with any_year():
        return round(float(dat(year, month, number, 0.0)))
