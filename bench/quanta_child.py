"""One run of the benchmark of the runner, in a process of its own: ours at some place, or the peer's.

It prints quanta counted, wall seconds, CPU seconds of this process and of those below it, and the seconds
until the first quantum began. Modules are imported late: worker processes import this file, too.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

_SETTLED = 50
"""Quanta that have ended when the clock starts: tasks are imported by then, and all workers run."""
_SHARED = {"instrument": "Cam", "physical_filter": "Cam-i", "day_obs": 20260101}


class Clock:
    """Times what lies between two moments of a run."""

    def __init__(self) -> None:
        self._begin: tuple[int, float, float, float] | None = None
        self._end = (0, 0.0, 0.0, 0.0)

    def heed(self, n_ended: int, n_total: int) -> None:
        """Note a moment if it is the first after `_SETTLED` quanta, or that after all of them."""
        if self._begin is None and n_ended >= _SETTLED:
            self._begin = self._moment(n_ended)
        if n_ended == n_total:
            self._end = self._moment(n_ended)

    @property
    def elapsed(self) -> tuple[int, float, float, float]:
        """Quanta, wall seconds, and CPU seconds of this process and of those below it."""
        assert self._begin is not None, "enough quanta were run"
        n, wall, cpu, below = (end - begin for end, begin in zip(self._end, self._begin, strict=True))
        return int(n), wall, cpu, below

    @staticmethod
    def _moment(n_ended: int) -> tuple[int, float, float, float]:
        import psutil

        below = 0.0
        for process in psutil.Process().children(recursive=True):
            times = process.cpu_times()
            below += times.user + times.system
        return n_ended, time.perf_counter(), time.process_time(), below


def measure(place: str, root: Path, n_quanta: int) -> None:
    """Run the graph of our repository in process, in workers, or on a cluster of Dask."""
    from butler import Butler
    from connections import Pipeline, build_graph
    from tasks.execution import Executor, RunListener, run_graph

    make(root, n_quanta)
    with Butler(root, writeable=True) as butler:
        pipeline = Pipeline.from_values({"description": "copies", "tasks": {"copy": "quanta_task:CopyTask"}})
        graph = build_graph(pipeline, butler, collections=["in"], run="out")
        executor: Executor | None = None
        if place == "dask":
            from tasks.execution.dask_executor import DaskExecutor

            executor = DaskExecutor(processes=2)
        clock = Clock()
        ended = 0

        def told(_: Any) -> None:
            nonlocal ended
            ended += 1
            if ended == n_quanta:
                clock.heed(ended, n_quanta)

        listener = RunListener(
            on_report=told, on_progress=lambda progress: clock.heed(progress.ended, n_quanta)
        )
        processes = 1 if place == "in process" else 2
        report = run_graph(graph, butler, processes=processes, executor=executor, listener=listener)
        begin_ns = time.time_ns() - int(report.elapsed * 1e9)
    if report.failures or len(report.reports) != n_quanta:
        raise SystemExit(f"not all quanta succeeded: {report.failures[:1]}")
    first = min(quantum.begin_ns for quantum in report.reports)
    print(*clock.elapsed, (first - begin_ns) / 1e9)


def make(root: Path, n_visits: int) -> None:
    """Make a repository of ours with a small dataset for each visit."""
    from butler import Butler, DatasetRef, DatasetType

    Butler.makeRepo(root)
    with Butler(root, writeable=True) as butler:
        registry = butler.registry
        for element, rows in rows_of(n_visits).items():
            registry.insertDimensionData(element, *rows)
        registry.registerRun("in")
        kind = DatasetType("number", ("instrument", "visit"), "StructuredDataDict")
        registry.registerDatasetType(kind)
        ids = ({"instrument": "Cam", "visit": visit} for visit in range(1, n_visits + 1))
        butler.put_many(({"value": data_id["visit"]}, DatasetRef(kind, data_id, "in")) for data_id in ids)


def rows_of(n_visits: int) -> dict[str, list[dict[str, Any]]]:
    """Return dimension records."""
    visits = [{**_SHARED, "id": visit, "name": str(visit)} for visit in range(1, n_visits + 1)]
    return {
        "instrument": [{"name": "Cam", "visit_max": 10**7, "exposure_max": 10**7, "detector_max": 1}],
        "physical_filter": [{"instrument": "Cam", "name": "Cam-i", "band": "i"}],
        "day_obs": [{"instrument": "Cam", "id": 20260101}],
        "visit": visits,
    }


def measure_peer(root: Path, n_quanta: int) -> None:
    """Run the same graph with LSST's executor in process, quantum by quantum, with a full butler."""
    from lsst.pipe.base.single_quantum_executor import SingleQuantumExecutor

    graph, writer = make_peer(root, n_quanta)
    executor = SingleQuantumExecutor(butler=writer)
    clock = Clock()
    for n_ended, node in enumerate(graph, 1):
        executor.execute(node.task_node, node.quantum)
        clock.heed(n_ended, n_quanta)
    check_peer(writer, n_quanta)
    print(*clock.elapsed, 0.0)


