"""query(): built step by step, run late, with results as objects, arrays and tables."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from small_repository import CALEXP, COADD, DETECTORS, NOTE, VISITS, WARP

from butler import Butler, DataCoordinate, DatasetRef
from butler.dimensions import UNIVERSE
from butler.errors import (
    DataIdValueError,
    DimensionNameError,
    EmptyQueryResultError,
    InvalidQueryError,
    MissingDatasetTypeError,
)
from butler.registry import Query

pytestmark = pytest.mark.both_databases


@pytest.fixture
def query(butler: Butler) -> Query:
    """Return a query of a repository with notes of visits 1 and 2, and of 2 and 3 in a second run."""
    butler.registry.registerRun("second")
    for run, visits in (("run", (1, 2)), ("second", (2, 3))):
        refs = [DatasetRef(NOTE, {"instrument": "CAM", "visit": v}, run) for v in visits]
        butler.registry.insert_datasets(run, refs)
    with butler.query() as made:
        return made


def values(results: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(data_id[name] for name in names) for data_id in results]


def data_id(**kwargs: Any) -> DataCoordinate:
    return DataCoordinate.standardize({"instrument": "CAM", **kwargs}, dimensions=UNIVERSE.conform(kwargs))


def test_a_query_is_a_value(query: Query) -> None:
    """Methods return another query and leave the one they belong to as it was."""
    narrow = query.where("visit > 1")
    narrower = narrow.where("exposure_time < 50 OR visit = 9", instrument="CAM")
    assert values(query.data_ids("visit"), "visit") == [(1,), (2,), (3,)]
    assert values(narrow.data_ids("visit"), "visit") == [(2,), (3,)]
    assert values(narrower.data_ids("visit"), "visit") == [(2,)]
    results = narrow.data_ids(["visit"])
    assert values(results.order_by("-visit").limit(1), "visit") == [(3,)]
    assert values(results, "visit") == [(2,), (3,)]


def test_where_takes_expressions_binds_and_data_ids(query: Query) -> None:
    """Each expression has binds of its own; data IDs and keywords add up."""
    found = query.where("visit > :n", bind={"n": 1}).where("visit < :n", bind={"n": 3}).data_ids("visit")
    assert values(found, "visit") == [(2,)]
    assert values(query.where({"visit": 2}, detector=1).data_ids(["visit", "detector"]), "detector") == [(1,)]
    assert values(query.data_ids("visit").where("visit = 3", {"instrument": "CAM"}), "visit") == [(3,)]
    assert values(query.data_ids("detector").where(full_name="S10"), "detector") == [(1,)]
    assert values(query.data_ids("visit").where({"visit.name": "v2"}), "visit") == [(2,)]
    with pytest.raises(InvalidQueryError, match="cannot be both 1 and 2"):
        query.where(visit=1).where(visit=2)
    with pytest.raises(DimensionNameError, match="did you mean"):
        query.data_ids("visit").where(vist=1)
    with pytest.raises(DataIdValueError):
        list(query.data_ids("tract").where(tract="zero"))


def test_joined_datasets_restrict_data_ids(query: Query) -> None:
    """A search restricts data IDs to those that have datasets, and lends its fields to conditions."""
    joined = query.join_dataset_search("note", "second")
    assert joined.constraint_dataset_types == {"note"}
    assert joined.constraint_dimensions == UNIVERSE.conform(["visit"])
    assert values(joined.data_ids(), "visit") == [(2,), (3,)]
    assert values(joined.data_ids(["visit", "detector"]), "visit", "detector") == [
        (v, d) for d in (0, 1) for v in (2, 3)
    ]
    both = query.join_dataset_search("note", ["run", "second"])
    assert values(both.where("note.run = 'second'").data_ids("visit"), "visit") == [(3,)]
    assert values(both.where("collection = 'run' OR visit = 3").data_ids("visit"), "visit") == [
        (1,),
        (2,),
        (3,),
    ]
    with pytest.raises(MissingDatasetTypeError, match="did you mean 'note'"):
        query.join_dataset_search("nte")


def test_joined_data_ids_restrict(query: Query) -> None:
    """Rows are among the given data IDs, each once; those without records are not found."""
    given = [data_id(visit=v) for v in (3, 1, 3, 99)]
    joined = query.join_data_coordinates(given)
    assert values(joined.data_ids(), "visit") == [(1,), (3,)]
    assert joined.data_ids("visit").count() == 2
    assert values(joined.data_ids(["visit", "exposure"]), "exposure") == [(1,), (3,)]
    assert values(joined.datasets("note", ["run", "second"]).data_ids, "visit") == [(1,), (3,)]
    assert not query.join_data_coordinates([]).any()
    with pytest.raises(InvalidQueryError, match="same dimensions"):
        query.join_data_coordinates([data_id(visit=1), data_id(detector=1)])


def test_given_pairs_need_not_overlap(query: Query) -> None:
    """Observations and sky map of given data IDs are taken as belonging together."""
    pairs = [data_id(visit=v, skymap="sky", tract=0, patch=p) for v, p in ((3, 0), (1, 1))]
    joined = query.join_data_coordinates(pairs)
    assert sorted(values(joined.data_ids(["visit", "patch"]), "visit", "patch")) == [(1, 1), (3, 0)]


def test_materialized(query: Query, butler: Butler) -> None:
    """What was found stays found, whatever happens then."""
    kept = query.join_dataset_search("note", ["run", "second"]).where("visit > 1").materialize()
    assert values(kept.data_ids(), "visit") == [(2,), (3,)]
    record = {"instrument": "CAM", "id": 9, "physical_filter": "CAM-g", "day_obs": 20240101}
    butler.registry.insertDimensionData("visit", record)
    butler.registry.insert_datasets("run", [DatasetRef(NOTE, {"instrument": "CAM", "visit": 9}, "run")])
    assert values(kept.data_ids(), "visit") == [(2,), (3,)]
    assert [ref.run for ref in kept.datasets("note")] == ["run", "second"]
    alone = kept.materialize(datasets=())
    assert alone.constraint_dataset_types == set()
    assert values(alone.data_ids("visit"), "visit") == [(2,), (3,)]


@pytest.mark.parametrize("with_sky", [False, True])
def test_counts_are_exact(query: Query, with_sky: bool) -> None:
    """Counting, asking whether there is any, and listing agree, also with limits and on the sky."""
    dimensions = ["visit", "patch"] if with_sky else ["visit", "detector"]
    for where, limit in itertools.product(("", "visit = 1", "visit = 9", "detector = 1"), (None, 1, 3, 100)):
        results = query.where(where).data_ids(dimensions).limit(limit)
        listed = list(results)
        assert results.count() == results.count(exact=False) == results.count(discard=True) == len(listed)
        assert results.any() == results.any(execute=False, exact=False) == bool(listed)
    assert not query.where("visit = 9").any()


def test_find_first_or_all(query: Query, butler: Butler) -> None:
    """All datasets of a data ID are found if the order of collections does not count."""
    path = ["run", "second"]
    first = [(ref.dataId["visit"], ref.run) for ref in query.datasets("note", path)]
    assert first == [(1, "run"), (2, "run"), (3, "second")]
    every = query.datasets("note", path, find_first=False)
    assert sorted((ref.dataId["visit"], ref.run) for ref in every) == [
        (1, "run"), (2, "run"), (2, "second"), (3, "second"),
    ]  # fmt: skip
    assert every.count() == 4
    assert len(butler.query_datasets("note", "*", find_first=False)) == 4
    butler.collections.register("tag", butler.collections.get_info("run").type.__class__.TAGGED)
    butler.registry.associate("tag", list(query.datasets("note", "second")))
    assert [(r.dataId["visit"], r.run) for r in query.datasets("note", ["tag", "run"])] == [
        (1, "run"), (2, "second"), (3, "second"),
    ]  # fmt: skip
    assert query.datasets("note", ["second", "tag"], find_first=False).count() == 2


def test_datasets_are_sorted_by_their_fields(query: Query) -> None:
    """The order can be that of what datasets have."""
    results = query.datasets("note", ["run", "second"])
    assert [ref.run for ref in results.order_by("-run", "visit")] == ["second", "run", "run"]
    assert [ref.dataId["visit"] for ref in results.order_by("note.run", "-exposure_time")] == [2, 1, 3]
    with pytest.raises(InvalidQueryError, match="not part of the result"):
        list(results.order_by("detector"))


def test_records_are_attached(query: Query) -> None:
    """Data IDs and refs come with all records when asked for."""
    (ref,) = query.where(visit=2).datasets("note", "run").with_dimension_records()
    assert ref.dataId.hasRecords()
    assert ref.dataId.records["visit"].exposure_time == VISITS[2]["exposure_time"]
    assert ref.dataId.records["band"].band == "r"
    pairs = query.where("visit < 3").data_ids(["visit", "detector"]).with_dimension_records()
    for found in pairs:
        region = found.records["visit_detector_region"].region
        assert region.contains(*DETECTORS[found["visit"], found["detector"]])
    assert [r.id for r in query.dimension_records("visit").order_by("-visit").limit(2)] == [3, 2]
    assert query.dimension_records("visit_detector_region").count() == len(DETECTORS)
    assert query.dimension_records("band").count() == 2


def test_columns_and_tables(query: Query) -> None:
    """Arrays by column hold what the objects hold; unknown values are masked."""
    refs = list(query.datasets("note", ["run", "second"]))
    columns = query.datasets("note", ["run", "second"]).columns()
    assert columns["visit"].tolist() == [ref.dataId["visit"] for ref in refs]
    assert columns["visit"].dtype == np.int64
    assert columns["run"].tolist() == [ref.run for ref in refs]
    assert [value.tobytes() for value in columns["dataset_id"]] == [ref.id.bytes for ref in refs]
    table = query.datasets("note", ["run", "second"]).to_table()
    assert list(table["dataset_id"]) == [str(ref.id) for ref in refs]
    records = query.dimension_records("visit").order_by("visit").columns()
    assert records["exposure_time"].tolist() == [v["exposure_time"] for v in VISITS.values()]
    assert records["target_name"].tolist() == ["M31", "M33", None]
    none = query.where("visit = 9").data_ids("visit").columns()
    assert {name: array.size for name, array in none.items()} == dict.fromkeys(none, 0)
    assert len(query.data_ids("visit").to_table()) == 3


def test_general_rows(query: Query) -> None:
    """Rows of data IDs with any other columns, as mappings or as refs."""
    joined = query.join_dataset_search("note", ["run", "second"])
    rows = list(
        joined.general(
            ["visit"],
            "exposure_time",
            dimension_fields={"visit": {"target_name"}},
            dataset_fields={"note": ...},
        ).order_by("visit")
    )
    assert [(r["visit"], r["exposure_time"], r["visit.target_name"], r["note.run"]) for r in rows] == [
        (1, 30.0, "M31", "run"), (2, 45.5, "M33", "run"), (3, 60.0, None, "second"),
    ]  # fmt: skip
    assert rows[0]["note.ingest_date"].scale == "tai"
    results = joined.general(["visit"], dataset_fields={"note": {"run", "dataset_id"}})
    assert [t.refs[0] for t in results.iter_tuples(NOTE)] == list(joined.datasets("note"))
    assert results.count() == 3
    asked = ("visit.timespan", "visit.region", "visit.timespan.end")
    results = joined.general(["visit"], *asked).order_by("visit")
    (first, *_) = results
    assert tuple(first)[-3:] == asked
    assert first["visit.timespan"].begin.isot.startswith("2024-01-01T01")
    assert first["visit.timespan.end"] == first["visit.timespan"].end
    assert first["visit.region"].contains(10.02, 0.01)
    assert {"visit.timespan.begin", "visit.timespan.end"} <= results.columns().keys()
    with pytest.raises(DimensionNameError, match="no column"):
        joined.general(["visit"], "detector.purpose")


def test_explanations(query: Query) -> None:
    """Nothing to explain where something is found; otherwise the term, known values and the nearest one."""
    assert query.data_ids("visit").explain_no_results() == []
    (reason,) = query.where("band = 'R'").data_ids("visit").explain_no_results()
    assert reason == "nothing fulfils \"band = 'R'\"; band is one of: g, r; did you mean 'r'?"
    (reason,) = query.where("visit = 3").datasets("note", "run").explain_no_results()
    assert reason.startswith("no dataset fulfils 'visit = 3'")
    reasons = query.where("visit = 9 AND band = 'y'").where("detector = 7").explain_no_results()
    assert len(reasons) == 3
    (reason,) = query.join_data_coordinates([data_id(visit=99)]).data_ids("visit").explain_no_results()
    assert reason == "none of the given data IDs exists"


def test_all_datasets(query: Query, butler: Butler) -> None:
    """Types whose name matches are asked one after the other; the limit is that of all."""
    data = [{"skymap": "sky", "tract": 0, "patch": p, "band": "g"} for p in (0, 1)]
    butler.registry.insert_datasets("run", [DatasetRef(COADD, d, "run") for d in data])
    path = ["run", "second"]
    assert [ref.datasetType.name for ref in butler.query_all_datasets(path)] == ["coadd"] * 2 + ["note"] * 3
    assert len(butler.query_all_datasets(path, name=["no*", "co*"])) == 5
    assert len(butler.query_all_datasets(path, name="note", where="visit > 1")) == 2
    assert len(butler.query_all_datasets(path, name="note", find_first=False)) == 4
    for limit in (0, 1, 3, 4, 5, 9):
        found = butler.query_all_datasets(path, name=["note", "coadd"], limit=limit)
        assert len(found) == min(limit, 5)
    with pytest.raises(MissingDatasetTypeError, match="no dataset type matches 'nota"):
        butler.query_all_datasets(path, name="nota*")
    with pytest.raises(InvalidQueryError, match="find_first=False"):
        butler.query_all_datasets("r*")


def test_eager_methods_take_alternate_keys(query: Query, butler: Butler) -> None:
    """Data IDs of queries may be told by other columns, as those of `get`."""
    assert [r.dataId["visit"] for r in butler.query_datasets("note", visit="v1")] == [1]
    assert [r.id for r in butler.query_dimension_records("detector", full_name="S10")] == [1]
    with pytest.raises(EmptyQueryResultError, match="visit=3"):
        butler.query_datasets("note", "run", visit=3)
    (ref,) = butler.query_datasets("note", "run", visit=1, with_dimension_records=True)
    assert ref.dataId.hasRecords()


def test_detectors_of_two_instruments_keep_apart(query: Query, butler: Butler) -> None:
    """What a detector is in one instrument says nothing about that of the same number in another."""
    insert = butler.registry.insertDimensionData
    insert("instrument", {"name": "OTHER"})
    insert("detector", {"instrument": "OTHER", "id": 1, "full_name": "x", "purpose": "SCIENCE"})
    refs = [DatasetRef(CALEXP, data_id(visit=1, detector=d), "run") for d in (0, 1)]
    butler.registry.insert_datasets("run", refs)
    for where, detectors in {
        "visit = 1 AND detector.purpose = 'SCIENCE'": [0], "visit = 1 AND detector > 0": [1],
        "visit = 1 AND detector < 5 AND detector.purpose != 'SCIENCE'": [1], "visit = 1": [0, 1],
    }.items():  # fmt: skip
        assert [r.dataId["detector"] for r in query.where(where).datasets("calexp")] == detectors


def test_warps_of_overlapping_visits(query: Query, butler: Butler) -> None:
    """A pair vouched for by a dataset stays found when its regions are asked about by other conditions."""
    ref = DatasetRef(WARP, data_id(visit=3, skymap="sky", tract=0, patch=0), "run")
    butler.registry.insert_datasets("run", [ref])
    assert list(query.datasets("warp")) == [ref]
    assert list(query.where("visit.region OVERLAPS CIRCLE(20, 0, 1)").datasets("warp")) == [ref]
    assert list(query.where("NOT visit.region OVERLAPS patch.region").datasets("warp")) == [ref]
    assert list(query.where("visit.region OVERLAPS patch.region").datasets("warp")) == []


def test_queries_of_the_registry(query: Query, butler: Butler) -> None:
    """LSST's registry methods ask the same, with its defaults: all collections, globs and lists of types."""
    registry = butler.registry
    every = registry.queryDatasets("note", collections=["run", "second"])
    assert sorted(ref.dataId["visit"] for ref in every) == [1, 2, 2, 3]
    assert every.count() == 4
    first = registry.queryDatasets("note", collections=["run", "second"], findFirst=True, where="visit = 2")
    assert [ref.run for ref in first.expanded()] == ["run"]
    assert registry.queryDatasets("n*", collections=...).count() == 4
    assert [len(list(p)) for p in registry.queryDatasets(["note", "warp"]).byParentDatasetType()] == [2, 0]
    (reason,) = registry.queryDatasets("warp").explain_no_results()
    assert reason == "no dataset of type 'warp' in run"
    assert values(registry.queryDataIds("visit", datasets="note", collections="se*"), "visit") == [(2,), (3,)]
    assert values(
        registry.queryDataIds(["visit"], instrument="CAM", where="visit = :v", bind={"v": 3}), "visit"
    ) == [(3,)]
    (found,) = registry.queryDataIds("visit", dataId={"visit": 3}).expanded()
    assert found.records["visit"].exposure_time == 60.0
    records = registry.queryDimensionRecords("detector", datasets="note", where="visit > 1")
    assert [record.id for record in records.order_by("-detector")] == [1, 0]
    with pytest.raises(MissingDatasetTypeError, match="did you mean 'note'"):
        registry.queryDatasets("nte")
