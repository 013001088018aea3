"""Queries: joins over dimensions and the sky, datasets along a path, order, limit, reasons for nothing."""

from __future__ import annotations

import itertools
import logging
import random
from typing import Any

import pytest
from small_repository import COADD, DETECTORS, NOTE, SKY_MAP, TOTAL, VISITS, WARP, square

from butler import Butler, CollectionType, DatasetRef
from butler.errors import (
    DataIdValueError,
    DimensionNameError,
    EmptyQueryResultError,
    InvalidQueryError,
    MissingCollectionError,
    MissingDatasetTypeError,
    NoDefaultCollectionError,
    UnknownComponentError,
)
from butler.regions import SkyRegion

pytestmark = pytest.mark.both_databases

VISIT_REGIONS = {
    v: SkyRegion.convex_hull_of([square(*DETECTORS[v, 0]), square(*DETECTORS[v, 1])]) for v in VISITS
}
DETECTOR_REGIONS = {key: square(*centre) for key, centre in DETECTORS.items()}
PATCH_REGIONS = {patch.sequential_index: patch.region for patch in SKY_MAP[0]}


def keys(butler: Butler, dimensions: str, **kwargs: Any) -> list[tuple[Any, ...]]:
    """Return the values of the named dimensions in each result, which must be unique."""
    names = dimensions.split()
    ids = butler.query_data_ids(names, explain=False, **kwargs)
    found = [tuple(data_id[name] for name in names) for data_id in ids]
    assert len(set(ids)) == len(ids)
    return found


def overlapping(first: dict[Any, SkyRegion], second: dict[Any, SkyRegion]) -> set[tuple[Any, ...]]:
    """Return the pairs of keys whose regions overlap, by trying all."""
    return {
        (*(a if isinstance(a, tuple) else (a,)), b)
        for (a, one), (b, two) in itertools.product(first.items(), second.items())
        if one.overlaps(two)
    }


def warp_ref(visit: int, patch: int) -> DatasetRef:
    data_id = {"instrument": "CAM", "skymap": "sky", "tract": 0, "visit": visit, "patch": patch}
    return DatasetRef(WARP, data_id, "run")


# Data IDs.


def test_data_ids_are_full_and_in_order(butler: Butler) -> None:
    """Results know their implied values and come in the order of their keys."""
    ids = butler.query_data_ids(["detector", "visit"])
    assert [(d["detector"], d["visit"]) for d in ids] == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    for data_id in ids:
        values = VISITS[data_id["visit"]]
        assert data_id["physical_filter"] == values["physical_filter"]
        assert data_id["band"] == values["physical_filter"][-1]
        assert data_id["day_obs"] == values["day_obs"]


@pytest.mark.parametrize(
    ("dimensions", "expected"),
    [
        ("band", {("g",), ("r",)}),
        ("visit band", {(1, "g"), (2, "r"), (3, "g")}),
        ("patch band", set(itertools.product((0, 1), "gr"))),
        ("visit exposure", {(1, 1), (2, 2), (3, 3)}),
        ("visit detector", set(DETECTORS)),
        ("physical_filter tract", {("CAM-g", 0), ("CAM-r", 0)}),
        ("instrument skymap", {("CAM", "sky")}),
    ],
)
def test_joins_without_regions(butler: Butler, dimensions: str, expected: set[tuple[Any, ...]]) -> None:
    """Implied keys tie dimensions together; what nothing ties is a product."""
    assert set(keys(butler, dimensions)) == expected


def test_nothing_at_all_has_one_empty_data_id(butler: Butler) -> None:
    """The dimensions {} have exactly one data ID."""
    assert keys(butler, "") == [()]


# The sky.


def test_spatial_joins_are_exact(butler: Butler) -> None:
    """Observations and sky map meet where their finest regions overlap, touching included."""
    assert set(keys(butler, "visit patch")) == overlapping(VISIT_REGIONS, PATCH_REGIONS)
    assert set(keys(butler, "visit detector patch")) == overlapping(DETECTOR_REGIONS, PATCH_REGIONS)
    assert keys(butler, "visit tract") == [(1, 0), (2, 0)]
    assert keys(butler, "visit", where="tract = 0") == [(1,), (2,)]
    assert keys(butler, "tract", where="visit = 2 AND detector = 1") == [(0,)]
    assert keys(butler, "patch", where="visit = 2 AND detector = 1") == [(1,)]
    assert keys(butler, "tract", where="visit = 3") == []


