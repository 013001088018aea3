"""read_frame_files: the headers of many files, in worker processes that know nothing of the registry."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Final

from ..errors import IngestError
from .camera import CameraMapping
from .frames import FrameFile, read_frame_file

__all__ = ["read_frame_files"]

_CHUNK: Final = 32
"""Files that a worker reads at a time."""


def read_frame_files(
    paths: Sequence[Path], camera: CameraMapping, *, processes: int = 1
) -> Iterator[FrameFile]:
    """Read the headers of files, in their order.

    Parameters
    ----------
    paths
        The files.
    camera
        How headers are read.
    processes
        Number of worker processes; with 1 this process reads.

    Raises
    ------
    IngestError
        Raised if a worker dies.
    """
    read = partial(read_frame_file, camera=camera)
    # A worker starts for about a second; it must have something to do for longer.
    workers = min(processes, len(paths) // _CHUNK)
    if workers <= 1:
        yield from map(read, paths)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([read_frame_file.__module__])
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield from pool.map(read, paths, chunksize=_CHUNK)
        except BrokenProcessPool as error:
            raise IngestError("a process that reads headers died; call with fewer processes") from error
        finally:
            pool.shutdown(cancel_futures=True)
