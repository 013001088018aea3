"""Quanta on the workers of a Dask cluster: the same outputs, and the same reports, as anywhere else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_pipeline import make_toy_repo
from trying_tasks import trying_pipeline

from butler import Butler
from connections import build_graph
from tasks.errors import WorkerError
from tasks.execution import (
    QuantumStatus,
    RunListener,
    RunOptions,
    RunProgress,
    RunReport,
    RunSetup,
    run_graph,
)
from tasks.execution.dask_executor import DaskExecutor

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
S = QuantumStatus


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Return the scheduler of a cluster of two workers, whose places wait for those that come back slowly.

    Without that, Dask gives up a place 15 s after its worker died, and runs then wait for workers for ever.
    """
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
    ):
        yield cluster.scheduler_address


@pytest.fixture
def butler(tmp_path: Path) -> Butler:
    return make_toy_repo(tmp_path / "repo")


def execute(
    butler: Butler,
    executor: DaskExecutor,
    ways: dict[int, str],
    folder: Path | None = None,
    memory: int | None = None,
) -> RunReport:
    graph = build_graph(trying_pipeline(ways, folder, and_sum=True), butler, collections=["in"], run="out")
    return run_graph(graph, butler, executor=executor, options=RunOptions(retries=0, memory=memory))


def statuses(report: RunReport) -> list[QuantumStatus]:
    visits = {dict(r.quantum.dataId.required).get("visit", 99): r.status for r in report.reports}
    return [visits[visit] for visit in sorted(visits)]


def test_everything_runs_on_a_cluster(butler: Butler, address: str) -> None:
    """The coordinator registers what Dask's workers have written; a failure has its words."""
    report = execute(butler, DaskExecutor(address), {2: "no_work"})
    assert statuses(report) == [S.SUCCEEDED, S.NO_WORK, S.SUCCEEDED, S.SUCCEEDED, S.SUCCEEDED]
    assert butler.get("total", instrument="Cam", collections="out") == {"value": 160}
    assert butler.verify().is_clean


def test_failures_on_a_cluster(butler: Butler, address: str) -> None:
    """What cannot be sent as an exception, and what ends a worker, is told as from our own workers."""
    report = execute(butler, DaskExecutor(address), {1: "unspeakable", 3: "quit=3"})
    assert statuses(report) == [S.FAILED, S.SUCCEEDED, S.KILLED, S.SUCCEEDED, S.BLOCKED]
    assert butler.verify().is_clean


def test_what_waits_behind_a_failure_does_not_fail(butler: Butler) -> None:
    """Dask holds the deaths of the only worker against all that it had; what ended it is told alone."""
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"}),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
    ):
        report = execute(butler, DaskExecutor(cluster.scheduler_address), {2: "quit=3", 4: "die=SIGKILL"})
    assert statuses(report) == [S.SUCCEEDED, S.KILLED, S.SUCCEEDED, S.KILLED, S.BLOCKED]
    assert butler.verify().is_clean


def test_a_quantum_that_takes_too_long(butler: Butler, address: str, tmp_path: Path) -> None:
    """Its worker ends itself, and Dask does not run it again."""
    report = execute(butler, DaskExecutor(address, timeout=6.0), {2: "sleep=300"}, tmp_path)
    assert statuses(report) == [S.SUCCEEDED, S.TIMED_OUT, S.SUCCEEDED, S.SUCCEEDED, S.BLOCKED]
    assert butler.verify().is_clean


def test_a_quantum_that_stops_its_worker_altogether(butler: Butler, address: str) -> None:
    """One that lets no other thread run is ended, too, told as what it is, and not run once more."""
    report = execute(butler, DaskExecutor(address, timeout=4.0), {3: "hold"})
    assert statuses(report) == [S.SUCCEEDED, S.SUCCEEDED, S.TIMED_OUT, S.SUCCEEDED, S.BLOCKED]
    assert butler.verify().is_clean


def test_memory_of_a_quantum_on_a_cluster(butler: Butler, address: str) -> None:
    """What takes more than it may fails alone, and its worker lives on."""
    report = execute(butler, DaskExecutor(address), {1: "hoard"}, memory=300 * 10**6)
    assert statuses(report) == [S.OUT_OF_MEMORY, S.SUCCEEDED, S.SUCCEEDED, S.SUCCEEDED, S.BLOCKED]
    assert butler.verify().is_clean


def test_two_runs_share_a_cluster(butler: Butler, address: str, tmp_path: Path) -> None:
    """What a second coordinator brings to the workers while the first one's quanta run is not theirs."""
    other = make_toy_repo(tmp_path / "other")
    graph = build_graph(trying_pipeline({}), butler, collections=["in"], run="out")
    second = DaskExecutor(address)
    progress: list[RunProgress] = []

    def begin(told: RunProgress) -> None:
        if not progress:
            second.start(RunSetup({}, other.datastore))
        progress.append(told)

    listener = RunListener(on_progress=begin)
    assert run_graph(graph, butler, executor=DaskExecutor(address), listener=listener).succeeded
    second.close()
    assert progress[0].running < 4
    assert not Path(other.datastore.locate("out")).exists()


def test_workers_that_cannot_be_used(butler: Butler) -> None:
    """Several quanta in one process are refused, and so is a scheduler that is not there."""
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, dashboard_address=":0", processes=False
        ) as cluster,
        pytest.raises(WorkerError, match="nthreads 1"),
    ):
        execute(butler, DaskExecutor(cluster.scheduler_address), {})


def test_a_cluster_whose_workers_come_late(
    butler: Butler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A run waits for workers, and says so."""
    monkeypatch.setattr("tasks.execution.dask_executor._ALONE_S", 0.2)
    with distributed.LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0") as cluster:
        bringing = threading.Timer(1.0, cluster.scale, [1])
        bringing.start()
        report = execute(butler, DaskExecutor(cluster.scheduler_address), {})
        bringing.join()
    assert report.succeeded
    assert "has had no workers" in caplog.text


def test_a_cluster_of_the_run_whose_workers_are_gone(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could bring new ones: the run ends with an error, and what it began is swept away."""
    monkeypatch.setattr("tasks.execution.dask_executor._ALONE_S", 0.2)
    with pytest.raises(WorkerError, match="have died"):
        execute(butler, DaskExecutor(processes=0), {})
    assert butler.verify().is_clean
