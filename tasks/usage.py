"""Usage: what a process has used until now."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

__all__ = ["Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What this process has used until some moment.

    Parameters
    ----------
    time_ns
        The moment, nanoseconds since 1970-01-01 UTC.
    cpu
        CPU time of all its threads, seconds.
    resources
        What the operating system counts.
    """

    time_ns: int
    cpu: float
    resources: resource.struct_rusage

    @classmethod
    def now(cls) -> Self:
        """Return what has been used until now."""
        return cls(time.time_ns(), time.process_time(), resource.getrusage(resource.RUSAGE_SELF))

    def to_simple(self, stage: str) -> dict[str, str | int | float]:
        """Return values under LSST's names with a stage before them; memory in kiB, times in seconds."""
        used = self.resources
        return {
            f"{stage}Utc": datetime.fromtimestamp(self.time_ns / 1e9, tz=UTC).isoformat(),
            f"{stage}CpuTime": self.cpu,
            f"{stage}UserTime": used.ru_utime,
            f"{stage}SystemTime": used.ru_stime,
            f"{stage}MaxResidentSetSize": used.ru_maxrss,
            f"{stage}MinorPageFaults": used.ru_minflt,
            f"{stage}MajorPageFaults": used.ru_majflt,
            f"{stage}BlockInputs": used.ru_inblock,
            f"{stage}BlockOutputs": used.ru_oublock,
            f"{stage}VoluntaryContextSwitches": used.ru_nvcsw,
            f"{stage}InvoluntaryContextSwitches": used.ru_nivcsw,
        }
