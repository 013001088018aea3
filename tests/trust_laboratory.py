"""A prepared repository to be spoilt again and again, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from repository_snapshot import REGISTRY, snapshot
from trust_crash import count_steps
from trust_scenarios import SCENARIOS, make_base

from butler import Butler
from butler.errors import ArtifactMissingError, ConflictingDefinitionError, MissingCollectionError

__all__ = ["Course", "Laboratory", "State", "files_in", "state_of"]


class State(NamedTuple):
    """What a repository holds, without the times of registration; and the files to ingest."""

    rows: dict[str, list[tuple[Any, ...]]]
    files: dict[str, bytes]
    sources: dict[str, bytes]


class Course(NamedTuple):
    """What a writer leaves if nobody kills it, how many steps it takes, and how long, seconds."""

    after: State
    n_steps: int
    duration: float


def state_of(base: Path) -> State:
    """Read what is under a base, past the code under test."""
    root = base / "repository"
    rows, files = snapshot(root)
    with closing(sqlite3.connect(root / REGISTRY)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(dataset)")]
    dated = columns.index("ingest_date")
    rows["dataset"] = [(*row[:dated], *row[dated + 1 :]) for row in rows["dataset"]]
    # A random number that changes with the dataset types and collections, for those who remember these.
    rows["butler_attributes"] = [row for row in rows["butler_attributes"] if row[0] != "catalog_mark"]
    return State(rows, files, files_in(base / "incoming") | files_in(base / "exported"))


def files_in(directory: Path) -> dict[str, bytes]:
    """Return the bytes of all files by path."""
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory.parent).as_posix(): path.read_bytes() for path in paths}


class Laboratory:
    """Copies of one prepared directory, and what each writer makes of it.

    Parameters
    ----------
    work
        Directory for all that is not spoilt.
    base
        Directory to be made for each writer anew.
    """

    def __init__(self, work: Path, base: Path) -> None:
        self.base = base
        self._template = work / "template"
        make_base(self._template)
        self.before = state_of(self._template)
        self._courses: dict[str, Course] = {}

    def fresh(self) -> Path:
        """Return a copy of the prepared directory; the one before is gone."""
        shutil.rmtree(self.base, ignore_errors=True)
        shutil.copytree(self._template, self.base, symlinks=True)
        return self.base

    def course(self, name: str) -> Course:
        """Return what a writer does if nobody disturbs it; to be asked before it is disturbed."""
        if name not in self._courses:
            base = self.fresh()
            begin = time.monotonic()
            n_steps = count_steps(name, base)
            duration = time.monotonic() - begin
            self._courses[name] = Course(state_of(base), n_steps, duration)
            with Butler(base / "repository") as butler:
                assert butler.verify().is_clean
        return self._courses[name]

    def check_aftermath(self, name: str) -> bool:
        """Check all that is promised after a kill or a refusal; return whether the writer's work was done."""
        before, after = self.before, self._courses[name].after
        root = self.base / "repository"
        read_all(root)
        whole = before.files | after.files
        for path, found in snapshot(root).files.items():
            # What an inner block would have taken back is not in the course.
            assert path.endswith(".part") or found == whole.get(path, found)
        with Butler(root, writeable=True) as butler:
            report = butler.verify(repair=True)
            assert not report.missing
            assert not report.damaged
            assert butler.verify().is_clean
        left = state_of(self.base)
        done = left.rows == after.rows
        assert done or left.rows == before.rows
        assert left.files == (after.files if done else before.files)
        # A file that is moved is removed where it was once it is sure to be here.
        assert left.sources.items() >= (after.sources if done else before.sources).items()
        assert left.sources.items() <= before.sources.items()
        works_again(name, self.base, done=done)
        assert state_of(self.base).rows == after.rows
        return done


def read_all(root: Path) -> None:
    """Read each dataset that has a file."""
    with Butler(root) as reader:
        stored = reader.registry.files.all()
        refs = reader.get_many_datasets(stored)
        assert len(refs) == len(stored)
        for ref in refs:
            reader.get(ref)


def works_again(name: str, base: Path, *, done: bool) -> None:
    """Do what the writer was about to do."""
    refused = (ConflictingDefinitionError, ArtifactMissingError, MissingCollectionError) if done else ()
    with Butler(base / "repository", writeable=True) as butler, contextlib.suppress(*refused):
        SCENARIOS[name](butler, base)
