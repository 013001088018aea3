"""read_frame_files: the headers of many files, in worker processes that know nothing of the registry."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import forkserver
from pathlib import Path
from typing import Final

from ..errors import IngestError
from .camera import CameraMapping
from .frame_reader import companions_of, read_frames
from .frames import FrameFile

__all__ = ["read_frame_files"]

_CHUNK: Final = 128
"""Files that are read together."""
_FOR_ONE: Final = 512
"""Files that are worth the start of a worker."""
_AHEAD: Final = 256
"""Files that are fetched from the disk before they are read."""
_QUEUE: Final = 8
"""Chunks that wait for each worker, so that it goes on while this process writes."""
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
    # A worker starts for some time; it must have something to do for longer.
    workers = min(processes, len(paths) // _FOR_ONE) if processes > 1 else 0
    if not workers:
        yield from read_frames(_fetching(paths, camera), camera)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([read_frames.__module__])
    with _interruption_ignored():
        forkserver.ensure_running()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_ignore_interruption) as pool:
        try:
            yield from _read_by_pool(pool, paths, camera, workers)
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
    pool: ProcessPoolExecutor, paths: Sequence[Path], camera: CameraMapping, workers: int
) -> Iterator[FrameFile]:
    """Yield what files say; this process reads the first of them, until a worker has started."""
    chunks = (paths[begin : begin + _CHUNK] for begin in range(0, len(paths), _CHUNK))
    with ThreadPoolExecutor(1) as thread:
        started = thread.submit(lambda: pool.submit(os.getpid).result())
        while not started.done() and (chunk := next(chunks, None)) is not None:
            yield from read_frames(_fetching(chunk, camera), camera)
    started.result()
    waiting: deque[Future[list[FrameFile]]] = deque()
    for chunk in chunks:
        waiting.append(pool.submit(_read_chunk, chunk, camera))
        if len(waiting) > workers * _QUEUE:
            yield from waiting.popleft().result()
    for future in waiting:
        yield from future.result()


def _read_chunk(paths: Sequence[Path], camera: CameraMapping) -> list[FrameFile]:
    return list(read_frames(_fetching(paths, camera), camera))


def _fetching(paths: Sequence[Path], camera: CameraMapping) -> Iterator[Path]:
    """Yield files; the disk is asked for those that come next."""
    coming = iter(paths)
    for path in islice(coming, _AHEAD):
        _fetch(path, camera)
    for path in paths:
        for other in islice(coming, 1):
            _fetch(other, camera)
        yield path


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