def measure_peer_workers(root: Path, n_quanta: int) -> None:
    """Run it with LSST's executor of two processes, which starts a new one for each quantum."""
    from lsst.pipe.base.mp_graph_executor import MPGraphExecutor
    from lsst.pipe.base.single_quantum_executor import SingleQuantumExecutor

    graph, writer = make_peer(root, n_quanta)
    alone = SingleQuantumExecutor(butler=writer)
    executor = MPGraphExecutor(num_proc=2, timeout=3600.0, quantum_executor=alone)
    wall, cpu = time.perf_counter(), time.process_time()
    executor.execute(graph)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    check_peer(writer, n_quanta)
    # Each of its processes has ended: all that they took is known.
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(n_quanta, wall, cpu, ended.ru_utime + ended.ru_stime, 0.0)


def make_peer(root: Path, n_quanta: int) -> tuple[Any, Any]:
    """Make a repository of LSST's; return the graph, and a butler that writes its run."""
    from lsst.daf.butler import Butler, DatasetType
    from lsst.pipe.base import Pipeline
    from lsst.pipe.base.all_dimensions_quantum_graph_builder import AllDimensionsQuantumGraphBuilder

    Butler.makeRepo(str(root))
    butler = Butler.from_config(str(root), writeable=True)
    registry = butler.registry
    for element, rows in rows_of(n_quanta).items():
        registry.insertDimensionData(element, *rows)
    registry.registerRun("in")
    kind = DatasetType("number", ("instrument", "visit"), "StructuredDataDict", universe=butler.dimensions)
    registry.registerDatasetType(kind)
    for visit in range(1, n_quanta + 1):
        butler.put({"value": visit}, kind, instrument="Cam", visit=visit, run="in")
    pipeline = Pipeline("copies")
    pipeline.addTask("quanta_peer_task.CopyTask", "copy")
    pipeline_graph = pipeline.to_graph()
    builder = AllDimensionsQuantumGraphBuilder(
        pipeline_graph, butler, input_collections=["in"], output_run="out"
    )
    graph = builder.build(attach_datastore_records=False)
    registry.registerRun("out")
    graph.pipeline_graph.register_dataset_types(butler)
    return graph, Butler.from_config(str(root), writeable=True, run="out", collections=["in"])


def check_peer(writer: Any, n_quanta: int) -> None:
    """End with an error if LSST's executor has not made everything."""
    writer.registry.refresh()
    if len(set(writer.registry.queryDatasets("copied", collections="out"))) != n_quanta:
        raise SystemExit("not all quanta succeeded")


if __name__ == "__main__":
    which, repository, number = sys.argv[1:]
    if which == "peer":
        measure_peer(Path(repository), int(number))
    elif which == "peer workers":
        measure_peer_workers(Path(repository), int(number))
    else:
        measure(which, Path(repository), int(number))
