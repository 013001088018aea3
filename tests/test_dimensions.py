"""Dimensions: closure of groups, data IDs, records and timespans."""

from __future__ import annotations

import itertools
import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_repository import square

from butler import DataCoordinate, DatasetRef, DatasetType, DimensionRecord, Timespan
from butler.datasets import make_dataset_id
from butler.dimensions import UNIVERSE, coerce_value
from butler.errors import DataIdValueError, DatasetTypeError, DimensionNameError, StorageClassError

names = st.lists(st.sampled_from(UNIVERSE.names), max_size=6)


def closure(given: list[str]) -> set[str]:
    """Return the names and all that they require and imply, by asking until nothing is new."""
    closed = set(given)
    while True:
        more = {n for name in closed for n in (*UNIVERSE[name].requires, *UNIVERSE[name].implies)}
        if more <= closed:
            return closed
        closed |= more


def identifying(members: set[str]) -> set[str]:
    """Return the members that no other implies, and what those are identified with."""
    implied = {name for member in members for name in UNIVERSE[member].implies}
    return {name for member in members - implied for name in UNIVERSE[member].required}


@pytest.mark.parametrize(
    ("given", "required", "implied"),
    [
        ("visit", "instrument visit", "band day_obs physical_filter"),
        ("visit detector", "instrument detector visit", "band day_obs physical_filter"),
        ("visit patch", "instrument skymap tract patch visit", "band day_obs physical_filter"),
        ("patch band", "band skymap tract patch", ""),
        ("exposure detector", "instrument detector exposure", "band day_obs group physical_filter"),
        ("visit exposure", "instrument exposure visit", "band day_obs group physical_filter"),
        ("subfilter patch", "band skymap subfilter tract patch", ""),
        ("visit band", "instrument visit", "band day_obs physical_filter"),
        ("", "", ""),
    ],
)
def test_groups_close_as_in_lsst(given: str, required: str, implied: str) -> None:
    """Required and implied dimensions, and their order, are those of LSST's universe 8."""
    group = UNIVERSE.conform(given.split())
    assert group.required == tuple(required.split())
    assert group.implied == tuple(implied.split())
    assert group.data_coordinate_keys == group.required + group.implied


@given(names)
@settings(deadline=None, max_examples=200)
def test_closure_is_complete_and_independent_of_order(given: list[str]) -> None:
    """A group has exactly the closure as members, whatever the order, and equal groups are one object."""
    group = UNIVERSE.conform(given)
    assert set(group.names) == closure(given)
    assert set(group.required) == identifying(set(group.names))
    assert list(group.names) == sorted(group.names, key=UNIVERSE.names.index)
    assert UNIVERSE.conform(reversed(given)) is group
    assert UNIVERSE.conform(group.names) is group
    assert UNIVERSE.conform(group.required) is group
    assert pickle.loads(pickle.dumps(group)) is group


@given(names, names)
@settings(deadline=None, max_examples=50)
def test_union_holds_both(first: list[str], second: list[str]) -> None:
    """The union is the closure of both, and both are subsets of it."""
    union = UNIVERSE.conform(first).union(UNIVERSE.conform(second))
    assert union is UNIVERSE.conform([*first, *second])
    assert UNIVERSE.conform(first).issubset(union)
    assert UNIVERSE.conform(second).issubset(union)


