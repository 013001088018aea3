"""What only a server can do to a registry: races of writers, rights, languages, passwords, going away."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import yaml
from click.testing import CliRunner
from postgres_server import OWNER, PostgresServer
from registry_homes import PostgresHome
from small_repository import NOTE, broken_off, fill_repository

from butler import Butler, CollectionType, DatasetRef, DatasetType, FileDataset
from butler.cli import main
from butler.errors import (
    ButlerUserError,
    CollectionCycleError,
    CollectionTypeError,
    ConflictingDefinitionError,
    FileFormatError,
    OrphanedRecordError,
    ReadOnlyButlerError,
    RepositoryCorruptionError,
    RepositoryExistsError,
    UncertainCommitError,
)
from butler.repository import RepositoryConfig


@pytest.fixture(scope="module")
def home(postgres: PostgresServer) -> PostgresHome:
    return PostgresHome(postgres)


@pytest.fixture(scope="module")
def template(home: PostgresHome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the small repository, to be copied."""
    root = tmp_path_factory.mktemp("postgres") / "repository"
    home.make(root)
    fill_repository(root)
    return root


@pytest.fixture
def root(home: PostgresHome, template: Path, tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "repository"
    home.copy(template, root)
    settings = (root / "butler.yaml").read_text()
    yield root
    (root / "butler.yaml").write_text(settings)
    home.remove(root)


@pytest.fixture
def first(root: Path) -> Iterator[Butler]:
    with Butler(root, run="run", instrument="CAM", skymap="sky") as butler:
        yield butler


@pytest.fixture
def second(first: Butler) -> Iterator[Butler]:
    """Return another butler of the same repository, as another process would have it."""
    with first.clone() as butler:
        yield butler


DETECTOR = {"instrument": "CAM", "id": 7, "full_name": "S70", "purpose": "SCIENCE"}


def note(visit: int, run: str = "run") -> DatasetRef:
    return DatasetRef(NOTE, {"instrument": "CAM", "visit": visit}, run)


def settings_of(root: Path) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((root / "butler.yaml").read_text())
    return values


def sql(root: Path, *statements: str) -> None:
    """Run statements on the database of a repository, past the code under test."""
    with psycopg.connect(settings_of(root)["registry"], autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def meanwhile(
    first: Butler, second: Butler, change: Callable[[Butler], Any], also: Callable[[Butler], Any]
) -> Any:
    """Have one butler change something, and another one also before the first has committed.

    Returns what the second got, or the error that it raised; it had to wait for the first.
    """
    results: list[Any] = []

    def act() -> None:
        try:
            results.append(also(second))
        except Exception as error:
            results.append(error)

    with first.transaction():
        change(first)
        thread = threading.Thread(target=act)
        thread.start()
        time.sleep(0.3)
        assert results == [], "the second did not wait"
    thread.join(30)
    return results[0]


# Races: the second looks before the first has committed, and would find nothing.


def test_two_register_a_collection(first: Butler, second: Butler) -> None:
    """The second finds it made, or of another type."""

    def make(b: Butler) -> Any:
        return b.collections.register("new", CollectionType.RUN)

    assert meanwhile(first, second, make, make) is False

    def other(b: Butler) -> Any:
        return b.collections.register("other", CollectionType.TAGGED)

    clash = meanwhile(first, second, other, lambda b: b.registry.registerRun("other"))
    assert isinstance(clash, CollectionTypeError)


def test_two_register_a_dataset_type(first: Butler, second: Butler) -> None:
    """With a tag table that neither finds; the second finds it made, or defined otherwise."""
    type_a = DatasetType("a", ["instrument", "day_obs"], "StructuredDataDict")

    def make(b: Butler) -> Any:
        return b.registry.registerDatasetType(type_a)

    assert meanwhile(first, second, make, make) is False
    type_b = DatasetType("b", ["skymap", "subfilter"], "StructuredDataDict")
    type_c = DatasetType("b", ["skymap", "subfilter"], "Config")
    clash = meanwhile(
        first,
        second,
        lambda b: b.registry.registerDatasetType(type_b),
        lambda b: b.registry.registerDatasetType(type_c),
    )
    assert isinstance(clash, ConflictingDefinitionError)
    assert second.get_dataset_type("b") == type_b


def test_two_put_the_same(first: Butler, second: Butler) -> None:
    """The second is told of the first, and leaves no file."""

    def put(b: Butler) -> Any:
        return b.put({"a": 1}, note(1))

    clash = meanwhile(first, second, put, put)
    assert isinstance(clash, ConflictingDefinitionError)
    assert "exists in run 'run' as" in str(clash)
    assert len(first.query_datasets(NOTE)) == 1
    assert first.verify().is_clean


def test_what_the_first_undoes_the_second_gets(first: Butler, second: Butler) -> None:
    """Who waits for a transaction that fails goes on."""
    results: list[DatasetRef] = []
    thread = threading.Thread(target=lambda: results.append(second.put({"by": 2}, note(1))))
    with broken_off(first.transaction()):
        first.put({"by": 1}, note(1))
        thread.start()
        time.sleep(0.3)
    thread.join(30)
    assert first.get(NOTE, visit=1) == {"by": 2}
    assert first.verify().is_clean


@pytest.mark.parametrize(
    ("insert", "outcome"),
    [
        (lambda b: b.registry.syncDimensionData("detector", DETECTOR), "False"),
        (lambda b: b.registry.insertDimensionData("detector", DETECTOR, skip_existing=True), "None"),
        (lambda b: b.registry.insertDimensionData("detector", DETECTOR), "ConflictingDefinitionError"),
    ],
)
def test_two_insert_a_record(
    first: Butler, second: Butler, insert: Callable[[Butler], Any], outcome: str
) -> None:
    """Sync finds the record of the first, skipping skips it, and a plain insertion is refused."""
    assert repr(meanwhile(first, second, insert, insert)).startswith(outcome)
    found = first.query_dimension_records("detector", where="detector > 2")
    assert [record.full_name for record in found] == ["S70"]


def test_two_edit_a_chain(first: Butler, second: Butler) -> None:
    """Both edits count, though the second had looked before; no cycle comes about between two."""
    for name in ("a", "b"):
        first.registry.registerRun(name)
    for name in ("x", "y"):
        first.collections.register(name, CollectionType.CHAINED)
    assert second.collections.get_info("x").children == ()
    meanwhile(
        first,
        second,
        lambda b: b.collections.prepend_chain("x", "a"),
        lambda b: b.collections.prepend_chain("x", "b"),
    )
    assert first.collections.get_info("x").children == ("b", "a")
    clash = meanwhile(
        first,
        second,
        lambda b: b.collections.extend_chain("x", "y"),
        lambda b: b.collections.extend_chain("y", "x"),
    )
    assert isinstance(clash, CollectionCycleError)


def test_one_removes_what_another_needs(first: Butler, second: Butler) -> None:
    """A run into which something is being put is not removed, and the reverse."""
    first.registry.registerRun("doomed")

    def remove(b: Butler) -> Any:
        return b.collections.remove("doomed")

    clash = meanwhile(first, second, lambda b: b.put({}, note(2, "doomed")), remove)
    assert isinstance(clash, OrphanedRecordError)
    first.pruneDatasets(first.query_datasets(NOTE, "doomed"), purge=True, unstore=True)
    gone = meanwhile(first, second, remove, lambda b: b.put({}, note(2, "doomed")))
    assert isinstance(gone, ButlerUserError)
    assert first.verify().is_clean


def test_two_tag(first: Butler, second: Butler) -> None:
    """Two that tag the same dataset agree."""
    first.collections.register("tagged", CollectionType.TAGGED)
    ref = first.put({}, note(1))

    def tag(b: Butler) -> Any:
        return b.registry.associate("tagged", [ref])

    assert meanwhile(first, second, tag, tag) is None
    assert [r.id for r in first.query_datasets(NOTE, "tagged")] == [ref.id]


def test_two_ingest_the_same_files(first: Butler, second: Butler, tmp_path: Path) -> None:
    """Where existing ones are skipped, the second skips what the first has brought in meanwhile."""
    (tmp_path / "note.json").write_text("{}")

    def ingest(butler: Butler) -> list[DatasetRef]:
        file = FileDataset(tmp_path / "note.json", note(1))
        return butler.ingest(file, transfer="copy", skip_existing=True)

    assert meanwhile(first, second, ingest, ingest) == []
    assert len(first.query_datasets(NOTE)) == 1
    assert first.verify().is_clean


def test_two_that_wait_for_each_other_are_told(first: Butler, second: Butler) -> None:
    """A deadlock ends with one clear error for one of them, and the other goes on."""
    errors: list[Exception] = []

    def opposite() -> None:
        try:
            with second.transaction():
                second.registry.registerRun("b")
                time.sleep(0.3)
                second.registry.registerRun("a")
        except ButlerUserError as error:
            errors.append(error)

    thread = threading.Thread(target=opposite)
    try:
        with first.transaction():
            first.registry.registerRun("a")
            thread.start()
            time.sleep(0.15)
            first.registry.registerRun("b")
    except ButlerUserError as error:
        errors.append(error)
    thread.join(30)
    assert len(errors) == 1
    assert "waited for each other" in str(errors[0])
    assert set(first.collections.query("[ab]")) == {"a", "b"}


def test_a_call_that_gave_way_is_done_again(first: Butler, second: Butler) -> None:
    """Of two that wait for each other, the one whose transaction is one call is not told: it comes second."""
    refs = first.put_many([({}, note(visit)) for visit in (1, 2)])
    first.collections.register("tagged", CollectionType.TAGGED)
    waiting = threading.Event()
    tries: list[str] = []
    errors: list[Exception] = []

    def tag() -> None:
        try:
            second.registry.associate("tagged", iter(refs))
        except ButlerUserError as error:
            errors.append(error)

    associate = second.registry.tags.associate

    def locked(*arguments: Any) -> None:
        with second.transaction():
            second.registry.database.lock("one")
            tries.append("waits")
            waiting.set()
            second.registry.database.lock("other")
            associate(*arguments)

    second.registry.tags.associate = locked  # type: ignore[method-assign]
    thread = threading.Thread(target=tag)
    with first.transaction():
        first.registry.database.lock("other")
        thread.start()
        assert waiting.wait(30)
        # Who has waited for the server's deadlock_timeout, one second, gives way: that is the other one.
        time.sleep(0.5)
        first.registry.database.lock("one")
    thread.join(30)
    assert errors == []
    assert len(tries) == 2
    assert {ref.id for ref in first.query_datasets(NOTE, "tagged")} == {ref.id for ref in refs}


# Where the registry is.


def test_several_repositories_share_a_database(postgres: PostgresServer, tmp_path: Path) -> None:
    """Each has a namespace; one that is taken is refused, and nothing is made."""
    url = postgres.url(postgres.make_database())
    for name in ("one", "two"):
        Butler.makeRepo(tmp_path / name, RepositoryConfig(registry=url, namespace=name))
        with Butler(tmp_path / name, run=name) as butler:
            assert butler.collections.query() == [name]
    with pytest.raises(
        RepositoryExistsError, match=r"'one' of .* another repository; choose another namespace"
    ):
        Butler.makeRepo(tmp_path / "three", RepositoryConfig(registry=url, namespace="one"))
    assert not (tmp_path / "three" / "butler.yaml").exists()


def test_the_registry_of_another_repository_is_refused(
    root: Path, home: PostgresHome, tmp_path: Path
) -> None:
    """A URL that was changed to the wrong database is seen by the repository's number."""
    home.make(tmp_path / "other")
    values = settings_of(root) | {"registry": settings_of(tmp_path / "other")["registry"]}
    (root / "butler.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(RepositoryCorruptionError, match="that of another repository: its id is"):
        Butler(root)


def test_create_by_command(postgres: PostgresServer, tmp_path: Path) -> None:
    """By options or by LSST's form of a seed configuration; the settings are shipped, no password is."""
    runner = CliRunner()
    url = postgres.url(postgres.make_database())
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    done = runner.invoke(main, ["create", first, "--registry-db", url, "--namespace", "a1"])
    assert done.exit_code == 0, done.output
    seed = tmp_path / "seed.yaml"
    seed.write_text(yaml.safe_dump({"registry": {"db": url, "namespace": "a2"}}))
    done = runner.invoke(main, ["create", second, "--seed-config", str(seed)])
    assert done.exit_code == 0, done.output
    found = [settings_of(Path(root)) for root in (first, second)]
    assert [(v["registry"], v["namespace"]) for v in found] == [(url, "a1"), (url, "a2")]
    assert found[0]["id"] != found[1]["id"]
    listed = runner.invoke(main, ["query-collections", second])
    assert listed.exit_code == 0, listed.output


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://me:secret@host/db", "has a password, .* PGPASSWORD or a libpq service"),
        ("postgresql://me@host/db?password=secret", "has a password"),
        ("postgresql://host/db?plugin=foreign", "not 'plugin'"),
        ("postgresql://host/db?sslkey=/etc/passwd", "not 'sslkey'"),
        ("postgresql://host", "names no database"),
        ("mysql://host/db", "'mysql' is no database for a registry"),
        ("postgresql+foreign://host/db", r"write postgresql://host/database"),
        ("postgresql://host:port/db", r"write the URL as postgresql://host/database"),
        ("../elsewhere.sqlite3", r"a file name\.sqlite3, or a URL"),
        ("sqlite:////tmp/elsewhere.sqlite3", "no database for a registry"),
    ],
)
def test_urls_that_are_refused(tmp_path: Path, url: str, message: str) -> None:
    """With one clear error by which no password gets out, on the command line and in butler.yaml."""
    runner = CliRunner()
    refused = runner.invoke(main, ["create", str(tmp_path / "r"), "--registry-db", url])
    assert refused.exit_code == 1
    Butler.makeRepo(tmp_path / "s")
    (tmp_path / "s" / "butler.yaml").write_text(yaml.safe_dump({"registry": url}))
    with pytest.raises(FileFormatError, match=message) as caught:
        Butler(tmp_path / "s")
    assert "secret" not in refused.output + str(caught.value)
    assert "secret" not in repr(caught.value.__cause__)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("name", ["pg_toast", "Upper", "a b", "x" * 64, "a;drop", ""])
def test_namespaces_that_are_refused(name: str) -> None:
    """A namespace is a plain name."""
    with pytest.raises(ButlerUserError, match="lower-case letters"):
        RepositoryConfig.make(registry="postgresql://host/db", namespace=name)


def test_a_missing_driver_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ButlerUserError, match=r"pip install 'coadd-butler\[postgres\]'"):
        Butler(root)


