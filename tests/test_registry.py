"""Registry: records, dataset types and datasets; what a rollback leaves; what a damaged database says."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from small_repository import CALEXP, NOTE, VISITS, broken_off, square

from butler import Butler, DataCoordinate, DatasetRef, DatasetType, DimensionRecord, Timespan
from butler.dimensions import UNIVERSE
from butler.errors import (
    ButlerError,
    ButlerUserError,
    CollectionTypeError,
    ConflictingDefinitionError,
    DataIdValueError,
    DimensionNameError,
    InvalidQueryError,
    MissingCollectionError,
    MissingDatasetTypeError,
    ReadOnlyButlerError,
    RepositoryCorruptionError,
)
from butler.registry import CollectionType, Database, Registry

pytestmark = pytest.mark.both_databases

VISIT_9 = {"instrument": "CAM", "id": 9, "name": "v9", "physical_filter": "CAM-g", "day_obs": 20240101}


def visit_ids(butler: Butler) -> list[int]:
    """Return the visits that have a record."""
    return [record.id for record in butler.registry.records.fetch_all("visit")]


def note_ref(visit: int, run: str = "run", **kwargs: Any) -> DatasetRef:
    return DatasetRef(NOTE, {"instrument": "CAM", "visit": visit}, run, **kwargs)


# Dimension records.


def test_records_come_back_as_they_were(butler: Butler) -> None:
    """Keys, implied values, metadata, region and timespan survive the database."""
    values = {**VISIT_9, "exposure_time": 12.5, "seq_num": 4, "region": square(5.0, 6.0)}
    record = DimensionRecord("visit", {**values, "timespan": Timespan(5, 7)})
    butler.registry.insertDimensionData("visit", record)
    assert butler.registry.records.fetch_one("visit", {"instrument": "CAM", "visit": 9}) == record
    assert butler.registry.records.fetch_one("visit", {"instrument": "CAM", "visit": 10}) is None
    assert [r.band for r in butler.registry.records.fetch_all("band")] == ["g", "r"]


@pytest.mark.parametrize(
    ("element", "rows", "error", "message"),
    [
        ("visit", [{**VISIT_9, "id": 1}], ConflictingDefinitionError, "visit=1} exists already"),
        ("visit", [VISIT_9, VISIT_9], ConflictingDefinitionError, "same key"),
        ("visit", [{**VISIT_9, "name": "v1"}], ConflictingDefinitionError, "alternate key"),
        (
            "visit",
            [{**VISIT_9, "day_obs": 20250101}],
            DataIdValueError,
            "day_obs=20250101, which has no",
        ),
        ("visit", [{**VISIT_9, "instrument": "X"}], DataIdValueError, "instrument='X', which has no"),
        ("band", [{"name": "z"}], DimensionNameError, "follow from physical_filter"),
        ("vist", [VISIT_9], DimensionNameError, "did you mean 'visit'"),
        ("detector", [DimensionRecord("visit", VISIT_9)], DataIdValueError, "not a detector record"),
    ],
)
def test_refused_records_change_nothing(
    butler: Butler, element: str, rows: list[Any], error: type[Exception], message: str
) -> None:
    """Of several records none is inserted if one is impossible."""
    good = {**VISIT_9, "id": 8, "name": "v8"}
    with pytest.raises(error, match=message):
        butler.registry.insertDimensionData(element, *([good] if element == "visit" else []), *rows)
    assert visit_ids(butler) == [1, 2, 3]


def test_existing_records_can_be_skipped(butler: Butler) -> None:
    """With skip_existing, the record that is there stays and the new one is added."""
    changed = {**VISIT_9, "id": 1, "name": "other"}
    butler.registry.insertDimensionData("visit", changed, VISIT_9, skip_existing=True)
    assert visit_ids(butler) == [1, 2, 3, 9]
    known = butler.registry.records.fetch_one("visit", {"instrument": "CAM", "visit": 1})
    assert known is not None
    assert known.name == "v1"


def test_sync_inserts_compares_and_updates(butler: Butler) -> None:
    """Sync returns True, False or what it replaced, and refuses a difference unless told to update."""
    sync = butler.registry.syncDimensionData
    assert sync("visit", VISIT_9) is True
    assert sync("visit", VISIT_9) is False
    with pytest.raises(ConflictingDefinitionError, match="seq_num is None, not 5"):
        sync("visit", {**VISIT_9, "seq_num": 5})
    assert sync("visit", {**VISIT_9, "seq_num": 5}, update=True) == {"seq_num": None}
    assert sync("visit", {**VISIT_9, "seq_num": 5}) is False


def test_expand_attaches_records_and_implied_values(butler: Butler) -> None:
    """An expanded data ID knows band, filter and night, and the record of every element."""
    expanded = butler.registry.expandDataId(instrument="CAM", visit=2, detector=1)
    assert dict(expanded) == {
        "instrument": "CAM",
        "detector": 1,
        "visit": 2,
        "band": "r",
        "day_obs": 20240101,
        "physical_filter": "CAM-r",
    }
    assert set(expanded.records) == set(expanded.dimensions.elements)
    assert expanded.records["visit"].exposure_time == VISITS[2]["exposure_time"]
    assert expanded.records["visit_detector_region"].region == square(9.985, -0.01)
    with pytest.raises(DataIdValueError, match="no visit record for visit=7"):
        butler.registry.expandDataId(instrument="CAM", visit=7)
    wrong = {"instrument": "CAM", "visit": 1, "band": "r", "physical_filter": "CAM-g", "day_obs": 20240101}
    with pytest.raises(DataIdValueError, match="says band='r'"):
        butler.registry.expandDataId(wrong, dimensions=UNIVERSE.conform(["visit"]))


# Dataset types and datasets.


def test_dataset_types_have_one_definition(butler: Butler) -> None:
    """Registering again is no error; another definition under the same name is."""
    assert butler.registry.registerDatasetType(NOTE) is False
    with pytest.raises(ConflictingDefinitionError, match="registered as <note"):
        butler.registry.registerDatasetType(DatasetType("note", ["visit", "detector"], "StructuredDataDict"))
    with pytest.raises(MissingDatasetTypeError, match="did you mean 'calexp'"):
        butler.get_dataset_type("calex")
    assert [t.type.name for t in butler.registry.datasets.query_types("c*")] == ["calexp", "coadd"]


def test_datasets_are_found_along_the_search_path(butler: Butler) -> None:
    """The first run that has the data ID counts, also inside a chain."""
    registry = butler.registry
    registry.registerRun("b")
    butler.collections.register("chain", CollectionType.CHAINED)
    butler.collections.redefine_chain("chain", ["b", "run"])
    in_run, in_b = note_ref(1), note_ref(1, "b")
    registry.insert_datasets("run", [in_run, note_ref(2)])
    registry.insert_datasets("b", [in_b])

    def found(visit: int, *collections: str) -> DatasetRef | None:
        data_id = DataCoordinate.standardize(
            {"instrument": "CAM", "visit": visit}, dimensions=NOTE.dimensions
        )
        return registry.find_dataset("note", data_id, collections)

    assert found(1, "run", "b") == in_run
    assert found(1, "chain") == in_b
    assert found(2, "chain") is not None
    assert found(3, "chain") is None
    assert registry.datasets.get(in_b.id) == in_b
    assert registry.datasets.get(uuid.uuid4()) is None


def test_refused_datasets_change_nothing(butler: Butler) -> None:
    """A clash of data ID, UUID, definition or collection inserts none of the datasets."""
    registry = butler.registry
    first = note_ref(1)
    registry.insert_datasets("run", [first])
    butler.collections.register("chain", CollectionType.CHAINED)
    other = DatasetRef(DatasetType("note", ["visit"], "Config"), {"instrument": "CAM", "visit": 3}, "run")
    for run, refs, error, message in [
        ("run", [note_ref(2), note_ref(1)], ConflictingDefinitionError, f"exists in run 'run' as {first.id}"),
        ("run", [note_ref(2), note_ref(2)], ConflictingDefinitionError, "twice in one call"),
        ("run", [note_ref(2), note_ref(3, id=first.id)], ConflictingDefinitionError, f"UUID {first.id}"),
        ("run", [note_ref(2), other], ConflictingDefinitionError, "registered as"),
        ("ruun", [note_ref(2)], MissingCollectionError, "did you mean 'run'"),
        ("chain", [note_ref(2)], CollectionTypeError, "datasets go into a RUN"),
    ]:
        with pytest.raises(error, match=message):
            registry.insert_datasets(run, refs)
    assert registry.datasets.in_run(butler.collections.get_info("run")) == [first.id]


# Transactions.


def test_inner_transaction_is_undone_alone(butler: Butler) -> None:
    """A failed block inside another takes only its own rows along."""
    registry = butler.registry
    with butler.transaction():
        registry.insertDimensionData("visit", {**VISIT_9, "id": 4, "name": "v4"})
        with broken_off(butler.transaction()):
            registry.insertDimensionData("visit", {**VISIT_9, "id": 5, "name": "v5"})
        with butler.transaction():
            registry.insertDimensionData("visit", {**VISIT_9, "id": 6, "name": "v6"})
    assert visit_ids(butler) == [1, 2, 3, 4, 6]
    with broken_off(butler.transaction()), butler.transaction():
        registry.insertDimensionData("visit", VISIT_9)
    assert visit_ids(butler) == [1, 2, 3, 4, 6]


def test_everything_made_in_a_failed_transaction_is_gone(butler: Butler) -> None:
    """Runs, chains and dataset types roll back, too."""
    with broken_off(butler.transaction()):
        butler.registry.registerRun("new")
        butler.collections.register("chain", CollectionType.CHAINED)
        butler.collections.redefine_chain("chain", ["new"])
        butler.registry.registerDatasetType(DatasetType("fresh", ["tract"], "Config"))
    assert butler.collections.query() == ["run", "skymaps"]
    assert "fresh" not in [t.type.name for t in butler.registry.datasets.query_types()]


def test_number_of_a_rolled_back_table_is_used_again(butler: Butler) -> None:
    """After a rollback the next dataset type, of other dimensions, gets its own columns."""
    with broken_off(butler.transaction()):
        butler.registry.registerDatasetType(DatasetType("doomed", ["tract"], "Config"))
    kind = DatasetType("fresh", ["exposure"], "Config")
    butler.registry.registerDatasetType(kind)
    ref = DatasetRef(kind, {"instrument": "CAM", "exposure": 1}, "run")
    butler.registry.insert_datasets("run", [ref])
    assert butler.registry.datasets.get(ref.id) == ref


def test_actions_follow_the_fate_of_their_transaction(butler: Butler) -> None:
    """Undo actions run last first, also after an inner commit; others wait for the outermost commit."""
    told: list[str] = []
    database = butler.registry.database
    with database.transaction() as outer:
        outer.on_commit(lambda: told.append("done"))
        with broken_off(database.transaction()) as inner:
            inner.on_rollback(lambda: told.append("undo 1"))
            inner.on_rollback(lambda: told.append("undo 2"))
            inner.on_commit(lambda: told.append("never"))
        assert told == ["undo 2", "undo 1"]
    assert told == ["undo 2", "undo 1", "done"]
    told.clear()
    with broken_off(database.transaction()):
        with database.transaction() as inner:
            inner.on_rollback(lambda: told.append("undo"))
            inner.on_commit(lambda: told.append("never"))
        assert told == []
    assert told == ["undo"]


# Opening.


def test_read_only_butlers_change_nothing(repository: Path) -> None:
    """A butler opened for reading refuses every write with the way out."""
    with Butler(repository) as butler:
        for write in (
            lambda: butler.registry.registerRun("new"),
            lambda: butler.registry.insertDimensionData("visit", VISIT_9),
            lambda: butler.put({}, NOTE, instrument="CAM", visit=1, run="run"),
            lambda: butler.verify(repair=True),
        ):
            with pytest.raises(ReadOnlyButlerError, match="writeable=True"):
                write()
        assert butler.collections.query() == ["run", "skymaps"]


@pytest.mark.parametrize("name", ["a b?c=d#e%20f", "é ünï", "quote'\"", "a&b;c"])
def test_directories_with_any_name(tmp_path: Path, name: str) -> None:
    """Characters that mean something in URLs and SQL are ordinary in a path."""
    Butler.makeRepo(tmp_path / name)
    with Butler(tmp_path / name, run="run") as butler:
        assert butler.collections.query() == ["run"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


@pytest.mark.sqlite_only
def test_damaged_registry_is_one_clear_error(repository: Path) -> None:
    """Garbage, an empty file, another schema, no file at all: an error that says so, and nothing is made."""
    file = repository / "gen3.sqlite3"
    with Butler(repository, writeable=True) as butler:
        attributes = butler.registry.schema.attributes
        with butler.registry.database.transaction():
            butler.registry.database.execute(attributes.update().values(value="99"))
    for content, message in [
        (None, "schema version 99"),
        (b"this is no database" * 1000, "damaged"),
        (b"", "no registry"),
    ]:
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ButlerError, match=message):
            Butler(repository)
    file.unlink()
    with pytest.raises(RepositoryCorruptionError, match=r"gen3\.sqlite3 is gone"):
        Butler(repository)
    assert not file.exists()


def test_busy_registry_is_one_clear_error(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another process holds the lock for too long, the error says so."""
    monkeypatch.setattr("butler.registry.engines._BUSY_TIMEOUT_S", 0.05)
    with Butler(repository, run="run") as first, first.transaction():
        first.registry.registerRun("a")
        with Butler(repository, writeable=True) as second:
            assert second.collections.query() == ["run", "skymaps"]
            with pytest.raises(ButlerUserError, match="busy"):
                second.registry.registerRun("a")


