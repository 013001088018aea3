"""Commands that bring files and settings in: ingest-files, create with settings, config-dump, import."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from repository_snapshot import snapshot
from small_repository import NOTE

from butler import Butler
from butler.cli import main


def call(*words: object, rc: int = 0) -> Result:
    """Run a command; anything but a planned exit is an error of ours."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == rc, result.output
    return result


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Make a directory with three files that are notes, and return it."""
    folder = tmp_path / "notes"
    folder.mkdir()
    for visit in (1, 2, 3):
        (folder / f"{visit}.json").write_text(json.dumps({"visit": visit}))
    return folder


@pytest.mark.parametrize("form", ["csv", "ecsv", "txt"])
def test_ingest_files_of_a_table(repository: Path, notes: Path, tmp_path: Path, form: str) -> None:
    """Each file is the dataset that its row says, read back; the same table gives the same UUIDs if asked."""
    from astropy.table import Table

    names, visits = ["1.json", "2.json"], [1, 2]
    table = tmp_path / f"files.{form}"
    if form == "txt":
        table.write_text("file visit\n1.json 1\n2.json 2\n")
    else:
        Table({"file": names, "visit": visits}).write(table, format=f"ascii.{form}")
    for run in ("u/a", "u/b"):
        words = ("note", run, table, "--prefix", notes, "--data-id", "instrument=CAM")
        call("ingest-files", repository, *words, "--id-generation-mode", "dataid_type", "-t", "copy", rc=0)
        if run == "u/a":
            with Butler(repository, writeable=True) as butler:
                first = {ref.dataId["visit"]: ref.id for ref in butler.query_datasets("note", run)}
                assert [butler.get("note", visit=v, instrument="CAM", collections=run) for v in visits] == [
                    {"visit": 1},
                    {"visit": 2},
                ]
                butler.removeRuns([run])
    with Butler(repository) as butler:
        assert {ref.dataId["visit"]: ref.id for ref in butler.query_datasets("note", "u/b")} == first
    assert (notes / "1.json").exists()


def test_leading_zeros_of_a_name_are_kept(repository: Path, notes: Path, tmp_path: Path) -> None:
    """A column of texts that look like numbers stays text."""
    with Butler(repository, writeable=True) as butler:
        butler.registry.insertDimensionData("group", {"instrument": "CAM", "name": "007"})
    call("register-dataset-type", repository, "remark", "StructuredDataDict", "group")
    (tmp_path / "t.csv").write_text("file,instrument,group\n1.json,CAM,007\n")
    call("ingest-files", repository, "remark", "r", tmp_path / "t.csv", "--prefix", notes)
    with Butler(repository) as butler:
        assert butler.get("remark", instrument="CAM", group="007", collections="r") == {"visit": 1}


@pytest.mark.parametrize(
    ("table", "words", "rc", "message"),
    [
        ("file,visit\n1.json,1\nnone.json,2\n", [], 1, "none.json"),
        ("file,visit\n1.json,one\n", [], 1, "row 1 of files.csv: visit needs an integer"),
        ("file,visit\n1.json,\n", [], 1, "row 1 of files.csv lacks a value"),
        ("file,vist\n1.json,1\n", [], 2, "did you mean 'visit'?"),
        ("file,visit\n1.json,9\n", [], 1, "visit"),
        ("file,visit\n1.json,1\n2.json,1\n", [], 1, "CAM"),
        ("file,visit\n", [], 1, "is empty"),
        ("file,visit\n1.json,1\n", ["--data-id", "visit=1"], 2, "visit is a column of files.csv"),
        ("file,visit\n1.json,1\n", ["--formatter", "Jsn"], 1, "did you mean 'Json'?"),
        ("file,visit\n1.json,1\n", ["--data-id", "physical_filter=CAM-r"], 1, "physical_filter"),
        ("", [], 1, "files.csv"),
        (None, [], 1, "there is no table files.csv"),
    ],
)
def test_a_wrong_table_ingests_nothing(
    repository: Path,
    notes: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: str | None,
    words: list[str],
    rc: int,
    message: str,
) -> None:
    """One line says what is wrong with which row; nothing is changed."""
    monkeypatch.chdir(notes)
    if table is not None:
        Path("files.csv").write_text(table)
    before = snapshot(repository)
    result = call("ingest-files", repository, "note", "new", "files.csv", *words, rc=rc)
    lines = [line for line in result.stderr.splitlines() if not line.startswith(("Usage: ", "Try "))]
    assert len([line for line in lines if line]) == 1
    assert message in result.stderr
    assert snapshot(repository) == before


def test_unknown_dataset_type_of_a_table(repository: Path, tmp_path: Path) -> None:
    """The nearest dataset type is told, with the status of an unknown name."""
    result = call("ingest-files", repository, "nte", "new", tmp_path / "t.csv", rc=2)
    assert "did you mean 'note'?" in result.stderr


def test_create_with_settings(tmp_path: Path) -> None:
    """A seed file and overrides set what is not the default; the dump tells, whole or in part."""
    seed = tmp_path / "seed.yaml"
    seed.write_text("checksum: true\ntemplates:\n  note: '{run}/notes/{visit}_{datasetType}'\n")
    repo = tmp_path / "repo"
    call("create", repo, "--seed-config", seed, "--override", "checksum=false")
    settings = yaml.safe_load(call("config-dump", repo).stdout)
    assert settings["checksum"] is False
    assert set(settings["templates"]) == {"default", "note"}
    assert call("config-dump", repo, "-s", "templates.note").stdout.strip() == (
        "{run}/notes/{visit}_{datasetType}"
    )
    target = tmp_path / "dump.yaml"
    assert call("config-dump", repo, "--file", target).stdout == ""
    assert yaml.safe_load(target.read_text()) == settings


@pytest.mark.parametrize(
    ("words", "rc", "message"),
    [
        (["--override", "cheksum=false"], 1, "no setting 'cheksum'; did you mean 'checksum'?"),
        (["--override", "checksum"], 2, "KEY=VALUE"),
        (["--override", "checksum.a=1", "--override", "checksum=[1"], 1, "is not YAML"),
        (["--override", "checksum=maybe"], 1, "checksum"),
        (["--override", "registry=../elsewhere.sqlite3"], 1, "registry"),
        (["--override", "templates.default='../{run}'"], 1, "template"),
        (["--seed-config", "none.yaml"], 1, "cannot read none.yaml"),
    ],
)
def test_wrong_settings_make_no_repository(tmp_path: Path, words: list[str], rc: int, message: str) -> None:
    """The setting is named, and nothing is made."""
    assert message in call("create", tmp_path / "repo", *words, rc=rc).stderr
    assert not (tmp_path / "repo").exists()


def test_unknown_setting_in_a_dump(repository: Path) -> None:
    """The nearest setting is told."""
    assert "did you mean 'checksum'?" in call("config-dump", repository, "-s", "checksums", rc=2).stderr


def test_dataset_types_are_removed_when_nothing_has_them(butler: Butler) -> None:
    """One that has datasets stays, and all others that were named with it."""
    butler.put({}, NOTE, visit=1)
    assert "note" in call("remove-dataset-type", butler.root, "coadd,note", rc=1).stderr
    assert "did you mean 'coadd'?" in call("remove-dataset-type", butler.root, "coad", rc=2).stderr
    assert "no dataset type matches 'x*'" in call("remove-dataset-type", butler.root, "x*", rc=2).stderr
    call("remove-dataset-type", butler.root, "coadd", "wa*")
    names = call("query-dataset-types", butler.root, "--format", "csv").stdout.split()
    assert names == ["name", "calexp", "note", "skyMap", "total"]


def test_import_makes_the_repository(butler: Butler, tmp_path: Path) -> None:
    """What was exported is there under the same UUID; a second time nothing is new."""
    ref = butler.put({"n": 1}, NOTE, visit=1)
    call("export", butler.root, tmp_path / "out", "note", "-d", "visit=1..2", "--collections", "run")
    result = call("import", tmp_path / "new", tmp_path / "out")
    assert "made a repository" in result.stderr
    assert "1 of 1 datasets were new" in result.stderr
    assert "0 of 1 datasets were new" in call("import", tmp_path / "new", tmp_path / "out").stderr
    with Butler(tmp_path / "new", collections="run") as other:
        assert other.get(ref) == {"n": 1}
