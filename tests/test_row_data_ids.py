"""Data IDs and refs that are made of rows, and of what these share, are those that are made one by one."""

from __future__ import annotations

import copy
import pickle
import uuid
from typing import Any

import pytest

from butler import Butler, DataCoordinate, DatasetRef, DatasetType
from butler.dimensions import UNIVERSE, DimensionRecord, RowDataIds, SharedRecords
from butler.errors import DimensionNameError

GROUP = UNIVERSE.conform(["visit", "patch"])
WARP = DatasetType("warp", GROUP, "ExposureF")
IMPLIED = {("CAM", 5): ("g", 20260101, "CAM-g"), ("CAM", 6): ("r", 20260102, "CAM-r")}
ROWS = [(0, 1, 5), (0, 2, 5), (3, 1, 6)]


def full(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return the values of a row by dimension."""
    tract, patch, visit = row[:3]
    values = {"instrument": "CAM", "skymap": "sky", "tract": tract, "patch": patch, "visit": visit}
    return values | dict(zip(GROUP.implied, IMPLIED["CAM", visit], strict=True))


@pytest.fixture
def made() -> RowDataIds:
    """Return what makes data IDs of tract, patch and visit; the rest is constant, or follows from visits."""
    places = {"tract": 0, "patch": 1, "visit": 2}
    constants = {"instrument": "CAM", "skymap": "sky"}
    return RowDataIds(GROUP, places, constants, IMPLIED, ("instrument", "visit"))


def test_one_by_one_and_all_at_once(made: RowDataIds) -> None:
    """Both ways give the data IDs with all values, equal to minimal ones, and with the same text."""
    together = made.every(ROWS)
    for data_id, row in zip(together, ROWS, strict=True):
        expected = DataCoordinate.standardize(full(row), dimensions=GROUP)
        assert data_id == made.one(row) == expected
        assert dict(data_id) == dict(made.one(row)) == dict(expected) == data_id.mapping
        assert data_id.hasFull()
        assert hash(data_id) == hash(DataCoordinate(GROUP, expected.required_values))
        assert str(data_id) == str(expected)
        assert data_id.subset(["band"]) == {"band": full(row)["band"]}
        assert pickle.loads(pickle.dumps(data_id)).full_values == expected.full_values


def test_implied_values_in_the_rows() -> None:
    """Rows may have all values, in any order, and there may be dimensions that imply nothing."""
    keys = (*GROUP.implied, *GROUP.required)
    places = {name: place for place, name in enumerate(keys)}
    rows = [tuple(full(row)[key] for key in keys) for row in ROWS]
    assert [dict(i) for i in RowDataIds(GROUP, places, {}).every(rows)] == [
        {key: full(row)[key] for key in GROUP.data_coordinate_keys} for row in ROWS
    ]
    detectors = UNIVERSE.conform(["detector"])
    alone = RowDataIds(detectors, {"detector": 0}, {"instrument": "CAM"})
    assert [i["detector"] for i in alone.every([(1,), (2,)])] == [1, 2]
    assert alone.one((1,)).hasFull()
    assert RowDataIds(UNIVERSE.empty, {}, {}).every([()]) == [DataCoordinate.make_empty()]


def test_keys_that_occur(made: RowDataIds) -> None:
    """The values of some dimensions are told once each, implied ones by those of the visits."""
    assert made.keys(("skymap", "tract"), ROWS) == {("sky", 0), ("sky", 3)}
    assert made.keys(("instrument",), ROWS) == {("CAM",)}
    assert made.keys(("instrument", "physical_filter"), ROWS) == {("CAM", "CAM-g"), ("CAM", "CAM-r")}
    assert made.keys(("band",), []) == {("g",), ("r",)}
    assert made.keys(("tract",), []) == set()


def test_rows_whose_implied_values_are_not_known(made: RowDataIds) -> None:
    """A visit without record leaves no row."""
    assert made.told([*ROWS, (0, 1, 7)]) == ROWS


def test_records_are_looked_up_when_asked_for(made: RowDataIds) -> None:
    """Each data ID has the records of its own values, None where there is none, and shares them."""
    tracts = {("sky", t): DimensionRecord("tract", {"skymap": "sky", "tract": t}) for t in (0, 3)}
    bands = {("g",): DimensionRecord("band", {"band": "g"})}
    held: dict[str, dict[tuple[Any, ...], DimensionRecord]] = {name: {} for name in GROUP.elements}
    data_ids = made.with_records(SharedRecords(GROUP, held | {"tract": tracts, "band": bands})).every(ROWS)
    assert [data_id.records["tract"] for data_id in data_ids] == [tracts["sky", t] for t in (0, 0, 3)]
    assert data_ids[0].records["tract"] is data_ids[1].records["tract"]
    assert [data_id.records["band"] for data_id in data_ids] == [bands["g",], bands["g",], None]
    assert set(data_ids[0].records) == set(GROUP.elements)
    assert data_ids[2].subset(["tract"]).records["tract"] is tracts["sky", 3]
    assert made.one(ROWS[0]).hasRecords() is False
    with pytest.raises(DimensionNameError, match="expand it first"):
        _ = DataCoordinate(GROUP, data_ids[0].required_values).full_values


@pytest.mark.parametrize("runs", ["one", {1: "one", 2: "two"}], ids=["one run", "two runs"])
def test_refs_of_rows(made: RowDataIds, runs: Any) -> None:
    """They are the refs of their values, in sets, in order, as text, copied and pickled."""
    ids = [uuid.uuid4() for _ in ROWS]
    numbers = [()] * 3 if isinstance(runs, str) else [(1,), (2,), (1,)]
    rows = [(*row, *number, i.bytes) for row, number, i in zip(ROWS, numbers, ids, strict=True)]
    names = ["one", "one" if isinstance(runs, str) else "two", "one"]
    expected = [DatasetRef(WARP, full(row), name, i) for row, name, i in zip(ROWS, names, ids, strict=True)]

    def refs() -> list[DatasetRef]:
        return DatasetRef.from_rows(WARP, rows, made, runs)

    assert refs() == expected
    assert set(refs()) == set(expected)
    assert sorted(refs()) == sorted(expected)
    assert [str(ref) for ref in refs()] == [str(ref) for ref in expected]
    assert repr(refs()[0]) == repr(expected[0])
    assert [ref.run for ref in refs()] == names
    for same in (copy.copy(refs()[1]), pickle.loads(pickle.dumps(refs()[1]))):
        assert (same, same.run) == (expected[1], names[1])
    ref = refs()[0]
    assert ref.dataId is ref.dataId
    assert ref.id is ref.id
    with pytest.raises(AttributeError):
        ref.run = "other"  # type: ignore[misc]
    assert ref != expected[1]
    assert ref != "ref"


def test_refs_of_a_query_know_what_single_ones_know(butler: Butler) -> None:
    """What a listing with records returns is what looking up one dataset after the other does."""
    butler.registry.insertDatasets("note", [{"instrument": "CAM", "visit": visit} for visit in (1, 2, 3)])
    every = butler.query_datasets("note", with_dimension_records=True)
    assert len(every) == 3
    for ref in every:
        single = butler.get_dataset(ref.id, dimension_records=True)
        assert single is not None
        assert ref == single
        assert dict(ref.dataId) == dict(single.dataId)
        assert dict(ref.dataId.records) == dict(single.dataId.records)
        assert (ref.dataId.region, ref.dataId.timespan) == (single.dataId.region, single.dataId.timespan)
