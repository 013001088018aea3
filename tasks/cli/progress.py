"""ProgressView: how far a run is, as a bar on a terminal, and elsewhere as lines."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import click

if TYPE_CHECKING:
    from ..execution import RunProgress

__all__ = ["ProgressView"]

_PAUSE_S: Final = 5.0
"""Least seconds between two lines."""


class ProgressView:
    """Shows how far a run is; to be used as a context manager.

    Parameters
    ----------
    total
        Number of quanta.
    """

    def __init__(self, total: int) -> None:
        self._bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=total, desc="quanta", unit="quantum", delay=1, leave=False, file=sys.stderr
            )
        self._next = time.monotonic() + _PAUSE_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, progress: RunProgress) -> None:
        """Show how far it is, if that has not just been done."""
        if self._bar is not None:
            told = f"{progress.running} running, {progress.failed} failed, {progress.blocked} blocked"
            self._bar.set_postfix_str(told, refresh=False)
            self._bar.update(progress.ended - self._bar.n)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _PAUSE_S
            click.echo(str(progress), err=True)

    def tell_interruption(self) -> None:
        """Say what the first Ctrl-C does."""
        self.make_way("finishing what runs; press Ctrl-C again to drop it")

    def make_way(self, message: str) -> None:
        """Print a line, and nothing over it until there is something new to show."""
        if self._bar is not None:
            self._bar.clear()
        click.echo(message, err=True)
