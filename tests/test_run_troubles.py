"""Whatever a task does, its quantum gets a true report, the others run, and nothing half done is left."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_pipeline import VISITS, make_toy_repo
from trying_tasks import TryingTask, trying_pipeline

from butler import Butler
from connections import Pipeline, build_graph
from tasks.errors import WorkerError
from tasks.execution import (
    QuantumCaveats,
    QuantumReport,
    QuantumStatus,
    RunListener,
    RunOptions,
    RunReport,
    run_graph,
)

S = QuantumStatus
SILENT = RunListener()


@pytest.fixture
def butler(tmp_path: Path) -> Butler:
    return make_toy_repo(tmp_path / "repo")


def execute(
    butler: Butler,
    ways: dict[int, str],
    processes: int = 1,
    listener: RunListener = SILENT,
    folder: Path | None = None,
    **options: Any,
) -> RunReport:
    graph = build_graph(trying_pipeline(ways, folder, and_sum=True), butler, collections=["in"], run="out")
    settings = RunOptions(**{"retries": 0, "retry_pause": 0.01, **options})
    report = run_graph(graph, butler, processes=processes, options=settings, listener=listener)
    assert sorted(r.quantum.id for r in report.reports) == sorted(q.id for q in graph.quanta)
    json.dumps(report.to_simple(graph))
    assert len(report.to_text().splitlines()) > 2
    assert butler.verify().is_clean
    return report


def of_visit(report: RunReport, visit: int) -> QuantumReport:
    [found] = [r for r in report.reports if dict(r.quantum.dataId.required).get("visit") == visit]
    return found


def all_statuses(report: RunReport) -> list[QuantumStatus]:
    return [of_visit(report, visit).status for visit in VISITS]


ODD = [
    ("unspeakable", S.FAILED, "_UnspeakableError", 1),
    ("interrupt", S.FAILED, "KeyboardInterrupt", 1),
    ("generator", S.FAILED, "GeneratorExit: why not", 1),
    ("system_exit", S.FAILED, "SystemExit: 3", 1),
    ("repeatable", S.FAILED, "does not converge", 20),
    ("partial", S.FAILED, "ValueError: a bad corner", 1),
]


@pytest.mark.parametrize(
    ("processes", "way", "status", "message", "code"),
    [*((1, *case) for case in ODD), *((2, *case) for case in ODD[:2])],
)
def test_an_odd_exception_is_a_failure(
    butler: Butler, processes: int, way: str, status: QuantumStatus, message: str, code: int
) -> None:
    """Whatever is raised ends its quantum alone, with its class, its message and a traceback."""
    report = execute(butler, {2: way}, processes)
    failure = of_visit(report, 2)
    assert (failure.status, failure.message, failure.exit_code) == (status, message, code)
    assert "Traceback" in failure.details
    assert all_statuses(report) == [S.SUCCEEDED, S.FAILED, S.SUCCEEDED, S.SUCCEEDED]
    assert report.counts()["sum"] == {S.BLOCKED: 1}
    assert report.exit_code == 1
    log = butler.get("trying_log", instrument="Cam", visit=2, collections="out")
    assert log[-1].levelname == "ERROR"
    assert "Traceback" in log[-1].exc_info
    assert not butler.query_datasets("trying_metadata", "out", where="visit = 2", explain=False)


def test_successes_with_caveats(butler: Butler) -> None:
    """A task that writes nothing, has no work, or data that nothing can be made of, is told apart."""
    report = execute(butler, {1: "nothing", 2: "no_work", 3: "unprocessable"})
    missing = QuantumCaveats.ANY_MISSING | QuantumCaveats.ALL_MISSING
    nothing = of_visit(report, 1)
    assert (nothing.status, nothing.caveats) == (S.PARTIAL, missing)
    assert nothing.message == "wrote none of 1 outputs, doubled missing"
    assert of_visit(report, 2).caveats == missing | QuantumCaveats.NO_WORK == 7
    assert of_visit(report, 3).caveats.concise() == "*D"
    assert report.exit_code == 0
    assert butler.get("total", instrument="Cam", collections="out") == {"value": 80}
    metadata = butler.get("trying_metadata", instrument="Cam", visit=2, collections="out")
    assert (metadata["quantum.caveats"], metadata["quantum.status"]) == (7, "no work")
    assert "partial: trying {" in report.to_text()


def test_partial_outputs_can_be_a_success(butler: Butler) -> None:
    """What was written before an AnnotatedPartialOutputsError is kept if that is wanted."""
    report = execute(butler, {2: "partial"}, raise_on_partial_outputs=False)
    told = of_visit(report, 2)
    assert (told.status, told.caveats) == (S.PARTIAL, QuantumCaveats.PARTIAL_OUTPUTS_ERROR)
    assert told.message == "ValueError: a bad corner"
    assert butler.get("doubled", instrument="Cam", visit=2, collections="out") == {"value": 1}


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("quit=0", "exit status 0"),
        ("quit=7", "exit status 7"),
        ("die=SIGSEGV", "SIGSEGV"),
        ("half", "SIGKILL"),
    ],
)
def test_a_worker_that_ends_is_told_and_replaced(butler: Butler, way: str, told: str) -> None:
    """The quantum that ended its worker is killed, the others go on, and no half-written file is left."""
    report = execute(butler, {2: way}, 2)
    killed = of_visit(report, 2)
    assert killed.status is S.KILLED
    assert told in killed.message
    assert all_statuses(report) == [S.SUCCEEDED, S.KILLED, S.SUCCEEDED, S.SUCCEEDED]


def test_a_quantum_that_hangs_is_killed_with_all_that_it_started(butler: Butler, tmp_path: Path) -> None:
    """After the time limit the worker is gone, and so is its child."""
    begin = time.monotonic()
    report = execute(butler, {3: "hang"}, timeout=4, folder=tmp_path)
    assert time.monotonic() - begin < 40
    assert of_visit(report, 3).status is S.TIMED_OUT
    assert "4 s" in of_visit(report, 3).message
    assert all_statuses(report).count(S.SUCCEEDED) == 3
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_memory_is_limited_and_a_leak_is_told(butler: Butler) -> None:
    """What takes too much fails alone; what keeps memory is told, and its worker replaced in time."""
    report = execute(butler, {1: "hoard", 2: "leak"}, memory=500 * 10**6)
    assert of_visit(report, 1).status is S.OUT_OF_MEMORY
    assert all_statuses(report).count(S.SUCCEEDED) == 3
    assert of_visit(report, 2).memory_kept > 35 * 10**6
    assert of_visit(report, 4).memory_kept < 10 * 10**6
    assert "out of memory: trying" in report.to_text()


@pytest.mark.parametrize(("failures", "status"), [(2, S.SUCCEEDED), (3, S.FAILED)])
def test_what_may_pass_is_tried_again(
    butler: Butler, tmp_path: Path, failures: int, status: QuantumStatus
) -> None:
    """A broken connection is worth as many retries as are allowed; the log tells of the earlier attempts."""
    report = execute(butler, {2: f"recover={failures}"}, folder=tmp_path, retries=2)
    assert (of_visit(report, 2).status, of_visit(report, 2).attempt) == (status, 3)
    assert report.retries == 2
    log = butler.get("trying_log", instrument="Cam", visit=2, collections="out")
    assert sum("the server was busy" in r.message and "before" in r.message for r in log) == 2


def test_what_will_not_pass_is_not_tried_again(butler: Butler) -> None:
    """An ordinary failure is none to be repeated."""
    report = execute(butler, {2: "system_exit", 3: "repeatable"}, retries=5)
    assert (of_visit(report, 2).attempt, of_visit(report, 3).attempt, report.retries) == (1, 1, 0)


def test_a_killed_worker_is_worth_another_attempt(butler: Butler) -> None:
    """A death may have come from outside; but a quantum that kills each worker is given up."""
    report = execute(butler, {2: "die=SIGKILL"}, 2, retries=2)
    assert (of_visit(report, 2).status, of_visit(report, 2).attempt) == (S.KILLED, 3)


def test_files_that_are_gone_before_they_are_registered_are_written_again(butler: Butler) -> None:
    """Whoever sweeps up between a quantum's end and its registration costs it an attempt."""
    swept: list[Path] = []

    def sweep_once(_: object) -> None:
        if not swept:
            swept.extend(butler.root.rglob("*.part"))
            for path in swept:
                path.unlink()

    report = execute(butler, {}, listener=RunListener(on_progress=sweep_once), retries=1)
    assert swept
    assert report.succeeded
    assert report.retries == 1


