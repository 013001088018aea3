"""Whenever a writer is killed, the repository is as before, or as the writer would have left it."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from repository_snapshot import REGISTRY, snapshot
from trust_crash import DONE, Kill, count_steps, run_killed
from trust_scale import SEED, count
from trust_scenarios import OTHERS, SCENARIOS, damage, make_base

from butler import Butler
from butler.errors import ArtifactMissingError, ConflictingDefinitionError, MissingCollectionError

pytestmark = pytest.mark.trust

N_STEPS = count(sample=2, full=10_000)
N_TIMES = count(sample=1, full=20)
N_SIZES = count(sample=1, full=10)
MEMORY = Path("/dev/shm")
Record = Callable[[str, object], None]


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
    return State(rows, files, files_in(base / "incoming") | files_in(base / "exported"))


def files_in(directory: Path) -> dict[str, bytes]:
    """Return the bytes of all files by path."""
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory.parent).as_posix(): path.read_bytes() for path in paths}


class Laboratory:
    """Copies of one prepared directory, and what each writer makes of it."""

    def __init__(self, work: Path) -> None:
        self.template, self.base = work / "template", work / "base"
        make_base(self.template)
        self.before = state_of(self.template)
        self._courses: dict[str, Course] = {}

    def fresh(self) -> Path:
        """Return a copy of the prepared directory; the one before is gone."""
        shutil.rmtree(self.base, ignore_errors=True)
        shutil.copytree(self.template, self.base, symlinks=True)
        return self.base

    def course(self, name: str) -> Course:
        """Return what a writer does if nobody kills it."""
        if name not in self._courses:
            base = self.fresh()
            begin = time.monotonic()
            n_steps = count_steps(name, base)
            self._courses[name] = Course(state_of(base), n_steps, time.monotonic() - begin)
            with Butler(base / "repository") as butler:
                assert butler.verify().is_clean
        return self._courses[name]


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    """Return a laboratory in memory where possible: a kill does not care what a disk does."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as work:
        yield Laboratory(Path(work))


def read_all(root: Path) -> None:
    """Read each dataset that has a file."""
    with Butler(root) as reader:
        stored = reader.registry.files.all()
        refs = reader.get_many_datasets(stored)
        assert len(refs) == len(stored)
        for ref in refs:
            reader.get(ref)


def check_aftermath(laboratory: Laboratory, name: str, base: Path) -> None:
    """Check all that is promised after a kill."""
    before, after = laboratory.before, laboratory.course(name).after
    root = base / "repository"
    read_all(root)
    whole = before.files | after.files
    for path, found in snapshot(root).files.items():
        assert path.endswith(".part") or found == whole[path]
    with Butler(root, writeable=True) as butler:
        report = butler.verify(repair=True)
        assert not report.missing
        assert not report.damaged
        assert butler.verify().is_clean
    left = state_of(base)
    done = left.rows == after.rows
    assert done or left.rows == before.rows
    assert left.files == (after.files if done else before.files)
    # A file that is moved is removed where it was once it is sure to be here.
    assert left.sources.items() >= (after.sources if done else before.sources).items()
    assert left.sources.items() <= before.sources.items()
    works_again(name, base, done=done)
    assert state_of(base).rows == after.rows


def works_again(name: str, base: Path, *, done: bool) -> None:
    """Do what the writer was about to do."""
    refused = (ConflictingDefinitionError, ArtifactMissingError, MissingCollectionError) if done else ()
    with Butler(base / "repository", writeable=True) as butler, contextlib.suppress(*refused):
        SCENARIOS[name](butler, base)


def some_steps(name: str, n_steps: int) -> list[int]:
    """Return the steps to try: as many as are wanted, or all."""
    return random.Random(f"{SEED} {name}").sample(range(n_steps), min(N_STEPS, n_steps))