REGISTER = """
import sys
from butler import Butler, DatasetType
with Butler(sys.argv[1], writeable=True) as butler:
    sys.stdin.read(1)
    for i in range(20):
        butler.registry.registerRun(f"run{i}")
        butler.registry.registerDatasetType(DatasetType(f"type{i}", ["tract"], "Config"))
"""


def test_two_processes_register_the_same_things(repository: Path) -> None:
    """Whoever is second finds what the first has made; neither fails."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", REGISTER, str(repository)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("x")
        child.stdin.flush()
    errors = [child.communicate(timeout=60)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0], errors
    with Butler(repository) as butler:
        assert len(butler.collections.query("run*")) == 21
        assert len(butler.registry.datasets.query_types("type*")) == 20


@pytest.mark.sqlite_only
def test_too_large_query_is_one_clear_error(butler: Butler) -> None:
    """What goes beyond a limit of the database is the query's fault."""
    with pytest.raises(InvalidQueryError, match="too large for the database"):
        butler.registry.database.query(sa.text("SELECT 1" + "+1" * 2000))


def test_execute_needs_a_transaction(butler: Butler) -> None:
    """Nothing is written outside a transaction by mistake."""
    with pytest.raises(RuntimeError, match="needs a transaction"):
        butler.registry.database.execute(butler.registry.schema.attributes.delete())


def test_registry_is_refused_where_there_is_none(tmp_path: Path) -> None:
    """A database without tables is not taken for a registry."""
    database = Database.sqlite(tmp_path / "empty.sqlite3", writeable=True)
    with pytest.raises(ButlerError, match="no registry"):
        Registry(database)
    database.close()


def test_many_datasets_at_once(butler: Butler) -> None:
    """More datasets than fit one statement are inserted and removed whole."""
    records = [{**VISIT_9, "id": n, "name": f"v{n}"} for n in range(1000, 2200)]
    butler.registry.insertDimensionData("visit", *records)
    refs = [note_ref(n) for n in range(1000, 2200)]
    butler.registry.insert_datasets("run", refs)
    assert len(set(butler.registry.datasets.numbers([ref.id for ref in refs]).values())) == len(refs)
    butler.registry.datasets.remove([ref.id for ref in refs[:-1]])
    assert butler.registry.datasets.in_run(butler.collections.get_info("run")) == [refs[-1].id]
    assert butler.registry.datasets.get_type("calexp").type == CALEXP
