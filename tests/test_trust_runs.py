"""Workers die at random, and once the coordinator: all is made once, whole, and of known origin."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from killed_run import RUN
from toy_pipeline import make_toy_repo, toy_graph_pipeline
from trust_scale import SEED, count

from butler import Butler
from connections import build_graph
from tasks.execution import QuantumReport, QuantumStatus, RunListener, RunOptions, run_graph

pytestmark = pytest.mark.trust

N_VISITS = count(sample=20, full=1000)
"""Half the number of quanta, but for the sum."""
N_KILLS = count(sample=3, full=60)
N_DASK_KILLS = count(sample=2, full=50)
PAUSE_S = count(sample=300, full=60) / 1000
"""Of each quantum, so that the few of a sample are not over before their workers are killed."""
DASK_PAUSE_S = 0.06
GROWN_S = 1.0
Record = Callable[[str, object], None]


def children_of(parent: int) -> list[int]:
    """Return the processes that a process has started and that run."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, above = place.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(above) == parent and state != "Z":
            found.append(int(place.parent.name))
    return found


def workers_of(coordinator: int) -> list[int]:
    """Return the worker processes of a coordinator: those that lead a group of their own."""
    below = [pid for child in children_of(coordinator) for pid in children_of(child)]
    return [pid for pid in below if _leads(pid)]


def _leads(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def start(root: Path) -> subprocess.Popen[bytes]:
    """Start a coordinator of four workers."""
    tests = Path(__file__).parent
    path = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    words = [sys.executable, str(tests / "killed_run.py"), str(root), "4", str(PAUSE_S)]
    return subprocess.Popen(words, env={**os.environ, "PYTHONPATH": path})


def kill_workers(coordinator: subprocess.Popen[bytes], chance: random.Random) -> Iterator[int]:
    """Kill one worker after another, at random times, as long as the coordinator runs."""
    seen: dict[int, float] = {}
    while coordinator.poll() is None:
        time.sleep(chance.uniform(0.05, 0.3))
        now = time.monotonic()
        # Where none lives long enough to begin, the coordinator gives up, and rightly.
        grown = [pid for pid in workers_of(coordinator.pid) if now - seen.setdefault(pid, now) > GROWN_S]
        if grown:
            try:
                os.kill(victim := chance.choice(grown), signal.SIGKILL)
            except ProcessLookupError:
                continue
            yield victim


def check_all_is_made(root: Path) -> None:
    """Check that each dataset is there once and whole, and that the registry knows what made it."""
    visits = list(range(1, N_VISITS + 1))
    with Butler(root, writeable=True) as butler:
        butler.verify(repair=True)
        assert butler.verify(checksums=True).is_clean
        made = {}
        for label, output in (("double", "doubled"), ("again", "twicedoubled")):
            for name in (output, f"{label}_metadata", f"{label}_log"):
                refs = butler.query_datasets(name, RUN)
                assert [ref.dataId["visit"] for ref in refs] == visits, name
                made |= {ref.id: ref for ref in refs}
                assert all(butler.get(ref) is not None for ref in refs)
        times = {"doubled": 2, "twicedoubled": 4}
        for name, factor in times.items():
            for ref in butler.query_datasets(name, RUN):
                assert butler.get(ref) == {"value": 10 * factor * ref.dataId["visit"]}
        for name in ("total", "sum_metadata", "sum_log"):
            [ref] = butler.query_datasets(name, RUN)
            made[ref.id] = ref
        assert butler.get("total", instrument="Cam", collections=RUN) == {"value": 40 * sum(visits)}
        makers = butler.registry.quanta.producers(list(made))
        assert makers.keys() == made.keys()
        known = {ref.id for ref in butler.query_datasets("number", "in")} | made.keys()
        for record in makers.values():
            assert record.status == "succeeded"
            read = [dataset.id for members in record.inputs.values() for dataset in members]
            assert len(read) == (N_VISITS if record.task.label == "sum" else 1)
            assert known.issuperset(read)


def test_workers_and_the_coordinator_are_killed(tmp_path: Path, record_property: Record) -> None:
    """After any number of dead workers, and a dead coordinator, a run that is resumed makes all."""
    root = tmp_path / "repo"
    make_toy_repo(root, range(1, N_VISITS + 1)).close()
    chance = random.Random(SEED)
    coordinator = start(root)
    kills = sum(1 for _ in itertools.islice(kill_workers(coordinator, chance), N_KILLS // 2))
    assert coordinator.poll() is None, "the run was over before its workers were killed"
    workers = workers_of(coordinator.pid)
    coordinator.kill()
    coordinator.wait()
    end = time.monotonic() + 20
    while any(_leads(pid) for pid in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(_leads(pid) for pid in workers), "workers outlive their coordinator"
    again = start(root)
    kills += sum(1 for _ in itertools.islice(kill_workers(again, chance), N_KILLS - kills))
    assert kills == N_KILLS, "the run was over before"
    assert again.wait() == 0
    record_property("kills of workers", kills)
    record_property("kills of the coordinator", 1)
    record_property("quanta", 2 * N_VISITS + 1)
    check_all_is_made(root)


def test_workers_of_dask_are_killed(tmp_path: Path, record_property: Record) -> None:
    """Dask's workers die, too, whenever some quanta have ended, and its nannies start others."""
    distributed = pytest.importorskip("distributed")
    import dask

    from tasks.execution.dask_executor import DaskExecutor

    root = tmp_path / "repo"
    butler = make_toy_repo(root, range(1, N_VISITS + 1))
    graph = build_graph(toy_graph_pipeline(DASK_PAUSE_S), butler, collections=["in"], run=RUN)
    chance = random.Random(SEED)
    step = len(graph.quanta) // (N_DASK_KILLS + 1)
    ended = kills = 0
    # A cluster of this machine gives a nanny up whose worker, killed again and again, is not back in time.
    patience = dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"})
    with (
        patience,
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
    ):

        def kill_sometimes(_: QuantumReport) -> None:
            nonlocal ended, kills
            ended += 1
            processes = [nanny.process for nanny in cluster.workers.values() if nanny.process is not None]
            # A nanny whose process dies before it has begun gives up.
            living = [process.pid for process in processes if process.status.name == "running"]
            if ended % step == 0 and living:
                os.kill(chance.choice(living), signal.SIGKILL)
                kills += 1

        options = RunOptions(retries=1000, retry_pause=0.0)
        executor = DaskExecutor(cluster.scheduler_address)
        listener = RunListener(on_report=kill_sometimes)
        report = run_graph(graph, butler, executor=executor, options=options, listener=listener)
    butler.close()
    failed = [(r.status, r.message) for r in report.reports if r.status is not QuantumStatus.SUCCEEDED]
    assert not failed
    assert kills >= N_DASK_KILLS
    record_property("kills of workers", kills)
    record_property("quanta", 2 * N_VISITS + 1)
    check_all_is_made(root)
