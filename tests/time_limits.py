"""An end for every test: one that hangs fails by name, and the others go on."""

from __future__ import annotations

import faulthandler
import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

__all__ = ["TimeLimits"]


class TimeLimits:
    """Plugin that limits how long set-up, call and tear-down of a test may take, each by itself.

    A phase that takes too long fails with the stacks of all threads. One that cannot be interrupted since it
    waits outside Python ends its process, with the stacks on standard error; pytest-xdist names its test and
    starts another process. pytest-timeout has one limit for the three together, and none for the tear-down of
    a test that failed, which is where a hung cluster hangs next.

    Parameters
    ----------
    limit
        Seconds that a phase may take. Each one that takes longer halves it, so that a whole module of tests
        that hang has an end too.
    least
        What it is not halved below, in seconds.
    grace
        Seconds after the limit at which the process ends.
    """

    def __init__(self, limit: float, least: float, grace: float) -> None:
        self._limit, self._least, self._grace = limit, least, grace
        # While tests run, what is written to standard error is caught.
        self._stderr = os.dup(2)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Limit a set-up."""
        with self._limited(f"the set-up of {item.nodeid}"):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Limit a test's call."""
        with self._limited(item.nodeid):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Limit a tear-down, with that of the module or the session if the test is their last one."""
        with self._limited(f"the tear-down of {item.nodeid}"):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_enter_pdb(self) -> None:
        """Leave who debugs alone."""
        _disarm()

    @contextmanager
    def _limited(self, what: str) -> Iterator[None]:
        def fail(number: int, frame: FrameType | None) -> None:
            late = self._limit
            self._limit = max(late / 2, self._least)
            pytest.fail(f"{what} took longer than {late:g} s\n{_stacks()}")

        before = signal.signal(signal.SIGALRM, fail)
        faulthandler.dump_traceback_later(self._limit + self._grace, exit=True, file=self._stderr)
        signal.setitimer(signal.ITIMER_REAL, self._limit)
        try:
            yield
        finally:
            _disarm()
            signal.signal(signal.SIGALRM, before)


def _disarm() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    faulthandler.cancel_dump_traceback_later()


def _stacks() -> str:
    """Return where all threads are."""
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        return file.read().decode()
