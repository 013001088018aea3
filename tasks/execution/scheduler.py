"""Scheduler: which quantum may run next, which waits, which can never run."""

from __future__ import annotations

import heapq
import uuid
from collections import deque
from collections.abc import Iterator

from connections import GraphWalker, Quantum, QuantumGraph

__all__ = ["Scheduler"]


class Scheduler:
    """Hands out the quanta of a graph; knows nothing of what they do and where they run.

    A quantum is waiting, ready, out (handed out), done, failed or blocked. One that is out comes back by
    `finish`, `fail` or `retry`. Times are those of any one clock, in seconds.

    Parameters
    ----------
    graph
        The plan; it is not changed.
    retries
        How often a quantum may be tried again.
    pause
        Seconds before the first retry of a quantum; each further pause is twice as long.
    """

    def __init__(self, graph: QuantumGraph, *, retries: int = 0, pause: float = 1.0) -> None:
        self._walker = GraphWalker(graph)
        self._left = {quantum.id: quantum for quantum in graph.quanta}
        self._retries = retries
        self._pause = pause
        self._ready: deque[Quantum] = deque(self._walker.next_ready())
        self._delayed: list[tuple[float, int, Quantum]] = []
        self._attempts: dict[uuid.UUID, int] = {}
        self._out: set[uuid.UUID] = set()
        self._stopped = False

    @property
    def n_out(self) -> int:
        """Number of quanta that are handed out."""
        return len(self._out)

    @property
    def is_over(self) -> bool:
        """Whether nothing is out, and nothing will be."""
        return not self._out and (self._stopped or not (self._ready or self._delayed))

    def has_ready(self, now: float) -> bool:
        """Tell whether `take` would hand something out."""
        self._wake(now)
        return bool(self._ready) and not self._stopped

    def take(self, now: float) -> Quantum | None:
        """Hand out a quantum; None if none is ready."""
        if not self.has_ready(now):
            return None
        quantum = self._ready.popleft()
        self._out.add(quantum.id)
        self._attempts[quantum.id] = self.attempt(quantum) + 1
        return quantum

    def attempt(self, quantum: Quantum) -> int:
        """Return how often a quantum has been handed out."""
        return self._attempts.get(quantum.id, 0)

    def finish(self, quantum: Quantum) -> None:
        """Note that a quantum succeeded."""
        self._settle(quantum)
        self._walker.finish(quantum)
        self._ready += self._walker.next_ready()

    def fail(self, quantum: Quantum) -> list[Quantum]:
        """Note that a quantum failed; return those that can therefore never run."""
        self._settle(quantum)
        blocked = self._walker.fail(quantum)
        for other in blocked:
            del self._left[other.id]
        return blocked

    def retry(self, quantum: Quantum, now: float) -> bool:
        """Take a quantum back that may be tried again after a pause; return False if it may not."""
        failed = self.attempt(quantum)
        if failed > self._retries or self._stopped:
            return False
        self._out.remove(quantum.id)
        due = now + self._pause * 2 ** (failed - 1)
        heapq.heappush(self._delayed, (due, len(self._attempts) + len(self._delayed), quantum))
        return True

    def next_due(self) -> float | None:
        """Return when the next quantum that pauses becomes ready; None if none does."""
        return self._delayed[0][0] if self._delayed and not self._stopped else None

    def stop(self) -> None:
        """Hand out nothing any more."""
        self._stopped = True

    def left(self) -> Iterator[Quantum]:
        """Yield the quanta that neither ended nor are blocked."""
        yield from self._left.values()

    def _settle(self, quantum: Quantum) -> None:
        self._out.remove(quantum.id)
        del self._left[quantum.id]

    def _wake(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            self._ready.append(heapq.heappop(self._delayed)[2])
