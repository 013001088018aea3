"""Run a quantum graph: in this process, in worker processes, or wherever an executor runs quanta."""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from contextlib import suppress

from butler import Butler, DatasetRef
from butler.errors import ButlerError
from connections import Quantum, QuantumGraph
from connections.task_class import load_task

from ..errors import WorkerError
from .executor import Executor
from .failures import INVALID_EXIT
from .in_process import InProcessExecutor
from .init_outputs import InitOptions, PreparedRun, prepare_run
from .interruption import Interruption, StopNow
from .quantum_book import QuantumBook
from .quantum_job import QuantumJob, RunSetup
from .quantum_report import QuantumReport
from .quantum_status import QuantumStatus
from .registrar import Registrar
from .run_options import RunListener, RunOptions
from .run_progress import RunProgress
from .run_report import RunReport
from .scheduler import Scheduler
from .worker_pool import WorkerPool

__all__ = ["run_graph"]


def run_graph(
    graph: QuantumGraph,
    butler: Butler,
    *,
    processes: int = 1,
    init: InitOptions | None = None,
    options: RunOptions | None = None,
    executor: Executor | None = None,
    listener: RunListener | None = None,
) -> RunReport:
    """Run all quanta of a graph; the failure of one does not stop the others.

    Only this process writes the registry, each finished quantum in one transaction. In the main thread,
    Ctrl-C ends the run once the quanta that run are finished; a second one, or SIGTERM, at once. In either
    case what is finished is kept, and nothing is left of the others.

    Parameters
    ----------
    graph
        The plan.
    butler
        A writeable butler.
    processes
        Number of worker processes; 1 runs everything in this one, unless there is a limit of time, memory or
        threads to be enforced.
    init
        What the init phase may write; everything by default.
    options
        Retries, limits, and what counts as a failure; the defaults of `RunOptions` if not given.
    executor
        Where quanta are run, instead of `processes`; it is closed in the end.
    listener
        Who is told.

    Raises
    ------
    ValueError
        Raised if `processes` is less than 1.
    ConflictingDefinitionError, MissingDatasetTypeError, MissingPrerequisiteError, TaskError
        Raised if the run cannot be prepared; see `prepare_run`.
    WorkerError
        Raised if quanta cannot be run there at all, or a task cannot in several processes at once.
    """
    if processes < 1:
        raise ValueError(f"processes must be at least 1, not {processes}")
    if processes > 1 and (alone := _tasks_for_one_process(graph)):
        raise WorkerError(f"{', '.join(alone)} cannot run in several processes at once: use one (-j 1)")
    options = options or RunOptions()
    prepared = prepare_run(graph, butler, init)
    place = executor or _executor_for(processes, options)
    return _Run(graph, butler, prepared, options, listener or RunListener()).walk(place, processes)


def _tasks_for_one_process(graph: QuantumGraph) -> list[str]:
    """Return the labels of tasks that say so of themselves."""
    classes = {node.label: load_task(node.task_class_name) for node in graph.pipeline.nodes}
    return [label for label, task in classes.items() if not getattr(task, "canMultiprocess", True)]


def _executor_for(processes: int, options: RunOptions) -> Executor:
    if processes == 1 and (options.timeout, options.memory, options.cores) == (None, None, None):
        return InProcessExecutor()
    return WorkerPool(processes, timeout=options.timeout, start_method=options.start_method)


