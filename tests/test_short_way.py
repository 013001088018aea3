"""How far one call goes, and how many statements it takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

import butler as package
from butler import Butler
from butler.registry import Database

HOME = str(Path(package.__file__).parent)
MOST_FILES = 12
MOST_FUNCTIONS = 60


def walked(call: Callable[[], object]) -> set[tuple[str, int]]:
    """Return file and first line of each of our functions that a call passes through."""
    seen: set[tuple[str, int]] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(HOME):
            seen.add((code.co_filename.removeprefix(HOME), code.co_firstlineno))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return seen


def statements(call: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return by which methods a call asks the database."""
    asked: list[str] = []

    def counted(name: str) -> Callable[..., object]:
        ask = getattr(Database, name)

        def instead(*arguments: object) -> object:
            asked.append(name)
            return ask(*arguments)

        return instead

    with monkeypatch.context() as patch:
        for name in ("query", "execute", "run", "run_many"):
            patch.setattr(Database, name, counted(name))
        call()
    return asked


@pytest.fixture
def noted(butler: Butler) -> Butler:
    """Return a butler with a note of visit 1 that was read once."""
    butler.put({"a": 1}, "note", instrument="CAM", visit=1)
    butler.get("note", instrument="CAM", visit=1)
    return butler


def test_a_warm_get_walks_through_few_rooms(noted: Butler) -> None:
    """A get passes through few of our files and functions; a new layer on its way would be seen here."""
    seen = walked(lambda: noted.get("note", instrument="CAM", visit=1))
    files = sorted({file for file, _ in seen})
    assert len(files) <= MOST_FILES, files
    assert len(seen) <= MOST_FUNCTIONS, sorted(seen)


def test_a_warm_get_asks_one_question(noted: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dataset, run and file come with one statement; the others only ask whether anything has changed."""
    asked = statements(lambda: noted.get("note", instrument="CAM", visit=1), monkeypatch)
    assert asked == ["run"] * 4


def test_a_put_in_a_block_needs_no_compiled_statement(noted: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a second put asks and inserts goes by prepared statements."""
    with noted.transaction():
        noted.put({"a": 2}, "note", instrument="CAM", visit=2)
        asked = statements(lambda: noted.put({}, "note", instrument="CAM", visit=3), monkeypatch)
    assert set(asked) == {"run", "run_many"}
