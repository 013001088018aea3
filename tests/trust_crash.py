"""A writer in a process of its own: killed at a step, within a file, after some time, or out of room.

A *step* is what others could see: a file opened for writing, flushed, renamed, linked or removed, a directory
made, or a commit to the registry. Between two steps nothing changes outside the process, so that kills before
each of them try every state that a kill can leave, but for half-written files.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sqlite3.dbapi2
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

from trust_scenarios import OTHERS, SCENARIOS

from butler import Butler
from butler.errors import ButlerUserError

__all__ = ["DONE", "Kill", "Outcome", "count_steps", "run_killed", "run_writer"]

PRELOADED: Final = ["butler", "butler.formatters", "butler.ingest", "butler.skymaps", "trust_crash"]
_FILE_STEPS: Final = {
    "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate",
}  # fmt: skip
DONE: Final = 0
"""Exit code of a writer that nothing killed."""


@dataclass(frozen=True, slots=True)
class Kill:
    """When a writer is killed; what is None does not kill.

    Parameters
    ----------
    step
        Just before this step, counted from 0.
    size
        When a file grows beyond this, bytes.
    delay_s
        After this time.
    room
        Not at all, but a file that grows beyond this, bytes, is refused by the system.
    """

    step: int | None = None
    size: int | None = None
    delay_s: float | None = None
    room: int | None = None


class Outcome(NamedTuple):
    """How a writer ended: exit code, steps if it was not killed, and the error that a user would see."""

    exit_code: int
    n_steps: int
    error: str


class StepCounter:
    """Counts steps, and ends the process just before one of them.

    Parameters
    ----------
    last
        The step to die before; None: only count.
    """

    def __init__(self, last: int | None) -> None:
        self.last = last
        self.n_steps = 0
        self.armed = False
        sys.addaudithook(self._hear)
        self._fsync, self._connect = os.fsync, sqlite3.dbapi2.connect
        os.fsync, sqlite3.dbapi2.connect = self._counted_fsync, self._traced_connect

    def step(self) -> None:
        """Count a step that is about to happen."""
        if not self.armed:
            return
        if self.n_steps == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.n_steps += 1

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _FILE_STEPS or (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            self.step()

    def _traced_connect(self, *args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection = self._connect(*args, **kwargs)
        connection.set_trace_callback(self._trace)
        return connection

    def _trace(self, statement: str) -> None:
        if statement.startswith("COMMIT"):
            self.step()

    def _counted_fsync(self, descriptor: int) -> None:
        self.step()
        self._fsync(descriptor)


def act(name: str, base: Path, kill: Kill, told: Connection) -> None:
    """Run a writer; tell when it begins, and how many steps it took."""
    counter = StepCounter(kill.step)
    error = ""
    told.send(None)
    try:
        with Butler(base / "repository", writeable=True) as butler:
            limit_sizes(kill)
            counter.armed = True
            (SCENARIOS | OTHERS)[name](butler, base)
            counter.step()
            counter.armed = False
    except ButlerUserError as refused:
        error = str(refused)
    told.send((counter.n_steps, error))


def limit_sizes(kill: Kill) -> None:
    """Have the system end this process, or refuse to write, when a file grows too long."""
    limit = kill.size if kill.room is None else kill.room
    if limit is None:
        return
    if kill.room is None:
        # Python ignores the signal by default, and would see an error instead.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


def run_writer(name: str, base: Path, kill: Kill) -> Outcome:
    """Run a writer in a directory that `make_base` made, and have it end as asked."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    told, teller = context.Pipe(duplex=False)
    process = context.Process(target=act, args=(name, base, kill, teller))
    process.start()
    teller.close()
    n_steps, error = 0, ""
    with told:
        try:
            told.recv()
            if kill.delay_s is not None:
                time.sleep(kill.delay_s)
                process.kill()
            n_steps, error = told.recv()
        except EOFError:
            pass
        process.join()
    assert process.exitcode is not None
    return Outcome(process.exitcode, n_steps, error)


def run_killed(name: str, base: Path, kill: Kill) -> int:
    """Run a writer that is killed; return its exit code, `DONE` or the negative number of the signal."""
    exit_code, _, error = run_writer(name, base, kill)
    assert not error
    return exit_code


def count_steps(name: str, base: Path) -> int:
    """Run a writer to its end; return the number of steps that it took."""
    outcome = run_writer(name, base, Kill())
    assert outcome.exit_code == DONE
    assert not outcome.error
    return outcome.n_steps
