"""flush: what is written is on disk, whatever happens to the machine."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

__all__ = ["flush", "flush_all"]

_FEW: Final = 16
"""Most files and directories that are flushed one by one."""


def flush(path: str | Path) -> None:
    """Have the operating system put a file, or the names in a directory, on disk; a link is left alone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_all(files: Iterable[str], folders: Iterable[str]) -> None:
    """Have the operating system put files and the names in some directories on disk.

    Each flush waits for the disk, if only to hear that it has everything. Many are therefore left to one
    call for all that waits in their file system, where the operating system has such a call.

    Parameters
    ----------
    files
        Files and directories; links are left alone.
    folders
        The directories that they are in.
    """
    distinct = dict.fromkeys(folders)
    places = dict.fromkeys((*files, *distinct))
    sync = _sync_file_system() if len(places) > _FEW else None
    if sync is None:
        for place in places:
            flush(place)
        return
    for folder in {os.stat(folder).st_dev: folder for folder in distinct}.values():
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if sync(descriptor):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)
        finally:
            os.close(descriptor)


@cache
def _sync_file_system() -> Any:
    """Return Linux's ``syncfs``, None where there is no such thing."""
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
