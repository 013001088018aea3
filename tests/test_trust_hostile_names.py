"""Hostile names, paths and values: refused with an error of ours that names them, or kept safely."""

from __future__ import annotations

import os
import string
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePath

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from repository_snapshot import snapshot
from small_repository import NOTE, fill_repository
from trust_scale import count

from butler import Butler, CollectionType, DatasetRef, DatasetType, FileDataset
from butler.cli import main
from butler.datastore import FileTemplate
from butler.errors import ButlerUserError, did_you_mean

pytestmark = pytest.mark.trust

GROUPED = DatasetType("grouped", ("instrument", "group"), "StructuredDataDict")
SNIPPETS = [
    "'", '"', "`", ";", "--", "'; DROP TABLE dataset; --", "' OR '1'='1", "..", "../", "/", "//", "\\", "~",
    "\n", "\r", "\t", "\0", "\x1b[31m", "\x7f", "%", "_", "*", "?", "[", "]", "{", "}", "{run}", "$HOME",
    "{0.__class__}", "`id`", ":", "|", "<", ">", "&", "#", ".", ".part", "CON", "run", "chain", "note",
    "visit", "1e999", "\uff0e\uff0e\uff0f", "\u2215", "\u2024", "\u202e", "\u200b", "\u0430", "\u0131",
    "e\u0301", "\ud800", "\U0001f600", "x" * 300, "9" * 30,
]  # fmt: skip
HOSTILE = st.one_of(
    st.lists(st.sampled_from(SNIPPETS) | st.sampled_from("ab1"), min_size=1, max_size=4).map("".join),
    st.text(max_size=12),
    st.sampled_from(["x" * 100_000, "../" * 30_000, "", " "]),
)
PATTERNS = st.lists(st.sampled_from([*SNIPPETS, "{run}", "{id}", "{visit:?}", "/", "a"]), max_size=6).map(
    "".join
)
MANY = settings(
    deadline=None,
    max_examples=count(sample=12, full=300),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Butler]:
    """Return a writeable butler whose rows and files are the same after each example."""
    root = tmp_path_factory.mktemp("victim") / "repository"
    Butler.makeRepo(root)
    fill_repository(root)
    with Butler(root, run="run", instrument="CAM", skymap="sky") as butler:
        butler.put({"n": 1}, "note", visit=1)
        butler.registry.registerDatasetType(GROUPED)
        butler.collections.register("chain", CollectionType.CHAINED)
        yield butler


class UndoneError(Exception):
    """Ends a transaction that shall leave nothing."""


def attempt(butler: Butler, act: Callable[[], object], value: str) -> bool:
    """Do something in a transaction that is undone; return whether it was done.

    A refusal must be an error of ours that changes nothing and names the value.
    """
    before = snapshot(butler.root)
    done = False
    try:
        with butler.transaction():
            act()
            done = True
            raise UndoneError
    except UndoneError:
        pass
    except ButlerUserError as error:
        check_message(str(error), value)
    assert snapshot(butler.root) == before
    return done


def check_message(told: str, value: str) -> None:
    """Check that a message is of bearable length, and names a value as it is or as Python would write it."""
    assert len(told) < 3000
    # Of a name with a dot the first part may be wrong; a path is told without slashes that mean nothing.
    starts = (value[:40], value.partition(".")[0][:40], str(PurePath(value))[:40])
    assert any(start in told or repr(start)[1:-1] in told for start in starts), told


