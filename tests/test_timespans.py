"""Timespans: nanoseconds of TAI, and the algebra of half-open intervals."""

from __future__ import annotations

import operator
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from astropy.time import Time, TimeDelta
from hypothesis import given, settings
from hypothesis import strategies as st

from butler import Timespan
from butler.dimensions import ns_to_time, time_to_ns
from butler.errors import DataIdValueError

LAST = 6
bounds = st.one_of(st.none(), st.integers(0, LAST))
spans = st.one_of(st.builds(Timespan, bounds, bounds), st.just(Timespan.makeEmpty()))


def instants(span: Timespan) -> set[int]:
    """Return the whole nanoseconds of a span, with -1 and LAST + 1 for all before and after."""
    if span.isEmpty():
        return set()
    begin = -1 if span.begin_ns is None else span.begin_ns
    end = LAST + 3 if span.end_ns is None else span.end_ns
    return set(range(begin, end))


@given(st.integers(-(2**63) + 1, 2**63 - 1))
@settings(deadline=None, max_examples=200)
def test_times_keep_their_nanosecond(ns: int) -> None:
    """Nanoseconds since 1970 TAI survive the way through astropy."""
    assert time_to_ns(ns_to_time(ns)) == ns


def test_times_are_tai() -> None:
    """A UTC time of 2024 lies 37 s later in TAI, and the epoch is 0."""
    assert time_to_ns(Time("1970-01-01T00:00:00", scale="tai")) == 0
    utc, tai = (Time("2024-01-01T00:00:00", scale=scale) for scale in ("utc", "tai"))
    assert time_to_ns(utc) - time_to_ns(tai) == 37_000_000_000


@given(spans, spans)
@settings(deadline=None, max_examples=300)
def test_spans_behave_as_sets_of_instants(first: Timespan, second: Timespan) -> None:
    """Overlap, containment, intersection and difference are those of the sets of instants."""
    here, there = instants(first), instants(second)
    assert first.overlaps(second) == bool(here & there)
    assert first.contains(second) == (here >= there)
    assert instants(first.intersection(second)) == here & there
    pieces = list(first.difference(second))
    assert set().union(*map(instants, pieces)) == here - there
    assert sum(len(instants(piece)) for piece in pieces) == len(here - there)
    assert len(pieces) <= 2
    assert (first == second) == (here == there)
    before = bool(here and there) and max(here) < min(there)
    assert (first < second, second > first) == (before, before)
    assert pickle.loads(pickle.dumps(first)) == first


@given(st.lists(spans, max_size=4), spans)
@settings(deadline=None, max_examples=100)
def test_intersections_of_many(others: list[Timespan], span: Timespan) -> None:
    """An intersection takes any number of spans; one alone is itself."""
    expected = instants(span)
    for other in others:
        expected &= instants(other)
    assert instants(span.intersection(*others)) == expected


def test_an_instant_counts_as_a_nanosecond() -> None:
    """A time stands for the nanosecond that begins with it, and equal bounds hold one."""
    start = Time("2024-01-01T00:00:00", scale="tai")
    day = Timespan(start, start + TimeDelta(1, format="jd"))
    assert day.contains(start)
    assert not day.contains(day.end)
    assert day.overlaps(start)
    assert day < day.end
    assert not day > start
    instant = Timespan.fromInstant(start)
    assert instant == Timespan(start, start)
    assert instant.end_ns == time_to_ns(start) + 1


def test_a_span_that_ends_before_it_begins_is_empty() -> None:
    """There is one empty span, whatever it was made of; it has no bounds."""
    start = Time("2024-01-01T00:00:00", scale="tai")
    empty = Timespan(start, start - TimeDelta(1, format="sec"))
    assert empty.isEmpty()
    assert empty == Timespan.makeEmpty() == Timespan(10, 3)
    assert not Timespan(0, 0).isEmpty()
    assert not Timespan(None, None).isEmpty()
    for bound in ("begin", "end"):
        with pytest.raises(ValueError, match="empty timespan"):
            getattr(empty, bound)


def test_a_day_of_observation_is_a_tai_day() -> None:
    """A night begins at 0 h TAI plus its offset and has 24 hours."""
    assert str(Timespan.from_day_obs(20240101, offset=43200)) == "[2024-01-01T12:00:00, 2024-01-02T12:00:00)"
    with pytest.raises(DataIdValueError, match="YYYYMMDD"):
        Timespan.from_day_obs(20241301)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (Timespan(None, None), "(-∞, ∞)"),
        (Timespan(0, None), "[1970-01-01T00:00:00, ∞)"),
        (Timespan(None, 500_000_000), "(-∞, 1970-01-01T00:00:00.500)"),
        (Timespan.makeEmpty(), "(empty)"),
    ],
)
def test_spans_read_as_intervals(span: Timespan, text: str) -> None:
    """Texts are those of LSST."""
    assert str(span) == text


@pytest.mark.parametrize("bound", [2**63, -(2**63), 2**63 - 1, Time("2400-01-01", scale="tai")])
def test_times_that_fit_no_column_are_refused(bound: Time | int) -> None:
    """A bound must fit 64 bits of nanoseconds."""
    with pytest.raises(DataIdValueError, match="292 years"):
        Timespan(bound, None)


@pytest.mark.parametrize("bound", ["2024-01-01", 1.5])
def test_bounds_are_times(bound: object) -> None:
    """A text or a number with a fraction is no time."""
    with pytest.raises(DataIdValueError, match="astropy times"):
        Timespan(None, bound)  # type: ignore[arg-type]


@pytest.mark.parametrize("compare", [operator.lt, operator.gt])
def test_unbounded_spans_precede_nothing(compare: Callable[[Timespan, Timespan], bool]) -> None:
    """What has no end is before nothing, what has no begin after nothing."""
    assert not compare(Timespan(None, None), Timespan(np.int64(5), 7))
    assert not compare(Timespan(np.int64(5), 7), Timespan(None, None))