@pytest.mark.parametrize(
    ("given", "governors", "region", "timespan", "order"),
    [
        ("visit", "instrument", "visit", "visit", "instrument visit day_obs physical_filter band"),
        (
            "visit detector",
            "instrument",
            "visit_detector_region",
            "visit",
            "instrument detector visit day_obs physical_filter band visit_detector_region",
        ),
        (
            "visit patch",
            "instrument skymap",
            None,
            "visit",
            "instrument skymap tract patch visit day_obs physical_filter band",
        ),
        ("patch band", "skymap", "patch", None, "band skymap tract patch"),
        (
            "exposure detector",
            "instrument",
            None,
            "exposure",
            "instrument detector exposure day_obs group physical_filter band",
        ),
        (
            "visit exposure",
            "instrument",
            "visit",
            "exposure",
            "instrument exposure day_obs group physical_filter band visit visit_definition",
        ),
        ("subfilter visit_system", "instrument", None, None, "band instrument subfilter visit_system"),
        ("htm7 htm9", "", "htm9", None, "htm7 htm9"),
        ("htm7 patch", "skymap", None, None, "htm7 skymap tract patch"),
        ("", "", None, None, ""),
    ],
)
def test_groups_know_regions_times_and_order_as_in_lsst(
    given: str, governors: str, region: str | None, timespan: str | None, order: str
) -> None:
    """Governors, the elements with region and timespan, and the order of look-ups are those of LSST."""
    group = UNIVERSE.conform(given.split())
    assert group.governors == tuple(governors.split())
    assert (group.region_dimension, group.timespan_dimension) == (region, timespan)
    assert group.lookup_order == tuple(order.split())
    assert set(group.lookup_order) == set(group.elements)


@given(names, names)
@settings(deadline=None, max_examples=100)
def test_groups_are_sets_of_their_members(first: list[str], second: list[str]) -> None:
    """Comparisons are those of the member sets; intersection and difference are closed again."""
    one, two = UNIVERSE.conform(first), UNIVERSE.conform(second)
    here, there = set(one.names), set(two.names)
    assert (one <= two, one < two, one >= two, one > two) == (
        here <= there,
        here < there,
        here >= there,
        here > there,
    )
    assert (one.issuperset(two), one.isdisjoint(two)) == (here >= there, here.isdisjoint(there))
    assert set((one | two).names) == here | there
    assert set((one & two).names) == here & there
    assert set((one - two).names) == closure(sorted(here - there))
    assert UNIVERSE.conform(one.to_simple()) is one


def test_the_universe_is_a_table_of_elements() -> None:
    """Elements are found, sorted and grouped as LSST's universe does it."""
    assert (UNIVERSE.version, UNIVERSE.namespace) == (8, "daf_butler")
    assert "visit" in UNIVERSE
    assert UNIVERSE.get("vist") is None
    assert list(UNIVERSE.governor_dimensions) == ["instrument", "skymap"]
    assert tuple(UNIVERSE.dimensions) == UNIVERSE.names
    assert UNIVERSE.sorted(["visit", UNIVERSE["band"]]) == ["band", "visit"]
    assert UNIVERSE.sorted(["visit", "band"], reverse=True) == ["visit", "band"]
    assert UNIVERSE.get_elements_populated_by("visit") == [
        "visit",
        "visit_definition",
        "visit_detector_region",
        "visit_system_membership",
    ]
    assert (UNIVERSE["detector"].governor, UNIVERSE["band"].governor) == ("instrument", None)
    assert UNIVERSE["visit"].implied == ("physical_filter", "day_obs")
    assert UNIVERSE.conform("visit") is UNIVERSE.conform(["visit"])


def test_join_tables_belong_to_groups_that_hold_their_dimensions() -> None:
    """visit_detector_region and visit_definition are elements, but no members."""
    assert "visit_detector_region" in UNIVERSE.conform(["visit", "detector"]).elements
    assert "visit_definition" in UNIVERSE.conform(["visit", "exposure"]).elements
    assert "visit_detector_region" not in UNIVERSE.conform(["visit"]).elements
    assert "visit_detector_region" not in UNIVERSE.conform(["visit", "detector"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["vist"], "did you mean 'visit'"),
        (["visit_detector_region"], "joins dimensions, not a dimension"),
    ],
)
def test_impossible_dimensions_are_refused(given: Any, message: str) -> None:
    """A misspelt name and a join table are errors that say what to do."""
    with pytest.raises(DimensionNameError, match=message):
        UNIVERSE.conform(given)


def make_data_id(**values: Any) -> DataCoordinate:
    return DataCoordinate.standardize(values, dimensions=UNIVERSE.conform(values))


