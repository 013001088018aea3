"""Data IDs that tell dimensions by other columns than their primary keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from butler import Butler, DatasetType
from butler.dimensions import UNIVERSE
from butler.errors import ButlerUserError, DataIdValueError, DimensionNameError

RAW = DatasetType("raw", ("instrument", "exposure", "detector"), "StructuredDataDict")


@pytest.fixture
def filled(butler: Butler) -> Butler:
    """Return a butler with notes of all visits, a raw exposure and a warp."""
    butler.registry.registerDatasetType(RAW)
    for visit in (1, 2, 3):
        butler.put({"note": visit}, "note", visit=visit)
    butler.put({"raw": 2}, RAW, exposure=2, detector=1)
    butler.put({"warp": 1}, "warp", visit=1, tract=0, patch=1)
    return butler


@pytest.mark.parametrize(
    ("kind", "data_id", "found"),
    [
        ("note", {"visit": 2}, {"note": 2}),
        ("note", {"visit.name": "v2"}, {"note": 2}),
        ("note", {"visit.id": 2}, {"note": 2}),
        ("note", {"visit": "v2"}, {"note": 2}),
        ("note", {"name": "v2"}, {"note": 2}),
        ("note", {"day_obs": 20240102, "exposure_time": 60.0}, {"note": 3}),
        ("note", {"visit": 2, "visit.name": "v2", "band": "r"}, {"note": 2}),
        ("note", {"visit": 2, "detector": 1, "tract": 99}, {"note": 2}),
        ("raw", {"obs_id": "exp2", "detector": "S10"}, {"raw": 2}),
        ("raw", {"exposure": "exp2", "full_name": "S10"}, {"raw": 2}),
        ("raw", {"target_name": "M33", "purpose": "WAVEFRONT"}, {"raw": 2}),
        ("warp", {"visit.name": "v1", "tract": 0, "cell_x": 1, "cell_y": 0}, {"warp": 1}),
        ("warp", {"visit": 1, "tract": 0, "patch": 1, "band": "g", "physical_filter": "CAM-g"}, {"warp": 1}),
    ],
    ids=str,
)
def test_a_record_may_be_told_by_its_columns(
    filled: Butler, kind: str, data_id: dict[str, Any], found: dict[str, int]
) -> None:
    """Alternate keys, metadata and ``dimension.column`` find what the primary key finds."""
    assert filled.get(kind, data_id) == found
    assert filled.get(kind, data_id, collections="run") == found
    if all("." not in key for key in data_id):
        assert filled.get(kind, **data_id) == found
    assert filled.exists(kind, data_id)


@pytest.mark.parametrize(
    ("kind", "data_id", "error", "message"),
    [
        ("note", {"visit.name": "v9"}, DataIdValueError, r"no visit has .*name='v9'"),
        (
            "note",
            {"physical_filter": "CAM-g", "day_obs": 20240101, "seq_num": 5},
            DataIdValueError,
            "no visit",
        ),
        ("note", {"visit": 1, "visit.name": "v2"}, DataIdValueError, "no visit has .*visit=1, name='v2'"),
        ("note", {"visit": 1, "band": "r"}, DataIdValueError, "has band='g'"),
        ("note", {"visit": 1, "physical_filter": "CAM-r"}, DataIdValueError, "has physical_filter='CAM-g'"),
        ("note", {"day_obs": 20240101, "exposure_time": "x"}, DataIdValueError, "needs a number"),
        ("note", {"target_name": "nothing"}, DataIdValueError, "no visit has"),
        ("note", {"vist.name": "v1"}, DimensionNameError, "did you mean 'visit'"),
        ("note", {"visit.nme": "v1"}, DimensionNameError, "did you mean 'name'"),
        (
            "note",
            {"visit": 1, "obs_id": "exp1"},
            DimensionNameError,
            "is a column of exposure, not of one of",
        ),
        ("note", {"foo": 1}, DimensionNameError, "'foo' is neither a dimension nor a column"),
        (
            "raw",
            {"detector": 1},
            DimensionNameError,
            "lacks exposure; needed are instrument, detector, exposure",
        ),
        ("raw", {"exposure": 2, "detector": 2.0}, DataIdValueError, "needs an integer"),
        ("warp", {"visit": 1, "cell_x": 1, "cell_y": 0}, DimensionNameError, "tract is needed"),
    ],
    ids=str,
)
def test_what_tells_no_record_or_contradicts_is_refused(
    filled: Butler, kind: str, data_id: dict[str, Any], error: type[ButlerUserError], message: str
) -> None:
    """No record, several, a contradiction or a name without meaning is an error that says so."""
    with pytest.raises(error, match=message):
        filled.get(kind, data_id)


def test_puts_are_checked_as_well(butler: Butler) -> None:
    """A put with a contradiction changes nothing."""
    with pytest.raises(DataIdValueError, match="physical_filter='CAM-g'"):
        butler.put({}, "note", visit=1, physical_filter="CAM-r")
    assert butler.query_datasets("note", explain=False) == []
    ref = butler.put({}, "note", {"visit.name": "v1"})
    assert ref.dataId["visit"] == 1


def test_several_records_are_too_many(butler: Butler) -> None:
    """Columns that two visits share tell neither, unless the preferred visit system has one of them."""
    insert = butler.registry.insertDimensionData
    insert(
        "visit",
        {"instrument": "CAM", "id": 11, "name": "v11", "physical_filter": "CAM-g", "day_obs": 20240101}
        | {"target_name": "M31"},
    )
    butler.put({}, "note", visit=11)
    with pytest.raises(DataIdValueError, match=r"2 visit records have .*target_name='M31'"):
        butler.get("note", target_name="M31")
    for system, visit in ((0, 1), (1, 11)):
        insert("visit_system", {"instrument": "CAM", "id": system, "name": f"s{system}"})
        insert("visit_system_membership", {"instrument": "CAM", "visit_system": system, "visit": visit})
    butler.registry.syncDimensionData(
        "instrument", {"name": "CAM", "detector_max": 2, "visit_system": 1}, update=True
    )
    found = butler.find_dataset("note", target_name="M31")
    assert found is not None
    assert found.dataId["visit"] == 11


def test_a_name_that_fits_several_dimensions(butler: Butler) -> None:
    """Of exposure and visit the exposure is meant, else the dimension that most names fit, else nobody."""
    both = DatasetType("both", ("exposure", "visit"), "StructuredDataDict")
    butler.registry.registerDatasetType(both)
    ref = butler.put({}, both, {"visit": 2, "target_name": "M33", "exposure_time": 45.5})
    assert (ref.dataId["visit"], ref.dataId["exposure"]) == (2, 2)
    named = DatasetType("named", ("visit", "visit_system"), "StructuredDataDict")
    butler.registry.registerDatasetType(named)
    butler.registry.insertDimensionData("visit_system", {"instrument": "CAM", "id": 4, "name": "four"})
    with pytest.raises(DimensionNameError, match=r"visit_system\.name or visit\.name"):
        butler.put({}, named, {"visit_system": 4, "name": "v1"})
    ref = butler.put({}, named, {"visit_system": 4, "name": "v1", "exposure_time": 30.0})
    assert ref.dataId["visit"] == 1


def test_queries_read_data_ids_the_same_way(filled: Butler) -> None:
    """A query's data ID may have columns, and a value of another type is an alternate key."""
    for data_id in ({"visit": "v2"}, {"visit.name": "v2"}, {"name": "v2"}):
        (ref,) = filled.query_datasets("note", data_id=data_id)
        assert ref.dataId["visit"] == 2


