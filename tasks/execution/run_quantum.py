"""Run one quantum: the one place where a failure becomes a record."""

from __future__ import annotations

import logging
import resource
import time
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from butler import ButlerUserError, DatasetRef
from butler.datastore import FileDatastore, StagedFile
from butler.registry import FileRecord
from butler.task_metadata import TaskMetadata
from connections import NoWorkFound, PipelineTaskNode, Quantum

from .make_task import make_task
from .quantum_context import QuantumContext

__all__ = ["QuantumJob", "QuantumReport", "QuantumStatus", "run_quantum"]

_LOG = logging.getLogger(__name__)


class QuantumStatus(StrEnum):
    """How a quantum ended."""

    SUCCEEDED = "succeeded"
    NO_WORK = "no work"
    """There was nothing to do; counts as a success without outputs."""
    FAILED = "failed"
    BLOCKED = "blocked"
    """Never ran: a quantum before it failed."""


@dataclass(frozen=True)
class QuantumJob:
    """Everything that it takes to run a quantum in any process.

    Parameters
    ----------
    node
        The task.
    quantum
        What to run it on.
    records
        Files of the inputs that exist.
    metadata_ref
        Dataset for the metadata.
    init_inputs
        Objects that the task needs when it is made, by connection.
    """

    node: PipelineTaskNode
    quantum: Quantum
    records: Mapping[uuid.UUID, FileRecord]
    metadata_ref: DatasetRef
    init_inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class QuantumReport:
    """What became of a quantum.

    Parameters
    ----------
    quantum
        The quantum.
    status
        How it ended.
    message
        Reason, one line; empty for a success.
    details
        Traceback of a failure.
    staged
        Files that were written and wait to be registered.
    begin_ns
        When it began, nanoseconds since 1970-01-01 UTC; 0 if it never did.
    duration
        Seconds that it took.
    """

    quantum: Quantum
    status: QuantumStatus
    message: str = ""
    details: str = ""
    staged: tuple[tuple[DatasetRef, StagedFile], ...] = ()
    begin_ns: int = 0
    duration: float = 0.0


def run_quantum(job: QuantumJob, datastore: FileDatastore) -> QuantumReport:
    """Run a quantum and return its report; a failure of the task raises nothing.

    Parameters
    ----------
    job
        What to run.
    datastore
        Where to read and write files.
    """
    context = QuantumContext(job.quantum, job.node.connections, datastore, job.records)
    usage = _Usage()
    try:
        task = make_task(job.node, job.init_inputs)
        status, message = QuantumStatus.SUCCEEDED, ""
        try:
            _require_inputs(job, context)
            task.runQuantum(context, context.input_refs(), context.output_refs())
        except NoWorkFound as reason:
            context.discard()
            status, message = QuantumStatus.NO_WORK, str(reason)
        metadata = _metadata(job, task.getFullMetadata(), usage, context, status, message)
        context.staged.append((job.metadata_ref, datastore.stage(metadata, job.metadata_ref)))
    except KeyboardInterrupt:
        context.discard()
        raise
    except Exception as error:
        context.discard()
        kind = "" if isinstance(error, ButlerUserError) else f"{type(error).__name__}: "
        lines = (str(error).strip() or type(error).__name__).splitlines()
        _LOG.debug("%s failed", job.quantum, exc_info=True)
        details = "".join(traceback.format_exception(error))
        status, message = QuantumStatus.FAILED, f"{kind}{lines[0]}"
    else:
        details = ""
    return QuantumReport(
        job.quantum, status, message, details, tuple(context.staged), usage.begin_ns, usage.seconds()
    )


def _require_inputs(job: QuantumJob, context: QuantumContext) -> None:
    """Raise `NoWorkFound` if quanta before this one left too few inputs."""
    refs = context.input_refs()
    for name, connection in job.node.connections.inputs.items():
        given = refs.get(name, [])
        count = len(given) if isinstance(given, list) else 1
        if count < connection.minimum:
            raise NoWorkFound(f"no {connection.name} was made")


class _Usage:
    """Clocks started when a quantum starts."""

    def __init__(self) -> None:
        self._wall, self._cpu, self.begin_ns = time.perf_counter(), time.process_time(), time.time_ns()

    def seconds(self) -> float:
        """Return the seconds since then."""
        return time.perf_counter() - self._wall

    def to_simple(self) -> dict[str, Any]:
        """Return start (seconds since 1970 UTC), wall and CPU seconds, and peak memory in kiB."""
        return {
            "startUtc": self.begin_ns / 1e9,
            "wallTime": self.seconds(),
            "cpuTime": time.process_time() - self._cpu,
            "maxResidentSetSize": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }


def _metadata(
    job: QuantumJob,
    task_metadata: TaskMetadata,
    usage: _Usage,
    context: QuantumContext,
    status: QuantumStatus,
    message: str,
) -> TaskMetadata:
    """Return the metadata dataset: the task's own, and which datasets came from which."""
    task_metadata["quantum"] = {
        "id": str(job.quantum.id),
        "status": status.value,
        "message": message,
        "inputs": {
            name: [str(ref.id) for ref in refs if ref.id in job.records]
            for name, refs in job.quantum.inputs.items()
        },
        "outputs": [str(ref.id) for ref, _ in context.staged],
        **usage.to_simple(),
    }
    return task_metadata
