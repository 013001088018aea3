"""WorkerPool: quanta run in worker processes that stay alive."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, Final

from ..errors import WorkerError
from .executor import Executor
from .failures import message_of
from .identity import Identity
from .quantum_job import QuantumJob, RunSetup
from .quantum_report import QuantumReport
from .quantum_status import QuantumStatus
from .run_options import StartMethod
from .worker import Answer, serve

__all__ = ["WorkerPool", "report_of_death", "report_of_timeout", "sweep"]

_MOST_STILLBORN: Final = 10
"""Workers in a row that may die before they have run anything."""
_FAREWELL_S: Final = 5.0
"""Seconds that workers have to end when they are told to."""


@dataclass
class _Worker:
    """A worker process as its coordinator sees it."""

    process: BaseProcess
    connection: Connection
    job: QuantumJob | None = None
    begin_ns: int = 0
    deadline: float | None = None
    is_ready: bool = False

    def kill(self) -> None:
        """End the process and what it has started."""
        pid = self.process.pid
        try:
            assert pid is not None, "it was started"
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            # It has not yet made its group, or is gone.
            self.process.kill()
        self.process.join()
        self.connection.close()


@dataclass
class _Crew:
    """The workers that are alive, and how they are started."""

    processes: int
    start_method: StartMethod
    cores: int = 1
    workers: list[_Worker] = field(default_factory=list)

    def add(self) -> None:
        """Start a worker; it tells when it is ready."""
        # What the type checker takes it for has no processes.
        context: Any = multiprocessing.get_context(self.start_method)
        # Forked from a clean process that has imported this package, workers start in milliseconds.
        context.set_forkserver_preload([serve.__module__])
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.cores), daemon=False)
        process.start()
        theirs.close()
        self.workers.append(_Worker(process, ours))

    def remove(self, worker: _Worker) -> None:
        """Forget a worker, and see to it that it is dead."""
        self.workers.remove(worker)
        worker.kill()


class WorkerPool(Executor):
    """Runs quanta in worker processes of this machine that stay alive from quantum to quantum.

    One that dies, or has to be killed, is replaced when there is work for its successor.

    Parameters
    ----------
    processes
        How many workers there may be.
    timeout
        Seconds after which a quantum is killed; None for never.
    start_method
        How workers are started: forked from a clean process, or each as a new interpreter.

    Raises
    ------
    ValueError
        Raised if there may be no worker.
    """

    def __init__(
        self, processes: int, *, timeout: float | None = None, start_method: StartMethod = "forkserver"
    ) -> None:
        if processes < 1:
            raise ValueError(f"processes must be at least 1, not {processes}")
        self._processes = processes
        self._timeout = timeout
        self._setup: RunSetup | None = None
        self._identity = Identity.of_this_process()
        self._crew = _Crew(processes, start_method)
        self._sent_setup: Any = b""
        self._queue: deque[QuantumJob] = deque()
        self._stillborn = 0

    def start(self, setup: RunSetup) -> None:
        """Make ready for the quanta of a run; workers are started when there is work for them.

        Raises
        ------
        WorkerError
            Raised if the tasks cannot be sent to other processes.
        """
        self._setup = setup
        self._crew.cores = setup.cores
        try:
            self._sent_setup = ForkingPickler.dumps(setup)
        except Exception as error:
            # Objects say themselves how they are sent, and so raise anything.
            raise WorkerError(f"the tasks cannot be sent to worker processes: {message_of(error)}") from error

    @property
    def room(self) -> int:
        """How many jobs it takes now."""
        busy = sum(worker.job is not None for worker in self._crew.workers)
        return self._processes - busy - len(self._queue)

    def submit(self, job: QuantumJob) -> None:
        """Take a job."""
        self._queue.append(job)
        self._assign()

    def wait(self, timeout: float | None) -> list[QuantumReport]:
        """Return reports as soon as there are any; a worker that died makes one, too."""
        end = None if timeout is None else time.monotonic() + timeout
        while self._queue or any(worker.job is not None for worker in self._crew.workers):
            self._assign()
            events: dict[Any, _Worker] = {}
            for worker in self._crew.workers:
                events[worker.connection] = events[worker.process.sentinel] = worker
            ready = wait(list(events), self._patience(end))
            hit = list({id(events[thing]): events[thing] for thing in ready}.values())
            reports = [report for worker in hit for report in self._hear(worker)]
            reports += self._expired()
            if reports or (end is not None and time.monotonic() >= end):
                return reports
        return []

    def kill(self) -> None:
        """Kill all workers, and remove what they have written."""
        self._queue.clear()
        for worker in list(self._crew.workers):
            self._lose(worker)

    def close(self) -> None:
        """Have the workers end; kill those that do not."""
        for worker in list(self._crew.workers):
            if worker.job is None:
                with suppress(OSError):
                    worker.connection.send(None)
        end = time.monotonic() + _FAREWELL_S
        for worker in list(self._crew.workers):
            if worker.job is None:
                worker.process.join(max(0.0, end - time.monotonic()))
        self.kill()

    def _assign(self) -> None:
        """Give jobs to workers that are ready, and start as many more as there is work for."""
        idle = [worker for worker in self._crew.workers if worker.is_ready and worker.job is None]
        while self._queue and idle:
            self._send(idle.pop())
        starting = sum(not worker.is_ready for worker in self._crew.workers)
        vacant = self._processes - len(self._crew.workers)
        for _ in range(min(vacant, len(self._queue) - starting)):
            self._crew.add()

    def _send(self, worker: _Worker) -> None:
        job = self._queue.popleft()
        worker.job, worker.begin_ns = job, time.time_ns()
        worker.deadline = None if self._timeout is None else time.monotonic() + self._timeout
        # Its end of the pipe may be closed: then its death is heard of next.
        with suppress(BrokenPipeError, ConnectionResetError):
            worker.connection.send(job)

    def _patience(self, end: float | None) -> float | None:
        """Return for how many seconds nothing has to be done unless a worker reports."""
        times = [worker.deadline for worker in self._crew.workers if worker.deadline is not None]
        times += [] if end is None else [end]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _hear(self, worker: _Worker) -> Iterator[QuantumReport]:
        """Take in what a worker tells, or that it is dead."""
        try:
            told = worker.connection.recv() if worker.connection.poll() else None
        except (EOFError, OSError):
            told = None
        match told:
            case Identity():
                self._welcome(worker, told)
            case str():
                worker.is_ready = True
            case Answer(report=report, is_last=is_last):
                worker.job = worker.deadline = None
                self._stillborn = 0
                if is_last:
                    self._crew.remove(worker)
                yield report
            case _:
                yield from self._bury(worker)

    def _welcome(self, worker: _Worker, identity: Identity) -> None:
        if difference := self._identity.difference(identity):
            raise WorkerError(f"a worker is not the same program as its coordinator: {difference}")
        with suppress(BrokenPipeError, ConnectionResetError):
            worker.connection.send_bytes(self._sent_setup)

    def _bury(self, worker: _Worker) -> Iterator[QuantumReport]:
        """Report a worker's death; one that has done nothing yet must not be replaced for ever."""
        job, begin = worker.job, worker.begin_ns
        worker.process.join()
        code = worker.process.exitcode or 0
        self._lose(worker)
        if job is not None:
            yield report_of_death(job, begin, how_it_ended(code), min(code, 0) or 1)
            return
        if not worker.is_ready:
            self._stillborn += 1
            if self._stillborn >= _MOST_STILLBORN:
                raise WorkerError(f"worker processes die when they start ({how_it_ended(code)})")

    def _expired(self) -> Iterator[QuantumReport]:
        """Kill the workers whose quanta have taken too long."""
        now = time.monotonic()
        for worker in list(self._crew.workers):
            if worker.job is not None and worker.deadline is not None and worker.deadline <= now:
                job, begin = worker.job, worker.begin_ns
                self._lose(worker)
                assert self._timeout is not None, "there is a limit"
                yield report_of_timeout(job, begin, self._timeout)

    def _lose(self, worker: _Worker) -> None:
        """See to it that a worker is dead, and remove what it has left half written."""
        self._crew.remove(worker)
        if worker.job is not None:
            assert self._setup is not None, "started before"
            sweep(worker.job, self._setup)