@pytest.mark.parametrize(("way", "code"), [("system_exit", 1), ("repeatable", 20), ("invalid", 21)])
def test_fail_fast(butler: Butler, way: str, code: int) -> None:
    """Nothing is started after the first failure, and the exit status is LSST's."""
    report = execute(butler, {2: way}, fail_fast=True)
    assert all_statuses(report) == [S.SUCCEEDED, S.FAILED, S.NOT_RUN, S.NOT_RUN]
    assert report.exit_code == code


def test_an_invalid_quantum_ends_the_run(butler: Butler) -> None:
    """Also without failing fast."""
    report = execute(butler, {2: "invalid"})
    assert (all_statuses(report)[2], report.exit_code) == (S.NOT_RUN, 21)


def press_when(exists: Path, times: int) -> Callable[[], None]:
    """Return what presses Ctrl-C once a file exists."""

    def wait() -> None:
        while not exists.exists():
            time.sleep(0.01)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    return wait


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c(butler: Butler, tmp_path: Path, processes: int, times: int) -> None:
    """Once: what runs is finished and kept. Twice: it is dropped at once. Signals work as before after it."""
    ways = dict.fromkeys(VISITS, "sleep=1" if times == 1 else "sleep=30")
    told: list[str] = []
    listener = RunListener(on_interruption=lambda: told.append("once"))
    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=press_when(tmp_path / "begun-1", times))
    thread.start()
    begin = time.monotonic()
    report = execute(butler, ways, processes, listener, tmp_path)
    thread.join()
    assert time.monotonic() - begin < 40
    assert signal.getsignal(signal.SIGINT) is before
    assert (told, report.is_interrupted, report.exit_code) == (["once"], True, 130)
    begun = len(list(tmp_path.glob("begun-*"))) if times == 1 else 0
    assert all_statuses(report).count(S.SUCCEEDED) == begun
    assert all_statuses(report).count(S.NOT_RUN) == len(VISITS) - begun
    assert len(butler.query_datasets("doubled", "out", explain=False)) == begun