def test_equality_uses_required_values_only() -> None:
    """A minimal data ID equals the full one of the same thing, also as a dictionary key."""
    minimal = make_data_id(instrument="CAM", visit=1)
    full = DataCoordinate.standardize(
        {"instrument": "CAM", "visit": 1, "band": "g", "day_obs": 20240101, "physical_filter": "CAM-g"},
        dimensions=minimal.dimensions,
    )
    assert full.hasFull()
    assert not minimal.hasFull()
    assert minimal == full
    assert {minimal: 1}[full] == 1
    assert minimal == {"instrument": "CAM", "visit": 1}
    assert minimal != {"instrument": "CAM", "visit": 2}
    assert minimal != make_data_id(instrument="CAM", exposure=1)
    assert pickle.loads(pickle.dumps(full)) == full
    assert dict(pickle.loads(pickle.dumps(full))) == dict(full)


def test_subset_and_union_of_data_ids() -> None:
    """A subset keeps the values it can; a union refuses contradictions."""
    visit = make_data_id(instrument="CAM", visit=1)
    detector = make_data_id(instrument="CAM", detector=2)
    both = visit.union(detector)
    assert both == {"instrument": "CAM", "visit": 1, "detector": 2}
    assert both.subset(["detector"]) == detector
    with pytest.raises(KeyError):
        visit.subset(["band"])
    with pytest.raises(DataIdValueError, match="differ in visit"):
        visit.union(make_data_id(instrument="CAM", visit=2))


names_of_dimensions = st.sets(st.sampled_from(UNIVERSE.names), max_size=4)


@st.composite
def data_ids(draw: st.DrawFn) -> DataCoordinate:
    """Draw a data ID, minimal or full, whose values agree with every other one that is drawn."""
    group = UNIVERSE.conform(draw(names_of_dimensions))
    keys = group.data_coordinate_keys if draw(st.booleans()) else group.required
    key_types = {name: element.key.type for name, element in UNIVERSE.dimensions.items() if element.key}
    values = {name: 7 if key_types[name] is int else f"<{name}>" for name in keys}
    return DataCoordinate.standardize(values, dimensions=group)


@given(data_ids(), data_ids())
@settings(deadline=None, max_examples=200)
def test_data_ids_are_their_required_values(one: DataCoordinate, two: DataCoordinate) -> None:
    """Equality and hash follow group and required values, levels do not count; JSON keeps all."""
    same = one.dimensions is two.dimensions
    assert (one == two) == same
    if same:
        assert hash(one) == hash(two)
    assert one == one.required
    assert one.hasFull() == (set(one) == set(one.dimensions.names))
    again = DataCoordinate.from_json(one.to_json())
    assert (again, dict(again)) == (one, dict(one))
    assert DataCoordinate.from_required_values(one.dimensions, one.required_values) == one
    if one.hasFull():
        assert dict(DataCoordinate.from_full_values(one.dimensions, one.full_values)) == one.mapping


@given(data_ids(), data_ids())
@settings(deadline=None, max_examples=200)
def test_unions_and_subsets_undo_each_other(one: DataCoordinate, two: DataCoordinate) -> None:
    """A union knows what both know, and its subset to either group is that one again."""
    both = one.union(two)
    assert both.dimensions is one.dimensions.union(two.dimensions)
    assert dict(both) == {name: {**one, **two}[name] for name in both}
    assert both == two.union(one)
    for part in (one, two):
        # A name that is required in the part may be implied, and not told, in the union.
        if all(name in both for name in part.dimensions.required):
            assert both.subset(part.dimensions) == part


