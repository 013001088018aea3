"""Tests of importing LSST's own export files, and files of old universes."""

from __future__ import annotations

import importlib.util
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from transfer_cases import contents_of, export_all, import_text

from butler import Butler, Timespan

pytestmark = pytest.mark.both_databases


@pytest.fixture(scope="session")
def lsst_files() -> Path:
    """Return the directory of LSST's own export files."""
    try:
        found = importlib.util.find_spec("lsst.daf.butler")
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        pytest.skip("lsst-daf-butler is not installed; its wheel holds the files")
    return Path(found.origin).parent / "tests" / "registry_data"


@pytest.fixture
def load(empty: Butler, lsst_files: Path) -> Callable[..., Butler]:
    """Return a function that imports some of LSST's files."""

    def load_files(*names: str) -> Butler:
        for name in names:
            empty.import_(directory=lsst_files, filename=f"{name}.yaml", without_datastore=True)
        return empty

    return load_files


def count(butler: Butler, *dimensions: str) -> int:
    """Return the number of data IDs."""
    return len(butler.query_data_ids(dimensions))


def test_lsst_base_and_datasets(load: Callable[..., Butler]) -> None:
    """The basic files: one camera, two calibration types, 13 datasets in two runs."""
    butler = load("base", "datasets")
    assert [record.full_name for record in butler.query_dimension_records("detector")] == [
        "Aa",
        "Ab",
        "Ba",
        "Bb",
    ]
    assert butler.get_dataset_type("flat").isCalibration
    found = {
        (kind, run): len(butler.query_datasets(kind, run))
        for kind in ("bias", "flat")
        for run in ("imported_g", "imported_r")
    }
    assert list(found.values()) == [3, 3, 3, 4]
    ref = butler.get_dataset(uuid.UUID("e15ab039-bc8b-4135-87c5-90902a7c0b22"))
    assert ref is not None
    assert (ref.run, dict(ref.dataId)) == ("imported_g", {"instrument": "Cam1", "detector": 1})


def test_lsst_spatial(load: Callable[..., Butler]) -> None:
    """Overlaps of the spatial file: nothing too much, nothing too little."""
    butler = load("base", "spatial")
    assert count(butler, "visit", "tract") == 3
    assert count(butler, "visit", "patch") == 10
    assert count(butler, "visit", "detector", "tract") == 10
    assert count(butler, "visit", "detector", "patch") == 20
    assert len(butler.query_data_ids(["visit", "patch"], where="tract=0")) == 7
    first = butler.query_dimension_records("visit", where="visit=1")[0]
    assert str(first.timespan) == "[2021-09-09T03:00:00, 2021-09-09T03:01:00)"
    assert butler.query_dimension_records("day_obs")[0].timespan is None
    assert bytes.fromhex(butler.query_dimension_records("skymap")[0].hash) == b"notreallyahashofanything!"


def test_lsst_hsc(load: Callable[..., Butler]) -> None:
    """Visits and detectors of HSC: 11 visits, 33 detector regions, 33 datasets."""
    butler = load("ci_hsc-subset", "ci_hsc-subset-skymap")
    assert count(butler, "visit", "tract") == 11
    assert count(butler, "visit", "detector", "tract") == 33
    assert count(butler, "visit", "detector") == 176
    assert len(butler.query_data_ids(["visit"], where="band='r'")) == 6
    assert len(butler.query_datasets("calexp", "HSC/runs/ci_hsc/20240806T180642Z")) == 33
    assert len(butler.query_datasets("skyMap", "skymaps")) == 1


def test_lsst_cam(load: Callable[..., Butler]) -> None:
    """Exposures, visits, groups and visit systems of LSSTCam, and a second import of them."""
    butler = load("lsstcam-subset")
    before = contents_of(butler)
    elements = ("exposure", "visit", "visit_definition", "visit_detector_region", "visit_system_membership")
    assert [len(butler.registry.records.fetch_all(e)) for e in elements] == [2, 2, 2, 4, 4]
    assert contents_of(load("lsstcam-subset")) == before


def test_lsst_oldest_universe(load: Callable[..., Butler]) -> None:
    """A file of universe 0: days, groups and memberships are made from its visits and exposures."""
    butler = load("hsc-rc2-subset-v0")
    assert [r.id for r in butler.query_dimension_records("day_obs")] == [20130617, 20141118, 20150318]
    assert [r.name for r in butler.query_dimension_records("group")] == ["903342"]
    memberships = butler.registry.records.fetch_all("visit_system_membership")
    assert [(r.visit_system, r.visit) for r in memberships] == [(0, 11690), (0, 23868)]
    begin = butler.query_dimension_records("visit")[0].timespan.begin
    assert begin.utc.iso == "2014-11-18 12:56:47.112"


def test_lsst_files_round_trip(load: Callable[..., Butler], tmp_path: Path) -> None:
    """What comes from LSST's files leaves unchanged, and so does what is only registered."""
    butler = load("ci_hsc-subset", "ci_hsc-subset-skymap")
    export_all(butler, tmp_path / "out", None)
    Butler.makeRepo(tmp_path / "second")
    with Butler(tmp_path / "second", writeable=True) as second:
        second.import_(directory=tmp_path / "out", without_datastore=True)
        assert contents_of(second) == contents_of(butler)


def test_old_universe_in_short(empty: Butler) -> None:
    """The rules for old universes, on a file without tags: no LSST installation is needed."""
    text = """
description: Butler Data Repository Export
version: 0
data:
- {type: dimension, element: instrument, records: [{name: Cam}]}
- {type: dimension, element: physical_filter, records: [{instrument: Cam, name: f, band: g}]}
- {type: dimension, element: visit_system, records: [{instrument: Cam, id: 0, name: one}]}
- type: dimension
  element: exposure
  records:
  - {instrument: Cam, id: 5, physical_filter: f, obs_id: o, day_obs: 20200101, group_name: g5, group_id: 5}
- type: dimension
  element: visit
  records:
  - {instrument: Cam, id: 5, physical_filter: f, visit_system: 0, name: v, seeing: null,
     datetime_begin: 2020-01-01 23:59:40, datetime_end: 2020-01-02 00:00:40}
- {type: dimension, element: visit_definition,
   records: [{instrument: Cam, exposure: 5, visit: 5, visit_system: 0}]}
- {type: run, name: r}
- {type: dataset_type, name: x, dimensions: [instrument, visit_system, visit], storage_class: Exposure}
- type: dataset
  dataset_type: x
  run: r
  records: [{dataset_id: 12, data_id: {instrument: Cam, visit_system: 0, visit: 5}, path: p}]
"""
    import_text(empty, text)
    visit = empty.query_dimension_records("visit")[0]
    # 20 s before midnight UTC it is the next day in TAI, 37 s ahead.
    assert visit.day_obs == 20200102
    assert isinstance(visit.timespan, Timespan)
    assert [r.id for r in empty.query_dimension_records("day_obs")] == [20200101, 20200102]
    assert [r.name for r in empty.query_dimension_records("group")] == ["g5"]
    assert len(empty.registry.records.fetch_all("visit_system_membership")) == 1
    namespace = uuid.UUID("4d4851f4-2890-4d41-8779-5f38a3f5062b")
    assert [ref.id for ref in empty.query_datasets("x", "r")] == [uuid.uuid3(namespace, "12")]
