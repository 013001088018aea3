"""`butler register-skymap`: from files, from single fields, around exposures; what is refused, and how."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from repository_snapshot import snapshot
from skymap_cases import HSC
from small_repository import CALEXP, DETECTORS, SKY_MAP, make_exposure

from butler import Butler
from butler.cli import main
from butler.errors import ConflictingDefinitionError, DatasetNotFoundError, EmptyQueryResultError
from butler.ingest import find_sky_map, observed_outlines, register_sky_map
from butler.skymaps import RingsSkyMap, RingsSkyMapConfig, SkyMap, make_sky_map, read_definition


def call(*words: object, rc: int = 0) -> Result:
    """Run a command; anything but a planned exit is an error of ours."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == rc, result.output
    return result


def error(*words: object, rc: int = 1) -> str:
    """Run a command that fails; return its message on one line."""
    return " ".join(call(*words, rc=rc).stderr.partition("Error: ")[2].split())


def stored(butler: Butler, name: str) -> SkyMap:
    return find_sky_map(butler, name)[1]


# LSST writes `config.skyMap["rings"].numRings = 120`.
WIDE = ("-c", "radiusList=[100]", "-c", "projection=TAN")
RINGS = {"name": "coarse", "skyMap": "rings", "numRings": 2, "projection": "TAN", "pixelScale": 60}
FINE = ("-c", "skyMap=rings", "-c", "numRings=120", "-c", "pixelScale=0.001")
CENTRES = ("-c", "skyMap=discrete", "-c", "decList=[1]", "-c", "radiusList=[1]")


@pytest.mark.parametrize(
    "config",
    [
        {"name": "hsc", "skyMap": "rings", "numRings": 120},
        {"name": "hsc", 'skyMap["rings"].numRings': 120},
        {"skyMap": "rings", "skymap_name": "hsc", "skyMap[rings].numRings": 120},
        {"name": "rings", "skymap_name": "hsc", "numRings": 120},
        {"name": "hsc", "skyMap.name": "rings", "skyMap.active.numRings": 120},
        {
            "name": "hsc",
            "skyMap": "rings",
            "skyMap['rings'].numRings": 120,
            "skyMap['rings'].tractBuilder['legacy'].patchBorder": 100,
        },
    ],
)
def test_definitions_are_written_in_several_ways(config: dict[str, object]) -> None:
    """In LSST's words, and as a repository keeps them; a quotient stays exact."""
    config |= {"projection": "TAN", "tractOverlap": "1/60", "pixelScale": 0.168}
    name, definition = read_definition(config)
    assert name == "hsc"
    assert make_sky_map(definition).getSha1() == HSC.getSha1()


def test_fields_of_two_kinds() -> None:
    """A field of another kind of sky map is refused."""
    with pytest.raises(ValueError, match="another kind of sky map than rings"):
        read_definition({"skyMap": "rings", "skyMap[discrete].raList": [1.0]})


def test_single_fields_go_over_the_file(butler: Butler, tmp_path: Path) -> None:
    """-c alone defines a sky map, and changes what a file says; values are YAML."""
    path = tmp_path / "rings.yaml"
    path.write_text(yaml.safe_dump(RINGS))
    told = call(
        "register-skymap", butler.root, "-C", path, "-c", "patchInnerDimensions=[300, 200]", "-c", "name=fine"
    )
    assert "sky map 'fine': 16 tracts, 4704 patches" in told.stderr
    words = [word for key, value in RINGS.items() for word in ("-c", f"{key}={value}")]
    call("register-skymap", butler.root, *words)
    fine, coarse = stored(butler, "fine"), stored(butler, "coarse")
    assert fine.config.patchInnerDimensions == (300, 200)
    assert coarse == make_sky_map(read_definition(RINGS)[1])
    records = butler.query_dimension_records("patch", skymap="fine", limit=None)
    assert len(records) == sum(len(tract) for tract in fine)
    for record in records[::7]:
        assert record.region == fine[record.tract].getPatchInfo(record.id).region
    for record in butler.query_dimension_records("tract", skymap="fine"):
        assert record.region == fine[record.id].outer_sky_polygon


