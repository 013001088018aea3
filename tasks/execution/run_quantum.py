"""Run one quantum: the one place where a failure becomes a record."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from butler import DatasetRef
from butler.log_records import ButlerLogRecords
from butler.task_metadata import TaskMetadata
from connections import NoWorkFound, Quantum
from connections.adjusting import adjust_quantum

from ..errors import AnnotatedPartialOutputsError, UnprocessableDataError, UpstreamFailureNoWorkFound
from ..usage import Usage
from .failures import details_of, exit_code_of, is_transient, message_of
from .interruption import StopNow
from .make_task import make_task
from .memory import private_memory
from .quantum_context import ExecutionResources, QuantumContext
from .quantum_job import QuantumJob, RunSetup
from .quantum_log import add_silently, captured_log
from .quantum_report import QuantumReport
from .quantum_status import QuantumCaveats, QuantumStatus

__all__ = ["run_quantum"]

_LOG = logging.getLogger(__name__)
_VERSION = 1
"""Of the metadata's form."""


def run_quantum(
    job: QuantumJob, setup: RunSetup, on_failure: Callable[[BaseException], None] | None = None
) -> QuantumReport:
    """Run a quantum and return its report; a failure of the task raises nothing.

    Parameters
    ----------
    job
        What to run.
    setup
        What it shares with other quanta.
    on_failure
        Called with the error of a failure before anything is cleared away, for a debugger.
    """
    return _Attempt(job, setup).report(on_failure)


@dataclass(frozen=True)
class _Ending:
    """How a task ended."""

    status: QuantumStatus = QuantumStatus.SUCCEEDED
    message: str = ""
    caveats: QuantumCaveats = QuantumCaveats.NONE
    error: BaseException | None = None


