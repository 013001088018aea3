"""profiled: where this process spends its time, for a file that pstats reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["profiled"]


@contextmanager
def profiled(path: Path | str | None) -> Iterator[None]:
    """Profile a block, if there is a file to write that to; what runs in other processes is not seen."""
    if path is None:
        yield
        return
    import cProfile

    profile = cProfile.Profile()
    with profile:
        yield
    profile.dump_stats(path)