def test_patches_are_found_on_the_sky(butler: Butler) -> None:
    """A query with OVERLAPS lists the patches that the sky map finds there."""
    call("register-skymap", butler.root, *(f"-c{key}={value}" for key, value in RINGS.items()),
         "-cpatchInnerDimensions=[300, 200]")  # fmt: skip
    where = "skymap = 'coarse' AND patch.region OVERLAPS POINT(200.5, -33.25)"
    words = ("query-dimension-records", butler.root, "patch", "--where", where, "--format", "json")
    found = {(row["tract"], row["id"]) for row in json.loads(call(*words).stdout)}
    sky_map = stored(butler, "coarse")
    expected = {
        (tract.tract_id, patch.sequential_index)
        for tract in sky_map
        for patch in tract
        if patch.region.contains(200.5, -33.25)
    }
    assert found == expected != set()
    assert sky_map.findTract(200.5, -33.25).tract_id in {tract for tract, _ in found}


def test_another_definition_is_told(butler: Butler) -> None:
    """What differs is named with both values, nothing is changed; the same map has one name only."""
    before = snapshot(butler.root)
    changed = {**SKY_MAP.to_simple(), "pixelScale": 1.9, "projection": "STG"}
    with pytest.raises(
        ConflictingDefinitionError,
        match=r"'sky' is registered with another definition: pixelScale is 1\.8 there, 1\.9 here, projection "
        r"is TAN there, STG here; choose another name",
    ):
        register_sky_map(butler, "sky", make_sky_map(changed))
    with pytest.raises(ConflictingDefinitionError, match="numRings is not given there, 3 here"):
        register_sky_map(butler, "sky", RingsSkyMap(RingsSkyMapConfig(numRings=3)))
    with pytest.raises(ConflictingDefinitionError, match="registered as 'sky' already"):
        register_sky_map(butler, "other", SKY_MAP)
    assert register_sky_map(butler, "sky", SKY_MAP) is None
    assert snapshot(butler.root) == before


def test_old_rings_are_another_definition(butler: Butler) -> None:
    """Version 0 has the hash of version 1, but other tracts at raStart: it is refused all the same."""
    config = RingsSkyMapConfig(numRings=1, pixelScale=90, patchInnerDimensions=(900, 900))
    register_sky_map(butler, "rings", RingsSkyMap(config))
    with pytest.raises(ConflictingDefinitionError, match="version is 1 there, 0 here"):
        register_sky_map(butler, "rings", RingsSkyMap(config, version=0))


LSST_FILE = """\
# The rings of a survey.
config.name = "hsc_rings"
config.skyMap = "rings"
config.skyMap["rings"].numRings = 3
config.skyMap["rings"].projection = "TAN"
config.skyMap["rings"].tractOverlap = 1.0/60  # degrees
config.skyMap["rings"].pixelScale = 30
"""


def test_lsst_config_files_are_read(butler: Butler, tmp_path: Path) -> None:
    """A file of assignments gives the sky map that its fields give; -c goes over it."""
    file = tmp_path / "rings.py"
    file.write_text(LSST_FILE)
    call("register-skymap", butler.root, "-C", file, "-c", "pixelScale=60")
    config = RingsSkyMapConfig(numRings=3, projection="TAN", tractOverlap=1 / 60, pixelScale=60)
    assert stored(butler, "hsc_rings") == RingsSkyMap(config)