def test_data_ids_are_made_as_in_lsst() -> None:
    """Keywords go over the mapping, dimensions follow from keys, and a data ID is taken as it is."""
    visit = DataCoordinate.standardize({"instrument": "CAM", "visit": 1}, visit=2, universe=UNIVERSE)
    assert visit == {"instrument": "CAM", "visit": 2}
    assert visit.dimensions is UNIVERSE.conform(["visit"])
    assert DataCoordinate.standardize(visit) is visit
    detector = DataCoordinate.standardize(visit, detector=3, dimensions=["visit", "detector"])
    assert detector == {"instrument": "CAM", "visit": 2, "detector": 3}
    filled = DataCoordinate.standardize(visit=5, dimensions=["visit"], defaults={"instrument": "X"})
    assert filled == {"instrument": "X", "visit": 5}
    empty = DataCoordinate.make_empty(UNIVERSE)
    assert (len(empty), empty.hasFull(), empty.hasRecords(), str(empty)) == (0, True, True, "{}")
    with pytest.raises(DimensionNameError, match="lacks band, day_obs, physical_filter"):
        _ = visit.full_values
    with pytest.raises(DimensionNameError, match="values are needed for instrument, visit"):
        DataCoordinate.from_required_values(visit.dimensions, ("CAM",))


def test_order_and_text_of_data_ids() -> None:
    """Data IDs sort by their required values, and read as key: value in canonical order."""
    ids = [make_data_id(instrument=i, visit=v) for v, i in itertools.product((2, 1), ("B", "A"))]
    assert [tuple(d.values()) for d in sorted(ids)] == [("A", 1), ("A", 2), ("B", 1), ("B", 2)]
    assert str(ids[0]) == "{instrument: 'B', visit: 2}"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("visit", "1", "needs an integer"),
        ("visit", 1.0, "needs an integer"),
        ("visit", True, "needs an integer"),
        ("visit", None, "give an integer"),
        ("visit", 2**63, "64 bits"),
        ("visit", -(2**63) - 1, "64 bits"),
        ("instrument", 1, "needs a text"),
        ("instrument", "", "not empty"),
        ("instrument", "a\0b", "NUL"),
        ("instrument", "\ud800", "half characters"),
        ("visit_definition", 1, "joins dimensions"),
    ],
)
def test_values_of_another_type_are_refused(name: str, value: Any, message: str) -> None:
    """Nothing is guessed: text is no number, and what a database cannot hold is refused."""
    with pytest.raises((DataIdValueError, DimensionNameError), match=message):
        coerce_value(name, value)


@pytest.mark.parametrize("value", [np.int16(7), np.uint64(7), 7])
def test_numpy_integers_become_python_integers(value: Any) -> None:
    """A value from an array is an ordinary integer afterwards."""
    assert type(coerce_value("visit", value)) is int
    assert coerce_value("visit", 2**63 - 1) == 2**63 - 1


def test_missing_and_unknown_keys_are_named() -> None:
    """A data ID error names what is missing, or the nearest dimension."""
    group = UNIVERSE.conform(["visit", "detector"])
    with pytest.raises(DimensionNameError, match="lacks detector, visit"):
        DataCoordinate.standardize({"instrument": "CAM"}, dimensions=group)
    with pytest.raises(DimensionNameError, match="did you mean 'visit'"):
        DataCoordinate.standardize({"instrument": "CAM", "vsit": 1}, dimensions=group)
    extra = {"instrument": "CAM", "visit": 1, "detector": 0, "tract": 9}
    assert "tract" not in DataCoordinate.standardize(extra, dimensions=group)