def test_random_regions_join_as_by_hand(butler: Butler) -> None:
    """Of a hundred squares around the tract, those overlap that an exact test of each pair says."""
    generator = random.Random(7)
    regions = {}
    for number in range(100, 200):
        ra, dec = 10 + generator.uniform(-0.03, 0.03), generator.uniform(-0.03, 0.03)
        regions[number] = square(ra % 360, dec, generator.choice([0.0005, 0.004]))
    common = {"instrument": "CAM", "physical_filter": "CAM-g", "day_obs": 20240101}
    records = [{**common, "id": n, "name": f"n{n}", "region": region} for n, region in regions.items()]
    butler.registry.insertDimensionData("visit", *records)
    expected = overlapping(regions, PATCH_REGIONS)
    assert 40 < len(expected) < 160
    assert set(keys(butler, "visit patch", where="visit >= 100")) == expected


def test_regions_across_zero_hours_and_at_the_pole(butler: Butler) -> None:
    """The prefilter loses nothing where right ascension jumps or loses its meaning."""
    places = {200: (359.9999, 0.0), 201: (0.0001, 0.0), 202: (123.0, 89.9999), 203: (303.0, 89.9999)}
    common = {"instrument": "CAM", "physical_filter": "CAM-g", "day_obs": 20240101}
    for number, (ra, dec) in places.items():
        region = SkyRegion.from_circle(ra, dec, 0.001)
        record = {**common, "id": number, "name": f"n{number}", "region": region}
        butler.registry.insertDimensionData("visit", record)
    for shape, expected in [
        ("CIRCLE(0, 0, 0.01)", [(200,), (201,)]),
        ("CIRCLE(360, 0, 0.01)", [(200,), (201,)]),
        ("CIRCLE(0, 90, 0.01)", [(202,), (203,)]),
        ("BOX(0, 0, 0.1, 0.1)", [(200,), (201,)]),
    ]:
        assert keys(butler, "visit", where=f"visit.region OVERLAPS {shape}") == expected


def test_unknown_region_overlaps_nothing(butler: Butler) -> None:
    """A visit without region is found, but not where the sky matters."""
    record = {"instrument": "CAM", "id": 4, "physical_filter": "CAM-g", "day_obs": 20240101}
    butler.registry.insertDimensionData("visit", record)
    assert (4,) in keys(butler, "visit")
    assert (4, 0) not in keys(butler, "visit tract")
    assert keys(butler, "visit", where="visit.region OVERLAPS CIRCLE(0, 0, 180)") == [(1,), (2,), (3,)]


def test_datasets_vouch_for_their_pairs(butler: Butler) -> None:
    """A dataset of visit and patch stands for the overlap, until a finer region comes in."""
    butler.registry.insert_datasets("run", [warp_ref(1, 0), warp_ref(3, 1)])
    joined = [butler.registry.search("warp", ["run"])]
    assert keys(butler, "visit patch", joined=joined) == [(1, 0), (3, 1)]
    assert set(keys(butler, "visit detector patch", joined=joined)) == {(1, 0, 0), (1, 1, 0)}


# Datasets.


def test_first_collection_counts(butler: Butler) -> None:
    """Of three runs with random datasets, in every order, the first that has a data ID counts."""
    generator = random.Random(3)
    runs = ["run", "b", "c"]
    held: dict[str, dict[int, DatasetRef]] = {}
    for run in runs:
        butler.registry.registerRun(run)
        chosen = generator.sample(list(VISITS), 2)
        held[run] = {v: DatasetRef(NOTE, {"instrument": "CAM", "visit": v}, run) for v in chosen}
        butler.registry.insert_datasets(run, list(held[run].values()))
    butler.collections.register("chain", CollectionType.CHAINED)
    for path in itertools.permutations(runs):
        expected: dict[int, DatasetRef] = {}
        for run in path:
            expected = held[run] | expected
        butler.collections.redefine_chain("chain", path)
        for collections in (list(path), "chain", ["chain", "run"]):
            refs = butler.query_datasets("note", collections)
            assert {ref.dataId["visit"]: (ref.id, ref.run) for ref in refs} == {
                v: (ref.id, ref.run) for v, ref in expected.items()
            }
            for visit, ref in expected.items():
                assert butler.find_dataset("note", visit=visit, collections=collections) == ref