@pytest.mark.parametrize(
    "line",
    ["import os", "config.name = open('x').read()", "config.skyMap.numRings += 1", "config.name = 'a' / 2",
     "config.name = 1 / 0", "skyMap.numRings = 3"],
)  # fmt: skip
def test_lsst_config_files_are_not_executed(butler: Butler, tmp_path: Path, line: str) -> None:
    """What is more than a literal is refused with its line, and nothing is registered."""
    file = tmp_path / "rings.py"
    file.write_text(f"{LSST_FILE}{line}\n")
    before = snapshot(butler.root)
    assert f"rings.py:8: {line!r}"[:25] in error("register-skymap", butler.root, "-C", file)
    assert snapshot(butler.root) == before


# Around exposures.


def test_visits_outside_are_told(butler: Butler) -> None:
    """Who registers a tract hears of visits that no tract reaches; those of other sky maps count too."""
    made = call("register-skymap", butler.root, "--discrete", "-d", "visit=1", "--name", "one")
    assert "warning: 1 of the 3 visits lie outside every tract of the sky maps" in made.stderr
    made = call("register-skymap", butler.root, "--discrete", "-d", "visit=3", "--name", "three")
    assert "warning" not in made.stderr


def test_exposures_are_chosen_by_a_query(butler: Butler) -> None:
    """--where, a data ID, or datasets that exist choose what the tract goes around; a border is added."""
    butler.put(make_exposure(), CALEXP, visit=2, detector=1)
    expected = {
        "all": (["-d", "visit=1,2"], [(1, 0), (1, 1), (2, 0), (2, 1)]),
        "one": (["-d", "visit=1", "-d", "detector=1"], [(1, 1)]),
        "where": (["--where", "visit = 1 AND band = 'g'"], [(1, 0), (1, 1)]),
        "datasets": (["--datasets", "calexp"], [(2, 1)]),
        "bordered": (["--datasets", "calexp", "--border", 0.01], [(2, 1)]),
    }
    for name, (words, detectors) in expected.items():
        settings = ("-c", "pixelScale=2", "-c", f"name={name}")
        call("register-skymap", butler.root, "--discrete", *words, *settings)
        (tract,) = stored(butler, name)
        radius = stored(butler, name).to_simple()["radiusList"][0]
        assert tract.wcs.pixel_scale == pytest.approx(2)
        for key, (ra, dec) in DETECTORS.items():
            if key in detectors:
                assert tract.contains(ra, dec)
        if len(detectors) == 1:
            assert tract.ctr_coord == pytest.approx(DETECTORS[detectors[0]], abs=1e-6)
            border = 0.01 if name == "bordered" else 0.0
            assert radius == pytest.approx(0.008 / 2 * 2**0.5 + border, abs=1e-5)


def test_a_tract_is_appended(butler: Butler) -> None:
    """The tracts of the old sky map stay as they are; the new one has a name of its own."""
    words = ("--discrete", "--append", "sky", "-d", "visit=3")
    call("register-skymap", butler.root, *words, "--name", "sky2")
    old, new = SKY_MAP, stored(butler, "sky2")
    assert len(new) == 2
    assert new[0] == old[0]
    assert new[1].contains(20.0, 0.0)
    assert "give its --name" in error("register-skymap", butler.root, *words, rc=2)
    message = error("register-skymap", butler.root, *words, "--name", "x", "-c", "pixelScale=1")
    assert "all tracts have the pixels of 'sky'; leave out pixelScale" in message
    message = error("register-skymap", butler.root, "--discrete", "--append", "skyy", "--name", "x")
    assert "no sky map 'skyy'; did you mean 'sky'?" in message


