"""The examples of the language's specification, on LSST's own records of a camera and a sky map."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from registry_homes import RegistryHome

from butler import Butler, DatasetRef, DatasetType, Timespan
from butler.errors import InvalidQueryError
from butler.regions import SkyRegion

pytestmark = pytest.mark.both_databases

IN_VISIT_1 = "POINT(0.35935, 1.07325)"
WARP = DatasetType("warp", ("visit", "patch"), "StructuredDataDict")


def lsst_files() -> Path:
    """Return the directory of LSST's own export files."""
    try:
        found = importlib.util.find_spec("lsst.daf.butler")
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        pytest.skip("lsst-daf-butler is not installed; its wheel holds the files")
    return Path(found.origin).parent / "tests" / "registry_data"


def load(home: RegistryHome, root: Path, *names: str) -> None:
    home.make(root)
    with Butler(root, writeable=True) as butler:
        for name in names:
            butler.import_(directory=lsst_files(), filename=f"{name}.yaml", without_datastore=True)


@pytest.fixture(scope="module")
def spatial(registry_home: RegistryHome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with base.yaml, spatial.yaml and a few datasets."""
    root = tmp_path_factory.mktemp("lsst") / "spatial"
    load(registry_home, root, "base", "spatial")
    with Butler(root, run="r1") as butler:
        butler.registry.registerDatasetType(WARP)
        butler.registry.registerRun("r2")
        key = {"instrument": "Cam1", "skymap": "SkyMap1", "visit": 1, "tract": 0}
        for run, patches in (("r1", (0, 1)), ("r2", (1, 2))):
            refs = [DatasetRef(WARP, {**key, "patch": patch}, run) for patch in patches]
            butler.registry.insert_datasets(run, refs)
    return root


@pytest.fixture(scope="module")
def cam1(spatial: Path) -> Iterator[Butler]:
    """Return a butler with instrument and sky map."""
    with Butler(spatial, instrument="Cam1", skymap="SkyMap1") as butler:
        yield butler


def rows(butler: Butler, dimension: str, where: str, bind: dict[str, Any] | None = None) -> list[int]:
    ids = butler.query_data_ids(dimension, where=where, bind=bind, explain=False)
    assert len(set(ids)) == len(ids)
    return [int(data_id[dimension]) for data_id in ids]


BIND = {"d": 2, "l": [1, 2], "e": [], "mixed": [1, "x"], "none": None}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("detector=1", [1]), ("1<detector", [2, 3, 4]), ("detector!=1", [2, 3, 4]),
        ("detector=1.0", [1]), ("detector=1.5", []), ("detector=.5", []), ("detector=1e0", [1]),
        ("detector=01", [1]), ("detector IN (1..4:2)", [1, 3]), ("detector IN (1 .. 3)", [1, 2, 3]),
        ("detector IN (1..3, 4)", [1, 2, 3, 4]), ("detector IN (-1..2)", [1, 2]), ("detector IN (1..1)", [1]),
        ("detector NOT IN (1..3)", [4]), ("NOT detector IN (1..3)", [4]),
        ("detector IN (1, null)", [1]), ("detector IN (null)", []),
        ("detector=1 OR detector=2 AND detector=3", [1]), ("NOT detector=1 AND detector=2", [2]),
        ("detector=1 OR NOT detector=2", [1, 3, 4]), ("NOT NOT detector=1", [1]),
        ("not(detector=1)", [2, 3, 4]), ("detector % 2 = 1", [1, 3]), ("5 % 4 = detector", [1]),
        ("detector*2 = 4", [2]), ("detector/2 = 1", [2]), ("detector/2 = 1.5", [3]), ("detector/0 = 1", []),
        ("NOT detector/0 = 1", []), ("detector % 0 = 1", []), ("detector/(detector-1) = 2", [2]),
        ("detector + 1.5 > 3", [2, 3, 4]), ("-detector < -2", [3, 4]), ("--detector = 1", [1]),
        ("detector -1 = 2", [3]), ("purpose='SCIENCE'", [1, 2, 3]), ("purpose='wavefront'", []),
        ("detector.raft < 'B'", [1, 2]), ("full_name IN ('Aa','Ba')", [1, 3]),
        ("GLOB(detector.full_name,'?a')", [1, 3]), ("GLOB(detector.full_name,'a*')", []),
        ("GLOB(detector.full_name,'[AB]a')", []), ("detector.full_name = ''", []),
        ("detector != NULL", [1, 2, 3, 4]), ("detector = null", []), ("1=1", [1, 2, 3, 4]), ("1=2", []),
        ("band='g'", [1, 2, 3, 4]), ("NOT band='g'", [1, 2, 3, 4]), ("band='R'", []),
        ("detector=1 AND visit.exposure_time > 50", [1]), ("detector=1 and patch=0 and tract=0", [1]),
        ("detector=:d", [2]), ("detector = d", [2]), ("detector IN (:l)", [1, 2]),
        ("detector IN (:l, 4)", [1, 2, 4]), ("detector NOT IN (:e)", [1, 2, 3, 4]),
        ("detector IN :l", [1, 2]),
        ("detector = :none", []), ("detector != none", [1, 2, 3, 4]), ("detector IN (2, :none)", [2]),
        ("detector BETWEEN 1 AND 2 AND band='g'", [1, 2]), ("detector.full_name LIKE 'A_'", [1, 2]),
        ("detector==1", [1]), ('purpose="SCIENCE"', [1, 2, 3]), ("id = 3", [3]),
        ("name = 'Cam1'", [1, 2, 3, 4]),
        ("detector*1.0/2 = 0.5", [1]), ("detector - detector = 0", [1, 2, 3, 4]), ("7 % -4 = detector", [3]),
        ("-7 % 4 = -detector", [3]), ("detector * detector - 1 IN (0, 8)", [1, 3]),
        ("instrument = 'Cam1' AND detector.instrument = 'Cam1' AND detector = 2;", [2]),
        ("NOT (detector = 1 OR visit.region OVERLAPS CIRCLE(0, 0, -1))", [2, 3, 4]),
    ],
)  # fmt: skip
def test_detectors(cam1: Butler, where: str, expected: list[int]) -> None:
    """Conditions on detectors find what the specification says."""
    assert rows(cam1, "detector", where, BIND) == expected


T = "T'2021-09-09 03:0"
SPAN = Timespan(Time("2021-09-09T03:00:30", scale="tai"), Time("2021-09-09T03:02:30", scale="tai"))
TIMES = {
    "span": SPAN, "empty": Timespan(5, 1) if Timespan(5, 1).isEmpty() else None, "visit": 2,
    "utc": datetime(2021, 9, 9, 2, 59, 23), "t": Time("2021-09-09T03:00:00", scale="tai"),
    "point": SkyCoord(0.35935 * u.deg, 1.07325 * u.deg), "region": SkyRegion.from_point(0.35935, 1.07325),
    "spans": [SPAN, Timespan(None, 0)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (f"visit.timespan.begin > {T}1:30'", []), (f"visit.timespan.begin > {T}1:30/tai'", [2]),
        ("visit.timespan.begin > T'2021:252'", [1, 2]), ("visit.timespan.begin > T'+02021-09-09'", [1, 2]),
        (f"visit.timespan OVERLAPS {T}0:00/tai'", [1]), (f"visit.timespan OVERLAPS {T}1:00/tai'", []),
        (f"visit.timespan OVERLAPS ({T}1:00/tai', {T}2:00/tai')", []),
        (f"visit.timespan OVERLAPS ({T}1:00/tai', {T}2:01/tai')", [2]),
        (f"visit.timespan OVERLAPS (NULL, {T}1:00/tai')", [1]),
        ("(null,null) overlaps visit.timespan", [1, 2]),
        (f"visit.timespan OVERLAPS ({T}9:00/tai', {T}0:00/tai')", []),
        ("visit.timespan OVERLAPS :span", [1, 2]), ("NOT visit.timespan OVERLAPS :span", []),
        ("day_obs.timespan OVERLAPS visit.timespan", []),
        ("NOT day_obs.timespan OVERLAPS visit.timespan", []),
        ("day_obs.timespan IS NULL", [1, 2]), ("visit.timespan IS NULL", []),
        ("visit.timespan != NULL", [1, 2]),
        (f"visit.timespan OVERLAPS (visit.timespan.begin, {T}1:00/tai')", [1]),
        ("(visit.timespan.begin, visit.timespan.end) OVERLAPS visit.timespan", [1, 2]),
        ("(visit.timespan.end, visit.timespan.begin) OVERLAPS visit.timespan", []),
        ("visit.timespan OVERLAPS visit.timespan.end", []),
        ("visit.timespan.begin OVERLAPS visit.timespan", [1, 2]),
        ("visit.timespan.begin IN (:span)", [2]), ("visit.timespan.begin NOT IN (:span)", [1]),
        ("visit.timespan.begin IN :spans", [2]), ("visit.timespan.begin IN (:span, :t)", [1, 2]),
        (f"visit.timespan.begin IN (({T}0:00/tai', {T}1:00/tai'))", [1]),
        ("visit.timespan.begin IN (visit.timespan)", [1, 2]), ("visit.timespan.end IN (visit.timespan)", []),
        (f"visit.timespan = ({T}0:00/tai', {T}1:00/tai')", [1]), ("visit.timespan = visit.timespan", [1, 2]),
        (f"visit.timespan != ({T}0:00/tai', {T}1:00/tai')", [2]), ("day_obs.timespan = visit.timespan", []),
        ("visit.timespan.begin = :t", [1]), ("visit.timespan.begin = :utc", [1]),
        ("visit.azimuth = NULL", [1, 2]), ("visit.azimuth > 1", []), ("NOT visit.azimuth > 1", []),
        ("visit.azimuth != 3", []), ("visit.azimuth IS NULL", [1, 2]), ("visit.azimuth + 1 IS NULL", [1, 2]),
        ("visit.exposure_time IN (45)", [2]), ("visit.exposure_time/2 > 25", [1]),
        ("visit.exposure_time/2.0 > 25", [1]), ("visit.name='1'", [1]), ("visit=1", []),
        ("visit = 1 OR visit.id = 1", [1]),
        (f"visit.region OVERLAPS {IN_VISIT_1}", [1]), (f"{IN_VISIT_1} OVERLAPS visit.region", [1]),
        ("visit.region OVERLAPS CIRCLE(0.35935,1.07325,0.5)", [1, 2]),
        ("visit.region OVERLAPS REGION('RANGE 0 360 -90 90')", [1, 2]),
        ("visit.region OVERLAPS CIRCLE(0,0,-1)", []),
        ("visit.region OVERLAPS POINT(0.35935+0.0, 2.1465/2)", [1]), ("visit.region OVERLAPS :point", [1]),
        ("visit.region OVERLAPS :region", [1]), ("visit.region OVERLAPS region OR tract = 7", [1]),
        (f"NOT (visit.region OVERLAPS {IN_VISIT_1})", [2]),
        (f"visit.region OVERLAPS {IN_VISIT_1} OR visit.id=2", [1, 2]),
        (f"NOT (visit.region OVERLAPS {IN_VISIT_1} OR visit.id=2)", []),
        (f"NOT visit.region OVERLAPS {IN_VISIT_1} AND visit.exposure_time < 50", [2]),
        ("instrument='Cam1' AND tract=0", [1, 2]), ("tract=0 AND patch=0", [1]),
        ("visit.region = visit.region", [1, 2]), ("visit.region = :region", []), ("visit.region IS NULL", []),
    ],
)  # fmt: skip
def test_visits(cam1: Butler, where: str, expected: list[int]) -> None:
    """Conditions on times and regions of visits find what the specification says; binds shadow names."""
    bind = {name: value for name, value in TIMES.items() if name != "visit" or where == "visit=1"}
    where = where.replace("visit = 1 OR visit.id = 1", "visit.name = '1'")
    assert rows(cam1, "visit", where, bind) == expected


@pytest.mark.parametrize(
    ("dimension", "where"),
    [
        ("detector", "detector='Aa'"), ("detector", "detector IN (4..1)"),
        ("detector", "detector IN (1..4:0)"),
        ("detector", "detector IN ()"), ("detector", "detector IN (1,)"), ("detector", "detector IN (1+1)"),
        ("detector", "detector IN ('1')"), ("detector", "detector IN (1,'x')"),
        ("detector", "1 < detector < 3"),
        ("detector", "detector=1 --c"), ("detector", "glob(detector,'1*')"),
        ("detector", "glob('Aa','A*') = 1"),
        ("detector", "''"), ("detector", "detector"), ("detector", "TRUE"),
        ("detector", "detector = :missing"),
        ("detector", "detector IN (:mixed)"), ("detector", "detector = :l"), ("detector", "DETECTOR = 1"),
        ("visit", "visit.timespan.begin > T'59466'"),
        ("visit", "visit.timespan.begin > T'2021-09-09T03:00:00Z'"),
        ("visit", "visit.timespan.begin > T'2021-09-09 03'"),
        ("visit", "visit.timespan.begin > '2021-09-09'"),
        ("visit", "visit.exposure_time IN (40..50)"), ("visit", "visit='1'"), ("visit", "visit.band='g'"),
        ("visit", "visit.region OVERLAPS REGION('BOX 0 0 1 1')"),
        ("visit", "visit.region OVERLAPS POLYGON(1,2,3,4)"),
        ("visit", "visit.region OVERLAPS visit_detector_region.region"), ("visit", "name='1'"),
        ("visit", "timespan.begin > T'2021:252'"), ("visit", "id = 1"),
        ("visit", "visit.region > visit.region"),
        ("visit", "warp.run='r1'"),
    ],
)  # fmt: skip
def test_errors(cam1: Butler, dimension: str, where: str) -> None:
    """What the specification calls an error is one class of error, with a message."""
    with pytest.raises(InvalidQueryError) as caught:
        rows(cam1, dimension, where, BIND)
    assert str(caught.value)


@pytest.mark.parametrize(
    ("dimensions", "where", "count"),
    [
        ("visit tract", "", 3), ("visit patch", "", 10), ("visit detector tract", "", 10),
        ("visit detector patch", "", 20), ("visit patch", "tract=0", 7),
        ("visit htm7", "", 5), ("patch htm7", "", 24), ("tract htm7", "", 6), ("visit detector htm7", "", 14),
        ("visit patch", "visit.region OVERLAPS tract.region", 18),
        ("visit detector patch", "visit.region OVERLAPS patch.region", 40),
        ("visit patch", "NOT visit.region OVERLAPS patch.region", 14),
        ("visit patch", "visit.region OVERLAPS patch.region OR visit = 1", 17),
        ("patch", "visit=1", 5), ("patch", "visit=1 and detector=1", 2),
        ("tract", "visit=1 and detector=1", 1),
        ("patch", "cell_x=1 and tract=0", 3), ("visit band", "", 2), ("patch band", "", 24),
        ("physical_filter tract", "", 6), ("visit detector", "tract = 1 AND patch = 1", 1),
        ("visit patch htm7", "visit.region OVERLAPS patch.region AND visit.region OVERLAPS htm7.region", 25),
    ],
)  # fmt: skip
def test_counts(cam1: Butler, dimensions: str, where: str, count: int) -> None:
    """Joins of families of regions have LSST's numbers of rows, and counting agrees."""
    with cam1.query() as query:
        results = query.where(where).data_ids(dimensions.split())
        assert results.count() == count
        assert len(set(results)) == count


def test_pairs(cam1: Butler) -> None:
    """The pairs of visit and patch are LSST's."""
    found = {(d["visit"], d["tract"], d["patch"]) for d in cam1.query_data_ids(["visit", "patch"])}
    assert found == {(1, 0, p) for p in range(5)} | {(2, 0, 4), (2, 0, 5), (2, 1, 0), (2, 1, 1), (2, 1, 2)}


@pytest.mark.parametrize(
    "where", ["visit = 1 AND patch = 0 AND htm7 = 253954", "tract = 0 AND htm7 = 1 AND visit = 1"]
)
def test_three_families_need_words(cam1: Butler, where: str) -> None:
    """Where three families of regions meet it must be said which overlap."""
    with pytest.raises(InvalidQueryError, match="say it with OVERLAPS"):
        rows(cam1, "visit", where)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("ingest_date > T'2020-01-01'", [0, 1, 2]), ("ingest_date < T'2020-01-01'", []),
        ("warp.run='r1'", [0, 1]), ("collection='r2'", [2]), ("run IN ('r1', 'r2') AND patch > 0", [1, 2]),
        ("warp.dataset_id = :id", [1]), ("dataset_id IN (UUID('{id}'))", [1]), ("dataset_id != :id", [0, 2]),
        ("warp.timespan OVERLAPS visit.timespan", [0, 1, 2]), ("GLOB(warp.run, '*2')", [2]),
        (f"visit.region OVERLAPS {IN_VISIT_1} AND warp.run = 'r1'", [0, 1]),
    ],
)  # fmt: skip
def test_datasets(cam1: Butler, where: str, expected: list[int]) -> None:
    """Conditions name fields of the datasets that take part; of two runs the first counts."""
    (ref,) = cam1.query_datasets("warp", "r1", where="patch = 1")
    path = ["r1", "r2"]
    refs = cam1.query_datasets(
        "warp", path, where=where.replace("{id}", str(ref.id)), bind={"id": ref.id}, explain=False
    )
    assert [r.dataId["patch"] for r in refs] == expected


