"""What a butler has committed survives a loss of power: files are flushed before their rows."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from repository_snapshot import snapshot
from small_repository import NOTE, broken_off

from butler import Butler, DatasetRef
from butler.datastore import flushing
from butler.errors import ButlerUserError

N_MANY = 40


@pytest.fixture
def many(butler: Butler) -> list[DatasetRef]:
    """Return refs of more datasets than are flushed one by one."""
    visits = range(1000, 1000 + N_MANY)
    rows = [
        {"instrument": "CAM", "id": n, "name": str(n), "physical_filter": "CAM-g", "day_obs": 20240101}
        for n in visits
    ]
    butler.registry.insertDimensionData("visit", *rows)
    return [DatasetRef(NOTE, {"instrument": "CAM", "visit": visit}, "run") for visit in visits]


@contextmanager
def watched(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Record, in order, what is flushed, a flush of all as ``all``, and each commit as ``commit``."""
    events: list[str] = []
    say, fsync = butler.registry.database._say, os.fsync

    def heard(words: str, *arguments: Any, **named: Any) -> None:
        events.extend(["commit"] * words.startswith("COMMIT"))
        say(words, *arguments, **named)

    def flushed(descriptor: int) -> None:
        events.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def flushed_all(descriptor: int) -> int:
        events.append("all")
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(butler.registry.database, "_say", heard)
        patch.setattr(os, "fsync", flushed)
        patch.setattr(flushing, "_sync_file_system", lambda: flushed_all)
        yield events


def put_each(butler: Butler, refs: list[DatasetRef]) -> None:
    """Put datasets one by one in a transaction."""
    with butler.transaction():
        for ref in refs:
            butler.put({}, ref)


def test_a_put_is_flushed_before_its_row(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file, its directory, and the directories above that are new: each once, then the commit."""
    with watched(butler, monkeypatch) as events:
        ref = butler.put({"a": 1}, NOTE, visit=1)
    place = Path(str(butler.getURI(ref)))
    above = [folder for folder in place.parents if folder.is_relative_to(butler.root)]
    assert events[-1] == "commit"
    assert sorted(events[:-1]) == sorted(map(str, [place, *above]))
    butler.registry.registerRun("run/2")
    with watched(butler, monkeypatch) as events:
        second = butler.put({"a": 2}, NOTE.name, visit=1, run="run/2")
    assert events.count(str(Path(str(butler.getURI(second))).parent)) == 1
    assert str(butler.root) not in events


@pytest.mark.parametrize("act", [put_each, lambda b, refs: b.put_many([({}, ref) for ref in refs])])
def test_many_files_are_flushed_together(
    butler: Butler,
    many: list[DatasetRef],
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Butler, list[DatasetRef]], object],
) -> None:
    """Many puts in one transaction wait for the disk once, before the commit; nothing is left out."""
    with watched(butler, monkeypatch) as events:
        act(butler, many)
    assert events == ["all", "commit"]
    assert len(butler.query_datasets(NOTE)) == N_MANY
    assert butler.verify().is_clean


def test_without_such_a_call_each_is_flushed(
    butler: Butler, many: list[DatasetRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system cannot flush all at once, each file is flushed."""
    with watched(butler, monkeypatch) as events:
        monkeypatch.setattr(flushing, "_sync_file_system", lambda: None)
        butler.put_many([({}, ref) for ref in many])
    assert set(events) >= {str(butler.getURI(ref)) for ref in many}
    assert events[-1] == "commit"


@pytest.mark.parametrize("act", [put_each, lambda b, refs: b.put_many([({}, ref) for ref in refs])])
def test_a_flush_that_fails_leaves_nothing(
    butler: Butler,
    many: list[DatasetRef],
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Butler, list[DatasetRef]], object],
) -> None:
    """If the disk does not take the files there are neither files nor rows, and the error says why."""
    before = snapshot(butler.root)

    def refused(descriptor: int) -> int:
        flushing.ctypes.set_errno(errno.EIO)
        return -1

    with monkeypatch.context() as patch:
        patch.setattr(flushing, "_sync_file_system", lambda: refused)
        with pytest.raises(ButlerUserError, match="Input/output error"):
            act(butler, many)
    assert snapshot(butler.root) == before


def test_what_an_inner_block_takes_back_is_not_flushed(
    butler: Butler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of a block that is undone are gone by the time of the flush, and not missed."""
    with watched(butler, monkeypatch) as events, butler.transaction():
        kept = butler.put({}, NOTE, visit=1)
        with broken_off(butler.transaction()):
            butler.put({}, NOTE, visit=2)
    assert str(butler.getURI(kept)) in events
    assert [ref.id for ref in butler.query_datasets(NOTE)] == [kept.id]
    assert butler.verify().is_clean


def test_the_real_call_flushes_a_file_system(tmp_path: Path) -> None:
    """More files than a few are flushed without an error; links among them are left alone."""
    names = [tmp_path / f"{number}" for number in range(N_MANY)]
    for name in names:
        name.write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    flushing.flush_all(map(str, names), [str(tmp_path)])
    flushing.flush_all([str(tmp_path / "link"), str(names[0])], [str(tmp_path)])