@pytest.mark.parametrize(
    ("words", "rc", "message"),
    [
        ([], 2, "either --config-file or --discrete, or fields of the config by -c"),
        (["-c", "numRings"], 2, "as FIELD=VALUE, not 'numRings'"),
        (
            ["-c", "skyMap=rings", "-c", "numRing=3"],
            1,
            "-c: RingsSkyMapConfig has no field 'numRing'; did you mean",
        ),
        (["-c", "skyMap=ring", "-c", "numRings=3"], 1, "'ring'; did you mean 'rings'?"),
        (["-c", "skyMap=rings", "-c", "numRings=many"], 1, "numRings: "),
        (["-c", "skyMap=rings", "-c", "numRings=1"], 1, "the sky map has no name; give it one by name:"),
        (["-c", "skyMap=rings", "-c", "numRings=1", "-c", "name="], 2, "as FIELD=VALUE"),
        (["-c", "skyMap=rings", "-c", "numRings=1", "-c", "name=''"], 1, "the sky map has no name"),
        (["-c", "skyMap=discrete", "--name", "x"], 1, "the sky map 'x' has no tracts; give raList, decList"),
        ([*CENTRES, "-c", "raList=[1]", "--name", "x", *WIDE], 1, "-c: a tract of radius 100.0 deg and"),
        ([*CENTRES, "-c", "raList=[10:20:00]"], 1, "raList: 0: Input should be a valid number"),
        ([*CENTRES, "-c", "raList=[4800]"], 1, "raList: 0: Input should be less than or equal to 360"),
        (["--discrete", "-c", "projection=tan"], 1, "projection: 'tan' is no projection of FITS, or needs"),
        (["--discrete", "-c", "projection=COP"], 1, "projection: 'COP' is no projection of FITS, or needs"),
        (["-c", "skyMap=rings", "-c", "numRings=[3"], 1, "is not YAML"),
        (["-c", "skyMap=rings", "-c", "numRings=3", "--where", "visit=1"], 2, "where: such options go with"),
        ([*FINE, "--name", "fine"], 1, "more than 10000000"),
        (["--discrete", "-c", "pixelScal=3"], 1, "did you mean 'pixelScale'?"),
        (["--discrete", "-c", "skyMap=rings", "-c", "numRings=1"], 1, "only a discrete sky map"),
        (["--discrete", "--where", "visit = 9"], 1, "nothing fulfils 'visit = 9'"),
        (["--discrete", "--datasets", "calexp"], 1, "calexp"),
    ],
)
def test_what_cannot_be_registered(butler: Butler, words: list[str], rc: int, message: str) -> None:
    """One line says why; the repository stays as it was."""
    before = snapshot(butler.root)
    assert message in error("register-skymap", butler.root, *words, rc=rc)
    assert snapshot(butler.root) == before


def test_which_sky_map(butler: Butler, empty: Butler) -> None:
    """One needs no name, of several one must be named, and none is none."""
    assert find_sky_map(butler) == ("sky", SKY_MAP)
    with pytest.raises(DatasetNotFoundError, match="no sky map is registered"):
        find_sky_map(empty)
    register_sky_map(butler, "two", make_sky_map({**SKY_MAP.to_simple(), "pixelScale": 3}))
    with pytest.raises(DatasetNotFoundError, match="there are the sky maps sky, two; name one"):
        find_sky_map(butler)


def test_outlines(butler: Butler, empty: Butler) -> None:
    """Detectors with their visits' band and exposure time; a visit without detectors has its own outline."""
    outlines = observed_outlines(butler, "visit IN (1, 2)")
    assert [(o.visit, o.detector, o.band, o.exposure_time) for o in outlines] == [
        (("CAM", 1), 0, "g", 30.0),
        (("CAM", 1), 1, "g", 30.0),
        (("CAM", 2), 0, "r", 45.5),
        (("CAM", 2), 1, "r", 45.5),
    ]
    assert all(o.region.contains(*DETECTORS[o.visit[1], o.detector or 0]) for o in outlines)
    visit = butler.query_dimension_records("visit", visit=1)[0]
    butler.registry.insertDimensionData("visit", {**visit.toDict(), "id": 9, "name": "v9"})
    (alone,) = observed_outlines(butler, {"visit": 9})
    assert (alone.visit, alone.detector, alone.region) == (("CAM", 9), None, visit.region)
    with pytest.raises(EmptyQueryResultError):
        observed_outlines(empty)
