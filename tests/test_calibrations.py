"""CALIBRATION collections: datasets that are valid for some time."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from small_repository import NOTE, VISITS, broken_off, visit_timespan

from butler import Butler, CollectionType, DatasetRef, DatasetType, Timespan
from butler.cli import main
from butler.errors import (
    AmbiguousCalibrationError,
    CollectionTypeError,
    ConflictingDefinitionError,
    DataIdValueError,
    DatasetNotFoundError,
    DatasetTypeError,
    OrphanedRecordError,
)

pytestmark = pytest.mark.both_databases

BIAS = DatasetType("bias", ("instrument", "detector"), "StructuredDataDict", isCalibration=True)
DAY = 86_400 * 10**9


def nights(first: int | None, last: int | None) -> Timespan:
    """Return the time from a night of January 2024 to before another one."""
    start = Timespan.from_day_obs(20240101).begin_ns
    assert start is not None
    return Timespan(
        None if first is None else start + (first - 1) * DAY,
        None if last is None else start + (last - 1) * DAY,
    )


@pytest.fixture
def calib(butler: Butler) -> Butler:
    """Return a butler with biases of two detectors in two runs, and a collection "calib" that is empty."""
    butler.registry.registerDatasetType(BIAS)
    butler.collections.register("calib", CollectionType.CALIBRATION)
    for run in ("b1", "b2"):
        butler.collections.register(run)
        for detector in (0, 1):
            butler.put({"bias": f"{run}/{detector}"}, BIAS, detector=detector, run=run)
    return butler


def biases(butler: Butler, run: str) -> list[DatasetRef]:
    return butler.query_datasets("bias", run)


def held(butler: Butler) -> list[tuple[str, int, Timespan]]:
    """Return run, detector and validity of what the collection holds."""
    found = butler.registry.queryDatasetAssociations("bias", "calib")
    return [(a.ref.run, int(a.ref.dataId["detector"]), a.timespan) for a in found if a.timespan]


def test_calibrations_are_found_by_time(calib: Butler) -> None:
    """The time of a read is given, or told by an observation; ranges that touch do not overlap."""
    calib.registry.certify("calib", biases(calib, "b1"), nights(None, 2))
    calib.registry.certify("calib", biases(calib, "b2"), nights(2, None))
    for visit, run in ((1, "b1"), (2, "b1"), (3, "b2")):
        assert VISITS[visit]["day_obs"] == (20240101 if run == "b1" else 20240102)
        key = {"detector": 1, "visit": visit}
        assert calib.get("bias", key, collections="calib") == {"bias": f"{run}/1"}
        assert calib.get("bias", {"detector": "S10", "exposure": visit}, collections="calib") == {
            "bias": f"{run}/1"
        }
        span = visit_timespan(visit)
        assert calib.get("bias", detector=1, collections="calib", timespan=span) == {"bias": f"{run}/1"}
        ref = calib.find_dataset("bias", key, collections="calib")
        assert ref is not None
        assert (ref.run, dict(ref.dataId)) == (run, {"instrument": "CAM", "detector": 1})
        assert calib.registry.findDataset("bias", detector=1, collections="calib", timespan=span) == ref
        assert calib.exists("bias", key, collections="calib")
        assert calib.getURI("bias", key, collections="calib") == calib.getURI(ref)
    assert calib.get("bias", detector=0, visit=3, day_obs=20240102, collections="calib") == {"bias": "b2/0"}


def test_without_a_time_calibrations_are_passed_over(calib: Butler) -> None:
    """find_dataset then looks into none of them; get takes the only one, whenever it is valid."""
    calib.registry.certify("calib", biases(calib, "b1"), nights(1, 2))
    assert calib.find_dataset("bias", detector=0, collections="calib") is None
    assert calib.find_dataset("bias", detector=0, collections=["calib", "b2"]).run == "b2"
    assert calib.get("bias", detector=0, collections=["calib", "b2"]) == {"bias": "b1/0"}
    calib.registry.certify("calib", biases(calib, "b2")[:1], nights(3, 4))
    with pytest.raises(AmbiguousCalibrationError, match=r"2 datasets bias .* are valid in 'calib'"):
        calib.get("bias", detector=0, collections="calib")
    assert calib.get("bias", detector=1, collections="calib") == {"bias": "b1/1"}
    with pytest.raises(DatasetNotFoundError):
        calib.get("bias", detector=1, collections="calib", timespan=nights(2, 3))
    with pytest.raises(DatasetNotFoundError):
        calib.get("bias", detector=1, collections="calib", timespan=Timespan.makeEmpty())


def test_a_search_path_may_mix_kinds(calib: Butler) -> None:
    """A chain is searched in order: a calibration that is valid is found first, or is not there."""
    calib.registry.certify("calib", biases(calib, "b1"), nights(2, 3))
    calib.collections.register("chain", CollectionType.CHAINED)
    calib.collections.redefine_chain("chain", ["calib", "b2"])
    assert calib.get("bias", detector=0, visit=3, collections="chain") == {"bias": "b1/0"}
    assert calib.get("bias", detector=0, visit=1, collections="chain") == {"bias": "b2/0"}
    calib.put({}, "note", visit=1, run="b2")
    assert calib.get("note", visit=1, collections="chain") == {}


def test_decertified_time_is_cut_out(calib: Butler) -> None:
    """A range loses its middle, its ends or all, for all data IDs or some."""
    registry = calib.registry
    registry.certify("calib", biases(calib, "b1"), nights(None, None))
    registry.decertify("calib", "bias", nights(2, 3), dataIds=[{"detector": 0}])
    assert held(calib) == [
        ("b1", 0, nights(None, 2)),
        ("b1", 0, nights(3, None)),
        ("b1", 1, nights(None, None)),
    ]
    registry.certify("calib", biases(calib, "b2")[:1], nights(2, 3))
    registry.decertify("calib", BIAS, nights(None, 3))
    assert held(calib) == [("b1", 0, nights(3, None)), ("b1", 1, nights(3, None))]
    registry.decertify("calib", BIAS, Timespan.makeEmpty())
    assert len(held(calib)) == 2
    registry.decertify("calib", BIAS, nights(None, None))
    assert held(calib) == []


def test_refused_certifications_change_nothing(calib: Butler) -> None:
    """Overlaps, other kinds of datasets and collections, empty times, strangers: refused, all or none."""
    certify = calib.registry.certify
    first, second = biases(calib, "b1"), biases(calib, "b2")
    certify("calib", first[1:], nights(1, 3))
    before = held(calib)
    with pytest.raises(
        ConflictingDefinitionError, match=r"holds a bias with data ID .*'detector': 1.* in \["
    ):
        certify("calib", second, nights(2, 4))
    with pytest.raises(ConflictingDefinitionError, match="overlaps"):
        certify("calib", first, nights(2, 4))
    with pytest.raises(ConflictingDefinitionError, match="two datasets are bias"):
        certify("calib", [first[0], second[0]], nights(5, 6))
    note = calib.put({}, "note", visit=1)
    with pytest.raises(DatasetTypeError, match="note is no calibration"):
        certify("calib", [note], nights(5, 6))
    with pytest.raises(CollectionTypeError, match="only CALIBRATION ones"):
        certify("b1", first, nights(5, 6))
    with pytest.raises(CollectionTypeError, match="only CALIBRATION ones"):
        calib.registry.decertify("b1", "bias", nights(5, 6))
    with pytest.raises(DatasetTypeError, match="note is no calibration"):
        calib.registry.decertify("calib", "note", nights(5, 6))
    with pytest.raises(DataIdValueError, match="empty timespan"):
        certify("calib", first, Timespan.makeEmpty())
    with pytest.raises(DatasetNotFoundError, match="not registered here"):
        certify("calib", [DatasetRef(BIAS, first[0].dataId, "b1")], nights(5, 6))
    with pytest.raises(CollectionTypeError):
        calib.registry.associate("calib", [note])
    with broken_off(calib.transaction()):
        certify("calib", second, nights(5, 6))
    assert held(calib) == before
    certify("calib", second, nights(3, 4))
    assert len(held(calib)) == 3


def test_calibrations_go_with_their_datasets(calib: Butler) -> None:
    """A purged dataset is valid no more, and a removed collection leaves its datasets alone."""
    calib.registry.certify("calib", biases(calib, "b1"), nights(1, 2))
    info = calib.collections.get_info("calib", include_summary=True)
    assert (info.type, info.dataset_types) == (CollectionType.CALIBRATION, ("bias",))
    assert calib.collections.query("*", CollectionType.CALIBRATION) == ["calib"]
    assert {t.name for t in calib.registry.getCollectionSummary("calib").dataset_types} == {"bias"}
    calib.pruneDatasets(biases(calib, "b1")[:1], purge=True, unstore=True)
    assert held(calib) == [("b1", 1, nights(1, 2))]
    with pytest.raises(OrphanedRecordError):
        calib.registry.removeDatasetType("bias")
    calib.collections.remove("calib")
    assert [ref.dataId["detector"] for ref in biases(calib, "b1")] == [1]
    calib.collections.register("calib", CollectionType.CALIBRATION)
    assert held(calib) == []
    calib.removeRuns(["b1", "b2"])


def test_a_type_of_known_dimensions_becomes_a_calibration(butler: Butler) -> None:
    """A calibration may share its dimensions with dataset types that are none."""
    plain = DatasetType("remark", BIAS.dimensions, "StructuredDataDict")
    butler.registry.registerDatasetType(plain)
    with broken_off(butler.transaction()):
        butler.registry.registerDatasetType(BIAS)
    butler.registry.registerDatasetType(BIAS)
    butler.collections.register("calib", CollectionType.CALIBRATION)
    ref = butler.put({"a": 1}, BIAS, detector=0)
    butler.registry.certify("calib", [ref], nights(1, 2))
    with Butler(butler.root, collections="calib", instrument="CAM") as reader:
        assert reader.get("bias", detector=0, visit=1) == {"a": 1}
    butler.registry.insertDimensionData(
        "visit",
        {"instrument": "CAM", "id": 8, "name": "v8", "physical_filter": "CAM-g", "day_obs": 20240101},
    )
    with pytest.raises(DataIdValueError, match="has no timespan"):
        butler.get("bias", detector=0, visit=8, collections="calib")


def test_the_command_certifies(calib: Butler) -> None:
    """The collection is made, dates are TAI, what is found first counts, and a bad date is a mistake."""
    words = ["certify-calibrations", str(calib.root), "b1", "new", "bias"]
    dates = ["--begin-date", "2024-01-01", "--end-date", "2024-01-02T00:00:00"]
    result = CliRunner().invoke(main, [*words, *dates])
    assert result.exit_code == 0, result.output
    assert "2 datasets are valid in new in [2024-01-01T00:00:00, 2024-01-02T00:00:00)" in result.stderr
    told = calib.registry.queryDatasetAssociations("bias", "new")
    assert [a.timespan for a in told] == [nights(1, 2)] * 2
    again = CliRunner().invoke(main, words)
    assert (again.exit_code, "overlaps (-∞, ∞)" in again.stderr) == (1, True)
    bad = CliRunner().invoke(main, [*words, "--begin-date", "yesterday"])
    assert (bad.exit_code, "--begin-date needs a date" in bad.stderr) == (2, True)
    calib.collections.register("both", CollectionType.CHAINED)
    calib.collections.redefine_chain("both", ["b1", "b2"])
    every = ["certify-calibrations", str(calib.root), "both", "new", "bias", "--search-all-inputs"]
    crowded = CliRunner().invoke(main, [*every, "--begin-date", "2024-02-01"])
    assert (crowded.exit_code, "two datasets are bias" in crowded.stderr) == (1, True)


def test_validity_survives_an_export(calib: Butler, empty: Butler, tmp_path: Path) -> None:
    """Ranges come out in LSST's form, and back in; a second import changes nothing."""
    first, second = biases(calib, "b1"), biases(calib, "b2")
    calib.registry.certify("calib", first, nights(None, 2))
    calib.registry.certify("calib", second[:1], nights(2, None))
    with calib.export(directory=tmp_path / "out", transfer="copy") as export:
        export.saveDatasets([*first, *second])
        export.saveCollection("calib")
    text = (tmp_path / "out" / "export.yaml").read_text()
    assert "collection_type: CALIBRATION" in text
    assert "!lsst.daf.butler.Timespan" in text
    for _ in range(2):
        empty.import_(directory=tmp_path / "out", transfer="copy")
        assert held(empty) == held(calib)
    assert empty.get("bias", instrument="CAM", detector=0, collections="calib", timespan=nights(7, 8)) == {
        "bias": "b2/0"
    }


