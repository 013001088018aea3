"""CommandLine: parseAndRun, which the scripts of LSST's second generation call."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any, ClassVar, Final, Protocol

from .errors import TaskError
from .struct import Struct

__all__ = ["CommandLine"]

_DISTRIBUTION: Final = "coadd-butler"


class _Command(Protocol):
    """A command that this distribution installs, as far as a task needs it."""

    def parse_and_run(
        self,
        task_class: type,
        words: Sequence[str],
        *,
        config: Any,
        log: logging.Logger | None,
        keeps_results: bool,
    ) -> Struct:
        """Run a task as a command line says."""


class CommandLine:
    """Gives a task the command line that is installed for it."""

    _commandName: ClassVar[str] = ""
    """The installed command whose words `parseAndRun` takes; none if empty."""

    @classmethod
    def parseAndRun(
        cls,
        args: Sequence[str] | None = None,
        config: Any = None,
        log: logging.Logger | None = None,
        doReturnResults: bool = False,
    ) -> Struct:
        """Run this task as a command line says; a script calls it without arguments.

        The command is found among those that this distribution installs: tasks import no command.

        Parameters
        ----------
        args
            Words of the command line; those of the program if None.
        config
            Where settings begin instead of the defaults; what it has changed goes over the camera's settings,
            and under those of the command line.
        log
            Logger whose handlers get, too, what is logged meanwhile in this process.
        doReturnResults
            Whether results are read back and returned; they may be large.

        Returns
        -------
        struct
            ``argumentParser``; ``parsedCmd``, the options; ``taskRunner``, what ran the task; ``resultList``,
            for each data ID a `Struct` of ``exitStatus`` (0 or 1) and, with `doReturnResults`, ``dataId``,
            ``metadata`` and ``result``, the outputs by connection; None where there are none.

        Raises
        ------
        SystemExit
            Raised after one line that says why: with the number of data IDs that failed, unless ``--noExit``
            is given; with 2 if the command line is wrong, and 1 if nothing could be run.
        TypeError
            Raised if the config is that of another task.
        TaskError
            Raised if the task has no command, or the distribution is not installed.
        """
        words = sys.argv[1:] if args is None else args
        return _installed(cls).parse_and_run(
            cls, words, config=config, log=log, keeps_results=doReturnResults
        )


def _installed(task_class: type[CommandLine]) -> _Command:
    name = task_class._commandName
    if not name:
        raise TaskError(
            f"{task_class.__name__} has no command of its own; put it into a pipeline, for pipetask run"
        )
    try:
        points = metadata.distribution(_DISTRIBUTION).entry_points
        [point] = points.select(group="console_scripts", name=name)
    except (metadata.PackageNotFoundError, ValueError):
        raise TaskError(f"the command {name} is not installed; install {_DISTRIBUTION}") from None
    command: _Command = point.load()
    return command