def sweep(job: QuantumJob, setup: RunSetup) -> None:
    """Remove what an attempt has left that was killed."""
    setup.datastore.sweep((*job.quantum.output_refs(), job.metadata_ref, job.log_ref))


def report_of_timeout(job: QuantumJob, begin_ns: int, timeout: float) -> QuantumReport:
    """Return the report of a quantum that was killed as it had taken too long.

    Parameters
    ----------
    job
        The quantum.
    begin_ns
        When it began, nanoseconds since 1970-01-01 UTC.
    timeout
        How long it was allowed to take, seconds.
    """
    return _report_of_loss(
        job, begin_ns, QuantumStatus.TIMED_OUT, f"killed after {timeout:g} s (--timeout)", -signal.SIGKILL
    )


def report_of_death(job: QuantumJob, begin_ns: int, how: str, exit_code: int = 1) -> QuantumReport:
    """Return the report of a quantum whose process died.

    Parameters
    ----------
    job
        The quantum.
    begin_ns
        When it began, nanoseconds since 1970-01-01 UTC.
    how
        What is known of the death.
    exit_code
        Of the quantum: minus the number of the signal that killed the process, if one did.
    """
    told = f"its worker process died ({how})"
    lost = _report_of_loss(job, begin_ns, QuantumStatus.KILLED, told, exit_code)
    return replace(lost, is_transient=True)


def _report_of_loss(
    job: QuantumJob, begin_ns: int, status: QuantumStatus, message: str, exit_code: int
) -> QuantumReport:
    return QuantumReport(
        job.quantum,
        status,
        message,
        begin_ns=begin_ns,
        duration=(time.time_ns() - begin_ns) / 1e9,
        exit_code=exit_code,
        attempt=job.attempt,
    )


def how_it_ended(code: int) -> str:
    """Say what an exit status means."""
    if code >= 0:
        return f"exit status {code}"
    name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
    return f"{name}: killed, or out of memory" if -code == signal.SIGKILL else name
