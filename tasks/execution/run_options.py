"""RunOptions and RunListener: how a graph is run, and who is told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from .quantum_report import QuantumReport
from .run_progress import RunProgress

__all__ = ["RunListener", "RunOptions", "StartMethod"]

StartMethod = Literal["forkserver", "spawn"]


@dataclass(frozen=True)
class RunOptions:
    """How a graph is run.

    Parameters
    ----------
    retries
        How often a quantum is tried again whose failure may be over in a moment, or whose worker died.
    retry_pause
        Seconds before the first retry; each further pause of a quantum is twice as long.
    timeout
        Seconds after which a quantum is killed; None for never.
    memory
        Bytes that a quantum may take; None for as many as there are.
    cores
        Number of threads that a quantum may use; None to share the machine among the processes.
    fail_fast
        Whether nothing more is started after the first failure.
    raise_on_partial_outputs
        Whether an `AnnotatedPartialOutputsError` is a failure; otherwise it is a success in part.
    log_level
        Least level of the messages that are kept in the log datasets.
    start_method
        How worker processes are started: ``forkserver`` forks them from a clean process, in milliseconds;
        ``spawn`` starts an interpreter for each, for libraries that do not bear a fork. There is no ``fork``,
        which would give them the open registry and the threads of this process.
    """

    retries: int = 2
    retry_pause: float = 1.0
    timeout: float | None = None
    memory: int | None = None
    cores: int | None = None
    fail_fast: bool = False
    raise_on_partial_outputs: bool = True
    log_level: int = logging.INFO
    start_method: StartMethod = "forkserver"

    def __post_init__(self) -> None:
        for name, least in (("retries", 0), ("retry_pause", 0), ("timeout", 0), ("memory", 1), ("cores", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        if self.start_method not in get_args(StartMethod):
            allowed = " or ".join(get_args(StartMethod))
            raise ValueError(f"start_method must be {allowed}, not {self.start_method!r}")


@dataclass(frozen=True)
class RunListener:
    """Who is told while a graph is run.

    Parameters
    ----------
    on_report
        Called for each quantum that ended.
    on_progress
        Called when quanta were started or ended.
    on_interruption
        Called when Ctrl-C was pressed: what runs is finished, and nothing more is started.
    """

    on_report: Callable[[QuantumReport], None] = lambda report: None
    on_progress: Callable[[RunProgress], None] = lambda progress: None
    on_interruption: Callable[[], None] = lambda: None
