"""The options of the Gen2 commands, and what they are read into.

`argparse` reads them, which LSST's commands were made with: an option of click takes a fixed number of words.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from butler.errors import did_you_mean

from .id_option import IdOption

if TYPE_CHECKING:
    from .task_call import TaskCall

__all__ = ["META_OPTIONS", "Gen2Parser", "Request"]

META_OPTIONS: Final = ("--legacyCoadd", "--warpCompareCoadd")
"""Options of assembleCoadd that may stand anywhere, also among the words of another option."""

_LOG_LEVELS: Final = {
    "trace": "TRACE",
    "debug": "DEBUG",
    "info": "INFO",
    "warn": "WARNING",
    "warning": "WARNING",
    "error": "ERROR",
    "fatal": "CRITICAL",
}


@dataclass(frozen=True)
class Request:
    """A Gen2 command line; the fields are the options' values.

    Parameters
    ----------
    ids, select_ids
        The data IDs of ``--id`` and ``--selectId``.
    edits
        Words of ``-c`` and ``-C``, each with ``config`` or ``config_file`` before it, in typed order.
    log_levels
        ``LEVEL`` or ``component=LEVEL``, as `butler.cli` takes them.
    meta
        Those of `META_OPTIONS` that were given.
    call
        The call of a task's `parseAndRun`; None for a command of the shell.
    """

    repo: str
    ids: tuple[IdOption, ...] = ()
    select_ids: tuple[IdOption, ...] = ()
    edits: tuple[tuple[str, str], ...] = ()
    output: str | None = None
    rerun: str | None = None
    inputs: tuple[str, ...] = ()
    calib: tuple[str, ...] = ()
    instrument: str | None = None
    skymap: str | None = None
    show: tuple[str, ...] = ()
    log_levels: tuple[str, ...] = ()
    longlog: bool = False
    debug: bool = False
    doraise: bool = False
    noExit: bool = False
    profile: str | None = None
    processes: int = 1
    timeout: float | None = None
    quantum_timeout: float | None = None
    clobber_output: bool = False
    clobber_config: bool = False
    no_backup_config: bool = False
    clobber_versions: bool = False
    no_versions: bool = False
    reuse_outputs_from: tuple[str, ...] = ()
    all_patches: bool = False
    gen2_strict: bool = False
    meta: frozenset[str] = frozenset()
    call: TaskCall | None = None

    @property
    def runs(self) -> bool:
        """Whether anything is to be run, and not only shown."""
        return not self.show or "run" in self.show


class _Edit(argparse.Action):
    """Keeps the words of ``-c`` and ``-C`` in one list, in the order in which they were typed."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, _: Any = None
    ) -> None:
        before = getattr(namespace, "edits", ())
        namespace.edits = (*before, *((self.dest, word) for word in values))


class Gen2Parser(argparse.ArgumentParser):
    """Reads a Gen2 command line.

    Parameters
    ----------
    prog
        Name of the command.
    description
        What it does.
    selects
        Whether it has ``--selectId``.
    meta
        Whether it has `META_OPTIONS`.
    """

    def __init__(self, prog: str, description: str, *, selects: bool = False, meta: bool = False) -> None:
        super().__init__(
            prog,
            usage="%(prog)s REPO [OPTIONS]",
            description=description,
            epilog="@FILE stands for the words in a file; # begins a comment there.",
            allow_abbrev=False,
            fromfile_prefix_chars="@",
        )
        self._meta = META_OPTIONS if meta else ()
        self.add_argument("repo", metavar="REPO", help="repository; it comes first")
        _add_id_options(self, selects=selects)
        _add_place_options(self)
        _add_config_options(self)
        _add_run_options(self)
        if meta:
            group = self.add_argument_group("which task (may stand anywhere)")
            group.add_argument("--legacyCoadd", action="store_true", help="clipped mean of each pixel")
            group.add_argument(
                "--warpCompareCoadd", action="store_true", help="compare PSF-matched warps to find artifacts"
            )

    def read(self, words: Sequence[str]) -> Request:
        """Read a command line.

        Raises
        ------
        UsageError
            Raised if it cannot be understood.
        """
        found, unknown = self.parse_known_args([word for word in words if word not in self._meta])
        if unknown and unknown[0].startswith("-"):
            hint = did_you_mean(unknown[0], self._option_string_actions)
            raise click.UsageError(f"no option {unknown[0]!r}{hint}")
        if unknown:
            raise click.UsageError(f"{unknown[0]!r} belongs to no option")
        given = {name: value for name, value in vars(found).items() if value is not None}
        given["meta"] = frozenset(
            option for option in self._meta if option in words or given.pop(option.removeprefix("--"))
        )
        if len(given["meta"]) > 1:
            raise click.UsageError(f"give one of {' and '.join(self._meta)}")
        for name, option in (("ids", "--id"), ("select_ids", "--selectId")):
            texts = given.get(name, ())
            given[name] = tuple(
                IdOption.parse(option, text, self._option_string_actions.keys()) for text in texts
            )
        given["log_levels"] = tuple(map(_log_level, _flat(given.get("log_levels", ()))))
        given["inputs"] = _names(given.get("inputs", ()))
        given["calib"] = _names(given.get("calib", ()))
        given["show"] = _flat(given.get("show", ()))
        given["reuse_outputs_from"] = _flat(given.get("reuse_outputs_from", ()))
        known_fields = {entry.name for entry in fields(Request)}
        return Request(**{name: value for name, value in given.items() if name in known_fields})

    def convert_arg_line_to_args(self, arg_line: str) -> list[str]:
        """Return the words of a line of an @file."""
        try:
            return shlex.split(arg_line, comments=True)
        except ValueError as error:
            raise click.UsageError(f"{arg_line!r} in an @file: {error}") from error

    def error(self, message: str) -> NoReturn:
        """Refuse a command line."""
        raise click.UsageError(message)