NAMED: dict[str, Callable[[Butler, str], object]] = {
    "register RUN": lambda b, v: b.collections.register(v),
    "register TAGGED": lambda b, v: b.collections.register(v, CollectionType.TAGGED),
    "chain child": lambda b, v: b.collections.redefine_chain("chain", [v]),
    "collection": lambda b, v: b.collections.get_info(v),
    "remove collection": lambda b, v: b.collections.remove(v),
    "removeRuns": lambda b, v: b.removeRuns([v]),
    "dataset type": lambda b, v: b.registry.registerDatasetType(
        DatasetType(v, ("visit",), "StructuredDataDict")
    ),
    "dimension": lambda b, v: DatasetType("x", (v,), "StructuredDataDict"),
    "storage class": lambda b, v: b.registry.registerDatasetType(DatasetType("x", ("visit",), v)),
    "get dataset type": lambda b, v: b.get_dataset_type(v),
    "get": lambda b, v: b.get(v, visit=1),
    "get component": lambda b, v: b.get(f"calexp.{v}", visit=1, detector=0),
    "get visit": lambda b, v: b.get("note", visit=v),
    "get instrument": lambda b, v: b.get("note", instrument=v, visit=1),
    "put visit": lambda b, v: b.put({}, "note", visit=v),
    "put run": lambda b, v: b.put({}, "note", visit=2, run=v or "?"),
    "put ref": lambda b, v: b.put({}, DatasetRef(NOTE, {"instrument": "CAM", "visit": 2}, v)),
    "query type": lambda b, v: b.query_datasets(v),
    "query collection": lambda b, v: b.query_datasets("note", [v]),
    "query dimension": lambda b, v: b.query_data_ids([v]),
    "query records": lambda b, v: b.query_dimension_records(v),
    "insert element": lambda b, v: b.registry.insertDimensionData(v, {"name": "a"}),
    "insert field": lambda b, v: b.registry.insertDimensionData("instrument", {"name": "a", v: 1}),
    "ingest file": lambda b, v: b.ingest(
        FileDataset(v, DatasetRef(NOTE, {"instrument": "CAM", "visit": 2}, "run"))
    ),
    "ingest mode": lambda b, v: b.ingest(
        FileDataset("/dev/null", DatasetRef(NOTE, {"instrument": "CAM", "visit": 2}, "run")), transfer=f"{v}?"
    ),
    "open": lambda b, v: Butler(b.root / v).close(),
    "open collection": lambda b, v: Butler(b.root, collections=[v]).query_datasets("note"),
    "open instrument": lambda b, v: Butler(b.root, instrument=v).close(),
    "import": lambda b, v: b.import_(filename=v),
}


@pytest.mark.parametrize("way", NAMED)
@given(value=HOSTILE)
@example(value="a\0b")
@example(value="\ud800")
@example(value="'; DROP TABLE dataset; --")
@example(value="'/")
@example(value="///")
@example(value="move")
@MANY
def test_names(victim: Butler, way: str, value: str) -> None:
    """A name is refused with an error that says it, or is one like any other; nothing else happens."""
    attempt(victim, lambda: NAMED[way](victim, value), value)


WHERE: dict[str, Callable[[Butler, str], object]] = {
    "expression": lambda b, v: b.query_datasets("note", where=v, explain=False),
    "text": lambda b, v: b.query_datasets(
        "note", where="visit.target_name = '" + v.replace("'", "''") + "'", explain=False
    ),
    "bound text": lambda b, v: b.query_datasets(
        "note", where="visit.target_name = :x", bind={"x": v}, explain=False
    ),
    "bound number": lambda b, v: b.query_datasets("note", where="visit = :x", bind={"x": v}, explain=False),
    "bind name": lambda b, v: b.query_datasets("note", where="visit = :x", bind={v: 1}, explain=False),
    "glob": lambda b, v: b.query_datasets(
        "note", where="GLOB(visit.target_name, :x)", bind={"x": v}, explain=False
    ),
    "order": lambda b, v: b.query_datasets("note", order_by=[v], explain=False),
    "data ID": lambda b, v: b.query_datasets("note", data_id={"visit": v}, explain=False),
    "keyword": lambda b, v: b.query_datasets("note", explain=False, **{v: 1}),
}


@pytest.mark.parametrize("way", WHERE)
@given(value=HOSTILE)
@example(value="a\0b")
@example(value="\ud800")
@example(value="' OR '1'='1")
@MANY
def test_query_values(victim: Butler, way: str, value: str) -> None:
    """What stands in a query is a value or an error, never SQL; nothing is found by what is no value."""
    found: list[object] = []

    def ask() -> None:
        answer = WHERE[way](victim, value)
        found.extend(answer if isinstance(answer, list) else [])

    before = snapshot(victim.root)
    with suppress(ButlerUserError):
        ask()
    if way in {"text", "bound text"}:
        assert bool(found) == (value == "M31")
    assert snapshot(victim.root) == before