def test_conditions_on_other_dimensions(butler: Butler) -> None:
    """Datasets are found by dimensions they lack, each once."""
    data_ids = [{"skymap": "sky", "tract": 0, "patch": p, "band": b} for p in (0, 1) for b in "gr"]
    butler.registry.insert_datasets("run", [DatasetRef(COADD, d, "run") for d in data_ids])
    refs = butler.query_datasets("coadd", where="visit = 2 AND instrument = 'CAM'")
    assert [(r.dataId["patch"], r.dataId["band"]) for r in refs] == [(0, "r"), (1, "r")]
    refs = butler.query_datasets("coadd", where="visit = 1 AND detector = 1", band="g")
    assert [(r.dataId["patch"], r.dataId["band"]) for r in refs] == [(0, "g")]


def test_dataset_without_dimensions(butler: Butler) -> None:
    """A type with the dimensions {} has one dataset a run."""
    ref = butler.put({"n": 1}, TOTAL)
    assert butler.query_datasets("total") == [ref]
    assert butler.get("total") == {"n": 1}


@pytest.mark.parametrize(
    ("dataset_type", "kwargs", "error", "message"),
    [
        ("nte", {}, MissingDatasetTypeError, "did you mean 'note'"),
        ("note", {"collections": "rn"}, MissingCollectionError, "did you mean 'run'"),
        ("note", {"collections": "r*"}, InvalidQueryError, r"'r\*' stands for collections in no order"),
        ("calexp.wcs", {}, UnknownComponentError, "ask for 'calexp'"),
        ("note", {"vist": 1}, DimensionNameError, "did you mean 'visit'"),
        ("note", {"visit": "1"}, DataIdValueError, "no visit has .*name='1'"),
        ("note", {"where": "vist = 1"}, InvalidQueryError, "did you mean 'visit'"),
    ],
)
def test_wrong_questions(
    butler: Butler, dataset_type: str, kwargs: dict[str, Any], error: type[Exception], message: str
) -> None:
    """A misspelt name in any place is an error that names the nearest one, also with explain=False."""
    with pytest.raises(error, match=message):
        butler.query_datasets(dataset_type, explain=False, **kwargs)


def test_collections_are_needed(repository: Any) -> None:
    """A butler without default collections asks for some."""
    with Butler(repository) as butler, pytest.raises(NoDefaultCollectionError, match="give collections"):
        butler.query_datasets("note")


# Records.


def test_records(butler: Butler) -> None:
    """Records of dimensions, of derived bands and of join tables are found by any condition."""
    visits = butler.query_dimension_records("visit", where="exposure_time > 40")
    assert [(r.id, r.exposure_time) for r in visits] == [(2, 45.5), (3, 60.0)]
    assert [r.band for r in butler.query_dimension_records("band")] == ["g", "r"]
    regions = butler.query_dimension_records("visit_detector_region", where="visit = 2", detector=1)
    assert [r.region for r in regions] == [DETECTOR_REGIONS[2, 1]]
    near = butler.query_dimension_records("patch", where="visit = 2 AND instrument = 'CAM'")
    assert [(r.id, r.cell_x, r.cell_y) for r in near] == [(0, 0, 0), (1, 1, 0)]
    with pytest.raises(DimensionNameError, match="did you mean 'visit'"):
        butler.query_dimension_records("vist")


# Order and limit.


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        ("visit", [1, 2, 3]),
        ("-visit", [3, 2, 1]),
        ("-exposure_time", [3, 2, 1]),
        ("visit.exposure_time", [1, 2, 3]),
        (["-day_obs", "visit"], [3, 1, 2]),
        (["band", "-visit"], [3, 1, 2]),
        ("visit.timespan.begin", [1, 2, 3]),
        ("-visit.timespan.end", [3, 2, 1]),
        ("-visit.id", [3, 2, 1]),
        ("visit.physical_filter", [1, 3, 2]),
        (["instrument", "-visit.name"], [3, 2, 1]),
    ],
)
def test_order(butler: Butler, order_by: Any, expected: list[int]) -> None:
    """Names of the result sort it, a minus sign turns the order round; equal ones come by key."""
    assert keys(butler, "visit", order_by=order_by) == [(v,) for v in expected]
    joined = keys(butler, "visit", order_by=order_by, where="detector >= 0 AND patch >= 0")
    assert joined == [(v,) for v in expected if v != 3]


