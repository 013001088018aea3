"""Commands that other packages add to ``butler``.

A package declares its commands in its ``pyproject.toml``::

    [project.entry-points."butler.cli"]
    explain = "package.module:command"

The name is that of the command, the object a command of click. The module is imported when the command is
used, and for ``butler --help``: it should import what is heavy inside its functions.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import click

from .catalog import COMMANDS

if TYPE_CHECKING:
    from importlib import metadata

__all__ = ["ENTRY_POINTS", "find_plugins", "load_plugin"]

ENTRY_POINTS: Final = "butler.cli"
"""Group of entry points that a package's commands are declared in."""


@cache
def find_plugins() -> dict[str, metadata.EntryPoint]:
    """Return the declared commands by name, without an import; a name that is taken is left out."""
    from importlib import metadata

    found: dict[str, metadata.EntryPoint] = {}
    for point in sorted(metadata.entry_points(group=ENTRY_POINTS), key=lambda p: (p.name, package_of(p))):
        if point.name in COMMANDS or point.name in found:
            _warn(point, f"its command {point.name!r} is left out, the name is taken")
        else:
            found[point.name] = point
    return found


def load_plugin(point: metadata.EntryPoint) -> click.Command | None:
    """Import a declared command; None, after a warning, if that fails."""
    try:
        loaded = point.load()
    except Exception as error:
        # Whatever a stranger's module does on import, the other commands must work.
        told = " ".join(f"{type(error).__name__}: {error}".split())
        _warn(point, f"its command {point.name!r} cannot be loaded: {told}")
        return None
    if not isinstance(loaded, click.Command):
        kind = type(loaded).__name__
        _warn(point, f"its command {point.name!r} is left out: {point.value} is a {kind}, no click command")
        return None
    return loaded


def package_of(point: metadata.EntryPoint) -> str:
    """Return the name of the distribution that declares an entry point."""
    return point.dist.name if point.dist is not None else "unknown"


def _warn(point: metadata.EntryPoint, message: str) -> None:
    click.echo(f"warning: package {package_of(point)}: {message}", err=True)
