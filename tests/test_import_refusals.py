"""Tests of exports that cannot be imported: broken, hostile, or in conflict with what is there."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from transfer_cases import (
    CAMERA,
    DAYS,
    HEADER,
    LOG,
    LOG_TYPE,
    contents_of,
    export_all,
    fill,
    import_text,
)

from butler import Butler
from butler.errors import (
    ArtifactMissingError,
    ButlerError,
    ButlerUserError,
    ConflictingDefinitionError,
    DataIdValueError,
    FileFormatError,
    MissingCollectionError,
)

pytestmark = pytest.mark.both_databases


def test_conflicts_change_nothing(empty: Butler) -> None:
    """Another UUID, type or data ID under a name that is taken undoes the whole import."""
    import_text(empty, HEADER + CAMERA + LOG_TYPE + LOG)
    before = contents_of(empty)
    new_day = DAYS
    other_id = LOG.replace("11111111", "21111111")
    other_run = LOG.replace("run: r", "run: q")
    other_type = LOG_TYPE.replace("StructuredDataDict", "Config")
    for text in (new_day + other_id, new_day + other_run, new_day + other_type):
        with pytest.raises(ConflictingDefinitionError) as caught:
            import_text(empty, HEADER + text)
        assert "nothing was changed" in caught.value.__notes__[0]
        assert contents_of(empty) == before


def test_missing_records_are_named(empty: Butler) -> None:
    """A record that is neither in the file nor in the repository is named, and nothing is imported."""
    with pytest.raises(DataIdValueError, match=r"day_obs record.*instrument='Cam'"):
        import_text(empty, HEADER + DAYS)
    with pytest.raises(DataIdValueError, match="no instrument record for instrument='Cam'"):
        import_text(empty, HEADER + LOG_TYPE + LOG)
    with pytest.raises(MissingCollectionError):
        import_text(
            empty, HEADER + CAMERA + "- {type: collection, collection_type: CHAINED, name: c, children: [x]}"
        )
    assert empty.collections.query() == []
    assert empty.registry.datasets.query_types() == []


def test_failed_file_undoes_rows_and_files(butler: Butler, tmp_path: Path, empty: Butler) -> None:
    """If the last file is gone, no row and no file of the others stays."""
    fill(butler)
    export_all(butler, tmp_path / "out")
    sorted((tmp_path / "out").rglob("*.json"))[-1].unlink()
    before = {path for path in empty.root.rglob("*") if path.is_file()}
    with pytest.raises(ArtifactMissingError):
        empty.import_(directory=tmp_path / "out", transfer="copy")
    assert {path for path in empty.root.rglob("*") if path.is_file()} == before
    assert empty.collections.query() == []


BAD = {
    "not yaml": "a: [",
    "scalar": "7",
    "list": "[]",
    "no data": "description: Butler Data Repository Export\nversion: 1.0.2\n",
    "other description": HEADER.replace("Butler Data", "Other") + CAMERA,
    "newer minor": HEADER.replace("1.0.2", "1.1.0") + CAMERA,
    "newer major": HEADER.replace("1.0.2", "2.0.0") + CAMERA,
    "other namespace": HEADER.replace("data:", "universe_namespace: mine\ndata:") + CAMERA,
    "negative universe": HEADER.replace("universe_version: 8", "universe_version: -1") + CAMERA,
    "unknown key on top": "extra: 1\n" + HEADER + CAMERA,
    "unknown type": HEADER + "- {type: surprise}\n",
    "no type": HEADER + "- {element: instrument}\n",
    "entry is text": HEADER + "- hello\n",
    "unknown element": HEADER + "- {type: dimension, element: moon, records: []}\n",
    "records are a mapping": HEADER + "- {type: dimension, element: instrument, records: {a: 1}}\n",
    "record is text": HEADER + "- {type: dimension, element: instrument, records: [x]}\n",
    "unknown field": HEADER + "- {type: dimension, element: instrument, records: [{name: a, weight: 1}]}\n",
    "number as name": HEADER + "- {type: dimension, element: instrument, records: [{name: 1}]}\n",
    "no key": HEADER + "- {type: dimension, element: instrument, records: [{visit_max: 1}]}\n",
    "list as name": HEADER + "- {type: dimension, element: instrument, records: [{name: [a]}]}\n",
    "time is a number": HEADER
    + "- {type: dimension, element: day_obs, records: [{instrument: a, id: 1, datetime_begin: 3}]}\n",
    "time is none": HEADER + "- {type: dimension, element: day_obs, records: [{instrument: a, id: 1, "
    "datetime_begin: !butler_time/tai/iso 'yesterday'}]}\n",
    "times reversed": HEADER + "- {type: dimension, element: day_obs, records: [{instrument: a, id: 1, "
    "datetime_begin: 2024-01-02 00:00:00, datetime_end: 2024-01-01 00:00:00}]}\n",
    "region is text": HEADER
    + "- {type: dimension, element: tract, records: [{skymap: a, id: 1, region: everywhere}]}\n",
    "region is broken": HEADER + "- {type: dimension, element: tract, records: [{skymap: a, id: 1, "
    "region: !<lsst.sphgeom.Circle> {encoded: 'ff'}}]}\n",
    "span of text": HEADER + "- !lsst.daf.butler.Timespan {begin: a, end: 3}\n",
    "bad uuid": HEADER + LOG_TYPE + LOG.replace("11111111", "xyz"),
    "uuid is text": HEADER + LOG_TYPE + LOG.replace("!uuid ", ""),
    "ids without data ids": HEADER + LOG_TYPE + LOG.replace("[{instrument: Cam}]", "[]"),
    "data id is text": HEADER + LOG_TYPE + LOG.replace("[{instrument: Cam}]", "Cam"),
    "unknown key in a file": HEADER + LOG_TYPE + LOG.replace("path:", "file:"),
    "bad name": HEADER + LOG_TYPE.replace("name: log", "name: a-b"),
    "unknown storage class": HEADER + LOG_TYPE.replace("StructuredDataDict", "Nonsense"),
    "unknown dimension": HEADER + LOG_TYPE.replace("[instrument]", "[moon]"),
    "unknown collection type": HEADER + "- {type: collection, collection_type: HEAP, name: c}\n",
    "validity of a stranger": HEADER
    + "- {type: collection, collection_type: CALIBRATION, name: c}\n"
    + "- {type: associations, collection: c, collection_type: CALIBRATION, validity_ranges: [{timespan: "
    + "!lsst.daf.butler.Timespan {begin: null, end: null}, dataset_ids: [1]}]}\n",
    "validity without time": HEADER
    + "- {type: associations, collection: c, collection_type: CALIBRATION, validity_ranges: [{begin: 5}]}\n",
    "tag of a stranger": HEADER
    + "- {type: collection, collection_type: TAGGED, name: c}\n"
    + "- {type: associations, collection: c, collection_type: TAGGED, dataset_ids: [1]}\n",
    "python tag": HEADER + "- !!python/object/apply:os.system ['true']\n",
    "deep lists": HEADER + "- " + "[" * 100_000,
    "deep sequences": HEADER + "- " * 100_000,
    "deep mappings": HEADER + "- " + "{a: " * 100_000,
    "deep keys": HEADER + "- " + "? " * 100_000,
    "endless": HEADER + "- &a [*a]\n",
    "long number": HEADER.replace("universe_version: 8", "universe_version: " + "9" * 10_000) + CAMERA,
    "merge keys": HEADER + "- &a {type: run, name: r}\n- {<<: *a}\n",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_bad_files_are_refused(empty: Butler, text: str) -> None:
    """A file that is not an export, or a broken one, is refused by name, and nothing is imported."""
    stream = io.StringIO(text)
    stream.name = "bad.yaml"
    with pytest.raises(FileFormatError) as caught:
        empty.import_(filename=stream, without_datastore=True)
    assert "bad.yaml" in str(caught.value) + " ".join(getattr(caught.value, "__notes__", []))
    assert len(str(caught.value)) < 600
    assert empty.collections.query() == []
    assert empty.registry.datasets.query_types() == []
    assert empty.query_dimension_records("instrument", explain=False) == []


def test_bad_entries_are_named(empty: Butler) -> None:
    """The message says which entry and record is wrong."""
    with pytest.raises(FileFormatError, match=r"entry 1 dataset_type storage_class: Field required"):
        import_text(empty, HEADER + CAMERA + "- {type: dataset_type, name: x, dimensions: []}\n")
    rows = "[{name: a}, {name: b, x: 1}]"
    with pytest.raises(FileFormatError, match=r"instrument record 1: instrument records have no field 'x'"):
        import_text(empty, HEADER + f"- {{type: dimension, element: instrument, records: {rows}}}\n")
    with pytest.raises(FileFormatError, match=r"entry 2 record 0 \(log\): .moon. is no dimension"):
        import_text(empty, HEADER + CAMERA + LOG_TYPE + LOG.replace("{instrument: Cam}", "{moon: Cam}"))


def test_alias_bombs_are_refused(empty: Butler) -> None:
    """Aliases of aliases are counted, not followed; plain aliases are read."""
    levels = [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)]
    with pytest.raises(FileFormatError, match="aliases stand for"):
        import_text(empty, HEADER + "- &a0 [lol]\n" + "".join(levels))
    rows = "[&r {name: Cam}, *r]"
    report = import_text(empty, HEADER + f"- {{type: dimension, element: instrument, records: {rows}}}\n")
    assert report.n_new_records == 1


@pytest.mark.parametrize(
    "path", ["../r/log.json", "/etc/passwd", "butler.yaml", "r/../gen3.sqlite3", "r//x.json"]
)
def test_paths_stay_in_the_repository(empty: Butler, path: str) -> None:
    """An export cannot make a dataset of the registry, of the configuration, or of a file elsewhere."""
    text = HEADER + CAMERA + LOG_TYPE + LOG.replace("r/log.json", path)
    with pytest.raises(ButlerUserError):
        empty.import_(filename=io.StringIO(text))
    assert empty.collections.query() == []


def test_one_file_belongs_to_one_dataset(empty: Butler) -> None:
    """Two datasets cannot have the same file: it would go with the first that is removed."""
    (empty.root / "r").mkdir()
    (empty.root / "r/log.json").write_text("{}")
    empty.import_(filename=io.StringIO(HEADER + CAMERA + LOG_TYPE + LOG))
    thief = LOG.replace("run: r", "run: q").replace("11111111", "21111111")
    with pytest.raises(ConflictingDefinitionError, match="belongs to another"):
        empty.import_(filename=io.StringIO(HEADER + thief))


def test_mutilated_files_never_crash(butler: Butler, tmp_path: Path, empty: Butler) -> None:
    """An export with any line left out, doubled or cut is imported, or refused with a clear error."""
    fill(butler)
    export_all(butler, tmp_path / "out")
    lines = (tmp_path / "out/export.yaml").read_text().splitlines(keepends=True)
    rng = random.Random(5)
    refused = 0
    for _ in range(60):
        changed = list(lines)
        at = rng.randrange(len(lines))
        changed[at : at + 1] = rng.choice([[], [lines[at]] * 2, [lines[at][: len(lines[at]) // 2] + "\n"]])
        try:
            with empty.transaction():
                import_text(empty, "".join(changed))
                raise KeyboardInterrupt
        except ButlerError:
            refused += 1
        except KeyboardInterrupt:
            pass
        assert empty.collections.query() == []
    assert refused > 20