def _add_id_options(parser: Gen2Parser, *, selects: bool) -> None:
    group = parser.add_argument_group(
        "what is worked on",
        "Each option may be repeated; values are joined by ^, integers may be ranges as 1..9:2. "
        "Without any word --id stands for everything.",
    )
    group.add_argument(
        "--id", dest="ids", nargs="*", action="append", metavar="KEY=VALUE", help="data IDs of the results"
    )
    if selects:
        group.add_argument(
            "--selectId",
            dest="select_ids",
            nargs="*",
            action="append",
            metavar="KEY=VALUE",
            help="data IDs of the detector images that go in",
        )
        group.add_argument(
            "--all-patches", action="store_true", help="all patches or tracts where --id names none"
        )
        group.add_argument("--gen2-strict", action="store_true", help="without --selectId take no image")
    group.add_argument("--instrument", metavar="NAME", help="instrument, where there are several")
    group.add_argument("--skymap", metavar="NAME", help="sky map, where there are several")


def _add_place_options(parser: Gen2Parser) -> None:
    group = parser.add_argument_group("where results go, and what is read")
    place = group.add_mutually_exclusive_group()
    place.add_argument(
        "--rerun", metavar="[IN:]OUT", help="write into the chain rerun/OUT, and read the chain rerun/IN"
    )
    place.add_argument("--output", metavar="CHAIN", help="write into a chain of any name")
    group.add_argument(
        "-i", "--input", dest="inputs", action="append", metavar="COLLECTIONS", help="read these collections"
    )
    group.add_argument("--calib", action="append", metavar="COLLECTION", help="read these calibrations, too")
    group.add_argument("--clobber-output", action="store_true", help="first remove all runs of the chain")
    group.add_argument(
        "--reuse-outputs-from", nargs="+", action="append", metavar="STEP", help="keep what was done before"
    )


def _add_config_options(parser: Gen2Parser) -> None:
    group = parser.add_argument_group("settings, applied in the order in which they are typed")
    group.add_argument(
        "-c", "--config", nargs="+", action=_Edit, metavar="NAME=VALUE", help="set fields of the config"
    )
    group.add_argument(
        "-C",
        "--config-file",
        "--configfile",
        nargs="+",
        action=_Edit,
        metavar="FILE",
        help="set fields from YAML, or from lines config.NAME = LITERAL in a .py file",
    )
    group.add_argument(
        "--clobber-config", action="store_true", help="begin a new run if the newest one has another config"
    )
    group.add_argument("--no-backup-config", action="store_true", help="then drop the config of the old one")
    group.add_argument(
        "--clobber-versions", action="store_true", help="begin a new run if software has changed"
    )
    group.add_argument("--no-versions", action="store_true", help="neither compare nor keep versions")


def _add_run_options(parser: Gen2Parser) -> None:
    group = parser.add_argument_group("how it is run")
    group.add_argument(
        "--show",
        nargs="+",
        action="append",
        metavar="ITEM",
        help="config[=GLOB], history=GLOB, tasks, data; nothing is run unless run is among them",
    )
    group.add_argument("-j", "--processes", type=_at_least_one, metavar="N", help="worker processes")
    group.add_argument("-t", "--timeout", type=float, metavar="S", help="seconds for all of it")
    group.add_argument("--quantum-timeout", type=_positive, metavar="S", help="seconds for each data ID")
    group.add_argument("--doraise", action="store_true", help="stop at the first failure, with a traceback")
    group.add_argument("--noExit", action="store_true", help="end with status 0 in spite of failures")
    group.add_argument("--profile", metavar="FILE", help="write a cProfile of the main process")
    group.add_argument("-d", "--debug", action="store_true", help="import your debug.py; show tracebacks")
    group.add_argument(
        "-L",
        "--loglevel",
        dest="log_levels",
        nargs="+",
        action="append",
        metavar="[COMPONENT=]LEVEL",
        help="trace, debug, info, warn, error or fatal",
    )
    group.add_argument("--longlog", action="store_true", help="time and process in each message")


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"it must be 1 or more, not {text!r}")
    return int(text)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"it must be a number above 0, not {text!r}")
    return number


def _flat(groups: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(word for group in groups for word in group)


def _names(words: Sequence[str]) -> tuple[str, ...]:
    """Split lists of collections."""
    return tuple(name for word in words for name in word.split(",") if name)


def _log_level(word: str) -> str:
    component, _, level = word.rpartition("=")
    if level.lower() not in _LOG_LEVELS:
        raise click.UsageError(f"no log level {level!r}; give one of {', '.join(_LOG_LEVELS)}")
    name = _LOG_LEVELS[level.lower()]
    return f"{component}={name}" if component else name
