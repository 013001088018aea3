"""Timespan: a half-open interval of TAI time."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["Timespan"]

_NS_PER_DAY: Final = 86_400_000_000_000
_EPOCH_MJD: Final = 40587
"""1970-01-01T00:00 TAI."""


@dataclass(frozen=True, slots=True)
class Timespan:
    """The times t with ``begin <= t < end``.

    Parameters
    ----------
    begin_ns, end_ns
        TAI nanoseconds since 1970-01-01T00:00:00 TAI; None means unbounded.

    Raises
    ------
    ValueError
        Raised if the span would be empty, or a time is further from 1970 than 292 years.
    """

    begin_ns: int | None
    end_ns: int | None

    def __post_init__(self) -> None:
        if any(ns is not None and abs(ns) >= 2**63 for ns in (self.begin_ns, self.end_ns)):
            raise ValueError(
                f"times must lie within 292 years of 1970, not {self.begin_ns} .. {self.end_ns} ns"
            )
        if self.begin_ns is not None and self.end_ns is not None and self.begin_ns >= self.end_ns:
            raise ValueError(f"a timespan must end after it begins, not {self.begin_ns} .. {self.end_ns} ns")

    @classmethod
    def from_times(cls, begin: Time | None, end: Time | None) -> Timespan:
        """Make a span from astropy times of any scale; equal times are padded to 1 ns."""
        begin_ns = None if begin is None else time_to_ns(begin)
        end_ns = None if end is None else time_to_ns(end)
        if begin_ns is not None and begin_ns == end_ns:
            end_ns = begin_ns + 1
        return cls(begin_ns, end_ns)

    @classmethod
    def from_day_obs(cls, day_obs: int, offset: int = 0) -> Timespan:
        """Make the 24 hours that begin ``offset`` seconds after 0 h TAI of a day ``YYYYMMDD``."""
        from astropy.time import Time

        text = str(day_obs)
        start = Time(f"{text[:4]}-{text[4:6]}-{text[6:]}T00:00:00", format="isot", scale="tai")
        begin = time_to_ns(start) + offset * 1_000_000_000
        return cls(begin, begin + _NS_PER_DAY)

    @property
    def begin(self) -> Time | None:
        """First instant (TAI)."""
        return None if self.begin_ns is None else ns_to_time(self.begin_ns)

    @property
    def end(self) -> Time | None:
        """First instant after the span (TAI)."""
        return None if self.end_ns is None else ns_to_time(self.end_ns)

    def overlaps(self, other: Timespan) -> bool:
        """Tell whether the spans have an instant in common."""
        return _before(self.begin_ns, other.end_ns) and _before(other.begin_ns, self.end_ns)

    def __str__(self) -> str:
        begin = "-inf" if self.begin is None else self.begin.isot
        end = "+inf" if self.end is None else self.end.isot
        return f"[{begin}, {end})"


def time_to_ns(time: Time) -> int:
    """Return TAI nanoseconds since 1970-01-01T00:00:00 TAI, exact to the nanosecond."""
    with warnings.catch_warnings():
        # "dubious year" for times beyond the leap second table: TAI is what we keep.
        warnings.simplefilter("ignore")
        tai = time.tai
    day, fraction = divmod(tai.jd1 - 2400000.5 - _EPOCH_MJD, 1)
    return int(day) * _NS_PER_DAY + round(float(fraction + tai.jd2) * _NS_PER_DAY)


def ns_to_time(ns: int) -> Time:
    """Return the TAI time of nanoseconds since 1970-01-01T00:00:00 TAI."""
    from astropy.time import Time

    day, rest = divmod(ns, _NS_PER_DAY)
    return Time(day + _EPOCH_MJD, rest / _NS_PER_DAY, format="mjd", scale="tai")


def _before(begin: int | None, end: int | None) -> bool:
    return begin is None or end is None or begin < end
