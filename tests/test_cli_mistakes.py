"""The butler command over a repository made with commands alone; a mistake changes nothing."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from toy_camera import snapshot, write_camera, write_frame

from butler import Butler
from butler.cli import main

FRAME = ("postISRCCD", "exposure=1", "detector=0")


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def output(*words: object) -> str:
    """Run a command that succeeds; return its standard output."""
    result = call(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def error(*words: object) -> str:
    """Run a command that fails; return its one message."""
    result = call(*words)
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert result.stderr.count("Error: ") == 1
    return result.stderr.partition("Error: ")[2]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make, with commands alone, a directory with two frames, their camera and their repository ``repo``."""
    base = tmp_path_factory.mktemp("commands")
    frames = [write_frame(base / f"{visit}.fits", visit) for visit in (1, 2)]
    camera = write_camera(base / "camera.yaml")
    output("create", base / "repo")
    output("ingest-exposures", base / "repo", *frames, "--camera", camera)
    geometry = ("--pixel-scale", 1, "--patch-inner-dimensions", 40, 40, "--patch-border", 2)
    output("register-skymap", base / "repo", "--discrete", "--name", "sky", *geometry)
    return base


@pytest.fixture
def base(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory of a test: an own copy of the template."""
    shutil.copytree(template, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_tables_csv_and_json_say_the_same(base: Path) -> None:
    """The same rows in every format; JSON and CSV parse back."""
    words = ("query-data-ids", "repo", "visit", "detector")
    rows = json.loads(output(*words, "--format", "json"))
    assert [(row["instrument"], row["visit"], row["detector"]) for row in rows] == [
        ("TOY", 1, 0),
        ("TOY", 2, 0),
    ]
    read = list(csv.DictReader(io.StringIO(output(*words, "--format", "csv"))))
    assert read == [{key: str(value) for key, value in row.items()} for row in rows]
    header, rule, *lines = output(*words).splitlines()
    assert header.split() == list(rows[0])
    assert set(rule) == {"-", " "}
    assert len(lines) == 2


def test_queries(base: Path) -> None:
    """Each query command lists what is there, restricted, sorted and limited."""
    names = [row["Name"] for row in json.loads(output("query-collections", "repo", "--format", "json"))]
    assert names == ["raw/all", "skymaps"]
    assert output("query-collections", "repo", "sky*", "--format", "csv") == (
        "Name,Type,Children\nskymaps,RUN,\n"
    )
    types = output("query-dataset-types", "repo", "post*", "-v", "--format", "csv").splitlines()
    assert types[1:] == [
        'postISRCCD,"instrument,detector,exposure",ExposureF',
        'postISRCCD_quality,"instrument,detector,exposure",ImageI',
        'postISRCCD_variance,"instrument,detector,exposure",ImageF',
        'postISRCCD_weight,"instrument,detector,exposure",ImageF',
    ]
    options = ("--order-by", "-exposure", "--limit", 1, "--show-uri", "--format", "json")
    (row,) = json.loads(output("query-datasets", "repo", "postISRCCD", *options))
    assert row["exposure"] == 2
    assert Path(row["URI"].removeprefix("file://")).is_relative_to(base / "repo")
    assert Path(row["URI"].removeprefix("file://")).is_file()
    found = json.loads(
        output("query-dimension-records", "repo", "visit", "--where", "visit > 1", "--format", "json")
    )
    assert [(r["id"], r["target_name"], r["region"]) for r in found] == [(2, "COSMOS", "(elided)")]


def test_dataset_types_and_chains_are_registered(base: Path) -> None:
    """A second time is no error; a chain is redefined, extended and cut."""
    words = ("register-dataset-type", "repo", "note", "StructuredDataDict", "visit")
    assert "registered" in call(*words).stderr
    assert "there already" in call(*words).stderr
    chain = ("collection-chain", "repo", "all")
    assert output(*chain, "raw/all") == "[raw/all]\n"
    assert output(*chain, "skymaps", "--mode", "prepend") == "[skymaps, raw/all]\n"
    assert output(*chain, "skymaps", "--mode", "remove") == "[raw/all]\n"
    assert output(*chain, "raw/all,skymaps") == "[raw/all, skymaps]\n"


def test_a_sky_map_from_a_file(base: Path) -> None:
    """The YAML of a discrete sky map makes its tract; a second time nothing happens."""
    Path("sky.yaml").write_text(
        "name: discrete\nskymap_name: field\nraList: [150.0]\ndecList: [2.0]\nradiusList: [0.01]\n"
        "pixelScale: 1.0\npatchInnerDimensions: [50, 50]\npatchBorder: 5\n"
    )
    words = ("register-skymap", "repo", "-C", "sky.yaml")
    assert "sky map 'field': 1 tracts" in call(*words).stderr
    before = snapshot(base / "repo")
    assert "it was there already" in call(*words).stderr
    assert snapshot(base / "repo") == before
    patches = output("query-data-ids", "repo", "patch", "--where", "skymap = 'field' AND visit = 1")
    assert "field" in patches


def test_pictures(base: Path) -> None:
    """An image, a box of it or a component is drawn into the file named, or one named after the type."""
    for target, words in {
        "postISRCCD.png": FRAME,
        "box.png": (*FRAME, "--bbox", "0..5,0..3", "-o", "box.png"),
        "image.png": ("postISRCCD.image", *FRAME[1:], "--no-mask", "-o", "image.png"),
    }.items():
        assert output("show", "repo", *words) == f"{target}\n"
        assert Path(target).read_bytes().startswith(b"\x89PNG")


def test_verify_finds_and_mends(base: Path) -> None:
    """A lost file, a damaged one and an orphan are told and mended; then all is well."""
    assert output("verify", "repo") == ""
    one, two = sorted((base / "repo" / "raw" / "all" / "postISRCCD").rglob("*.fits"))
    one.unlink()
    with two.open("ab") as stream:
        stream.write(b"x")
    two.with_name("stray.fits").touch()
    assert "is registered but gone" in error("show", "repo", *FRAME)
    result = call("verify", "repo")
    assert result.exit_code == 1
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == ["missing", "damaged", "orphan"]
    assert "--repair" in result.stderr
    assert call("verify", "repo", "--repair").exit_code == 0
    assert output("verify", "repo") == ""


def test_one_bad_file_among_good_ones(base: Path) -> None:
    """Files without WCS or end are told with their reason; the good one is in; the exit status says so."""
    write_frame(Path("3.fits"), 3)
    write_frame(Path("4.fits"), 4, changes={"CTYPE1": None, "CTYPE2": None})
    cut = write_frame(Path("5.fits"), 5)
    cut.write_bytes(cut.read_bytes()[:3000])
    result = call("ingest-exposures", "repo", "3.fits", "4.fits", "5.fits", "--camera", "camera.yaml")
    assert result.exit_code == 1
    first, *reasons = result.stderr.splitlines()
    assert first == "1 datasets ingested, 0 files were there already, 2 failed"
    assert [reason.partition(":")[0] for reason in reasons] == ["4.fits", "5.fits"]
    assert "no celestial WCS" in reasons[0]
    assert "truncated" in reasons[1]
    assert "3" in output("query-data-ids", "repo", "visit", "--where", "visit > 2", "--format", "csv")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("create", "repo"), "there is a repository at"),
        (("create", "1.fits"), "File exists"),
        (("create", "1.fits/inside"), "Not a directory"),
        (("query-collections", "none"), "butler create"),
        (("verify", "none"), "no repository at"),
        (("ingest-exposures", "repo", "none.fits"), "no file or directory none.fits"),
        (("ingest-exposures", "repo", "1.fits"), "no shipped camera mapping"),
        (("ingest-exposures", "repo", "1.fits", "--camera", "none.yaml"), "cannot read the camera mapping"),
        (("ingest-exposures", "repo", "1.fits", "--camera", "broken.yaml"), "broken.yaml is not YAML"),
        (
            ("ingest-exposures", "repo", "1.fits", "--camera", "camera.yaml", "--output-run", "a b"),
            "a collection is named",
        ),
        (("register-skymap", "repo"), "either --config-file or --discrete"),
        (("register-skymap", "repo", "-C", "none.yaml"), "cannot read none.yaml"),
        (("register-skymap", "repo", "-C", "broken.yaml"), "broken.yaml is not YAML"),
        (("register-skymap", "repo", "-C", "camera.yaml"), "known: discrete, rings"),
        (("register-skymap", "repo", "--discrete", "--pixel-scale", 0), "pixelScale"),
        (("register-skymap", "repo", "--discrete", "--where", "visit = 7"), "visit is one of: 1, 2"),
        (("register-skymap", "repo", "--discrete", "--name", "sky"), "another definition"),
        (("register-dataset-type", "repo", "postISRCCD", "ExposureF", "visit"), "is registered as"),
        (("register-dataset-type", "repo", "a", "Exposur", "visit"), "did you mean 'Exposure'?"),
        (("register-dataset-type", "repo", "a", "ExposureF", "vist"), "did you mean 'visit'?"),
        (("register-dataset-type", "repo", "a b", "ExposureF", "visit"), "'a b'"),
        (("collection-chain", "repo", "new", "none"), "no collection 'none'"),
        (("collection-chain", "repo", "new", "new"), "would contain itself"),
        (("collection-chain", "repo", "raw/all", "skymaps"), "exists as RUN"),
        (("query-collections", "repo", "none"), "no collection 'none'"),
        (("query-datasets", "repo", "postISRC"), "did you mean 'postISRCCD'?"),
        (("query-datasets", "repo", "postISRCCD", "--collections", "none"), "no collection 'none'"),
        (("query-datasets", "repo", "postISRCCD_weight"), "no dataset of type"),
        (("query-data-ids", "repo", "pach"), "did you mean 'patch'?"),
        (("query-data-ids", "repo", "visit", "--where", "vist = 1"), "\n    vist = 1\n    ^\n"),
        (("query-data-ids", "repo", "visit", "--where", "visit > "), "(line 1, column 8)"),
        (("query-data-ids", "repo", "visit", "--where", "visit > 'a'"), "cannot compare"),
        (("query-data-ids", "repo", "visit", "--where", "visit = 9"), "visit is one of: 1, 2"),
        (("query-data-ids", "repo", "visit", "--limit", 0), "--limit"),
        (("query-dimension-records", "repo", "vist"), "did you mean 'visit'?"),
        (("query-dimension-records", "repo", "visit", "--order-by", "colour"), "unknown name 'colour'"),
        (("query-datasets", "repo", "post*", "--columns", "vist"), "no column 'vist'"),
        (("query-datasets", "repo", "-d", "exposure=1..x"), "exposure needs an integer, or a range as 2..5"),
        (("query-datasets", "repo", "--format", "xml"), "'xml' is not one of 'table', 'csv', 'json'"),
        (("query-dataset-types", "repo", "pots*"), "no dataset type matches 'pots*'"),
        (("query-collections", "repo", "raww/*"), "no collection matches raww/*"),
        (("remove-dataset-type", "repo", "postISRCCD"), "postISRCCD"),
        (("associate", "repo", "raw/all", "-d", "postISRCCD"), "exists as RUN"),
        (("associate", "repo", "tag", "--collections", "raw*"), "is a pattern and gives no order"),
        (("prune-datasets", "repo", "raw/all", "--quiet", "--dry-run"), "leave one out"),
        (("prune-datasets", "repo", "raw/all", "--purge", "--disassociate", "t", "-y"), "--disassociate"),
        (("prune-datasets", "repo", "raw/al", "--yes"), "did you mean 'raw/all'?"),
        (("remove-runs", "repo", "raw/al", "--yes"), "did you mean 'raw/all'?"),
        (("remove-collections", "repo", "tagg", "--yes"), "no collection 'tagg'"),
        (("retrieve-artifacts", "repo", "out", "-d", "postISR"), "did you mean 'postISRCCD'?"),
        (("transfer-datasets", "repo", "elsewhere"), "no repository at"),
        (("export", "repo", "out", "postISR"), "did you mean 'postISRCCD'?"),
        (("export", "repo", "/nowhere/\ud800", "postISRCCD"), "surrogates not allowed"),
        (("import", "repo", "nowhere"), "no export file"),
        (("ingest-files", "repo", "postISRCCD", "r", "none.csv"), "there is no table none.csv"),
        (("create", "new", "--override", "checksun=false"), "did you mean 'checksum'?"),
        (("config-dump", "repo", "-s", "templates.defalt"), "did you mean 'default'?"),
        (("--log-level", "LOUD", "query-collections", "repo"), "no log level 'LOUD'"),
        (("query-collections", "repo", "-@", "none.yaml"), "cannot read none.yaml"),
        (("show", "repo", *FRAME, "--bbox", "0..50,0..3"), "is not inside the image's box [0..31, 0..23]"),
        (("show", "repo", *FRAME, "--bbox", "everything"), "write x0..x1,y0..y1"),
        (("show", "repo", *FRAME, "--bbox", "3..1,0..3"), "at least one pixel"),
        (("show", "repo", *FRAME, "-o", "picture.xyz"), "picture.xyz"),
        (("show", "repo", "postISRCCD"), "2 datasets fit, give more of the data ID"),
        (("show", "repo", "postISRCCD", "exposure"), "key=value"),
        (("show", "repo", "postISRCCD", "exposure=x"), "exposure needs an integer"),
        (("show", "repo", "postISRCCD", "expsure=1"), "did you mean 'exposure'?"),
        (
            ("show", "repo", "postISRCCD", "exposure=9", "detector=0"),
            "nothing has exposure=9; exposure is one of: 1, 2",
        ),
        (("show", "repo", "postISRCCD.wcs", *FRAME[1:]), "cannot draw a SkyWcs"),
        (("show", "repo", "postISRCCD.colour", *FRAME[1:]), "has no component 'colour'"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_one_message(base: Path, words: tuple[object, ...], message: str) -> None:
    """The message says what was wrong; the repository and the directory are as before."""
    Path("broken.yaml").write_text("a: [1,")
    before = snapshot(base / "repo"), sorted(base.iterdir())
    assert message in error(*words)
    assert (snapshot(base / "repo"), sorted(base.iterdir())) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [("foreign: 1\n", "foreign"), ("version: 2\n", "version"), ("[", "is not YAML"), ("text", "butler.yaml")],
)
def test_a_foreign_butler_yaml(base: Path, content: str, message: str) -> None:
    """A configuration that is not ours is refused with its file and field."""
    (base / "repo" / "butler.yaml").write_text(content)
    before = snapshot(base / "repo")
    said = error("query-collections", "repo")
    assert "butler.yaml" in said
    assert message in said
    assert snapshot(base / "repo") == before


def test_a_lost_registry(base: Path) -> None:
    """A repository without its registry is said to be so, and none is made in its place."""
    (base / "repo" / "gen3.sqlite3").unlink()
    assert "gen3.sqlite3 is gone" in error("query-collections", "repo")
    assert not (base / "repo" / "gen3.sqlite3").exists()


def test_a_file_where_the_run_needs_a_directory(base: Path) -> None:
    """Files that cannot be written fail one by one with the reason; no records of them are left."""
    (base / "repo" / "blocked").touch()
    write_frame(Path("3.fits"), 3)
    words = ("repo", "3.fits", "--camera", "camera.yaml", "--output-run", "blocked/run")
    result = call("ingest-exposures", *words)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    with Butler(base / "repo") as butler:
        assert [record["visit"] for record in butler.query_dimension_records("visit")] == [1, 2]
        assert butler.verify().is_clean
