"""TimeLimit: an end for a whole run."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Final, Self

from ...execution import StopNow

__all__ = ["TimeLimit"]

_ALARM: Final = signal.SIGALRM


class TimeLimit:
    """Ends the block that it is the context manager of, as a second Ctrl-C does; in the main thread.

    Parameters
    ----------
    seconds
        How long the block may take; None, 0 or less for as long as it wants.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = max(seconds or 0.0, 0.0)
        self.is_over = False

    def __enter__(self) -> Self:
        if self._seconds:
            self._before = signal.signal(_ALARM, self._stop)
            signal.setitimer(signal.ITIMER_REAL, self._seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._seconds:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(_ALARM, self._before)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.is_over = True
        raise StopNow(f"{self._seconds:g} s are over")