class _Run:
    """The state of one run."""

    def __init__(
        self,
        graph: QuantumGraph,
        butler: Butler,
        prepared: PreparedRun,
        options: RunOptions,
        listener: RunListener,
    ) -> None:
        self._graph = graph
        self._butler = butler
        self._options = options
        self._listener = listener
        self._nodes = {node.label: node for node in graph.pipeline.nodes}
        self._init_inputs = prepared.init_inputs
        self._records = butler.registry.files.get(graph.existing_inputs())
        self._scheduler = Scheduler(graph, retries=options.retries, pause=options.retry_pause)
        self._registrar = Registrar(butler, QuantumBook(graph, prepared.versions))
        self._history: dict[uuid.UUID, tuple[str, ...]] = {}
        self._report = RunReport(graph.run, is_fail_fast=options.fail_fast)
        self._counts: Counter[QuantumStatus] = Counter()
        self._begin = time.monotonic()

    def walk(self, executor: Executor, processes: int) -> RunReport:
        """Run everything; return what became of it."""
        cores = self._options.cores or max(1, (os.cpu_count() or 1) // processes)
        setup = RunSetup(
            self._nodes,
            self._butler.datastore,
            cores,
            self._options.memory,
            self._options.raise_on_partial_outputs,
            self._options.log_level,
            self._init_inputs,
        )
        with Interruption(self._interrupted) as interruption:
            try:
                self._sweep()
                executor.start(setup)
                while not self._scheduler.is_over:
                    self._step(executor)
            except StopNow:
                interruption.ignore()
                self._report.is_interrupted = True
                executor.kill()
            except BaseException:
                interruption.ignore()
                executor.kill()
                raise
            finally:
                self._registrar.discard()
                executor.close()
        for quantum in self._scheduler.left():
            self._tell(QuantumReport(quantum, QuantumStatus.NOT_RUN, "the run was ended before"))
        self._report.elapsed = time.monotonic() - self._begin
        return self._report

    def _sweep(self) -> None:
        """Remove what an earlier coordinator of the run has left of these quanta when it was killed."""
        outputs = (ref for quantum in self._graph.quanta for ref in self._written(quantum))
        self._butler.datastore.sweep(outputs, self._butler.registry.files.taken)

    def _written(self, quantum: Quantum) -> tuple[DatasetRef, ...]:
        """Return all that a quantum is to write; metadata and log come last."""
        node, run = self._nodes[quantum.label], self._graph.run
        kinds = (node.metadata_type, node.log_type)
        return (*quantum.output_refs(), *(DatasetRef(kind, quantum.dataId, run) for kind in kinds))

    def _step(self, executor: Executor) -> None:
        """Start what can be started, and take in what has ended."""
        now = time.monotonic()
        while executor.room and (quantum := self._scheduler.take(now)) is not None:
            executor.submit(self._job(quantum))
        self._listener.on_progress(self._progress())
        if self._scheduler.n_out:
            for report in executor.wait(self._patience(now)):
                self._take_in(report)
        else:
            time.sleep(self._patience(now) or 0.0)
        now = time.monotonic()
        idle = executor.room and not self._scheduler.has_ready(now)
        if self._registrar.due is not None and (idle or self._registrar.due <= now):
            for report, is_kept in self._registrar.register(self._records):
                self._end(report, is_kept)

    def _patience(self, now: float) -> float | None:
        """Return for how long the executor may be silent."""
        times = [t for t in (self._scheduler.next_due(), self._registrar.due) if t is not None]
        return max(0.0, min(times) - now) if times else None

    def _job(self, quantum: Quantum) -> QuantumJob:
        """Return what it takes to run a quantum, out of whose way everything has been removed."""
        if (old := self._graph.replaced.get(quantum.id)) and self._scheduler.attempt(quantum) == 1:
            self._butler.pruneDatasets(old, disassociate=True, unstore=True, purge=True)
        *_, metadata, log = self._written(quantum)
        return QuantumJob(
            quantum,
            {ref.id: self._records[ref.id] for ref in quantum.input_refs() if ref.id in self._records},
            metadata,
            log,
            self._scheduler.attempt(quantum),
            self._history.get(quantum.id, ()),
        )

    def _take_in(self, report: QuantumReport) -> None:
        """Have a quantum that ended wait for its registration, or for another attempt."""
        if report.is_transient and self._try_again(report):
            report.discard()
            return
        self._stop_after(report)
        self._registrar.add(report, time.monotonic())

    def _try_again(self, report: QuantumReport) -> bool:
        if not self._scheduler.retry(report.quantum, time.monotonic()):
            return False
        key = report.quantum.id
        self._history[key] = (*self._history.get(key, ()), report.message)
        self._report.retries += 1
        return True

    def _end(self, report: QuantumReport, is_kept: bool) -> None:
        """Go on after a quantum that is registered, or was refused."""
        quantum = report.quantum
        if report.status.is_success:
            self._records |= {ref.id: staged.record for ref, staged in report.staged}
            self._scheduler.finish(quantum)
            self._tell(report)
            return
        # What is refused only now may be possible in a moment.
        if report.is_transient and self._try_again(report):
            return
        reason = f"{quantum} failed"
        blocked = [QuantumReport(q, QuantumStatus.BLOCKED, reason) for q in self._scheduler.fail(quantum)]
        with suppress(ButlerError):
            # A registry that has refused the quantum may refuse that, too; the report is told in any case.
            self._registrar.keep(blocked if is_kept else [report, *blocked])
        self._tell(report, *blocked)
        self._stop_after(report)

    def _stop_after(self, report: QuantumReport) -> None:
        """Start nothing more if this is a failure that is to end the run."""
        if report.status.is_failure and (self._options.fail_fast or report.exit_code == INVALID_EXIT):
            self._scheduler.stop()

    def _tell(self, *reports: QuantumReport) -> None:
        for report in reports:
            self._report.reports.append(report)
            self._counts[report.status] += 1
            self._listener.on_report(report)

    def _interrupted(self) -> None:
        self._scheduler.stop()
        self._report.is_interrupted = True
        self._listener.on_interruption()

    def _progress(self) -> RunProgress:
        counts = self._counts
        return RunProgress(
            len(self._graph.quanta),
            self._scheduler.n_out - self._registrar.n_waiting,
            sum(count for status, count in counts.items() if status.is_success),
            sum(count for status, count in counts.items() if status.is_failure),
            counts[QuantumStatus.BLOCKED],
            time.monotonic() - self._begin,
        )