def test_a_server_that_is_not_there_is_told(postgres: PostgresServer, root: Path) -> None:
    """Nobody listens, or there is no such database: one error in one line."""
    for url in (f"postgresql:///db?host={root}", postgres.url("nothing")):
        (root / "butler.yaml").write_text(yaml.safe_dump(settings_of(root) | {"registry": url}))
        with pytest.raises(ButlerUserError, match="cannot reach the registry database") as caught:
            Butler(root)
        assert "\n" not in str(caught.value)


# What a server says.


def hang_up(root: Path) -> None:
    """End all other connections, as a server that is stopped does."""
    sql(
        root,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid != pg_backend_pid()",
    )


def test_a_server_that_went_away_is_told_once(first: Butler, root: Path) -> None:
    """The next call is told, the one after it works again."""
    assert first.collections.query("run") == ["run"]
    hang_up(root)
    with pytest.raises(ButlerUserError, match="has gone away"):
        first.collections.query("*")
    assert first.collections.query("run") == ["run"]


def test_a_transaction_goes_with_its_server(first: Butler, root: Path) -> None:
    """Nothing of it is kept, also not what comes after the error was caught; no file is left."""

    def go_on() -> None:
        with first.transaction():
            first.put({}, note(1))
            hang_up(root)
            for _ in range(2):
                with pytest.raises(ButlerUserError, match="gone"):
                    first.put({}, note(2))
            first.put({}, note(3))

    with pytest.raises(ButlerUserError, match="gone"):
        go_on()
    assert first.query_datasets(NOTE, explain=False) == []
    assert first.verify().is_clean
    assert first.put({"a": 2}, note(2))


