"""Every store keeps the contract: what is written is whole, stays apart, and goes when it is told to."""

from __future__ import annotations

import itertools
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from object_server import ObjectServer

from butler.datastore import FileCache, LocalStore, MemoryStore, ObjectStore, Store
from butler.errors import ButlerUserError, FileFormatError

KINDS = ("local", "memory", "s3", "fsspec memory")
_NUMBER = itertools.count()


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return an empty store of each kind."""
    cache = FileCache(tmp_path / "cache", 1000)
    name = f"store{next(_NUMBER)}"
    match request.param:
        case "local":
            return LocalStore(tmp_path / name)
        case "memory":
            return MemoryStore(name)
        case "s3":
            server: ObjectServer = request.getfixturevalue("object_server")
            return ObjectStore(server.url(name), server.options, cache)
        case _:
            return ObjectStore(f"memory://{name}/prefix", {}, cache)


def put(store: Store, path: str, content: bytes) -> str:
    """Write and publish as the datastore does; return the final path."""
    with store.write(path) as pending:
        pending.local.write_bytes(content)
    store.publish(pending.temporary, pending.final)
    store.settle([pending.final])
    if pending.temporary != pending.final:
        store.remove(pending.temporary)
    return pending.final


def write_half(store: Store) -> None:
    with store.write("run/x") as pending:
        pending.local.write_bytes(b"half")
        raise KeyboardInterrupt


def paths(store: Store) -> list[str]:
    return [file.path for file in store.walk()]


def test_what_is_written_can_be_read(store: Store) -> None:
    """Bytes come back whole, in parts, as a stream and as a local file, under the name that was given."""
    content = bytes(range(256)) * 5
    path = put(store, "run/type/name.dat", content)
    assert re.fullmatch(r"run/type/name(_[0-9a-f]{12})?\.dat", path)
    assert store.locate(path).endswith(path)
    assert store.size(path) == len(content)
    source = store.source(path)
    assert str(source) == store.locate(path)
    assert source.size() == len(content)
    parts = source.read_ranges([(3, 7), (1000, 1280), (0, 1280)])
    assert [bytes(part) for part in parts] == [content[3:7], content[1000:], content]
    with source.open() as stream:
        stream.seek(100)
        assert stream.read(3) == content[100:103]
    with source.as_local_file() as local:
        assert local.read_bytes() == content
    assert paths(store) == [path]
    assert [file.size for file in store.walk()] == [len(content)]


def test_an_empty_file_is_a_file(store: Store) -> None:
    """No bytes are something else than nothing."""
    path = put(store, "run/empty", b"")
    assert store.size(path) == 0
    with store.source(path).as_local_file() as local:
        assert local.read_bytes() == b""
    assert store.source(path).open().read() == b""


def test_nothing_is_overwritten(store: Store) -> None:
    """Two files for one path both stay, whichever is published first."""
    first = put(store, "run/x.dat", b"first")
    with store.write("run/x.dat") as one, store.write("run/x.dat") as other:
        one.local.write_bytes(b"one")
        other.local.write_bytes(b"other")
    store.publish(one.temporary, one.final)
    store.publish(other.temporary, other.final)
    found = {
        path: bytes(store.source(path).read_ranges([(0, 3)])[0]) for path in (first, one.final, other.final)
    }
    assert found == {first: b"fir", one.final: b"one", other.final: b"oth"}


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_a_path_that_was_taken_meanwhile_is_refused(kind: str, tmp_path: Path) -> None:
    """Where files are renamed, the second of two for one free path is refused, and loses nothing."""
    store = LocalStore(tmp_path) if kind == "local" else MemoryStore(f"taken{next(_NUMBER)}")
    with store.write("run/x") as one, store.write("run/x") as other:
        one.local.write_bytes(b"one")
        other.local.write_bytes(b"other")
    assert one.final == other.final
    store.publish(one.temporary, one.final)
    with pytest.raises(FileExistsError):
        store.publish(other.temporary, other.final)
    assert bytes(store.source("run/x").read_ranges([(0, 3)])[0]) == b"one"
    assert store.size(other.temporary) == 5


def test_a_block_that_fails_leaves_nothing(store: Store) -> None:
    """Neither an error nor a file that was never written leaves anything behind."""
    with pytest.raises(KeyboardInterrupt):
        write_half(store)
    with pytest.raises(FileNotFoundError), store.write("run/x"):
        pass
    assert paths(store) == []


def test_what_is_not_published_is_known_as_the_stores_own(store: Store) -> None:
    """A kill before the rows are there leaves files that are told from those of others."""
    with store.write("run/x.dat") as pending:
        pending.local.write_bytes(b"x")
    assert [file.is_own for file in store.walk()] == [True]
    store.publish(pending.temporary, pending.final)
    assert {file.is_own for file in store.walk()} == {True}
    store.remove(pending.final)
    store.remove(pending.temporary)
    assert paths(store) == []


def test_a_condemned_file_is_known_as_the_stores_own(store: Store) -> None:
    """A file that loses its row is told from others by a second name, or by its own."""
    final = put(store, "a/b.json", b"{}")
    twin = store.condemn(final)
    assert {file.is_own for file in store.walk()} == {True}
    store.remove(final)
    if twin is not None:
        store.remove(twin)
    assert paths(store) == []
    if twin is not None:
        with pytest.raises(FileNotFoundError):
            store.condemn(final)


def test_removing_is_done_once_or_twice(store: Store) -> None:
    """What is gone is gone, and may be removed again; the others stay."""
    kept, doomed = put(store, "run/kept", b"kept"), put(store, "run/doomed", b"doomed")
    for _ in range(2):
        store.remove(doomed)
        assert store.size(doomed) is None
        assert paths(store) == [kept]


ABSENT: dict[str, Callable[[Store], object]] = {
    "size": lambda store: store.source("run/none").size(),
    "ranges": lambda store: store.source("run/none", 10).read_ranges([(0, 1)]),
    "local file": lambda store: store.source("run/none").as_local_file().__enter__().read_bytes(),
    "known size": lambda store: (
        store.source("run/none", 10, "0" * 64).as_local_file().__enter__().read_bytes()
    ),
}


@pytest.mark.parametrize("way", ABSENT)
def test_what_is_absent_is_not_found(store: Store, way: str) -> None:
    """All ways to reach for a file that is not there say so; a directory is no file."""
    put(store, "run/type/x", b"x")
    assert store.size("run/none") is None
    assert store.size("run/type") is None
    with pytest.raises(FileNotFoundError):
        ABSENT[way](store)


def test_a_file_that_is_shorter_than_told_is_refused(store: Store) -> None:
    """A range that reaches past the end gives an error, never fewer bytes."""
    path = put(store, "run/x", b"abc")
    with pytest.raises((FileFormatError, OSError)):
        store.source(path, 10).read_ranges([(0, 3), (1, 5)])


def test_a_store_can_be_handed_to_a_worker(store: Store) -> None:
    """A store is a value: its copy in another process finds the same files, or is refused at once."""
    path = put(store, "run/x", b"abc")
    if isinstance(store, MemoryStore):
        with pytest.raises(ButlerUserError, match="another process"):
            pickle.dumps(store)
        return
    copy = pickle.loads(pickle.dumps(store))
    assert copy == store
    assert copy.size(path) == 3
