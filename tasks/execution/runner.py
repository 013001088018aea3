"""Run a quantum graph: in this process, or in worker processes."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial

from butler import Butler, DatasetRef
from connections import GraphWalker, Quantum, QuantumGraph

from .init_outputs import InitOptions, PreparedRun, prepare_run
from .quantum_book import QuantumBook
from .run_quantum import QuantumJob, QuantumReport, QuantumStatus, run_quantum

__all__ = ["RunReport", "run_graph"]


@dataclass
class RunReport:
    """What became of a graph.

    Parameters
    ----------
    run
        RUN of the outputs.
    reports
        Reports of all quanta, in the order in which they ended.
    """

    run: str
    reports: list[QuantumReport] = field(default_factory=list)

    @property
    def failures(self) -> list[QuantumReport]:
        """Reports of the quanta that failed."""
        return [r for r in self.reports if r.status is QuantumStatus.FAILED]

    @property
    def succeeded(self) -> bool:
        """Whether no quantum failed."""
        return not self.failures

    def counts(self) -> dict[str, Counter[QuantumStatus]]:
        """Return how many quanta of each task ended how."""
        counts: dict[str, Counter[QuantumStatus]] = {}
        for report in self.reports:
            counts.setdefault(report.quantum.label, Counter())[report.status] += 1
        return counts


def run_graph(
    graph: QuantumGraph,
    butler: Butler,
    *,
    processes: int = 1,
    init: InitOptions | None = None,
    on_report: Callable[[QuantumReport], None] = lambda report: None,
) -> RunReport:
    """Run all quanta of a graph; the failure of one does not stop the others.

    Only this process writes the registry, each finished quantum in one transaction.

    Parameters
    ----------
    graph
        The plan.
    butler
        A writeable butler.
    processes
        Number of worker processes; 1 runs everything in this one.
    init
        What the init phase may write; everything by default.
    on_report
        Called for each quantum that ended, for example to move a progress bar.

    Raises
    ------
    ValueError
        Raised if `processes` is less than 1.
    """
    if processes < 1:
        raise ValueError(f"processes must be at least 1, not {processes}")
    run = _Run(graph, butler, prepare_run(graph, butler, init))
    steps = run.serially() if processes == 1 else run.in_processes(processes)
    report = RunReport(graph.run)
    for step in steps:
        report.reports.append(step)
        on_report(step)
    return report


class _Run:
    """The state of one run: what is ready, and which files exist."""

    def __init__(self, graph: QuantumGraph, butler: Butler, prepared: PreparedRun) -> None:
        self._graph = graph
        self._book = QuantumBook(graph, prepared.versions)
        self._init_inputs = prepared.init_inputs
        self._butler = butler
        self._nodes = {node.label: node for node in graph.pipeline.nodes}
        self._walker = GraphWalker(graph)
        self._records = butler.registry.files.get(graph.existing_inputs())

    def serially(self) -> Iterator[QuantumReport]:
        """Run quantum by quantum in this process."""
        ready = self._walker.next_ready()
        while ready:
            quantum = ready.pop(0)
            yield from self._ended(run_quantum(self._job(quantum), self._butler.datastore))
            ready += self._walker.next_ready()

    def in_processes(self, processes: int) -> Iterator[QuantumReport]:
        """Run in worker processes that stay alive for the whole graph."""
        with _pool(processes) as pool:
            pending: dict[Future[QuantumReport], Quantum] = {}
            while True:
                for quantum in self._walker.next_ready():
                    pending[self._submit(pool, quantum)] = quantum
                if not pending:
                    return
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from self._ended(_result(future, pending.pop(future)))

    def _submit(self, pool: Executor, quantum: Quantum) -> Future[QuantumReport]:
        try:
            return pool.submit(run_quantum, self._job(quantum), self._butler.datastore)
        except BrokenProcessPool as error:
            failed: Future[QuantumReport] = Future()
            failed.set_exception(error)
            return failed

    def _job(self, quantum: Quantum) -> QuantumJob:
        """Return what a worker needs for a quantum, out of whose way everything has been removed."""
        if old := self._graph.replaced.get(quantum.id):
            self._butler.pruneDatasets(old, disassociate=True, unstore=True, purge=True)
        node = self._nodes[quantum.label]
        records = {ref.id: self._records[ref.id] for ref in quantum.input_refs() if ref.id in self._records}
        metadata_ref = DatasetRef(node.metadata_type, quantum.dataId, self._graph.run)
        return QuantumJob(node, quantum, records, metadata_ref, self._init_inputs.get(node.label, {}))

    def _ended(self, report: QuantumReport) -> Iterator[QuantumReport]:
        """Register what a quantum wrote; yield its report, and those of quanta that it blocks."""
        self._butler.store_staged(report.staged, [self._book.record(report, self._records)])
        if report.status is not QuantumStatus.FAILED:
            self._records |= {ref.id: staged.record for ref, staged in report.staged}
            self._walker.finish(report.quantum)
            yield report
            return
        yield report
        reason = f"{report.quantum} failed"
        blocked = [QuantumReport(q, QuantumStatus.BLOCKED, reason) for q in self._walker.fail(report.quantum)]
        self._butler.store_staged((), [self._book.record(b, {}) for b in blocked])
        yield from blocked


def _pool(processes: int) -> ProcessPoolExecutor:
    threads = max(1, (os.cpu_count() or 1) // processes)
    # Workers are forked from a clean process that has imported this package, and so start in milliseconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([run_quantum.__module__])
    return ProcessPoolExecutor(
        processes,
        mp_context=context,
        initializer=partial(_limit_threads, threads),
    )


def _limit_threads(threads: int) -> None:
    """Have the numerical libraries of a worker share the machine with the other workers."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)


def _result(future: Future[QuantumReport], quantum: Quantum) -> QuantumReport:
    """Return the report of a future; a worker that died makes a failure."""
    try:
        return future.result()
    except BrokenProcessPool:
        return QuantumReport(
            quantum, QuantumStatus.FAILED, "a worker process died (killed, or out of memory); run it again"
        )
