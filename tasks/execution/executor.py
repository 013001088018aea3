"""Executor: where quanta run."""

from __future__ import annotations

from abc import ABC, abstractmethod

from .quantum_job import QuantumJob, RunSetup
from .quantum_report import QuantumReport

__all__ = ["Executor"]


class Executor(ABC):
    """Runs quanta somewhere; knows nothing of the graph, and opens no registry.

    It is started once for a run, gets jobs while it has room, and tells what became of each, whatever
    happens to it: a failure, also of the place where it runs, is a report. Not thread-safe.
    """

    @abstractmethod
    def start(self, setup: RunSetup) -> None:
        """Make ready for the quanta of a run."""

    @property
    @abstractmethod
    def room(self) -> int:
        """How many jobs it takes now."""

    @abstractmethod
    def submit(self, job: QuantumJob) -> None:
        """Take a job; only while there is room."""

    @abstractmethod
    def wait(self, timeout: float | None) -> list[QuantumReport]:
        """Return reports as soon as there are any.

        None after a timeout, seconds, if no job is out, or if there is room for another one before.

        Raises
        ------
        WorkerError
            Raised if quanta cannot run there at all.
        """

    @abstractmethod
    def kill(self) -> None:
        """Drop all jobs at once, and remove what they have written."""

    @abstractmethod
    def close(self) -> None:
        """End what was started; jobs that are still out are dropped."""
