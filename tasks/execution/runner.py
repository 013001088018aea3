"""Run a quantum graph: in this process, or in worker processes."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial

from butler import Butler, DatasetRef
from butler.errors import ConflictingDefinitionError
from connections import GraphWalker, PipelineTaskNode, Quantum, QuantumGraph

from .packages import PACKAGES, keep_packages, versions_in_use
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
    save_versions: bool = True,
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
    save_versions
        Whether to keep the versions of all packages, and to compare them with those that the run has.
    on_report
        Called for each quantum that ended, for example to move a progress bar.

    Raises
    ------
    ValueError
        Raised if `processes` is less than 1.
    """
    if processes < 1:
        raise ValueError(f"processes must be at least 1, not {processes}")
    versions = versions_in_use(n.task_class_name for n in graph.pipeline.nodes) if save_versions else {}
    prepare_run(graph, butler, versions)
    run = _Run(graph, butler, QuantumBook(graph, versions))
    steps = run.serially() if processes == 1 else run.in_processes(processes)
    report = RunReport(graph.run)
    for step in steps:
        report.reports.append(step)
        on_report(step)
    return report


def prepare_run(graph: QuantumGraph, butler: Butler, versions: Mapping[str, str]) -> None:
    """Register the run and its dataset types; keep the config of each task, and versions if there are any.

    Raises
    ------
    ConflictingDefinitionError
        Raised if a dataset type is registered otherwise, or the run has another config for a task, or other
        versions.
    """
    with butler.transaction():
        butler.registry.registerRun(graph.run)
        for node in graph.pipeline.nodes:
            for kind in (*node.outputs.values(), node.metadata_type, node.config_type):
                butler.registry.registerDatasetType(kind)
            _keep_config(node, graph.run, butler)
        if versions:
            butler.registry.registerDatasetType(PACKAGES)
            keep_packages(versions, graph.run, butler)


def _keep_config(node: PipelineTaskNode, run: str, butler: Butler) -> None:
    """Write the config of a task, or compare it with the one that the run has."""
    kind, values = node.config_type, node.config.to_simple()
    if not butler.exists(kind, collections=run):
        butler.put({"task": node.task_class_name, "config": values}, kind, run=run)
        return
    known = butler.get(kind, collections=run)["config"]
    if known != values:
        changed = sorted(k for k in known.keys() | values.keys() if known.get(k) != values.get(k))
        raise ConflictingDefinitionError(
            f"run {run!r} was made with another config of {node.label}: {', '.join(changed)} differ; "
            "use another run"
        )


class _Run:
    """The state of one run: what is ready, and which files exist."""

    def __init__(self, graph: QuantumGraph, butler: Butler, book: QuantumBook) -> None:
        self._graph = graph
        self._book = book
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
        return QuantumJob(node, quantum, records, metadata_ref)

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