@given(name=HOSTILE)
@example(name="..")
@example(name="\u202e/../x")
@MANY
def test_values_of_data_ids_stay_below_the_root(victim: Butler, name: str) -> None:
    """A group of any name that a record can have gets a file in the directory of its run, and its own."""
    insert = victim.registry.insertDimensionData

    def put_and_read() -> None:
        insert("group", {"instrument": "CAM", "name": name}, skip_existing=True)
        insert("group", {"instrument": "CAM", "name": name + "_"}, skip_existing=True)
        refs = [victim.put({"name": ascii(text)}, GROUPED, group=text) for text in (name, name + "_")]
        for ref, text in zip(refs, (name, name + "_"), strict=True):
            path = victim.getURI(ref)
            assert isinstance(path, Path)
            assert path.resolve().is_relative_to((victim.root / "run" / "grouped").resolve())
            assert victim.get(ref) == {"name": ascii(text)}
            assert victim.get(GROUPED, group=text) == {"name": ascii(text)}

    attempt(victim, put_and_read, name)


@given(
    pattern=st.lists(st.sampled_from([*SNIPPETS, "{run}", "{id}", "{visit:?}", "/", "a"]), max_size=6).map(
        "".join
    )
)
@example(pattern="{run}/../../{id}")
@example(pattern="{run.__class__.__init__.__globals__}/{id}")
@MANY
def test_templates(victim: Butler, pattern: str) -> None:
    """A path template is refused, or makes paths below the root."""
    ref = DatasetRef(NOTE, victim.registry.expandDataId({"instrument": "CAM", "visit": 1}), "run")
    try:
        path = FileTemplate(pattern).format(ref, ".json")
    except ButlerUserError as error:
        check_message(str(error), pattern)
        return
    normal = os.path.normpath(path)
    assert not normal.startswith(("..", "/"))
    assert "\0" not in path


COMMANDS: list[tuple[str, ...]] = [
    ("query-collections", "@", "?"),
    ("query-dataset-types", "@", "?"),
    ("query-datasets", "@", "?"),
    ("query-datasets", "@", "note", "--collections", "?"),
    ("query-datasets", "@", "note", "--where", "?"),
    ("query-data-ids", "@", "?"),
    ("query-data-ids", "@", "visit", "--where", "?"),
    ("query-dimension-records", "@", "?"),
    ("query-dimension-records", "@", "visit", "--order-by", "?"),
    ("register-dataset-type", "@", "?", "StructuredDataDict", "v?"),
    ("register-dataset-type", "@", "x", "?", "visit"),
    ("collection-chain", "@", "chain", "?", "nowhere"),
    ("collection-chain", "@", "run", "?"),
    ("associate", "@", "run", "--where", "?"),
    ("prune-datasets", "@", "nowhere?", "--no-confirm"),
    ("remove-runs", "@", "nowhere?", "--no-confirm"),
    ("remove-collections", "@", "nowhere?", "--no-confirm"),
    ("retrieve-artifacts", "@", "/dev/null/x", "-d", "?"),
    ("ingest-exposures", "@", "/nowhere/?"),
    ("import", "@", "/nowhere/?"),
    ("export", "@", "/dev/null/?"),
    ("show", "@", "note", "?"),
    ("verify", "/nowhere/?"),
    ("?", "@"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@given(value=HOSTILE)
@example(value="\udcff")
@MANY
def test_commands(victim: Butler, words: tuple[str, ...], value: str) -> None:
    """A command says what is wrong without a traceback, and changes nothing; or it works."""
    # No system hands over a NUL, and what begins with a hyphen is an option.
    assume("\0" not in value and not value.startswith("-"))
    before = snapshot(victim.root)
    result = CliRunner().invoke(main, [w.replace("@", str(victim.root)).replace("?", value) for w in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in (0, 1, 2)
    assert "Traceback" not in result.output
    if result.exit_code:
        assert result.stderr.count("Error: ") >= 1
        assert len(result.stderr) < 5000 + len(value)
    assert snapshot(victim.root) == before


@given(names=st.lists(st.text(string.ascii_lowercase, min_size=1), max_size=40), name=HOSTILE)
@MANY
def test_nearest_names_are_found_for_anything(names: list[str], name: str) -> None:
    """The hint at the nearest name takes any text, and no time with a long one."""
    assert isinstance(did_you_mean(name, names), str)
