"""Instants as TAI nanoseconds are those of astropy."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import datetime

import pytest
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.images import VisitInfo
from butler.tai import any_year, ns_to_iso, ns_to_mjd, ns_to_time, parse_iso, time_to_ns


@settings(deadline=None, max_examples=50)
@given(ns=st.integers(-(10**18), 4 * 10**18))
def test_instants_are_those_of_astropy(ns: int) -> None:
    """There and back again, as astropy's times, as texts, and as days."""
    time = ns_to_time(ns)
    assert time_to_ns(time) == ns
    assert ns_to_mjd(ns) == pytest.approx(time.tai.mjd, abs=1e-10)
    time.precision = 9
    assert ns_to_iso(ns) == time.isot
    assert parse_iso(ns_to_iso(ns)) == ns


@pytest.mark.parametrize(
    "text", ["2026-03-01T04:05:06", "2024-02-29T23:59:59.5", "1858-11-17T00:00:00.000001"]
)
def test_texts_are_read_as_astropy_reads_them(text: str) -> None:
    """Also with fewer digits, and before 1970."""
    assert parse_iso(text) == time_to_ns(Time(text, format="isot", scale="tai"))


@settings(deadline=None, max_examples=60)
@given(
    st.datetimes(datetime(1972, 1, 1), datetime(2035, 12, 31)),
    st.sampled_from(["tai", "utc"]),
)
def test_texts_of_both_scales(moment: datetime, scale: str) -> None:
    """From the first leap second on UTC is read here, too."""
    text = moment.isoformat()
    with any_year():
        assert parse_iso(text, scale) == time_to_ns(Time(text, format="isot", scale=scale))


@pytest.mark.parametrize("text", ["2016-12-31T23:59:59.999", "2017-01-01T00:00:00", "1972-01-01T00:00:00"])
def test_leap_seconds_come_between_days(text: str) -> None:
    """Before and after one; the leap second itself, and what is older than the first, is left to astropy."""
    assert parse_iso(text, "utc") == time_to_ns(Time(text, format="isot", scale="utc"))
    for other in ("2016-12-31T23:59:60", "1971-12-31T23:59:59"):
        assert parse_iso(other, "utc") is None
    assert parse_iso(text, "tdb") is None


@pytest.mark.parametrize(
    "text",
    [
        *("2026-02-30T00:00:00", "2026-03-01", "2026-03-01 04:00:00", "2026-03-01T24:00:00", ""),
        *("2026-03-01T00:00:60", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00.1234567890"),
    ],
)
def test_other_texts_are_left_to_astropy(text: str) -> None:
    """What is no day, or of another form, has no instant here."""
    assert parse_iso(text) is None


def test_the_date_of_a_visit_is_kept_as_an_integer() -> None:
    """It is given as either, read as astropy's, and survives copies; None stays None."""
    time = Time("2026-03-01T04:00:00.25", scale="tai")
    visit = VisitInfo(7, time.utc, 30.0)
    assert visit.date_ns == time_to_ns(time)
    assert visit.date is not None
    assert visit.date.scale == "tai"
    for copy in (VisitInfo(7, visit.date_ns, 30.0), pickle.loads(pickle.dumps(visit)), replace(visit, id=7)):
        assert copy.date_ns == visit.date_ns
    assert VisitInfo(7, visit.date_ns, 30.0) == VisitInfo(7, time, 30.0) != VisitInfo(7, 1, 30.0)
    assert replace(visit, date=None).date is None
    assert VisitInfo(7).date is VisitInfo(7).date_ns is None