class _Attempt:
    """One attempt at a quantum, from the search of its inputs to its report."""

    def __init__(self, job: QuantumJob, setup: RunSetup) -> None:
        self._job = job
        self._setup = setup
        self._node = setup.nodes[job.quantum.label]
        self._memory = private_memory()
        self._stages = {"prep": Usage.now()}
        self._metadata = TaskMetadata()
        self._context = self._context_of(job.quantum)

    def report(self, on_failure: Callable[[BaseException], None] | None) -> QuantumReport:
        """Run, write metadata and log, and tell what became of it."""
        with captured_log(str(self._job.quantum), self._setup.log_level) as log:
            for message in self._job.history:
                add_silently(log, logging.WARNING, f"an attempt before this one failed: {message}")
            try:
                ending = self._made(on_failure)
            except StopNow:
                self._context.discard()
                raise
            except BaseException as error:
                # Tasks raise what they like; also SystemExit, or a KeyboardInterrupt that no key has caused.
                ending = _failure(error)
                # Kept, not printed: whoever runs the quantum tells of it.
                add_silently(log, logging.ERROR, f"{self._job.quantum} failed: {ending.message}", error)
        if ending.error is not None:
            self._context.discard()
        self._stage_log(log)
        return self._told(ending)

    def _made(self, on_failure: Callable[[BaseException], None] | None) -> _Ending:
        """Run, and write metadata."""
        try:
            ending = self._run()
            self._stage_metadata(ending)
        except StopNow:
            raise
        except BaseException as error:
            if on_failure is not None:
                on_failure(error)
            raise
        return ending

    def _run(self) -> _Ending:
        """Make the task and run it."""
        try:
            self._adjust()
        except NoWorkFound as reason:
            missing = QuantumCaveats.ANY_MISSING | QuantumCaveats.ALL_MISSING
            caveats = missing | QuantumCaveats.NO_WORK | QuantumCaveats.ADJUST_RAISED
            return _Ending(QuantumStatus.NO_WORK, str(reason), caveats)
        context = self._context
        self._stages["init"] = Usage.now()
        task = make_task(self._node, self._setup.init_inputs.get(self._node.label, {}))
        self._stages["start"] = Usage.now()
        ending = _Ending()
        try:
            task.runQuantum(context, context.input_refs(), context.output_refs())
        except NoWorkFound as reason:
            context.discard()
            ending = _Ending(QuantumStatus.NO_WORK, str(reason), _caveats_of(reason))
        except AnnotatedPartialOutputsError as error:
            if self._setup.raise_on_partial_outputs:
                raise (error.__cause__ or error) from None
            caveat = QuantumCaveats.PARTIAL_OUTPUTS_ERROR
            ending = _Ending(QuantumStatus.PARTIAL, message_of(error.__cause__ or error), caveat)
        self._metadata = task.getFullMetadata()
        return self._completeness(ending)

    def _adjust(self) -> None:
        """Ask the task again if inputs that were planned were never made; `NoWorkFound` if too few were."""
        quantum, records = self._job.quantum, self._job.records
        if all(ref.id in records for ref in quantum.input_refs()):
            return
        made = {name: [ref for ref in refs if ref.id in records] for name, refs in quantum.inputs.items()}
        inputs, outputs = adjust_quantum(
            self._node.connections, made, quantum.outputs, quantum.label, quantum.dataId
        )
        self._context = self._context_of(replace(quantum, inputs=inputs, outputs=outputs))

    def _context_of(self, quantum: Quantum) -> QuantumContext:
        setup = self._setup
        resources = ExecutionResources(setup.cores, setup.memory)
        return QuantumContext(quantum, self._node.connections, setup.datastore, self._job.records, resources)

    def _completeness(self, ending: _Ending) -> _Ending:
        """Return how a task ended that wrote some of its outputs, or none."""
        written = {ref.id for ref, _ in self._context.staged}
        expected = list(self._context.quantum.output_refs())
        missing = [ref for ref in expected if ref.id not in written]
        if not missing:
            return ending
        caveats = ending.caveats | QuantumCaveats.ANY_MISSING
        if len(missing) == len(expected):
            caveats |= QuantumCaveats.ALL_MISSING
        if ending.status is QuantumStatus.NO_WORK:
            return replace(ending, caveats=caveats)
        names = ", ".join(sorted({ref.datasetType.name for ref in missing}))
        amount = "none" if len(missing) == len(expected) else f"{len(expected) - len(missing)}"
        told = f"wrote {amount} of {len(expected)} outputs, {names} missing"
        message = f"{ending.message}; {told}" if ending.message else told
        return replace(ending, status=QuantumStatus.PARTIAL, message=message, caveats=caveats)

    def _stage_metadata(self, ending: _Ending) -> None:
        """Write the metadata dataset: the task's own, which datasets came from which, and what it took."""
        self._stages["end"] = Usage.now()
        quantum, context = self._job.quantum, self._context
        begin, end = self._stages["prep"], self._stages["end"]
        own: dict[str, Any] = {
            "__version__": _VERSION,
            "id": str(quantum.id),
            "status": ending.status.value,
            "message": ending.message,
            "attempt": self._job.attempt,
            "nodeName": _node_name(),
            "inputs": {
                name: [str(ref.id) for ref in refs if ref.id in self._job.records]
                for name, refs in context.quantum.inputs.items()
            },
            "outputs": [str(ref.id) for ref, _ in context.staged],
            "caveats": int(ending.caveats),
            "wallTime": (end.time_ns - begin.time_ns) / 1e9,
            "cpuTime": end.cpu - begin.cpu,
        }
        for stage, usage in self._stages.items():
            own |= usage.to_simple(stage)
        self._metadata["quantum"] = own
        self._stage(self._metadata, self._job.metadata_ref)

    def _stage_log(self, log: ButlerLogRecords) -> None:
        """Write the log, also that of a failure; one that cannot be written is no reason to lose more."""
        try:
            self._stage(log, self._job.log_ref)
        except StopNow:
            self._context.discard()
            raise
        except Exception as error:
            _LOG.warning("%s: its log cannot be written: %s", self._job.quantum, message_of(error))

    def _stage(self, obj: Any, ref: DatasetRef) -> None:
        self._context.staged.append((ref, self._setup.datastore.stage(obj, ref, settle=False)))

    def _told(self, ending: _Ending) -> QuantumReport:
        begin, end, error = self._stages["prep"], Usage.now(), ending.error
        return QuantumReport(
            self._job.quantum,
            ending.status,
            ending.message,
            "" if error is None else details_of(error),
            tuple(self._context.staged),
            begin.time_ns,
            (end.time_ns - begin.time_ns) / 1e9,
            end.cpu - begin.cpu,
            int(end.resources.ru_maxrss) * 1024,
            private_memory() - self._memory,
            ending.caveats,
            "" if error is None else type(error).__name__,
            error is not None and is_transient(error),
            0 if error is None else exit_code_of(error),
            self._job.attempt,
        )


def _failure(error: BaseException) -> _Ending:
    status = QuantumStatus.OUT_OF_MEMORY if isinstance(error, MemoryError) else QuantumStatus.FAILED
    return _Ending(status, message_of(error), error=error)


def _caveats_of(reason: NoWorkFound) -> QuantumCaveats:
    match reason:
        case UnprocessableDataError():
            return QuantumCaveats.NO_WORK | QuantumCaveats.UNPROCESSABLE_DATA
        case UpstreamFailureNoWorkFound():
            return QuantumCaveats.NO_WORK | QuantumCaveats.UPSTREAM_FAILURE
        case _:
            return QuantumCaveats.NO_WORK


@cache
def _node_name() -> str:
    return platform.node()