def test_lsst_reads_our_validity(calib: Butler, tmp_path: Path) -> None:
    """LSST's butler imports the ranges that ours exports, and finds the same datasets."""
    lsst = pytest.importorskip("lsst.daf.butler")
    calib.registry.certify("calib", biases(calib, "b1"), nights(None, 2))
    calib.registry.certify("calib", biases(calib, "b2"), nights(2, 3))
    with calib.export(directory=tmp_path / "out", transfer="copy") as export:
        export.saveDatasets([*biases(calib, "b1"), *biases(calib, "b2")])
        export.saveCollection("calib")
    lsst.Butler.makeRepo(str(tmp_path / "lsst"))
    theirs = lsst.Butler.from_config(str(tmp_path / "lsst"), writeable=True)
    theirs.import_(directory=str(tmp_path / "out"), filename="export.yaml", without_datastore=True)
    told = sorted(
        (a.ref.run, a.ref.dataId["detector"], *a.timespan.nsec)
        for a in theirs.registry.queryDatasetAssociations("bias", "calib")
    )
    assert [(run, detector) for run, detector, *_ in told] == [
        (run, d) for run, d, _ in sorted(held(calib), key=str)
    ]
    assert {begin for run, _, begin, _ in told if run == "b2"} == {nights(2, 3).begin_ns}
    assert {end for _, _, _, end in told} == {nights(2, 3).begin_ns, nights(2, 3).end_ns}


