"""in_threads: work that compiled loops do without Python's lock, by several threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")

__all__ = ["in_threads", "n_threads"]


def in_threads(work: Callable[[_Item], None], items: Sequence[_Item]) -> None:
    """Do work on each item, with as many threads at once as numba may use.

    Parameters
    ----------
    work
        What to do with an item, in any order; what it raises is raised here.
    items
        What to work on.
    """
    n = min(n_threads(), len(items))
    if n > 1:
        with ThreadPoolExecutor(n) as pool:
            list(pool.map(work, items))
    else:
        for item in items:
            work(item)


def n_threads() -> int:
    """Return how many threads numba may use."""
    numba = sys.modules.get("numba")
    if numba is None:
        told = os.environ.get("NUMBA_NUM_THREADS", "")
        return max(1, int(told)) if told.isdecimal() else len(os.sched_getaffinity(0))
    # To ask numba starts its own threads, which takes a while.
    return 1 if numba.config.NUMBA_NUM_THREADS == 1 else int(numba.get_num_threads())