def test_logs_hold_what_was_said_and_print_no_more_than_before(
    butler: Butler, capfd: pytest.CaptureFixture[str]
) -> None:
    """Messages of a quantum are kept with its name, in any process; the terminal gets warnings as before."""
    execute(butler, {1: "nothing"}, 2)
    log = butler.get("trying_log", instrument="Cam", visit=2, collections="out")
    assert [r.message for r in log] == ["visit 2 does well", "all is well with 2"]
    assert all("visit: 2" in r.MDC["LABEL"] for r in log)
    warned = butler.get("trying_log", instrument="Cam", visit=1, collections="out")
    assert any(r.name == "py.warnings" and "nothing is written" in r.message for r in warned)
    printed = capfd.readouterr().err
    assert "does well" not in printed


def test_a_task_that_cannot_be_sent_ends_the_run(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no worker could read is refused in words."""
    graph = build_graph(trying_pipeline({}), butler, collections=["in"], run="out")
    [node] = graph.pipeline.nodes
    monkeypatch.setattr(type(node.config), "__module__", "no_such_module")
    with pytest.raises(WorkerError, match="cannot be sent"):
        run_graph(graph, butler, processes=2)


def test_a_task_that_workers_do_not_have_is_a_failure(
    butler: Butler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each quantum of it says what is missing."""
    module = tmp_path / "passing_module.py"
    module.write_text("from trying_tasks import TryingTask as Base\nclass PassingTask(Base):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    values = {"description": "gone", "tasks": {"gone": "passing_module:PassingTask"}}
    graph = build_graph(Pipeline.from_values(values), butler, collections=["in"], run="out")
    module.unlink()
    report = run_graph(graph, butler, processes=2)
    assert [r.message.partition(" (")[0] for r in report.failures] == [
        "cannot import task 'passing_module:PassingTask'"
    ] * len(VISITS)
    assert butler.verify().is_clean


def test_a_task_for_one_process_is_not_run_in_two(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before anything is written; one process runs it."""
    graph = build_graph(trying_pipeline({}), butler, collections=["in"], run="out")
    monkeypatch.setattr(TryingTask, "canMultiprocess", False)
    with pytest.raises(
        WorkerError, match=r"trying cannot run in several processes at once: use one \(-j 1\)"
    ):
        run_graph(graph, butler, processes=2)
    assert "out" not in butler.collections.query("*")
    assert run_graph(graph, butler).succeeded


def test_workers_that_cannot_start_end_the_run(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not replaced for ever."""
    graph = build_graph(trying_pipeline({}), butler, collections=["in"], run="out")
    monkeypatch.setattr("tasks.execution.worker_pool.serve", unable_to_serve)
    with pytest.raises(WorkerError, match="die when they start"):
        run_graph(graph, butler, processes=2)
    assert butler.verify().is_clean


def unable_to_serve(connection: Any, cores: int) -> None:
    """End before anything was said."""
    os._exit(3)