@pytest.mark.parametrize(
    "order_by", ["detector", "vist", "visit.nme", "", "-", "1", "NULL", ":x", "visit = 1", "visit, detector"]
)
def test_impossible_order(butler: Butler, order_by: str) -> None:
    """What is not a column of the result is refused, also if the condition brings it in."""
    with pytest.raises(InvalidQueryError):
        butler.query_data_ids("visit", order_by=[order_by], where="detector = 1")


@pytest.mark.parametrize("where", ["", "patch >= 0"])
def test_limit(butler: Butler, caplog: pytest.LogCaptureFixture, where: str) -> None:
    """A limit keeps the first rows; a negative one says if there are more; 0 only checks the query."""
    every = keys(butler, "visit", where=where)
    for limit in (1, len(every), 10):
        assert keys(butler, "visit", where=where, limit=limit) == every[:limit]
        assert keys(butler, "visit", where=where, limit=-limit, order_by="-visit") == every[::-1][:limit]
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        "more than 1 results; the others are left out"
    ]
    assert butler.query_data_ids("visit", where=where, limit=0) == []
    with pytest.raises(InvalidQueryError):
        butler.query_data_ids("visit", where="vist = 1", limit=0)


# Why nothing is found.


@pytest.mark.parametrize(
    ("dimensions", "kwargs", "message"),
    [
        ("visit", {"where": "visit = 99"}, "nothing fulfils 'visit = 99'; visit is one of: 1, 2, 3"),
        (
            "visit",
            {"where": "visit > 0 AND band = 'z'"},
            "the condition at column 15 of \"visit > 0 AND band = 'z'\"; band is one of: g, r",
        ),
        ("visit", {"where": "exposure_time > 1e9"}, "nothing fulfils 'exposure_time > 1e9'"),
        ("visit", {"where": "visit = 1 AND band = 'r'"}, "but nothing fulfils all of them together"),
        ("visit", {"data_id": {"visit": 7}}, "nothing has visit=7; visit is one of: 1, 2, 3"),
        ("visit", {"instrument": "OTHER"}, "nothing has instrument='OTHER'; instrument is one of: CAM"),
        ("visit tract", {"visit": 3}, "nothing has visit=3"),
        ("subfilter", {}, "nothing exists with {band, subfilter}: records are missing"),
        ("visit", {"where": "visit.region OVERLAPS POINT(0, 80)"}, "nothing fulfils 'visit.region OVERLAPS"),
    ],
)  # fmt: skip
def test_empty_results_are_explained(
    butler: Butler, dimensions: str, kwargs: dict[str, Any], message: str
) -> None:
    """An empty answer names the condition that removes everything, and the values there are."""
    with pytest.raises(EmptyQueryResultError) as caught:
        butler.query_data_ids(dimensions.split(), **kwargs)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert butler.query_data_ids(dimensions.split(), explain=False, **kwargs) == []


def test_missing_datasets_are_explained(butler: Butler) -> None:
    """Where there is no dataset at all, or none that a condition leaves, the answer says which."""
    with pytest.raises(EmptyQueryResultError, match="no dataset of type 'note' in run"):
        butler.query_datasets("note")
    with pytest.raises(EmptyQueryResultError, match="no dataset of type 'note' in no run at all"):
        butler.query_datasets("note", collections=[])
    butler.put({}, NOTE, visit=1)
    with pytest.raises(EmptyQueryResultError, match="no dataset fulfils 'visit = 2'; visit is one of"):
        butler.query_datasets("note", where="visit = 2")
    with pytest.raises(EmptyQueryResultError, match="no dataset of type 'warp' in run"):
        butler.query_data_ids("visit", joined=[butler.registry.search("warp", ["run"])])


def test_records_that_are_missing_are_explained(butler: Butler) -> None:
    """A join table without rows is told apart from dimensions without rows."""
    with pytest.raises(EmptyQueryResultError, match=r"nothing exists with \{instrument, visit_system\}"):
        butler.query_dimension_records("visit_system")
    with pytest.raises(EmptyQueryResultError, match="nothing fulfils 'visit = 9'"):
        butler.query_dimension_records("visit_detector_region", where="visit = 9")
