"""Whenever a writer is killed, the repository is as before, or as the writer would have left it."""

from __future__ import annotations

import random
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from trust_crash import DONE, Kill, count_steps, run_killed
from trust_laboratory import Laboratory, files_in, state_of
from trust_scale import SEED, count, some
from trust_scenarios import OTHERS, SCENARIOS, damage

from butler import Butler

pytestmark = pytest.mark.trust

N_STEPS = count(sample=2, full=10_000)
N_TIMES = count(sample=1, full=20)
N_SIZES = count(sample=1, full=10)
MEMORY = Path("/dev/shm")
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    """Return a laboratory in memory where possible: a kill does not care what a disk does."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as work:
        yield Laboratory(Path(work), Path(work) / "base")


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
        exit_code = run_killed(name, base, Kill(step=step))
        assert exit_code == -signal.SIGKILL
        laboratory.check_aftermath(name)
    record_property("kills", len(steps))


@pytest.mark.parametrize("name", some(SCENARIOS, 4))
def test_kill_after_any_time(laboratory: Laboratory, name: str, record_property: Record) -> None:
    """A writer dies at a random instant, also in the middle of a commit."""
    chance = random.Random(f"{SEED} {name}")
    duration = laboratory.course(name).duration
    n_kills = 0
    for _ in range(N_TIMES):
        delay = chance.uniform(0, 0.7 * duration)
        base = laboratory.fresh()
        exit_code = run_killed(name, base, Kill(delay_s=delay))
        assert exit_code in (DONE, -signal.SIGKILL)
        n_kills += exit_code != DONE
        laboratory.check_aftermath(name)
    record_property("kills", n_kills)


@pytest.mark.parametrize("name", some(SCENARIOS, 4))
def test_kill_within_a_file(laboratory: Laboratory, name: str, record_property: Record) -> None:
    """A writer dies when a file that it writes, or the registry's, has reached some size."""
    chance = random.Random(f"{SEED} {name}")
    laboratory.course(name)
    n_kills = 0
    for _ in range(N_SIZES):
        size = int(10 ** chance.uniform(1, 5.6))
        base = laboratory.fresh()
        exit_code = run_killed(name, base, Kill(size=size))
        assert exit_code in (DONE, -signal.SIGXFSZ)
        n_kills += exit_code != DONE
        laboratory.check_aftermath(name)
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
        exit_code = run_killed("repair", base, Kill(step=step))
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
        exit_code = run_killed("create", base, Kill(step=step))
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
        exit_code = run_killed(name, base, Kill(step=step))
        assert exit_code == -signal.SIGKILL
        for path, found in files_in(base / "taken").items():
            assert path.endswith(".part") or found == whole[path]
        assert state_of(base) == laboratory.before
    record_property("kills", len(steps))