def test_files_stay_if_nobody_knows_whether_rows_do(first: Butler, root: Path) -> None:
    """If the connection breaks at the commit, files are kept; a repair can remove what nobody owns."""
    paths = []

    def put() -> None:
        with first.transaction():
            ref = first.put({}, note(1))
            paths.append(root / first.registry.files.get([ref.id])[ref.id].path)
            hang_up(root)

    with pytest.raises(UncertainCommitError, match="look whether it was kept"):
        put()
    assert paths[0].exists()
    assert first.query_datasets(NOTE, explain=False) == []
    first.verify(repair=True)
    assert not paths[0].exists()


def test_a_forked_process_has_a_connection_of_its_own(first: Butler) -> None:
    """Neither disturbs the other, whoever ends first."""
    first.put({"a": 1}, note(1))
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_read_or_die, args=(first,)) for _ in range(3)]
    for child in children:
        child.start()
        assert first.get(NOTE, visit=1) == {"a": 1}
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert first.get(NOTE, visit=1) == {"a": 1}


def _read_or_die(butler: Butler) -> None:
    assert [butler.get(NOTE, visit=1) for _ in range(5)] == [{"a": 1}] * 5


def test_a_role_that_may_only_read(first: Butler, root: Path) -> None:
    """Reads everything, also by queries that upload data IDs; writing is refused in one error."""
    first.put({"a": 1}, note(1))
    settings = (root / "butler.yaml").read_text()
    sql(
        root,
        "CREATE ROLE reader LOGIN",
        "GRANT USAGE ON SCHEMA butler TO reader",
        "GRANT SELECT ON ALL TABLES IN SCHEMA butler TO reader",
    )
    (root / "butler.yaml").write_text(settings.replace(f"{OWNER}@", "reader@"))
    try:
        with Butler(root, collections="run", instrument="CAM") as reader:
            assert reader.get(NOTE, visit=1) == {"a": 1}
            assert len(reader.query_data_ids(["visit", "patch"], skymap="sky")) > 1
        with pytest.raises(ButlerUserError, match="the database refuses: permission denied"):
            Butler(root, run="other")
    finally:
        (root / "butler.yaml").write_text(settings)
        sql(root, "DROP OWNED BY reader", "DROP ROLE reader")