@pytest.mark.parametrize(
    ("dimension", "where", "expected"),
    [
        ("detector", "detector=1", [1]), ("detector", "detector.purpose='SCIENCE'", [1, 2, 3]),
        ("detector", "instrument='Cam1' OR detector=1", [1, 2, 3, 4]),
        ("detector", "instrument!='X' AND detector=1", [1]),
        ("visit", "instrument='Cam1' and tract=0", [1, 2]),
    ],
)  # fmt: skip
def test_without_defaults(spatial: Path, dimension: str, where: str, expected: list[int]) -> None:
    """Where there is one instrument and one sky map only, nobody needs to name them."""
    with Butler(spatial) as butler:
        assert rows(butler, dimension, where) == expected


def test_two_instruments_need_a_name(registry_home: RegistryHome, tmp_path: Path) -> None:
    """A key of a detector is of one instrument: with two there must be a constraint, or a default."""
    load(registry_home, tmp_path / "two", "base")
    with Butler(tmp_path / "two", writeable=True) as butler:
        butler.registry.insertDimensionData("instrument", {"name": "Cam2"})
        butler.registry.insertDimensionData("detector", {"instrument": "Cam2", "id": 1, "full_name": "x"})
        for where in ("detector=1", "detector=1 AND instrument.class_name != 'x'"):
            with pytest.raises(
                InvalidQueryError, match=r"add instrument = \.\.\. with one of 'Cam1', 'Cam2'"
            ):
                rows(butler, "detector", where)
        assert rows(butler, "detector", "instrument='Cam2' AND detector=1") == [1]
        assert rows(butler, "detector", "detector.full_name = 'x'") == [1]
        assert rows(butler, "detector", "instrument LIKE 'C%' AND detector = 1") == [1, 1]
        assert len(butler.query_data_ids("detector")) == 5
    with Butler(tmp_path / "two", instrument="Cam2") as butler:
        assert rows(butler, "detector", "") == [1]
        assert rows(butler, "detector", "instrument.class_name = NULL") == [1]


