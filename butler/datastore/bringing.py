"""bring_file: how a file gets from one place to another."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from ..errors import ButlerUserError
from ..formatters import ByteSource
from .remote import CHUNK_SIZE

__all__ = ["LINK_MODES", "bring_file", "copy_bytes"]

LINK_MODES: Final = ("copy", "link", "hardlink", "symlink", "relsymlink")
"""How `bring_file` makes a file; ``link`` is a hard link where the file system allows it, else symbolic."""


def bring_file(source: Path, target: Path, mode: str) -> None:
    """Make a file that holds what another holds.

    Parameters
    ----------
    source
        The file that is there.
    target
        The file to make; its directory exists.
    mode
        One of `LINK_MODES`.

    Raises
    ------
    ButlerUserError
        Raised for another mode.
    OSError
        Raised if the system refuses.
    """
    if mode == "copy":
        shutil.copyfile(source, target)
    elif mode == "hardlink":
        target.hardlink_to(source.resolve())
    elif mode == "symlink":
        target.symlink_to(source.resolve())
    elif mode == "relsymlink":
        target.symlink_to(os.path.relpath(source.resolve(), target.parent.resolve()))
    elif mode == "link":
        try:
            target.hardlink_to(source.resolve())
        except OSError:
            # Another file system, or one without hard links.
            target.symlink_to(source.resolve())
    else:
        raise ButlerUserError(f"transfer is one of {', '.join(LINK_MODES)}, not {mode!r}")


def copy_bytes(source: ByteSource, target: Path) -> None:
    """Write a file that holds the bytes of a source, wherever that is."""
    size = source.size()
    with target.open("wb") as stream:
        for begin in range(0, size, CHUNK_SIZE):
            [part] = source.read_ranges([(begin, min(begin + CHUNK_SIZE, size))])
            stream.write(part)