def test_a_server_that_takes_no_changes_says_so(first: Butler) -> None:
    """For example a standby server."""

    def register() -> None:
        with first.transaction():
            first.registry.database.execute(sa.text("SET TRANSACTION READ ONLY"))
            first.registry.registerRun("new")

    with pytest.raises(ReadOnlyButlerError, match="can only be read"):
        register()


def test_texts_are_compared_byte_by_byte(root: Path) -> None:
    """In whatever language the database is: Z before a, and ä after z, as in SQLite."""
    names = ["a", "Z", "ä", "z", "B", "_"]
    with Butler(root, writeable=True) as butler:
        butler.registry.insertDimensionData("instrument", *[{"name": name} for name in names])
        records = butler.query_dimension_records("instrument", order_by="instrument")
        assert [record.name for record in records] == sorted([*names, "CAM"])
        found = butler.query_data_ids("instrument", where="instrument > 'Z' AND instrument < 'z'")
        assert [data_id["instrument"] for data_id in found] == ["_", "a"]
    with psycopg.connect(settings_of(root)["registry"]) as server:
        row = server.execute("SELECT 'a' < 'Z'").fetchone()
    assert row == (True,), "the server of the tests does not sort like a dictionary"


def test_no_nul_in_texts(first: Butler) -> None:
    """One clear error, and the transaction around it goes on."""
    with first.transaction():
        with pytest.raises(ButlerUserError, match="NUL"):
            first.registry.setCollectionDocumentation("run", "a\0b")
        first.registry.setCollectionDocumentation("run", "kept")
    assert first.registry.getCollectionDocumentation("run") == "kept"


def test_numbers_at_the_edge(first: Butler) -> None:
    """64 bits, infinity and what has no number come back as they were; more is refused."""
    rows = {1 << 62: float("inf"), -(2**63): float("-inf"), 2**63 - 1: 5e-324, 4: None}
    for number, seconds in rows.items():
        visit = {"instrument": "CAM", "id": number, "name": f"n{number}", "physical_filter": "CAM-g"}
        first.registry.insertDimensionData("visit", {**visit, "day_obs": 20240101, "exposure_time": seconds})
    records = first.query_dimension_records("visit", where="visit NOT IN (1..3)", instrument="CAM")
    assert {record.id: record.exposure_time for record in records} == rows
    found = first.query_data_ids("visit", where="visit.exposure_time > 1e308", instrument="CAM")
    assert [data_id["visit"] for data_id in found] == [1 << 62]
    with pytest.raises(ButlerUserError, match="64 bits"):
        first.query_data_ids("visit", where="visit = 9223372036854775808", instrument="CAM")
