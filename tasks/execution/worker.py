"""What a worker process does: one quantum after the other, until it is told to end."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

from .identity import Identity
from .memory import limited_memory, private_memory
from .quantum_job import QuantumJob, RunSetup
from .quantum_report import QuantumReport
from .run_quantum import run_quantum

__all__ = ["READY", "Answer", "serve"]

READY: Final = "ready"
"""What a worker says when it has understood what it is to work on."""
_MOST_KEPT: Final = 2 << 30
"""Bytes that a worker may keep of what its quanta have taken; one that keeps more is replaced."""
_THREADS: Final = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Answer:
    """What a worker tells of a quantum.

    Parameters
    ----------
    report
        What became of it.
    is_last
        Whether the worker ends now, as it keeps too much memory.
    """

    report: QuantumReport
    is_last: bool


def serve(connection: Connection, cores: int) -> None:
    """Run quanta for a coordinator: it sends the setup and then jobs; None, or its end, ends this process.

    Parameters
    ----------
    connection
        To the coordinator.
    cores
        Number of threads that numerical libraries may use.
    """
    _become_worker(cores)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        connection.send(Identity.of_this_process())
        setup: RunSetup = connection.recv()
        connection.send(READY)
        base = private_memory()
        while True:
            job: QuantumJob | None = connection.recv()
            if job is None:
                return
            with limited_memory(setup.memory):
                report = run_quantum(job, setup)
            is_last = private_memory() - base > (setup.memory or _MOST_KEPT)
            try:
                connection.send(Answer(report, is_last))
            except BaseException:
                report.discard()
                raise
            if is_last:
                return


def _become_worker(cores: int) -> None:
    """Have a process group of one's own, no interest in Ctrl-C, and an end when the coordinator ends."""
    # What a quantum starts ends with it; and Ctrl-C, which a terminal sends to a whole group, stays out.
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for name in _THREADS:
        os.environ[name] = str(cores)
    logging.captureWarnings(True)
    logging.getLogger().handlers.clear()
    coordinator = multiprocessing.parent_process()
    assert coordinator is not None, "a worker has a coordinator"
    threading.Thread(target=_end_with, args=(coordinator,), daemon=True).start()


def _end_with(coordinator: Any) -> None:
    coordinator.join()
    os.killpg(0, signal.SIGKILL)