days = st.one_of(st.none(), st.integers(1, 6))
steps = st.lists(st.tuples(st.booleans(), st.sampled_from(["b1", "b2"]), days, days), max_size=12)


@given(steps)
@settings(deadline=None, max_examples=10)
def test_random_certifications_agree_with_a_calendar(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, str, int | None, int | None]]
) -> None:
    """After any certifications and cuts each day has the dataset that a calendar, kept day by day, has."""
    with small_calibration(tmp_path_factory.mktemp("calibrations")) as butler:
        refs = {run: biases(butler, run) for run in ("b1", "b2")}
        calendar: dict[int, str] = {}
        for certified, run, first, last in steps:
            covered = range(0 if first is None else first, 8 if last is None else last)
            if len(covered) == 0 or (first is not None and first == last):
                continue
            if not certified:
                butler.registry.decertify("calib", BIAS, nights(first, last))
                calendar = {day: name for day, name in calendar.items() if day not in covered}
            elif any(day in calendar for day in covered):
                with pytest.raises(ConflictingDefinitionError):
                    butler.registry.certify("calib", refs[run], nights(first, last))
            else:
                butler.registry.certify("calib", refs[run], nights(first, last))
                calendar |= dict.fromkeys(covered, run)
        for day in range(8):
            found = butler.find_dataset(
                "bias", detector=0, collections="calib", timespan=nights(day, day + 1)
            )
            assert (found and found.run) == calendar.get(day)


def small_calibration(root: Path) -> Butler:
    """Make a repository with biases of one detector in two runs."""
    Butler.makeRepo(root)
    butler = Butler(root, writeable=True, inferDefaults=True)
    butler.registry.insertDimensionData("instrument", {"name": "CAM"})
    butler.registry.insertDimensionData("detector", {"instrument": "CAM", "id": 0})
    butler.registry.registerDatasetType(BIAS)
    butler.collections.register("calib", CollectionType.CALIBRATION)
    for run in ("b1", "b2"):
        butler.collections.register(run)
        butler.registry.insertDatasets(BIAS, [{"detector": 0}], run=run)
    return butler


def test_notes_are_no_calibrations(calib: Butler) -> None:
    """A dataset type of visits is found as ever, whatever time is named."""
    calib.put({"a": 1}, NOTE, visit=1)
    assert calib.get("note", visit=1, timespan=nights(5, 6)) == {"a": 1}
    assert calib.find_dataset("note", visit=1, exposure=2, collections=["calib", "run"]) is not None
