"""DaskExecutor: quanta run on the workers of a Dask cluster."""

from __future__ import annotations

import faulthandler
import logging
import math
import os
import queue
import threading
import time
import uuid
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, Final, NamedTuple

from butler.errors import ButlerError

from ..errors import WorkerError
from .executor import Executor
from .failures import message_of
from .identity import Identity
from .memory import limited_memory
from .quantum_job import QuantumJob, RunSetup
from .quantum_report import QuantumReport
from .run_quantum import run_quantum
from .worker_pool import report_of_death, report_of_timeout, sweep

__all__ = ["DaskExecutor"]

_LOG: Final = logging.getLogger(__name__)
_LEAST: Final = 2
"""Jobs that are handed to a cluster that has no workers yet."""
_COUNTED_S: Final = 1.0
"""Seconds for which the number of workers is taken to be the same."""
_ALONE_S: Final = 60.0
"""Seconds without any worker after which the run says so."""
_PATIENCE: Final = {"distributed.deploy.lost-worker-timeout": "1 hour"}
"""What keeps a cluster of this machine from giving up a place whose worker died and is slow to come back."""
_LAST_WORDS_S: Final = 0.5
"""Seconds between a worker's message that it has to end, and its end."""
_STUCK_S: Final = 2.0
"""Seconds after its time limit at which a worker is ended that cannot even say so."""
_STDERR: Final = 2
_BEGINS, _IS_LATE = "begins", "is late"
"""What a worker tells of a quantum."""
_SPARED: Final = 3
"""How often a job is handed out again that Dask has given up, although it has ended no worker."""
_KEPT: Final = 1000
"""Jobs that are remembered after their reports: Dask runs what was on a worker that died soon after."""
_News = tuple[str, QuantumReport | BaseException | None]
"""What the client's threads hear of a job; None if there is more to come."""


class _Out(NamedTuple):
    """A job that Dask has.

    Parameters
    ----------
    job
        The job.
    future
        Dask's.
    begin_ns
        When it was handed out.
    n_spared
        How often that was done again.
    """

    job: QuantumJob
    future: Any
    begin_ns: int
    n_spared: int


