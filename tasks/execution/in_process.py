"""InProcessExecutor: quanta run in this process, one by one."""

from __future__ import annotations

from collections.abc import Callable

from .executor import Executor
from .quantum_job import QuantumJob, RunSetup
from .quantum_report import QuantumReport
from .run_quantum import run_quantum

__all__ = ["InProcessExecutor"]


class InProcessExecutor(Executor):
    """Runs quanta in this process, one by one; nothing can end one that hangs, or limit its memory.

    Parameters
    ----------
    on_failure
        Called with the error of each attempt that fails, while all that it wrote is still there.
    """

    def __init__(self, on_failure: Callable[[BaseException], None] | None = None) -> None:
        self._on_failure = on_failure
        self._setup: RunSetup | None = None
        self._job: QuantumJob | None = None

    def start(self, setup: RunSetup) -> None:
        """Make ready for the quanta of a run."""
        self._setup = setup

    @property
    def room(self) -> int:
        """How many jobs it takes now."""
        return int(self._job is None)

    def submit(self, job: QuantumJob) -> None:
        """Take a job."""
        self._job = job

    def wait(self, timeout: float | None) -> list[QuantumReport]:
        """Run the job that waits."""
        job, self._job = self._job, None
        assert self._setup is not None, "started before"
        return [] if job is None else [run_quantum(job, self._setup, self._on_failure)]

    def kill(self) -> None:
        """Drop the job that waits; one that ran has removed what it wrote."""
        self._job = None

    def close(self) -> None:
        """Do nothing: nothing was started."""
        self._job = None
