"""in_threads: work that compiled loops do without Python's lock, by several threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numba

T = TypeVar("T")

__all__ = ["in_threads"]


def in_threads(work: Callable[[T], None], items: Sequence[T]) -> None:
    """Do work on each item, with as many threads at once as numba may use.

    Parameters
    ----------
    work
        What to do with an item, in any order; what it raises is raised here.
    items
        What to work on.
    """
    # To ask numba starts its own threads, which takes a while.
    allowed = 1 if numba.config.NUMBA_NUM_THREADS == 1 else numba.get_num_threads()
    n_threads = min(allowed, len(items))
    if n_threads > 1:
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(work, items))
    else:
        for item in items:
            work(item)
