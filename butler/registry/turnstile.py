"""Turnstile: writers of one SQLite file come one after the other, also those who come again and again."""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["Turnstile"]

_PAUSE_S: Final = 0.004
"""Longest sleep between two tries."""


class Turnstile:
    """A lock that a writer holds only while it waits for the database.

    SQLite gives its write lock to whoever asks at the right instant, and those who wait ask ever more
    rarely, so that a process with one transaction after the other would keep it. Here everybody passes the
    turnstile first, and stays in it until the database is free: who has just written finds it taken, and
    waits behind. The lock goes with the process that holds it, however that ends.

    Parameters
    ----------
    directory
        Where the database is; the lock is on the directory, so that no file is needed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def passing(self, timeout_s: float) -> Iterator[None]:
        """Wait for the turnstile, and hold it while a block waits for the database.

        Parameters
        ----------
        timeout_s
            Longest wait. Who has waited so long goes on all the same: the database has its own lock.
        """
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _take(descriptor, time.monotonic() + timeout_s)
            yield
        finally:
            os.close(descriptor)


def _take(descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return
            time.sleep(random.uniform(0, _PAUSE_S))
        except OSError:
            # A file system without such locks.
            return
        else:
            return
