"""The ``butler`` command: what it prints where, its exit status, and errors without traceback."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from small_repository import CALEXP, NOTE, SKY_MAP, TOTAL, make_exposure
from toy_camera import write_camera, write_frame, write_pixels

from butler import Butler
from butler.cli import main
from butler.cli.catalog import COMMANDS

EXPOSURES = {"ingest-exposures": "postISRCCD"}


def run(*arguments: str | Path, expect: int = 0) -> Result:
    """Run a command that ends with some status."""
    result = invoke(*arguments)
    assert result.exit_code == expect, result.output
    return result


def invoke(*arguments: str | Path) -> Result:
    """Run a command in this process; anything but a planned exit is an error of ours."""
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def error_of(*arguments: str | Path, expect: int | None = None) -> str:
    """Return the one line of a failing command, without ``Error:`` and the usage before it."""
    result = invoke(*arguments)
    assert result.exit_code in ((1, 2) if expect is None else (expect,)), result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith(("Usage: ", "Try "))]
    assert len([line for line in lines if line]) == 1, result.stderr
    return lines[-1].removeprefix("Error: ")


def rows_of(*arguments: str | Path) -> list[dict[str, Any]]:
    """Return the rows that a query prints, after comparing its csv with its json form."""
    rows = json.loads(run(*arguments, "--format", "json").stdout)
    text = run(*arguments, "--format", "csv").stdout
    assert "\r" not in text
    table = list(csv.DictReader(io.StringIO(text)))
    assert table == [{key: csv_text(value) for key, value in row.items()} for row in rows]
    return rows


def csv_text(value: Any) -> str:
    """Return what a value of JSON is in CSV."""
    return "" if value is None else ",".join(value) if isinstance(value, list) else str(value)


@pytest.fixture
def filled(repository: Path) -> Path:
    """Return a small repository with three notes and an image."""
    with Butler(repository, run="run", instrument="CAM", skymap="sky") as butler:
        for visit in (1, 2, 3):
            butler.put({"n": visit}, NOTE, visit=visit)
        butler.put({}, TOTAL)
        butler.put(make_exposure(), CALEXP, visit=1, detector=0)
    return repository


# From nothing to a sky map.


def test_the_first_steps_of_a_newcomer(tmp_path: Path) -> None:
    """Create, ingest with a bad pixel mask and weights, register a sky map around it, and query."""
    repo, frames = tmp_path / "repo", tmp_path / "frames"
    frames.mkdir()
    assert "made a repository" in run("create", repo).stderr
    for visit in (1, 2):
        write_frame(frames / f"v{visit}.fits", visit)
        write_pixels(frames / f"v{visit}.weight.fits")
    bad = write_pixels(frames / "bad.fits", 0.0)
    camera = write_camera(tmp_path / "toy.yaml")
    command = ["ingest-exposures", repo, frames, "--camera", camera, "--bad-pixel-mask", bad]
    result = run(*command, "--weight", "{dir}/{stem}.weight.fits", "--output-run", "raw/toy")
    assert result.stderr.strip().endswith("5 datasets ingested, 0 files were there already, 0 failed")
    again = run(*command, "--weight", "{dir}/{stem}.weight.fits", "--output-run", "raw/toy")
    assert again.stderr.strip().endswith("0 datasets ingested, 2 files were there already, 0 failed")
    assert [row["exposure"] for row in rows_of("query-datasets", repo, "postISRCCD")] == [1, 2]
    assert len(rows_of("query-datasets", repo, "postISRCCD_weight")) == 2
    assert len(rows_of("query-datasets", repo, "defects")) == 1
    assert rows_of("query-collections", repo)[0]["Name"] == "raw/toy"
    options = ["--discrete", "--name", "toy", "--pixel-scale", "1", "--patch-inner-dimensions", "40", "40"]
    assert "sky map 'toy': 1 tracts" in run("register-skymap", repo, *options).stderr
    assert "it was there already" in run("register-skymap", repo, *options).stderr
    assert {row["visit"] for row in rows_of("query-data-ids", repo, "visit", "tract")} == {1, 2}


def test_a_bad_file_keeps_no_other_out(tmp_path: Path) -> None:
    """Good files come in; the bad one is named with its reason, and the status is 1."""
    run("create", tmp_path / "repo")
    good = write_frame(tmp_path / "a.fits", 1)
    bad = write_frame(tmp_path / "b.fits", 2)
    bad.write_bytes(bad.read_bytes()[:4000])
    camera = write_camera(tmp_path / "toy.yaml")
    result = run("ingest-exposures", tmp_path / "repo", bad, good, "--camera", camera, expect=1)
    assert "1 datasets ingested" in result.stderr or "2 datasets ingested" in result.stderr
    assert "1 failed" in result.stderr
    assert f"{bad}: " in result.stderr
    assert len(rows_of("query-datasets", tmp_path / "repo", "postISRCCD")) == 1


@pytest.mark.parametrize("named", [True, False])
def test_sky_map_from_a_file(repository: Path, tmp_path: Path, named: bool) -> None:
    """A YAML file defines a sky map; its name comes from the file or from the option."""
    config = {**SKY_MAP.to_simple(), "skymap_name": "from_file", "raList": [11.0]}
    (tmp_path / "map.yaml").write_text(yaml.safe_dump(config))
    options = ["--name", "given"] if named else []
    name = "given" if named else "from_file"
    result = run("register-skymap", repository, "-C", tmp_path / "map.yaml", *options)
    assert f"sky map {name!r}: 1 tracts, 2 patches" in result.stderr
    known = rows_of("query-dimension-records", repository, "skymap")
    assert sorted(row["name"] for row in known) == sorted([name, "sky"])


# Queries.


def test_query_datasets(filled: Path) -> None:
    """Conditions, order, limit and the place of the file."""
    rows = rows_of(
        "query-datasets", filled, "note", "--where", "visit > 1", "--order-by=-visit", "--show-uri"
    )
    assert [(row["visit"], row["band"], row["run"]) for row in rows] == [(3, "g", "run"), (2, "r", "run")]
    assert all(Path(row["URI"].removeprefix("file://")).is_file() for row in rows)
    assert len(rows_of("query-datasets", filled, "note", "--limit", "1", "--collections", "run")) == 1
    assert [row["type"] for row in rows_of("query-datasets", filled, "total")] == ["total"]


def test_query_data_ids_and_records(filled: Path) -> None:
    """Data IDs join over the sky; regions of records are elided, times readable."""
    rows = rows_of("query-data-ids", filled, "visit", "patch", "--where", "detector = 1")
    assert [(row["visit"], row["patch"]) for row in rows] == [(1, 0), (2, 1)]
    (record,) = rows_of("query-dimension-records", filled, "visit", "--where", "visit = 3")
    assert record["region"] == "(elided)"
    assert record["target_name"] is None
    assert record["timespan"] == "[2024-01-02T03:00:00, 2024-01-02T03:01:00)"


def test_tables_are_for_people(filled: Path) -> None:
    """Without a format the output is a table with a header and a line below it."""
    lines = run("query-dataset-types", filled, "c*", "-v").stdout.splitlines()
    assert lines[0].split() == ["name", "dimensions", "storage", "class"]
    assert set(lines[1]) == {"-", " "}
    assert lines[2].split() == ["calexp", "instrument,", "detector,", "visit", "ExposureF"]
    assert len(lines) == 4
    assert run("query-dataset-types", filled, "c*").stdout.split() == ["name", "------", "calexp", "coadd"]


def test_chains(filled: Path) -> None:
    """Chains are defined, extended, prepended to and shortened; the children are printed."""
    for name in ("a", "b"):
        Butler(filled, run=name).close()
    for arguments, children in [
        (["chain", "run,a"], "[run, a]"),
        (["chain", "b", "--mode", "extend"], "[run, a, b]"),
        (["chain", "b", "skymaps", "--mode", "prepend"], "[b, skymaps, run, a]"),
        (["chain", "skymaps", "--mode", "remove"], "[b, run, a]"),
    ]:
        assert run("collection-chain", filled, *arguments).stdout.strip() == children
    rows = rows_of("query-collections", filled, "ch*", "a")
    assert rows[0] == {"Name": "chain", "Type": "CHAINED", "Children": ["b", "run", "a"]}
    assert len(rows_of("query-datasets", filled, "note", "--collections", "chain")) == 3


def test_register_dataset_type(repository: Path) -> None:
    """A dataset type is registered once."""
    arguments = ["register-dataset-type", repository, "mine", "StructuredDataDict", "visit"]
    assert run(*arguments).stderr.strip() == "registered"
    assert run(*arguments).stderr.strip() == "it was there already"


# Files.


def test_verify_and_repair(filled: Path) -> None:
    """What is wrong is listed with status 1; a repair removes it, and then all is well."""
    run("verify", filled)
    notes = sorted((filled / "run" / "note").rglob("*.json"))
    notes[0].unlink()
    notes[1].write_bytes(notes[1].read_bytes().replace(b"2", b"7"))
    (filled / "run" / "stray.txt").write_text("x")
    (filled / "my notes.txt").write_text("x")
    listed = run("verify", filled, expect=1).stdout.splitlines()
    assert [line.split(":")[0] for line in listed] == ["missing", "damaged", "orphan"]
    assert len(run("verify", filled, "--no-checksums", expect=1).stdout.splitlines()) == 2
    run("verify", filled, "--repair")
    assert run("verify", filled).stdout == ""
    assert len(rows_of("query-datasets", filled, "note")) == 1
    assert (filled / "my notes.txt").exists()
    assert not (filled / "run" / "stray.txt").exists()


def test_show_draws_a_picture(filled: Path, tmp_path: Path) -> None:
    """An image, a box or a component of it is drawn into a PNG file; its name is printed."""
    pytest.importorskip("matplotlib")
    data_id = ["instrument=CAM", "visit=1", "detector=0"]
    for name, options in [
        ("calexp", []),
        ("calexp", ["--bbox", "2..9,3..8", "--no-mask"]),
        ("calexp.mask", []),
    ]:
        target = tmp_path / "picture.png"
        assert run("show", filled, name, *data_id, "-o", target, *options).stdout.strip() == str(target)
        assert target.read_bytes().startswith(b"\x89PNG")
        target.unlink()


# Errors.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query-datasets", "nte"], "no dataset type 'nte'; did you mean 'note'?"),
        (["query-datasets", "note", "--collections", "rum"], "no collection 'rum'; did you mean 'run'?"),
        (["query-datasets", "note", "--where", "visit = 9"], "nothing fulfils 'visit = 9'; visit is one of"),
        (["query-data-ids", "vist"], "no dimension or element 'vist'; did you mean 'visit'?"),
        (["query-dimension-records", "visits"], "did you mean 'visit'?"),
        (["query-collections", "rum"], "did you mean 'run'?"),
        (["collection-chain", "run", "skymaps"], "collection 'run' exists as RUN, not CHAINED"),
        (["collection-chain", "c", "rum"], "did you mean 'run'?"),
        (["collection-chain", "c", "run", "--mode", "remove"], "no collection 'c'"),
        (["register-dataset-type", "x", "Exposur", "visit"], "did you mean 'Exposure'?"),
        (["register-dataset-type", "x y", "ExposureF"], "named with letters"),
        (["register-dataset-type", "x", "ExposureF", "vist"], "did you mean 'visit'?"),
        (["register-skymap", "-C", "nothing.yaml"], "cannot read nothing.yaml"),
        (["register-skymap", "--discrete", "--where", "visit = 9"], "nothing fulfils 'visit = 9'"),
        (["ingest-exposures", "nothing.fits"], "no file or directory nothing.fits"),
        (["ingest-exposures", "tests", "--camera", "nothing.yaml"], ""),
        (["show", "calexp", "instrument=CAM", "visit=1", "detector=0", "--bbox", "0..99,0..9"], "not inside"),
        (["show", "calexp", "instrument=CAM", "visit=1", "detector=0", "--bbox", "x"], "cannot read a box"),
        (["show", "calexp", "instrument=CAM", "visit=2", "detector=0"], "no dataset has visit=2"),
        (["show", "calexp", "instrument=CAM", "vist=2"], "did you mean 'visit'?"),
        (["show", "note"], "3 datasets fit, give more of the data ID to choose one: {"),
        (["show", "total"], "cannot draw a dict"),
        (["show", "total", "--bbox", "0..1,0..1"], "does not understand the parameter 'bbox'"),
        (["show", "calexp.wsc", "instrument=CAM", "visit=1", "detector=0"], "did you mean 'wcs'?"),
    ],
)
def test_mistakes_are_one_line(filled: Path, arguments: list[str], message: str) -> None:
    """A mistake is one line on the standard error and status 1; nothing is changed."""
    command, *rest = arguments
    before = run("query-collections", filled).stdout
    assert message in error_of(command, filled, *rest)
    assert run("query-collections", filled).stdout == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["query-datasets"],
        ["nonsense"],
        ["query-datasets", "REPO", "note", "--limit", "0"],
        ["query-datasets", "REPO", "note", "--format", "xml"],
        ["register-skymap", "REPO"],
        ["register-skymap", "REPO", "--discrete", "-C", "x.yaml"],
        ["show", "REPO", "calexp", "visit"],
        ["show", "REPO", "calexp", "visit=one"],
        ["ingest-exposures", "REPO"],
    ],
)
def test_wrong_usage_has_status_2(filled: Path, arguments: list[str]) -> None:
    """A command line that cannot be understood is status 2, with a usage line."""
    words = [str(filled) if word == "REPO" else word for word in arguments]
    result = run(*words, expect=2)
    assert result.stderr.startswith("Usage: ")
    assert result.stdout == ""


def test_typo_in_an_expression_is_shown_with_a_caret(filled: Path) -> None:
    """The line of the expression, a caret below the place, and the nearest name."""
    result = run("query-datasets", filled, "note", "--where", "visit > 1 AND vist = 2", expect=1)
    first, line, caret = result.stderr.splitlines()
    assert first.startswith("Error: unknown name 'vist'; did you mean 'visit'?")
    assert line[caret.index("^") :].startswith("vist")


@pytest.mark.parametrize(
    "command",
    [
        ["query-collections"],
        ["query-datasets", "note"],
        ["verify"],
        ["ingest-exposures", "x.fits"],
        ["register-skymap", "--discrete"],
        ["collection-chain", "a", "b"],
        ["show", "note"],
    ],
)
def test_no_repository_there(tmp_path: Path, command: list[str]) -> None:
    """Every command says that there is no repository and how to make one; and makes none itself."""
    assert "make one with `butler create" in error_of(command[0], tmp_path / "repo", *command[1:])
    assert list(tmp_path.iterdir()) == []


def test_create_where_something_is(filled: Path, tmp_path: Path) -> None:
    """A second creation, or a file in the way, is refused; what is there stays."""
    assert "there is a repository at" in error_of("create", filled)
    assert len(rows_of("query-datasets", filled, "note")) == 3
    (tmp_path / "file").write_text("x")
    assert "File exists" in error_of("create", tmp_path / "file")
    assert "Not a directory" in error_of("create", tmp_path / "file" / "repo")


def test_unwritable_directory(tmp_path: Path) -> None:
    """A directory that may not be written is named, also to a superuser without that privilege."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    privilege = "-dac_override"
    drop = ["setpriv", f"--inh-caps={privilege}", f"--bounding-set={privilege}"] if os.geteuid() == 0 else []
    program = [sys.executable, "-c", "from butler.cli import main; main()", "create", str(locked / "repo")]
    done = subprocess.run([*drop, *program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(locked.iterdir())


def test_damaged_repository(filled: Path) -> None:
    """A damaged registry, a damaged butler.yaml and a truncated image are one line each."""
    image = next((filled / "run" / "calexp").rglob("*.fits"))
    image.write_bytes(image.read_bytes()[:3000])
    data_id = ["instrument=CAM", "visit=1", "detector=0"]
    assert "it had" in error_of("show", filled, "calexp", *data_id)
    (filled / "butler.yaml").write_text("version: [")
    assert "is not YAML" in error_of("query-collections", filled)
    (filled / "butler.yaml").write_text("version: 7")
    assert "butler.yaml: version" in error_of("query-collections", filled)
    (filled / "butler.yaml").write_text("version: 1")
    (filled / "gen3.sqlite3").write_bytes(b"garbage" * 1000)
    assert "damaged" in error_of("query-collections", filled)


def test_bad_sky_maps_are_one_line(repository: Path, tmp_path: Path) -> None:
    """A file that is no YAML, no mapping or no sky map; an unknown field gets the nearest name."""
    path = tmp_path / "map.yaml"
    for text, message in [
        ("a: [", "is not YAML"),
        ("- 1", "holds no mapping"),
        ("name: spirals", "no kind of sky map has the name 'spirals'"),
        ("name: rings\nnumRing: 3", "did you mean 'numRings'?"),
        ("name: discrete\nraList: [1]", "1, 0 and 0 entries"),
    ]:
        path.write_text(text)
        assert message in error_of("register-skymap", repository, "-C", path)


def test_help_and_version() -> None:
    """Every command has a help text."""
    assert "query-datasets" in run("-h").stdout
    for name in COMMANDS:
        assert run(name, "--help").stdout.startswith("Usage: ")
    assert "version" in run("--version").stdout


def test_installed_command_and_closed_pipes(filled: Path) -> None:
    """The installed command works as a process, and a reader that has seen enough is no error."""
    command = [
        sys.executable,
        "-c",
        "from butler.cli import main; main()",
        "query-dataset-types",
        str(filled),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "calexp" in done.stdout
    assert done.stderr == ""
    closed = subprocess.run(
        ["bash", "-c", '"$@" --format json | true; exit "${PIPESTATUS[0]}"', "-", *command],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (closed.returncode, closed.stderr) == (0, "")
