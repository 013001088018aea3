"""Times of an export: TAI nanoseconds, and timespans that are split into begin and end."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from astropy.time import Time

from ..dimensions import Timespan, time_to_ns
from ..errors import FileFormatError
from .yaml_codec import AstroTime

__all__ = ["join_timespan", "split_timespan", "to_ns"]


def to_ns(name: str, value: Any) -> int | None:
    """Return a time of a file as TAI nanoseconds since 1970.

    Parameters
    ----------
    name
        What it is, for messages.
    value
        A tagged time; YAML's own time, as old files have it, which is UTC; or None.

    Raises
    ------
    FileFormatError
        Raised for anything else.
    """
    if value is None or isinstance(value, AstroTime):
        return None if value is None else int(value)
    if isinstance(value, datetime):
        return time_to_ns(Time(value, scale="utc"))
    raise FileFormatError(f"{name} is no time, but {type(value).__name__}")


def join_timespan(row: dict[str, Any]) -> None:
    """Replace begin and end in a record by its timespan; both may be missing.

    Raises
    ------
    FileFormatError
        Raised if one of them is no time, or if the end lies before the begin.
    """
    begin, end = (to_ns(name, row.pop(name, None)) for name in ("datetime_begin", "datetime_end"))
    if begin is None and end is None:
        return
    try:
        span = Timespan(begin, end)
    except ValueError as error:
        raise FileFormatError(str(error)) from error
    if span.isEmpty():
        raise FileFormatError(f"a timespan must end after it begins, not {begin} .. {end} ns")
    row["timespan"] = span


def split_timespan(row: dict[str, Any]) -> None:
    """Replace the timespan in a record by begin and end."""
    span = row.pop("timespan", None)
    if span is not None:
        row["datetime_begin"] = None if span.begin_ns is None else AstroTime(span.begin_ns)
        row["datetime_end"] = None if span.end_ns is None else AstroTime(span.end_ns)
