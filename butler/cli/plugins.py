"""Commands that other packages add to ``butler``.

A package declares in its ``pyproject.toml`` a function without arguments that returns its commands, as
packages of LSST do for theirs::

    [project.entry-points."butler.cli"]
    my_package = "my_package.commands:butler_commands"

It is called for ``butler --help`` and for a name that is not one of ours: its module should import what is
heavy inside the commands. The group's name is that of LSST's butler too, so only packages that require this
distribution are asked; the commands of the others would not understand our repositories.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import click

from ..plugins import fault_of, package_of
from .catalog import COMMANDS

if TYPE_CHECKING:
    from importlib import metadata

__all__ = ["ENTRY_POINTS", "plugin_commands"]

ENTRY_POINTS: Final = "butler.cli"
"""Group of entry points that a package's commands are declared in."""

_DISTRIBUTION: Final = "coadd-butler"
_REQUIRES_OURS: Final = re.compile(r"coadd[-_.]butler(?![\w.-])", re.IGNORECASE)


@cache
def plugin_commands() -> dict[str, click.Command]:
    """Return the commands of other packages by name; what cannot be had is left out, with a warning."""
    from importlib import metadata

    found: dict[str, click.Command] = {}
    points = filter(_is_for_us, metadata.entry_points(group=ENTRY_POINTS))
    for point in sorted(points, key=lambda point: (package_of(point), point.name)):
        for command in _commands_of(point):
            if not isinstance(command, click.Command) or command.name is None:
                _warn(point, f"{point.value} returned a {type(command).__name__}, no named click command")
            elif command.name in COMMANDS or command.name in found:
                _warn(point, f"its command {command.name!r} is left out, the name is taken")
            else:
                found[command.name] = command
    return found


def _is_for_us(point: metadata.EntryPoint) -> bool:
    requirements = (point.dist.requires or ()) if point.dist is not None else ()
    return package_of(point) == _DISTRIBUTION or any(map(_REQUIRES_OURS.match, requirements))


def _commands_of(point: metadata.EntryPoint) -> list[Any]:
    try:
        loaded = point.load()
        if isinstance(loaded, click.Command):
            # To call it would run it.
            raise TypeError(f"{point.value} is a command, not a function that returns a list of commands")
        return list(loaded())
    except Exception as error:
        # Whatever a stranger's module does, the other commands must work.
        _warn(point, f"its commands cannot be loaded: {fault_of(error)}")
        return []


def _warn(point: metadata.EntryPoint, message: str) -> None:
    click.echo(f"warning: package {package_of(point)}: {message}", err=True)
