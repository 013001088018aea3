"""QuantumStatus and QuantumCaveats: how a quantum ended."""

from __future__ import annotations

from enum import IntFlag, StrEnum

__all__ = ["QuantumCaveats", "QuantumStatus"]


class QuantumStatus(StrEnum):
    """How a quantum ended."""

    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    """A success that left out outputs that were expected."""
    NO_WORK = "no work"
    """There was nothing to do; counts as a success without outputs."""
    FAILED = "failed"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    KILLED = "killed"
    """The process that it ran in died."""
    BLOCKED = "blocked"
    """Never ran: a quantum before it failed."""
    NOT_RUN = "not run"
    """Never ran: the run was stopped before."""

    @property
    def is_success(self) -> bool:
        """Whether what comes after it may run."""
        return self in (QuantumStatus.SUCCEEDED, QuantumStatus.PARTIAL, QuantumStatus.NO_WORK)

    @property
    def is_failure(self) -> bool:
        """Whether it ran, and did not succeed."""
        never = (QuantumStatus.BLOCKED, QuantumStatus.NOT_RUN)
        return not self.is_success and self not in never


class QuantumCaveats(IntFlag):
    """What is to be known of a success; the bits are LSST's, and their sum is in the quantum's metadata."""

    NONE = 0
    ANY_MISSING = 1
    ALL_MISSING = 2
    NO_WORK = 4
    ADJUST_RAISED = 8
    """The inputs that exist were too few; the task was not even made."""
    UPSTREAM_FAILURE = 16
    UNPROCESSABLE_DATA = 32
    PARTIAL_OUTPUTS_ERROR = 64

    def concise(self) -> str:
        """Return LSST's letters: ``*`` all or ``+`` some outputs are missing; A, D, U, P or N for why."""
        amount = "*" if self & self.ALL_MISSING else "+" if self & self.ANY_MISSING else ""
        reasons = (
            (self.ADJUST_RAISED, "A"),
            (self.UNPROCESSABLE_DATA, "D"),
            (self.UPSTREAM_FAILURE, "U"),
            (self.PARTIAL_OUTPUTS_ERROR, "P"),
            (self.NO_WORK, "N"),
        )
        return amount + next((letter for bit, letter in reasons if self & bit), "")
