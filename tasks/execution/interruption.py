"""Interruption: Ctrl-C once to end a run, twice to end it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

__all__ = ["Interruption", "StopNow"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StopNow(KeyboardInterrupt):
    """Everything that runs is to be dropped at once."""


class Interruption:
    """Turns signals into a wish to end; to be used as a context manager.

    The first Ctrl-C sets `requested`, and the quanta that run are finished. The second, and SIGTERM, raise
    `StopNow` in the main thread. Outside of the main thread signals do what they did before.

    Parameters
    ----------
    on_request
        Called at the first Ctrl-C.
    """

    def __init__(self, on_request: Callable[[], None] = lambda: None) -> None:
        self.requested = False
        self._on_request = on_request
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()

    def restore(self) -> None:
        """Have signals do what they did before."""
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before = {}

    def ignore(self) -> None:
        """Have signals do nothing while what runs is taken back, which takes a moment."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested or number == signal.SIGTERM:
            self.requested = True
            raise StopNow(signal.Signals(number).name)
        self.requested = True
        self._on_request()
