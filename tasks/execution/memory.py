"""private_memory: what a process has for itself."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

__all__ = ["private_memory"]

_PAGE: Final = resource.getpagesize()
_STATM: Final = Path("/proc/self/statm")
_HAS_STATM: Final = _STATM.exists()


def private_memory() -> int:
    """Return the bytes of resident memory that belong to this process alone; 0 where nobody tells."""
    if not _HAS_STATM:
        return 0
    pages = _STATM.read_bytes().split()
    return (int(pages[1]) - int(pages[2])) * _PAGE