class DaskExecutor(Executor):
    """Runs quanta on the workers of a Dask cluster, each with one thread and the same file system.

    Parameters
    ----------
    address
        Of the scheduler; None for a cluster of this machine that ends with the run.
    processes
        Number of workers of such a cluster.
    timeout
        Seconds after which a worker ends itself with its quantum; None for never. Limits of memory come with
        the run's setup.

    Raises
    ------
    WorkerError
        Raised if Dask is not installed.
    """

    def __init__(
        self, address: str | None = None, *, processes: int = 1, timeout: float | None = None
    ) -> None:
        try:
            import dask
            import distributed
        except ImportError as error:
            raise WorkerError("Dask is not installed; pip install 'coadd-butler[dask]'") from error
        # Dask's client has no types.
        self._dask: Any = dask
        self._distributed: Any = distributed
        self._settings = ExitStack()
        # Of what workers get and tell; others may have runs on the same cluster.
        self._run_name = f"coadd-butler-{uuid.uuid4().hex}"
        self._address = address
        self._processes = processes
        self._timeout = timeout
        self._client: Any = None
        self._cluster: Any = None
        self._setup: RunSetup | None = None
        self._out: dict[str, _Out] = {}
        self._told: dict[str, QuantumJob] = {}
        self._untidy: dict[str, QuantumJob] = {}
        self._at: dict[str, str] = {}
        self._news: queue.SimpleQueue[_News] = queue.SimpleQueue()
        self._done: set[str] = set()
        self._begun: dict[str, float] = {}
        self._late: set[str] = set()
        self._counted = (0.0, 0)
        self._alone = time.monotonic()

    def start(self, setup: RunSetup) -> None:
        """Connect, and look whether the workers run the same program.

        Raises
        ------
        WorkerError
            Raised if there is no scheduler, or if its workers cannot be used.
        """
        self._setup = setup
        try:
            if self._address is None:
                self._settings.enter_context(self._dask.config.set(_PATIENCE))
                self._cluster = self._distributed.LocalCluster(
                    n_workers=self._processes, threads_per_worker=1, dashboard_address=":0"
                )
            self._client = self._distributed.Client(self._cluster or self._address, set_as_default=False)
        except OSError as error:
            raise WorkerError(f"no Dask scheduler at {self._address}: {message_of(error)}") from error
        client = self._client
        identity = Identity.of_this_process()
        # One that dies meanwhile is no reason to give up; each job looks again.
        for worker, other in client.run(Identity.of_this_process, on_error="ignore").items():
            _require_same(identity, other, worker)
        for worker, threads in client.nthreads().items():
            _require_one_thread(threads, worker)
        client.subscribe_topic(self._run_name, self._hear)
        client.register_plugin(_plugin(setup, identity, self._timeout), name=self._run_name)

    @property
    def room(self) -> int:
        """How many jobs it takes now."""
        counted, threads = self._counted
        if time.monotonic() - counted > _COUNTED_S:
            threads = self._count()
        # Dask holds a death against all that waits at the worker, so that nothing shall wait there.
        n_running = sum(key not in self._done for key in self._out)
        return max(0, max(threads, _LEAST) - n_running)

    def submit(self, job: QuantumJob) -> None:
        """Take a job."""
        self._submit(job, time.time_ns(), 0)

    def _submit(self, job: QuantumJob, begin_ns: int, n_spared: int) -> None:
        key = f"{self._run_name}-{job.quantum.id}-{job.attempt}-{n_spared}"
        future = self._connected().submit(_run_on_worker, job, self._run_name, key, key=key, pure=False)
        self._out[key] = _Out(job, future, begin_ns, n_spared)
        future.add_done_callback(lambda _: self._note_end(key, future))

    def wait(self, timeout: float | None) -> list[QuantumReport]:
        """Return reports as soon as there are any; none if a worker has room before its report is here."""
        if not self._out:
            return []
        news = []
        with suppress(queue.Empty):
            news.append(self._next(timeout))
            while True:
                news.append(self._news.get_nowait())
        return [report for key, outcome in news for report in self._reports_of(key, outcome)]

    def _next(self, timeout: float | None) -> _News:
        """Return what is heard next of a job, and look meanwhile whether there is who could end one.

        Raises
        ------
        queue.Empty
            Raised if nothing is heard in that time, seconds.
        """
        end = math.inf if timeout is None else time.monotonic() + timeout
        while (rest := end - time.monotonic()) > _ALONE_S / 4:
            with suppress(queue.Empty):
                return self._news.get(timeout=_ALONE_S / 4)
            self._count()
        return self._news.get(timeout=max(0.0, rest))

    def _count(self) -> int:
        """Return the number of workers' threads; say so if there have been none for long.

        Raises
        ------
        WorkerError
            Raised if they are those of a cluster of the run's own, to which no others come.
        """
        now = time.monotonic()
        threads: int = sum(self._connected().nthreads().values())
        self._counted = now, threads
        if threads:
            self._alone = now
        elif now - self._alone > _ALONE_S:
            if self._cluster is not None:
                raise WorkerError("all worker processes of the run's own Dask cluster have died")
            self._alone = now
            _LOG.warning(
                "the Dask scheduler %s has had no workers for %g s; the run waits for some",
                self._address,
                _ALONE_S,
            )
        return threads

    def kill(self) -> None:
        """Forget all jobs; a cluster of the run's own ends, another finishes what it is at for nothing."""
        if self._client is not None and self._out:
            # A cluster that is going, or gone, answers with errors of all kinds.
            with suppress(Exception):
                self._client.cancel([out.future for out in self._out.values()], force=True)
        jobs = [out.job for out in self._out.values()]
        self._out.clear()
        if self._cluster is not None:
            self.close()
            for job in jobs:
                assert self._setup is not None, "started before"
                sweep(job, self._setup)

    def close(self) -> None:
        """Leave the cluster; end one of the run's own."""
        if self._client is not None:
            # As above; what belongs to the run must be closed all the same.
            with suppress(Exception):
                self._client.unregister_worker_plugin(self._run_name)
            self._client.close()
            self._client = None
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None
        self._settings.close()
        jobs = list(self._untidy.values())
        self._untidy.clear()
        for job in jobs:
            assert self._setup is not None, "started before"
            # What stays is found by ``butler verify``, and is no reason to lose the run's summary.
            with suppress(ButlerError, OSError):
                sweep(job, self._setup)

    def _connected(self) -> Any:
        assert self._client is not None, "started before"
        return self._client

    def _note_end(self, key: str, future: Any) -> None:
        """Note, in a thread of the client, that a worker is free again, and have its report brought."""
        self._done.add(key)
        self._news.put((key, None))
        client = self._client
        if client is not None:
            client.loop.add_callback(self._bring, client, key, future)

    async def _bring(self, client: Any, key: str, future: Any) -> None:
        """Take in what a job has returned, or raised."""
        try:
            outcome = await client.gather(future, asynchronous=True)
        except (Exception, CancelledError) as error:
            outcome = error
        self._news.put((key, outcome))

    def _hear(self, event: tuple[float, tuple[str, str, str]]) -> None:
        """Note, in a thread of the client, where quanta begin, and which take too long and end there.

        A worker that cannot say so, as its quantum holds the interpreter, dies without a word. Then Dask
        runs the quantum again, which is heard.
        """
        key, word, worker = event[1]
        now = time.monotonic()
        if word == _BEGINS:
            self._at[worker] = key
            if key in self._begun and key in self._out:
                self._untidy[key] = self._out[key].job
            elif key in self._told:
                self._untidy[key] = self._told[key]
            if self._timeout is None or now - self._begun.get(key, now) < self._timeout:
                self._begun[key] = now
                return
        self._late.add(key)
        self._news.put((key, None))

    def _reports_of(self, key: str, outcome: QuantumReport | BaseException | None) -> Iterator[QuantumReport]:
        """Return what became of a job; nothing if that was told before, or is not known yet."""
        is_late = key in self._late
        if key not in self._out or (outcome is None and not is_late):
            return
        out = self._out.pop(key)
        self._begun.pop(key, None)
        self._done.discard(key)
        if is_late:
            assert self._timeout is not None, "there was a limit"
            out.future.cancel(force=True)
            self._untidy[key] = out.job
            yield report_of_timeout(out.job, out.begin_ns, self._timeout)
        elif isinstance(outcome, QuantumReport):
            self._remember(key, out.job)
            yield outcome
        elif isinstance(outcome, WorkerError):
            raise outcome
        elif self._is_innocent(key, outcome) and out.n_spared < _SPARED:
            self._submit(out.job, out.begin_ns, out.n_spared + 1)
        else:
            assert outcome is not None, "it was told"
            self._untidy[key] = out.job
            yield report_of_death(out.job, out.begin_ns, message_of(outcome))

    def _is_innocent(self, key: str, outcome: BaseException | None) -> bool:
        """Tell whether Dask holds deaths of workers against a job that was not what ran there last.

        It holds them against all that waited at the worker, or comes to the next one together with what
        ends that, too.
        """
        if not isinstance(outcome, self._distributed.KilledWorker):
            return False
        return self._at.get(outcome.last_worker.address) != key

    def _remember(self, key: str, job: QuantumJob) -> None:
        """Remember a job for a while after its report."""
        self._told[key] = job
        if len(self._told) > _KEPT:
            del self._told[next(iter(self._told))]