def test_expanded_data_ids(filled: Butler) -> None:
    """The registry expands data IDs of any columns, with the butler's defaults or without them."""
    registry = filled.registry
    expanded = registry.expandDataId({"visit.name": "v1"})
    assert (expanded["visit"], expanded["band"], expanded.records["visit"].name) == (1, "g", "v1")
    assert registry.expandDataId(visit=1, detector=0, dimensions=["detector"]).dimensions == UNIVERSE.conform(
        ["detector"]
    )
    assert registry.expandDataId(expanded).records == expanded.records
    assert expanded.timespan == expanded.records["visit"].timespan
    assert expanded.region == expanded.records["visit"].region
    with pytest.raises(DimensionNameError, match="lacks instrument"):
        registry.expandDataId(visit=1, withDefaults=False)
    several = registry.expandDataId(visit=1, tract=0, patch=0, skymap="sky")
    common, parts = several.region, [several.records[name].region for name in ("visit", "patch")]
    ra, dec = np.meshgrid(np.linspace(9.5, 11.0, 60), np.linspace(-0.5, 1.0, 60))
    inside = np.all([part.contains(ra, dec) for part in parts], axis=0)
    assert np.array_equal(common.contains(ra, dec), inside)


def test_without_inference_nothing_is_filled_in(repository: Path) -> None:
    """With inferDefaults=False only what was given counts, and the error tells what is in force."""
    with Butler(repository, run="run", inferDefaults=False) as butler:
        with pytest.raises(DimensionNameError, match=r"lacks instrument.* defaults in force: none"):
            butler.put({}, "note", visit=1)
        with butler.clone(dataId={"instrument": "CAM"}) as clone:
            clone.put({}, "note", visit=1)
            with pytest.raises(DimensionNameError, match=r"lacks visit.*instrument='CAM'"):
                clone.put({}, "note")
