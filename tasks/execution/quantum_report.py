"""QuantumReport: what became of a quantum."""

from __future__ import annotations

from dataclasses import dataclass

from butler import DatasetRef
from butler.datastore import StagedFile
from connections import Quantum

from .quantum_status import QuantumCaveats, QuantumStatus

__all__ = ["QuantumReport"]


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
        Reason, one line; empty for a plain success.
    details
        Traceback of a failure.
    staged
        Files that were written and wait to be registered.
    begin_ns
        When it began, nanoseconds since 1970-01-01 UTC; 0 if it never did.
    duration, cpu
        Seconds of wall and CPU time that it took.
    memory_peak
        Largest resident memory of its process so far, bytes.
    memory_kept
        Bytes by which its process has grown from its beginning to its end.
    caveats
        What is to be known of a success.
    exception
        Class of the exception that ended it, empty if none did.
    is_transient
        Whether the failure may be over in a moment.
    exit_code
        0 for a success, 1 for a failure, 20 for one that would repeat itself, 21 for an invalid quantum, and
        minus the number of the signal that killed it.
    attempt
        Number of the attempt, from 1; 0 if there was none.
    """

    quantum: Quantum
    status: QuantumStatus
    message: str = ""
    details: str = ""
    staged: tuple[tuple[DatasetRef, StagedFile], ...] = ()
    begin_ns: int = 0
    duration: float = 0.0
    cpu: float = 0.0
    memory_peak: int = 0
    memory_kept: int = 0
    caveats: QuantumCaveats = QuantumCaveats.NONE
    exception: str = ""
    is_transient: bool = False
    exit_code: int = 0
    attempt: int = 0

    def discard(self) -> None:
        """Remove the files that wait to be registered."""
        for _, file in self.staged:
            file.discard()
