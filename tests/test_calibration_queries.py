"""Queries over CALIBRATION collections: the same answers as LSST's own butler, at the times of the rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from astropy.time import Time, TimeDelta
from click.testing import CliRunner

import butler as ours
from butler import Butler, CollectionType, DatasetType, Timespan
from butler.cli import main
from butler.errors import AmbiguousCalibrationError, InvalidQueryError

pytestmark = pytest.mark.both_databases

DAY = TimeDelta(86400, format="sec")
AT_NOON = "bias.timespan OVERLAPS T'2026-01-01 12:00:00/tai'"


def day(number: int) -> Time:
    return Time("2026-01-01T00:00:00", scale="tai") + number * DAY


def filled(butler: Any, api: Any) -> Any:
    """Fill a repository: biases of two runs, certified for days in one collection and for ever in another."""
    registry = butler.registry
    insert = registry.insertDimensionData
    camera = {"instrument": "Cam"}
    insert("instrument", {"name": "Cam"})
    insert("detector", *[{**camera, "id": d, "full_name": f"D{d}"} for d in (1, 2)])
    insert("physical_filter", {**camera, "name": "g", "band": "g"})
    insert("day_obs", {**camera, "id": 20260101})
    for visit in (1, 2, 3):
        span = api.Timespan(day(visit - 1), day(visit - 1) + 0.5 * DAY)
        row = {"name": str(visit), "physical_filter": "g", "day_obs": 20260101, "timespan": span}
        insert("visit", {**camera, "id": visit, **row})
    kind = api.DatasetType(
        "bias",
        ("instrument", "detector"),
        "StructuredDataDict",
        universe=butler.dimensions,
        isCalibration=True,
    )
    registry.registerDatasetType(kind)
    refs = {}
    for run in ("one", "two"):
        registry.registerRun(run)
        for detector in (1, 2):
            (ref,) = registry.insertDatasets(kind, [{**camera, "detector": detector}], run=run)
            refs[run, detector] = ref
    for name in ("days", "always"):
        registry.registerCollection(name, api.CollectionType.CALIBRATION)
    registry.certify("days", [refs["one", 1], refs["one", 2]], api.Timespan(day(0), day(1)))
    registry.certify("days", [refs["two", 1]], api.Timespan(day(1), day(2)))
    registry.certify("always", [refs["two", 2], refs["one", 1]], api.Timespan(None, None))
    return butler


@pytest.fixture
def calibrated(empty: Butler) -> Butler:
    """Return a repository of ours with calibrations."""
    filled(empty, ours)
    return empty


def named(refs: Any) -> list[tuple[str, int]]:
    """Return runs and detectors, each ref once."""
    return sorted({(ref.run, int(ref.dataId["detector"])) for ref in refs})


def answers(butler: Any) -> dict[str, Any]:
    """Return what queries find, or that they find several."""
    found: dict[str, Any] = {}

    def ask(name: str, call: Callable[[], Any]) -> None:
        try:
            found[name] = call()
        except (AmbiguousCalibrationError, LookupError) as error:
            found[name] = "ambiguous" if "alibration" in type(error).__name__ else error

    paths = (["days"], ["days", "always"], ["always", "days"], ["days", "two"], ["two", "days"], ["one"])
    for path in paths:
        for find_first in (True, False):
            # LSST's butler confuses several visits that are no part of the result with several datasets.
            for where in ("", "visit = 1", "visit = 2", "visit = 3", AT_NOON, "bias.run = 'two'"):
                ask(
                    f"{path} {find_first} {where}",
                    lambda p=path, f=find_first, w=where: named(
                        butler.query_datasets(
                            "bias", p, find_first=f, where=w, explain=False, instrument="Cam", limit=None
                        )
                    ),
                )
        with butler.query() as query:
            pairs = query.join_dataset_search("bias", path).data_ids(["visit", "detector"])
            found[f"pairs of {path}"] = sorted((d["visit"], d["detector"]) for d in pairs)
    return found


def test_the_same_as_lsst(calibrated: Butler, tmp_path: Path) -> None:
    """Refs and data IDs are those that LSST's butler finds, and where it finds several so do we."""
    lsst = pytest.importorskip("lsst.daf.butler", reason="lsst-daf-butler is not installed")
    lsst.Butler.makeRepo(str(tmp_path / "lsst"))
    peer = filled(lsst.Butler.from_config(str(tmp_path / "lsst"), writeable=True), lsst)
    mine, theirs = answers(calibrated), answers(peer)
    assert mine == theirs
    assert "ambiguous" in mine.values()


def test_what_is_valid_at_the_time_of_a_row(calibrated: Butler) -> None:
    """A visit in the query tells the time; without any, one that is meant cannot be told from others."""
    found = calibrated.query_datasets("bias", "days", where="visit = 2")
    assert named(found) == [("two", 1)]
    both = calibrated.query_datasets("bias", "days", find_first=False, where="visit IN (1, 2)")
    assert named(both) == [("one", 1), ("one", 2), ("two", 1)]
    with pytest.raises(AmbiguousCalibrationError, match="valid in 'days', of 1 data IDs; name a visit"):
        calibrated.query_datasets("bias", "days")
    assert named(calibrated.query_datasets("bias", "days", limit=1, where="detector = 2")) == [("one", 2)]