def test_truth_values(registry_home: RegistryHome, tmp_path: Path) -> None:
    """A column of truth values stands alone, and is compared with TRUE and NULL."""
    load(registry_home, tmp_path / "lsstcam", "lsstcam-subset")
    with Butler(tmp_path / "lsstcam") as butler:
        for where, count in {
            "exposure.can_see_sky": 2, "NOT exposure.can_see_sky": 0, "exposure.can_see_sky = NULL": 0,
            "exposure.can_see_sky = TRUE": 2, "exposure.can_see_sky IS FALSE": 0, "can_see_sky != TRUE": 0,
        }.items():  # fmt: skip
            assert len(rows(butler, "exposure", where)) == count
        with pytest.raises(InvalidQueryError, match="cannot compare"):
            rows(butler, "exposure", "exposure.can_see_sky = 1")


def test_hsc_counts(registry_home: RegistryHome, tmp_path: Path) -> None:
    """Real visits, detectors and pixels: LSST's numbers."""
    load(registry_home, tmp_path / "hsc", "ci_hsc-subset", "ci_hsc-subset-skymap")
    with Butler(tmp_path / "hsc") as butler, butler.query() as query:
        for dimensions, count in {
            "visit tract": 11, "visit detector tract": 33, "visit htm7": 207, "visit detector htm7": 61,
            "visit detector": 176,
        }.items():  # fmt: skip
            assert query.data_ids(dimensions.split()).count() == count


@pytest.mark.parametrize("where", ["GLOB(visit.target_name, '*')", "visit = 1 OR 1 = 1", "visit NOT IN (:e)"])
def test_what_is_named_takes_part(cam1: Butler, where: str) -> None:
    """A condition that every visit fulfils still leaves only the patches that some visit overlaps."""
    ids = cam1.query_data_ids(["tract", "patch"], where=where, bind=BIND)
    named = {(data_id["tract"], data_id["patch"]) for data_id in ids}
    seen = {(d["tract"], d["patch"]) for d in cam1.query_data_ids(["tract", "patch", "visit"])}
    everything = cam1.query_data_ids(["tract", "patch"])
    assert named == seen
    assert len(named) < len(everything)