def test_records_take_the_name_of_their_key_either_way() -> None:
    """``id`` and ``visit`` are the same column; other values read as attributes and items."""
    values = {"instrument": "CAM", "id": 7, "physical_filter": "F", "day_obs": 20240101, "seq_num": 3}
    record = DimensionRecord("visit", values)
    assert record.id == record["visit"] == 7
    assert record.seq_num == 3
    assert record.exposure_time is None
    assert record == DimensionRecord("visit", record.toDict())
    assert tuple(record.columns()) == UNIVERSE["visit"].columns
    assert tuple(record.toDict())[:3] == ("instrument", "id", "physical_filter")
    assert (record.get("id"), record.get("seqnum"), record.get("seqnum", 5)) == (7, None, 5)
    with pytest.raises(AttributeError, match="did you mean 'seq_num'"):
        _ = record.seqnum


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"exposuretime": 1.0}, DimensionNameError, "did you mean 'exposure_time'"),
        ({"day_obs": None}, DimensionNameError, "needs day_obs"),
        ({"exposure_time": "30"}, DataIdValueError, "exposure_time needs a number"),
        ({"seq_num": 1.5}, DataIdValueError, "seq_num needs an integer"),
        ({"target_name": 5}, DataIdValueError, "target_name needs a text"),
        ({"id": "x"}, DataIdValueError, "visit needs an integer"),
        ({"region": "x"}, DataIdValueError, "region needs a SkyRegion"),
        ({"timespan": 5}, DataIdValueError, "timespan needs a Timespan"),
        ({"timespan": Timespan.makeEmpty()}, DataIdValueError, "cannot be empty"),
    ],
)
def test_records_are_checked(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    """A record with an unknown, missing or ill-typed value is refused before it is stored."""
    values = {"instrument": "CAM", "id": 7, "physical_filter": "F", "day_obs": 20240101}
    with pytest.raises(error, match=message):
        DimensionRecord("visit", values | changes)


def test_records_hold_plain_values() -> None:
    """Integers are numbers; NaN means that a number is not known."""
    values = {"instrument": "CAM", "id": np.int64(7), "physical_filter": "F", "day_obs": 20240101}
    record = DimensionRecord("visit", {**values, "exposure_time": 30, "azimuth": float("nan")})
    assert type(record.id) is int
    assert (record.exposure_time, record.azimuth) == (30.0, None)
    region = square(1.0, 2.0)
    assert DimensionRecord("visit", {**values, "region": region}).region == region
    assert DimensionRecord("skymap", {"name": "sky", "hash": b"\x01\xff"}).hash == "01ff"


def test_records_survive_json() -> None:
    """Region and timespan, too, come back from JSON as they were."""
    values = {"instrument": "CAM", "id": 7, "physical_filter": "F", "day_obs": 20240101, "azimuth": 1 / 3}
    record = DimensionRecord("visit", {**values, "region": square(1.0, 2.0), "timespan": Timespan(5, None)})
    assert DimensionRecord.from_json(record.to_json()) == record
    assert json.loads(record.to_json())["record"]["timespan"] == [5, None]


def test_dataset_types_and_refs_are_values() -> None:
    """Dataset types and refs compare, hash and pickle by value; components have their own type."""
    kind = DatasetType("calexp", ["visit", "detector"], "ExposureF")
    assert kind == DatasetType("calexp", UNIVERSE.conform(["detector", "visit"]), kind.storageClass)
    assert kind != DatasetType("calexp", ["visit"], "ExposureF")
    wcs = kind.makeComponentDatasetType("wcs")
    assert (wcs.nameAndComponent(), wcs.storageClass_name) == (("calexp", "wcs"), "Wcs")
    ref = DatasetRef(kind, {"instrument": "CAM", "visit": 1, "detector": 0}, "run")
    for value in (kind, wcs, ref, ref.makeComponentRef("wcs")):
        copy = pickle.loads(pickle.dumps(value))
        assert copy == value
        assert hash(copy) == hash(value)


@pytest.mark.parametrize("name", ["", "a b", "a-b", "1a", "a.b.c", "../x", "a/b", "é", "x" * 129])
def test_impossible_dataset_type_names_are_refused(name: str) -> None:
    """A name becomes a part of paths, so it has letters, digits and underscores only."""
    with pytest.raises(DatasetTypeError, match="named with"):
        DatasetType(name, ["visit"], "ExposureF")


def test_unknown_storage_class_is_refused() -> None:
    """A misspelt storage class gets the nearest name."""
    with pytest.raises(StorageClassError, match="did you mean 'ExposureF'"):
        DatasetType("calexp", ["visit"], "ExposureFF")


def test_dataset_ids_are_ordered_in_time() -> None:
    """UUIDs have version 7 and begin with the time."""
    ids = [make_dataset_id() for _ in range(100)]
    assert {i.version for i in ids} == {7}
    assert len(set(ids)) == 100
    assert [i.int >> 80 for i in ids] == sorted(i.int >> 80 for i in ids)
