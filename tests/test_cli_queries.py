"""Query commands over the small repository: options, data IDs in short, counts, columns, chains, formats."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from small_repository import COADD, NOTE, TOTAL

from butler import Butler, CollectionType, DatasetRef, FileDataset
from butler.cli import main


@pytest.fixture
def notes(butler: Butler) -> Butler:
    """Put notes of three visits into ``run``, one of visit 1 into ``other``; chain both, nest and tag."""
    butler.registry.registerRun("other")
    refs = [butler.put({}, NOTE, visit=visit) for visit in (1, 2, 3)]
    butler.put({}, NOTE, visit=1, run="other")
    butler.put({}, TOTAL)
    for patch, band in ((0, "g"), (1, "r")):
        butler.put({}, COADD, tract=0, patch=patch, band=band)
    for name, children in {"chain": ["other", "run"], "upper": ["chain", "tag"]}.items():
        butler.collections.register("tag", CollectionType.TAGGED)
        butler.collections.register(name, CollectionType.CHAINED)
        butler.collections.redefine_chain(name, children)
    butler.registry.associate("tag", refs[1:])
    return butler


def call(butler: Butler, name: str, *words: object, rc: int = 0) -> Result:
    """Run a command; anything but a planned exit is an error of ours."""
    result = CliRunner().invoke(main, [name, str(butler.root), *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == rc, result.output
    return result


def rows(butler: Butler, name: str, *words: object) -> list[dict[str, Any]]:
    """Return the rows of a query in its JSON form."""
    found: list[dict[str, Any]] = json.loads(call(butler, name, *words, "--format", "json").stdout)
    return found


def table(butler: Butler, name: str, *words: object) -> list[list[str]]:
    """Return the words of each line of a table below its rule."""
    return [line.split() for line in call(butler, name, *words).stdout.splitlines()[2:]]


# Datasets.


def test_all_datasets_of_all_types(notes: Butler) -> None:
    """Without a type there is a table for each type; CSV and JSON have one with the keys of all."""
    tables = call(notes, "query-datasets", "--collections", "run").stdout.split("\n\n")
    assert [block.split()[0] for block in tables] == ["type"] * 3
    assert [block.splitlines()[2].split()[0] for block in tables] == ["coadd", "note", "total"]
    found = rows(notes, "query-datasets", "c*,total", "--collections", "run")
    assert [row["type"] for row in found] == ["coadd", "coadd", "total"]
    assert [row["patch"] for row in found] == [0, 1, None]
    text = call(notes, "query-datasets", "c*", "total", "--collections", "run", "--format", "csv").stdout
    assert list(csv.DictReader(io.StringIO(text)))[2]["patch"] == ""


@pytest.mark.parametrize(
    ("words", "visits"),
    [
        ([], [1, 1, 2, 3]),
        (["--collections", "chain"], [1, 1, 2, 3]),
        (["--collections", "chain", "--find-first"], [1, 2, 3]),
        (["--collections", "r*,other"], [1, 1, 2, 3]),
        (["--collections", "upper", "--where", "visit > 1"], [2, 3]),
        (["--collections", "tag"], [2, 3]),
        (["--collections", "run", "-d", "visit=2..3"], [2, 3]),
        (["--collections", "run", "-d", "visit=1..3:2"], [1, 3]),
        (["--collections", "run", "-d", "visit=3,1"], [1, 3]),
        (["--collections", "run", "-d", "visit=1..2,band=r"], [2]),
        (["--collections", "run", "-d", "visit=1..2", "-d", "band=g,z"], [1]),
        (["--collections", "run", "-d", "visit=1..2", "--where", "visit=2 OR visit=3"], [2]),
        (["--collections", "run", "visit=2"], [2]),
        (["--collections", "run", "--order-by=-visit", "--limit", 2], [2, 3]),
    ],
)
def test_which_datasets(notes: Butler, words: list[object], visits: list[int]) -> None:
    """Collections, data IDs with ranges and lists, conditions, order and limit select what they say."""
    assert sorted(row["visit"] for row in rows(notes, "query-datasets", "note", *words)) == visits


def test_columns_and_counts(notes: Butler) -> None:
    """Columns are printed in the order of their names; counts are those of each type, also 0."""
    words = ("note", "--collections", "run", "--columns", "visit,type")
    assert call(notes, "query-datasets", *words, "--format", "csv").stdout == (
        "visit,type\n1,note\n2,note\n3,note\n"
    )
    assert "did you mean 'visit'?" in call(notes, "query-datasets", "note", "--columns", "vist", rc=2).stderr
    counts = rows(notes, "query-datasets", "--count", "--collections", "run")
    assert [(row["type"], row["count"]) for row in counts] == [("coadd", 2), ("note", 3), ("total", 1)]
    assert rows(notes, "query-datasets", "note", "--count") == [{"type": "note", "count": 4}]
    assert rows(notes, "query-datasets", "note", "-d", "visit=7", "--count") == [{"type": "note", "count": 0}]


def test_a_negative_limit_warns(notes: Butler) -> None:
    """Rows are cut, and that there are more is told on the standard error; a positive limit is silent."""
    result = call(notes, "query-datasets", "--limit", -3, "--format", "csv")
    assert len(result.stdout.splitlines()) == 4
    assert "more than the 3 datasets of --limit" in result.stderr
    assert call(notes, "query-datasets", "--limit", 3).stderr == ""
    assert call(notes, "query-datasets", "note", "--limit", -4).stderr == ""


@pytest.mark.parametrize(
    ("words", "rc", "message"),
    [
        (["nte"], 2, "did you mean 'note'?"),
        (["z*"], 2, "no dataset type matches 'z*'"),
        (["note", "--collections", "z*"], 2, "no collection matches z*"),
        (["note", "--collections", "r*", "--find-first"], 2, "is a pattern and gives no order"),
        (["warp"], 1, "no dataset of type 'warp'"),
        (["w*"], 1, "there is no dataset in"),
        (["note", "-d", "visit"], 2, "write the data ID as key=value, not 'visit'"),
        (["note", "-d", "visit="], 2, "write the data ID as key=value"),
        (["note", "-d", "vist=2"], 2, "did you mean 'visit'?"),
        (["note", "-d", "visit=two"], 2, "visit needs an integer, or a range as 2..5, not 'two'"),
        (["note", "-d", "visit=8"], 1, "visit is one of: 1, 2, 3"),
        (["note", "-d", "band=g,a'b"], 2, "a list of values cannot hold"),
        (["note", "--limit", "0"], 2, "--limit"),
    ],
)
def test_nothing_found_has_a_reason(notes: Butler, words: list[str], rc: int, message: str) -> None:
    """One line says why, with status 2 for what does not exist and 1 for what is empty."""
    result = call(notes, "query-datasets", *words, rc=rc)
    assert result.stdout == ""
    assert message in " ".join(result.stderr.split())


def test_nothing_is_valid_json_and_csv(notes: Butler) -> None:
    """Where nothing is found a program still reads rows, none; the reason and the status are as ever."""
    for words in (
        ("query-datasets", "note", "-d", "visit=8"),
        ("query-data-ids", "visit", "-d", "visit=8"),
        ("query-dimension-records", "visit", "-d", "visit=8"),
    ):
        as_json = call(notes, *words, "--format", "json", rc=1)
        assert json.loads(as_json.stdout) == []
        assert "visit" in as_json.stderr
        as_csv = call(notes, *words, "--format", "csv", rc=1).stdout
        assert len(as_csv.splitlines()) == 1
    assert call(notes, *words, "--offset", 5, rc=1).stdout == ""
    past_the_end = call(notes, "query-data-ids", "visit", "--offset", 5, rc=1)
    assert "no more rows than the 5 of --offset" in past_the_end.stderr


def test_an_alias_stands_for_the_repository(notes: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """REPO may be a name that the environment gives a place."""
    monkeypatch.setenv("DAF_BUTLER_REPOSITORIES", json.dumps({"survey": str(notes.root)}))
    result = CliRunner().invoke(main, ["query-datasets", "survey", "note", "--count", "--format", "csv"])
    assert result.stdout == "type,count\nnote,4\n"


# Data IDs and records.


def test_data_ids_of_datasets(notes: Butler) -> None:
    """Data IDs are restricted to those of datasets, whose dimensions they have if none are named."""
    assert rows(notes, "query-data-ids", "visit", "--count") == [{"count": 3}]
    found = rows(notes, "query-data-ids", "visit", "--datasets", "note", "--collections", "other")
    assert [row["visit"] for row in found] == [1]
    words = ("--datasets", "coadd", "--where", "band='r'")
    assert [row["patch"] for row in rows(notes, "query-data-ids", *words)] == [1]
    assert "name the dimensions" in call(notes, "query-data-ids", rc=2).stderr
    assert "did you mean 'note'?" in call(notes, "query-data-ids", "visit", "--datasets", "nte", rc=2).stderr


def test_order_limit_and_offset(notes: Butler) -> None:
    """Rows are left out first, then the limit counts; the canonical order of columns is kept."""
    words = ("visit", "--order-by", "-visit", "--offset", 1)
    assert [row["visit"] for row in rows(notes, "query-data-ids", *words)] == [2, 1]
    assert [row["visit"] for row in rows(notes, "query-data-ids", *words, "--limit", 1)] == [2]
    text = call(notes, "query-data-ids", "visit", "detector", "--format", "csv").stdout
    assert text.splitlines()[0] == "instrument,detector,visit,band,day_obs,physical_filter"
    found = rows(notes, "query-dimension-records", "visit", "--order-by=-exposure_time", "--limit", 2)
    assert [row["id"] for row in found] == [3, 2]
    words = ("detector", "-d", "detector=1", "--columns", "id,purpose", "--format", "csv")
    assert call(notes, "query-dimension-records", *words).stdout == "id,purpose\n1,WAVEFRONT\n"


def test_records_of_datasets(notes: Butler) -> None:
    """Only records count that belong to a dataset."""
    found = rows(notes, "query-dimension-records", "visit", "--datasets", "note", "--collections", "tag")
    assert [row["id"] for row in found] == [2, 3]


# Collections.


@pytest.mark.parametrize(
    ("mode", "lines"),
    [
        (
            "tree",
            [["upper", "CHAINED"], ["chain", "CHAINED"], ["other", "RUN"], ["run", "RUN"], ["tag", "TAGGED"]],
        ),
        (
            "table",
            [["chain", "CHAINED", "other"], ["chain", "CHAINED", "run"], ["other", "RUN"], ["run", "RUN"]],
        ),
        (
            "inverse-table",
            [
                ["other", "RUN", "chain"],
                ["run", "RUN", "chain"],
                ["tag", "TAGGED", "upper"],
                ["upper", "CHAINED"],
            ],
        ),
        ("inverse-tree", [["other", "RUN"], ["chain", "CHAINED"], ["upper", "CHAINED"]]),
        ("no-children", [["other", "RUN"], ["chain", "CHAINED"], ["upper", "CHAINED"]]),
    ],
)
def test_ways_to_show_chains(notes: Butler, mode: str, lines: list[list[str]]) -> None:
    """Trees go down to children or up to parents, tables name them, or they are left out."""
    found = table(notes, "query-collections", "--chains", mode)
    assert all(line in found for line in lines)
    if mode == "no-children":
        assert all(len(line) == 2 for line in found)


def test_trees_are_indented(notes: Butler) -> None:
    """Two blanks for each level, in search order; a collection stands once below each parent."""
    text = call(notes, "query-collections", "upper", "--chains", "tree").stdout.splitlines()[2:]
    assert [line[: len(line) - len(line.lstrip())] for line in text] == ["", "  ", "    ", "    ", "  "]
    assert [line.split()[0] for line in text] == ["upper", "chain", "other", "run", "tag"]
    up = call(notes, "query-collections", "run", "--chains", "inverse-tree").stdout.splitlines()[2:]
    assert [line.rstrip().rpartition(" ")[0].rstrip() for line in up] == ["run", "  chain", "    upper"]


def test_flattened_chains(notes: Butler) -> None:
    """A chain is replaced by what it searches, in that order."""
    found = rows(notes, "query-collections", "upper", "--chains", "flatten")
    assert found == [
        {"Name": "other", "Type": "RUN"},
        {"Name": "run", "Type": "RUN"},
        {"Name": "tag", "Type": "TAGGED"},
    ]


def test_dataset_types_and_sizes_of_collections(notes: Butler) -> None:
    """Types that are hidden by default are shown on demand; sizes are those of the files."""
    notes.registry.registerDatasetType(type(NOTE)("my_config", (), "StructuredDataDict"))
    notes.put({}, "my_config")
    (row,) = rows(notes, "query-collections", "run", "-t", "--sizes")
    assert row["Dataset Types"] == ["coadd", "note", "total"]
    files = [path for path in (notes.root / "run").rglob("*") if path.is_file()]
    assert (row["Datasets"], row["Bytes"]) == (7, sum(path.stat().st_size for path in files))
    (row,) = rows(notes, "query-collections", "run", "-t", "--exclude-dataset-types", "c*,note")
    assert row["Dataset Types"] == ["my_config", "total"]


def test_sizes_that_nobody_knows(butler: Butler, tmp_path: Path) -> None:
    """A file that was ingested without a look at it is counted, and adds no bytes."""
    (tmp_path / "total.yaml").write_text("{}")
    ref = DatasetRef(TOTAL, {}, "run")
    butler.ingest(
        FileDataset(str(tmp_path / "total.yaml"), [ref]), transfer="direct", record_validation_info=False
    )
    (row,) = rows(butler, "query-collections", "run", "--sizes")
    assert (row["Datasets"], row["Bytes"]) == (1, 0)


def test_newest_runs_first(notes: Butler) -> None:
    """Runs named after a time are listed from the newest on, others in the order they were made."""
    for stamp in ("20240101T000000Z", "20250101T000000Z", "20230101T000000Z"):
        notes.registry.registerRun(f"u/{stamp}")
    names = [row["Name"] for row in rows(notes, "query-collections", "u/*")]
    assert names == ["u/20250101T000000Z", "u/20240101T000000Z", "u/20230101T000000Z"]


def test_kinds_of_collections(notes: Butler) -> None:
    """Kinds in any case, several of them; one that matches nothing has status 2."""
    found = rows(notes, "query-collections", "--collection-type", "TAGGED", "--collection-type", "chained")
    assert {row["Type"] for row in found} == {"TAGGED", "CHAINED"}
    assert "no collection matches q*" in call(notes, "query-collections", "q*", rc=2).stderr


def test_dataset_types_of_collections(notes: Butler) -> None:
    """Only what the collections hold, by name or glob."""
    text = call(notes, "query-dataset-types", "--collections", "other", "--format", "csv").stdout
    assert text == "name\nnote\n"
    assert "did you mean 'note'?" in call(notes, "query-dataset-types", "noe", rc=2).stderr
    assert "no dataset type matches 'q*'" in call(notes, "query-dataset-types", "q*", rc=2).stderr
    verbose = rows(notes, "query-dataset-types", "note,total", "-v")
    assert verbose == [
        {"name": "note", "dimensions": ["instrument", "visit"], "storage class": "StructuredDataDict"},
        {"name": "total", "dimensions": [], "storage class": "StructuredDataDict"},
    ]


def test_what_steers_a_terminal_is_spelt_out(butler: Butler) -> None:
    """A name with an escape sequence cannot colour or clear the screen; CSV and JSON have it as it is."""
    butler.registry.insertDimensionData("group", {"instrument": "CAM", "name": "\x1b[2Jgone\nnext"})
    shown = call(butler, "query-dimension-records", "group").stdout
    assert "\\x1b[2Jgone\\nnext" in shown
    assert "\x1b" not in shown
    assert "\x1b[2Jgone\nnext" in [row["name"] for row in rows(butler, "query-dimension-records", "group")]
