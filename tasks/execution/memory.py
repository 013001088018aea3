"""private_memory and limited_memory: what a process has for itself, and what it may get."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["limited_memory", "private_memory"]

_PAGE: Final = resource.getpagesize()
_STATM: Final = Path("/proc/self/statm")
_HAS_STATM: Final = _STATM.exists()


def private_memory() -> int:
    """Return the bytes of resident memory that belong to this process alone; 0 where nobody tells."""
    if not _HAS_STATM:
        return 0
    pages = _STATM.read_bytes().split()
    return (int(pages[1]) - int(pages[2])) * _PAGE


@contextmanager
def limited_memory(memory: int | None) -> Iterator[None]:
    """Run a block in which this process gets no more memory of its own than this; on Linux, which counts it.

    What asks for more gets a `MemoryError`. Mapped files do not count. All threads of the process share it.

    Parameters
    ----------
    memory
        Bytes, beyond those that the process has; None for as many as there are.
    """
    if memory is None or not sys.platform.startswith("linux"):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _data_size() + memory
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_size() -> int:
    """Return what the system counts as data of this process, bytes: memory of its own, mapped files not."""
    return int(_STATM.read_bytes().split()[5]) * _PAGE