def test_the_times_themselves(calibrated: Butler) -> None:
    """Validities can be asked for, compared and sorted by; one without bounds has none."""
    with calibrated.query() as query:
        joined = query.join_dataset_search("bias", ["days", "always"])
        rows = list(joined.general(["detector"], "bias.timespan", "bias.collection", find_first=False))
        with pytest.raises(InvalidQueryError, match="find_first=False"):
            list(joined.general(["detector"], "bias.timespan"))
    spans = {
        (row["detector"], row["bias.collection"], row["bias.timespan"].begin, row["bias.timespan"].end)
        for row in rows
    }
    assert spans == {
        (1, "days", day(0), day(1)), (1, "days", day(1), day(2)), (2, "days", day(0), day(1)),
        (1, "always", None, None), (2, "always", None, None),
    }  # fmt: skip
    late = calibrated.query_datasets(
        "bias", "days", find_first=False, order_by="-bias.timespan.begin", where="detector = 1"
    )
    assert [ref.run for ref in late] == ["two", "one"]
    for where, n in (
        ("bias.timespan.begin < T'2026-01-01 12:00:00/tai'", 2),
        ("bias.timespan.end > T'2026-01-02 12:00:00/tai'", 1),
        ("bias.timespan = (T'2026-01-01/tai', T'2026-01-02/tai')", 2),
        ("bias.timespan = (NULL, NULL)", 0),
        ("NOT " + AT_NOON, 1),
    ):
        found = calibrated.query_datasets("bias", "days", find_first=False, where=where, explain=False)
        assert len(found) == n, where
    always = calibrated.query_datasets("bias", "always", where="bias.timespan = (NULL, NULL)")
    assert named(always) == [("one", 1), ("two", 2)]


def test_counts_and_columns(calibrated: Butler) -> None:
    """A count is that of the refs; columns are of all that are valid, and refuse to be of the first."""
    with calibrated.query() as query:
        at_noon = query.where(AT_NOON, instrument="Cam").datasets("bias", ["days", "always"])
        assert at_noon.count() == len(list(at_noon)) == 2
        every = query.datasets("bias", "days", find_first=False)
        assert every.count() == 3
        assert sorted(every.columns()["run"]) == ["one", "one", "two"]
        with pytest.raises(InvalidQueryError, match="find_first=False"):
            at_noon.columns()
    assert calibrated.registry.queryDatasets("bias", collections="days").count() == 3


def test_an_instrument_is_inferred_from_calibrations(calibrated: Butler) -> None:
    """A butler that searches a CALIBRATION collection alone knows whose calibrations these are."""
    insert = calibrated.registry.insertDimensionData
    insert("instrument", {"name": "Other"})
    butler = Butler(calibrated.root, collections="days")
    assert dict(butler.registry.defaults.dataId) == {"instrument": "Cam"}
    assert named(butler.query_datasets("bias", where="visit = 1")) == [("one", 1), ("one", 2)]
    butler.close()


def test_an_empty_answer_says_why(calibrated: Butler) -> None:
    """The reason names what no calibration fulfils."""
    with pytest.raises(Exception, match="no dataset fulfils"):
        calibrated.query_datasets("bias", "days", where="bias.timespan OVERLAPS T'2030-01-01/tai'")


def test_types_that_are_no_calibrations(calibrated: Butler) -> None:
    """Other dataset types are not looked for in CALIBRATION collections, and are valid always."""
    calibrated.registry.registerDatasetType(DatasetType("flag", ("instrument",), "StructuredDataDict"))
    calibrated.collections.register("chain", CollectionType.CHAINED)
    calibrated.collections.redefine_chain("chain", ["days", "one"])
    (ref,) = calibrated.registry.insertDatasets("flag", [{"instrument": "Cam"}], run="one")
    assert calibrated.query_datasets("flag", "chain") == [ref]
    assert calibrated.query_datasets("flag", "chain", where="flag.timespan OVERLAPS T'2026-01-01'") == [ref]
    assert Timespan(None, None).overlaps(Timespan(day(0), day(1)))


def test_the_command_lists_what_is_valid(calibrated: Butler) -> None:
    """``query-datasets`` lists all that a CALIBRATION collection holds, or what is valid at a visit."""

    def listed(*words: str) -> list[tuple[str, int]]:
        command = [
            "query-datasets",
            str(calibrated.root),
            "bias",
            "--collections",
            "days",
            "--format",
            "json",
        ]
        rows = json.loads(CliRunner().invoke(main, [*command, *words]).stdout)
        return sorted((row["run"], row["detector"]) for row in rows)

    assert listed() == [("one", 1), ("one", 2), ("two", 1)]
    assert listed("--find-first", "--where", "visit = 2") == [("two", 1)]
