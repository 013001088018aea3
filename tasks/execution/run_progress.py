"""RunProgress: how far a run is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RunProgress"]


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    Parameters
    ----------
    total
        Number of quanta.
    running
        Those that are out.
    succeeded, failed, blocked
        Those that ended, and those that never will be run.
    elapsed
        Seconds since the beginning.
    """

    total: int
    running: int
    succeeded: int
    failed: int
    blocked: int
    elapsed: float

    @property
    def ended(self) -> int:
        """Number of quanta that need no time any more."""
        return self.succeeded + self.failed + self.blocked

    @property
    def rate(self) -> float:
        """Quanta run per second; 0 before the first has ended."""
        return (self.succeeded + self.failed) / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at this rate; None before the first quantum has ended."""
        return (self.total - self.ended) / self.rate if self.rate > 0 else None

    def __str__(self) -> str:
        left = self.seconds_left
        told = f"{self.succeeded} done, {self.failed} failed, {self.blocked} blocked, {self.running} running"
        eta = "" if left is None else f", {self.rate:.3g}/s, {_span(left)} left"
        return f"{told} of {self.total}{eta}"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
