"""Timers: what blocks and methods of a task took, in its metadata."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from butler.task_metadata import TaskMetadata

from .usage import Usage

__all__ = ["timeMethod", "timed"]

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


class _HasMetadata(Protocol):
    metadata: TaskMetadata


_Self = TypeVar("_Self", bound=_HasMetadata)


@contextmanager
def timed(
    name: str, metadata: TaskMetadata, log: logging.Logger | None = None, log_level: int = logging.DEBUG
) -> Iterator[None]:
    """Add clock, CPU time, peak memory and more at the start and the end of a block to metadata.

    The keys are LSST's: ``<name>StartUtc``, ``<name>StartCpuTime``, ``<name>StartMaxResidentSetSize`` and so
    on, and the same with ``End``, which is there also if the block raises. What is timed several times has
    a list of each.

    Parameters
    ----------
    name
        Name of the block.
    metadata
        Where the values go.
    log, log_level
        Logger that is told, at this level, how long the block took.
    """
    _add(name, "Start", metadata)
    begin = time.perf_counter()
    try:
        yield
    finally:
        _add(name, "End", metadata)
        if log is not None:
            log.log(log_level, "%s took %.3f s", name, time.perf_counter() - begin)


def timeMethod(
    method: Callable[Concatenate[_Self, _Args], _Result],
) -> Callable[Concatenate[_Self, _Args], _Result]:
    """Decorate a method of a task, so that what its calls take is in the task's metadata; see `timed`."""

    @functools.wraps(method)
    def wrapper(self: _Self, /, *args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        with timed(method.__name__, self.metadata):
            return method(self, *args, **kwargs)

    return wrapper


def _add(name: str, edge: str, metadata: TaskMetadata) -> None:
    for key, value in Usage.now().to_simple(f"{name}{edge}").items():
        metadata.add(key, value)