@pytest.mark.parametrize("name", SCENARIOS)
def test_kill_before_each_step(laboratory: Laboratory, name: str, record_property: Record) -> None:
    """A writer dies just before each thing that others could see."""
    steps = some_steps(name, laboratory.course(name).n_steps)
    assert len(steps) > 1
    for step in steps:
        base = laboratory.fresh()
        exit_code, _ = run_killed(name, base, Kill(step=step))
        assert exit_code == -signal.SIGKILL
        check_aftermath(laboratory, name, base)
    record_property("kills", len(steps))


@pytest.mark.parametrize("name", SCENARIOS)
def test_kill_after_any_time(laboratory: Laboratory, name: str, record_property: Record) -> None:
    """A writer dies at a random instant, also in the middle of a commit."""
    chance = random.Random(f"{SEED} {name}")
    n_kills = 0
    for _ in range(N_TIMES):
        delay = chance.uniform(0, 0.7 * laboratory.course(name).duration)
        base = laboratory.fresh()
        exit_code, _ = run_killed(name, base, Kill(delay_s=delay))
        assert exit_code in (DONE, -signal.SIGKILL)
        n_kills += exit_code != DONE
        check_aftermath(laboratory, name, base)
    record_property("kills", n_kills)


@pytest.mark.parametrize("name", SCENARIOS)
def test_kill_within_a_file(laboratory: Laboratory, name: str, record_property: Record) -> None:
    """A writer dies when a file that it writes, or the registry's, has reached some size."""
    chance = random.Random(f"{SEED} {name}")
    laboratory.course(name)
    n_kills = 0
    for _ in range(N_SIZES):
        size = int(10 ** chance.uniform(0, 4.7))
        base = laboratory.fresh()
        exit_code, _ = run_killed(name, base, Kill(size=size))
        assert exit_code in (DONE, -signal.SIGXFSZ)
        n_kills += exit_code != DONE
        check_aftermath(laboratory, name, base)
    record_property("kills", n_kills)


def test_kill_of_a_repair(laboratory: Laboratory, record_property: Record) -> None:
    """A repair that dies is done by the next one."""

    def damaged() -> Path:
        damage(laboratory.fresh())
        return laboratory.base

    n_steps = count_steps("repair", damaged())
    after = state_of(laboratory.base)
    steps = some_steps("repair", n_steps)
    for step in steps:
        base = damaged()
        exit_code, _ = run_killed("repair", base, Kill(step=step))
        assert exit_code == -signal.SIGKILL
        with Butler(base / "repository", writeable=True) as butler:
            butler.verify(repair=True)
            assert butler.verify().is_clean
        assert state_of(base) == after
    record_property("kills", len(steps))


def test_kill_of_a_creation(laboratory: Laboratory, record_property: Record) -> None:
    """A repository is there whole, or can be made."""
    steps = some_steps("create", count_steps("create", laboratory.fresh()))
    for step in steps:
        base = laboratory.fresh()
        exit_code, _ = run_killed("create", base, Kill(step=step))
        assert exit_code == -signal.SIGKILL
        if not (base / "made" / "butler.yaml").exists():
            Butler.makeRepo(base / "made")
        with Butler(base / "made", run="r") as butler:
            assert butler.collections.query() == ["r"]
            assert butler.verify().is_clean
    record_property("kills", len(steps))


@pytest.mark.parametrize("name", ["retrieve", "export"])
def test_kill_of_a_reader_that_writes(laboratory: Laboratory, name: str, record_property: Record) -> None:
    """What is brought out of a repository has its name once it is whole."""
    assert name in OTHERS
    steps = some_steps(name, count_steps(name, laboratory.fresh()))
    whole = files_in(laboratory.base / "taken")
    assert len(whole) >= 4
    for step in steps:
        base = laboratory.fresh()
        exit_code, _ = run_killed(name, base, Kill(step=step))
        assert exit_code == -signal.SIGKILL
        for path, found in files_in(base / "taken").items():
            assert path.endswith(".part") or found == whole[path]
        assert state_of(base) == laboratory.before
    record_property("kills", len(steps))
