"""Timespan: a half-open interval of TAI time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

from ..errors import DataIdValueError
from ..tai import NS_PER_DAY, ns_to_time, parse_iso, time_to_ns

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["Timespan"]

_LIMIT: Final = 2**63 - 1
"""Nanoseconds that a database column cannot hold any more, once an instant has got its length."""


@dataclass(frozen=True, slots=True, init=False)
class Timespan:
    """The times t with ``begin <= t < end``.

    Spans are equal if they hold the same times; there is one empty span, `makeEmpty`.

    Parameters
    ----------
    begin, end
        First instant, and first instant after the span: astropy times of any scale, or TAI nanoseconds
        since 1970-01-01T00:00:00 TAI; None means unbounded. An end that equals the begin is moved 1 ns on;
        one before it makes the span empty.

    Attributes
    ----------
    begin_ns, end_ns
        TAI nanoseconds since 1970-01-01T00:00:00 TAI, None if unbounded; both 0 for the empty span.

    Raises
    ------
    DataIdValueError
        Raised if a bound is no time, or further from 1970 than 292 years.
    """

    begin_ns: int | None
    end_ns: int | None

    def __init__(self, begin: Time | int | None, end: Time | int | None) -> None:
        begin_ns, end_ns = _as_ns(begin), _as_ns(end)
        if begin_ns is not None and end_ns is not None:
            if begin_ns == end_ns:
                end_ns = begin_ns + 1
            elif begin_ns > end_ns:
                begin_ns = end_ns = 0
        self._set(begin_ns, end_ns)

    def _set(self, begin_ns: int | None, end_ns: int | None) -> None:
        object.__setattr__(self, "begin_ns", begin_ns)
        object.__setattr__(self, "end_ns", end_ns)

    @classmethod
    def _between(cls, begin_ns: int | None, end_ns: int | None) -> Timespan:
        """Return the instants from one to before the other; none if there is nothing between them."""
        span = cls.__new__(cls)
        span._set(*((begin_ns, end_ns) if _before(begin_ns, end_ns) else (0, 0)))
        return span

    @classmethod
    def makeEmpty(cls) -> Timespan:
        """Return the span that holds no time."""
        return cls._between(0, 0)

    @classmethod
    def fromInstant(cls, time: Time) -> Timespan:
        """Return the nanosecond that begins at a time."""
        return cls(time, time)

    @classmethod
    def from_day_obs(cls, day_obs: int, offset: int = 0) -> Timespan:
        """Return the 24 hours that begin ``offset`` seconds after 0 h TAI of a day ``YYYYMMDD``.

        Raises
        ------
        DataIdValueError
            Raised if there is no such day.
        """
        text = str(day_obs)
        start = parse_iso(f"{text[:4]}-{text[4:6]}-{text[6:]}T00:00:00")
        if start is None:
            raise DataIdValueError(f"day_obs is a day YYYYMMDD, not {day_obs!r}")
        begin = start + offset * 1_000_000_000
        return cls(begin, begin + NS_PER_DAY)

    @property
    def begin(self) -> Time | None:
        """First instant (TAI), None if unbounded.

        Raises
        ------
        ValueError
            Raised if the span is empty.
        """
        return None if self._bounds[0] is None else ns_to_time(self._bounds[0])

    @property
    def end(self) -> Time | None:
        """First instant after the span (TAI), None if unbounded.

        Raises
        ------
        ValueError
            Raised if the span is empty.
        """
        return None if self._bounds[1] is None else ns_to_time(self._bounds[1])

    @property
    def _bounds(self) -> tuple[int | None, int | None]:
        if self.isEmpty():
            raise ValueError("an empty timespan has neither begin nor end")
        return self.begin_ns, self.end_ns

    def isEmpty(self) -> bool:
        """Tell whether the span holds no time."""
        return self.begin_ns is not None and self.begin_ns == self.end_ns

    def overlaps(self, other: Timespan | Time) -> bool:
        """Tell whether the spans have an instant in common, or whether a time is in the span."""
        return not self.intersection(_as_span(other)).isEmpty()

    def contains(self, other: Timespan | Time) -> bool:
        """Tell whether all of another span, or a time, is in the span; the empty span is in every one."""
        span = _as_span(other)
        return self.intersection(span) == span

    def intersection(self, *others: Timespan) -> Timespan:
        """Return the times that are in all of the spans."""
        spans = (self, *others)
        begins = [span.begin_ns for span in spans if span.begin_ns is not None]
        ends = [span.end_ns for span in spans if span.end_ns is not None]
        if any(span.isEmpty() for span in spans):
            return self.makeEmpty()
        return self._between(max(begins, default=None), min(ends, default=None))

    def difference(self, other: Timespan) -> Iterator[Timespan]:
        """Yield the one or two spans that are left without another one; nothing if that covers all."""
        common = self.intersection(other)
        if common.isEmpty():
            pieces = [self]
        else:
            pieces = []
            if common.begin_ns != self.begin_ns:
                pieces.append(self._between(self.begin_ns, common.begin_ns))
            if common.end_ns != self.end_ns:
                pieces.append(self._between(common.end_ns, self.end_ns))
        yield from pieces

    def __lt__(self, other: Timespan | Time) -> bool:
        """Tell whether the span ends before another one, or a time, begins; false for empty spans."""
        return _precedes(self, _as_span(other))

    def __gt__(self, other: Timespan | Time) -> bool:
        """Tell whether the span begins after another one, or a time, has ended; false for empty spans."""
        return _precedes(_as_span(other), self)

    def __str__(self) -> str:
        if self.isEmpty():
            return "(empty)"
        begin = "(-∞" if self.begin is None else f"[{self.begin.isot.removesuffix('.000')}"
        end = "∞)" if self.end is None else f"{self.end.isot.removesuffix('.000')})"
        return f"{begin}, {end}"


def _as_ns(time: Any) -> int | None:
    if time is None:
        return None
    if not isinstance(time, Integral) and not hasattr(time, "scale"):
        raise DataIdValueError(f"a timespan is bounded by astropy times, not {time!r}")
    ns = int(time) if isinstance(time, Integral) else time_to_ns(time)
    if abs(ns) >= _LIMIT:
        raise DataIdValueError(f"times must lie within 292 years of 1970, not {ns} ns from it")
    return ns


def _as_span(other: Any) -> Timespan:
    return other if isinstance(other, Timespan) else Timespan.fromInstant(other)


def _before(begin: int | None, end: int | None) -> bool:
    return begin is None or end is None or begin < end


def _precedes(first: Timespan, second: Timespan) -> bool:
    if first.isEmpty() or second.isEmpty() or first.end_ns is None or second.begin_ns is None:
        return False
    return first.end_ns <= second.begin_ns
