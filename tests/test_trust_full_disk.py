"""A disk without room, and one that is read-only: a clear error, nothing half-done, no lasting harm."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from trust_crash import DONE, Kill, run_writer
from trust_laboratory import Laboratory, read_all, state_of
from trust_scale import SEED, count, some
from trust_scenarios import SCENARIOS

from butler import Butler
from butler.cli import main
from butler.errors import ButlerUserError, ReadOnlyButlerError

pytestmark = pytest.mark.trust

N_TRIED = count(sample=1, full=12)
DISK_SIZE = "4m"
BALLAST = "ballast"
NO_ROOM = ("No space left on device", "disk is full", "File too large", "disk I/O error")
Record = Callable[[str, object], None]


def mount(directory: Path, *words: str) -> None:
    """Mount a file system in memory, or change how it is mounted; a test that cannot is skipped."""
    command = ["mount", "-t", "tmpfs", *words, "tmpfs", str(directory)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode != 0:
        pytest.skip(f"no small file system can be mounted: {done.stderr.strip()}")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the directory of a small file system."""
    directory = tmp_path_factory.mktemp("disk")
    mount(directory, "-o", f"size={DISK_SIZE}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.fixture(scope="module")
def laboratory(disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    return Laboratory(tmp_path_factory.mktemp("laboratory"), disk / "base")


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """Return a laboratory on a disk with room."""
    directory = tmp_path_factory.mktemp("ordinary")
    return Laboratory(directory, directory / "base")


def fill(disk: Path, room: int) -> None:
    """Take all but some bytes of a disk."""
    status = os.statvfs(disk)
    (disk / BALLAST).write_bytes(bytes(max(0, status.f_bavail * status.f_bsize - room)))


def check_refusal(error: str) -> None:
    """Check that an error says in one line that there is no room."""
    assert any(sign in error for sign in NO_ROOM), error
    assert "\n" not in error


@pytest.mark.parametrize("name", some(SCENARIOS, 5))
def test_a_disk_fills_up(laboratory: Laboratory, disk: Path, name: str, record_property: Record) -> None:
    """However little room is left, all is done or nothing; with room again, it can be done."""
    chance = random.Random(f"{SEED} {name}")
    laboratory.course(name)
    n_refused = 0
    for _ in range(N_TRIED):
        base = laboratory.fresh()
        fill(disk, int(10 ** chance.uniform(3, 5.3)))
        try:
            outcome = run_writer(name, base, Kill())
        finally:
            (disk / BALLAST).unlink()
        assert outcome.exit_code == DONE
        if outcome.error:
            n_refused += 1
            check_refusal(outcome.error)
        assert laboratory.check_aftermath(name) is not bool(outcome.error)
    record_property("writes tried", N_TRIED)
    record_property("refused", n_refused)


@pytest.mark.parametrize("name", some(SCENARIOS, 5))
def test_files_that_may_not_grow(ordinary: Laboratory, name: str, record_property: Record) -> None:
    """The same, where files, and the registry's, are refused beyond some size."""
    chance = random.Random(f"{SEED} {name}")
    ordinary.course(name)
    n_refused = 0
    for _ in range(N_TRIED):
        base = ordinary.fresh()
        outcome = run_writer(name, base, Kill(room=int(10 ** chance.uniform(1, 5.6))))
        assert outcome.exit_code == DONE
        if outcome.error:
            n_refused += 1
            check_refusal(outcome.error)
        assert ordinary.check_aftermath(name) is not bool(outcome.error)
    record_property("writes tried", N_TRIED)
    record_property("refused", n_refused)


@pytest.mark.parametrize("name", some(SCENARIOS, 5))
def test_a_disk_that_is_read_only(laboratory: Laboratory, disk: Path, name: str) -> None:
    """A repository that nobody can write is read as ever; a writer is refused before it begins."""
    base = laboratory.fresh()
    mount(disk, "-o", "remount,ro")
    try:
        read_all(base / "repository")
        with pytest.raises(ReadOnlyButlerError, match="cannot be written"):
            Butler(base / "repository", writeable=True)
        with Butler(base / "repository") as butler, pytest.raises(ButlerUserError, match="read-only"):
            SCENARIOS[name](butler, base)
    finally:
        mount(disk, "-o", f"remount,rw,size={DISK_SIZE}")
    assert state_of(base) == laboratory.before


def test_commands_on_a_full_disk(laboratory: Laboratory, disk: Path) -> None:
    """A command says in one line that there is no room."""
    root = laboratory.fresh() / "repository"
    fill(disk, 0)
    try:
        words = ["register-dataset-type", str(root), "late", "StructuredDataDict", "visit"]
        result = CliRunner().invoke(main, words)
    finally:
        (disk / BALLAST).unlink()
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    check_refusal(result.output.strip())
    assert state_of(laboratory.base) == laboratory.before
