"""read_frame_files: the headers of many files, in worker processes that know nothing of the registry."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import Final

from ..errors import IngestError
from .camera import CameraMapping
from .frames import FrameFile, companions_of, read_frame_file

__all__ = ["read_frame_files"]

_CHUNK: Final = 32
"""Files that a worker reads at a time."""
_AHEAD: Final = 4 * _CHUNK
"""Files that are fetched from the disk before they are read, for each process that reads."""
_HEADER: Final = 64 * 1024
"""Bytes at the beginning of a file in which most headers end."""


def read_frame_files(
    paths: Sequence[Path], camera: CameraMapping, *, processes: int = 1
) -> Generator[FrameFile]:
    """Read the headers of files, in their order; meanwhile the disk fetches those that come next.

    Parameters
    ----------
    paths
        The files.
    camera
        How headers are read.
    processes
        Number of worker processes; with 1 this process reads, as it does until the first of more has started.

    Raises
    ------
    IngestError
        Raised if a worker dies.
    """
    read = partial(read_frame_file, camera=camera)
    # A worker starts for about a second; it must have something to do for longer.
    workers = min(processes, len(paths) // _CHUNK)
    if workers <= 1:
        yield from _with_fetching(map(read, paths), paths, camera, _AHEAD)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([read_frame_file.__module__])
    with _interruption_ignored():
        forkserver.ensure_running()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_ignore_interruption) as pool:
        try:
            found = _read_by_pool(pool, read, paths)
            yield from _with_fetching(found, paths, camera, workers * _AHEAD)
        except BrokenProcessPool as error:
            raise IngestError("a process that reads headers died; call with fewer processes") from error
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _interruption_ignored() -> Iterator[None]:
    """Have a process that starts meanwhile ignore Ctrl-C: this one ends the others, without a traceback."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


def _ignore_interruption() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _read_by_pool(
    pool: ProcessPoolExecutor, read: Callable[[Path], FrameFile], paths: Sequence[Path]
) -> Iterator[FrameFile]:
    """Yield what files say; this process reads the first of them, until a worker has started."""
    with ThreadPoolExecutor(1) as thread:
        started = thread.submit(lambda: pool.submit(os.getpid).result())
        n_read = 0
        while n_read < len(paths) and not started.done():
            yield read(paths[n_read])
            n_read += 1
    started.result()
    yield from pool.map(read, paths[n_read:], chunksize=_CHUNK)


def _with_fetching(
    found: Iterator[FrameFile], paths: Sequence[Path], camera: CameraMapping, ahead: int
) -> Iterator[FrameFile]:
    """Yield what was found, and have so many files fetched before their turn."""
    for path in paths[:ahead]:
        _fetch(path, camera)
    for number, file in enumerate(found, start=ahead):
        if number < len(paths):
            _fetch(paths[number], camera)
        yield file


def _fetch(path: Path, camera: CameraMapping) -> None:
    """Have the operating system fetch the headers of a file and of its companions, if it can do that."""
    if not hasattr(os, "posix_fadvise"):
        return
    for each in (path, *companions_of(path, camera)):
        # Whoever reads the file tells what is wrong with it.
        with suppress(OSError):
            descriptor = os.open(each, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.posix_fadvise(descriptor, 0, _HEADER, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(descriptor)