def _plugin(setup: RunSetup, identity: Identity, timeout: float | None) -> Any:
    """Return what brings the setup to each worker, also to those that come later."""
    from distributed import WorkerPlugin

    plugin = WorkerPlugin()
    plugin.order = setup, identity, timeout  # type: ignore[attr-defined]
    return plugin


def _run_on_worker(job: QuantumJob, run_name: str, key: str) -> QuantumReport:
    """Run a quantum in a worker of Dask.

    Nothing that another run of the same has left is touched: its report may be on the way to the registry.
    """
    from distributed import get_client, get_worker

    worker = get_worker()
    setup, identity, timeout = worker.plugins[run_name].order  # type: ignore[attr-defined]
    _require_same(identity, Identity.of_this_process(), worker.address)
    _require_one_thread(worker.state.nthreads, worker.address)
    # The scheduler has heard this when it returns: a quantum may end its worker at once.
    get_client().log_event(run_name, (key, _BEGINS, worker.address))
    is_late = partial(worker.log_event, run_name, (key, _IS_LATE, worker.address))
    with limited_memory(setup.memory), _ended_after(timeout, is_late):
        return run_quantum(job, setup)


@contextmanager
def _ended_after(timeout: float | None, tell: Callable[[], object]) -> Iterator[None]:
    """Run a block; if it takes too long, tell so, and end the process."""
    if timeout is None:
        yield
        return

    def end() -> None:
        tell()
        time.sleep(_LAST_WORDS_S)
        os._exit(1)

    timer = threading.Timer(timeout, end)
    timer.daemon = True
    timer.start()
    # Needs no interpreter, and says where the quantum was.
    faulthandler.dump_traceback_later(timeout + _STUCK_S, exit=True, file=_STDERR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        timer.cancel()


def _require_same(ours: Identity, other: Identity, worker: object) -> None:
    if difference := ours.difference(other):
        raise WorkerError(
            f"the Dask worker {worker} is not the same program as its coordinator: {difference}"
        )


def _require_one_thread(threads: int, worker: object) -> None:
    if threads != 1:
        raise WorkerError(
            f"the Dask worker {worker} has {threads} threads, and quanta share no process: --nthreads 1"
        )
