"""Formatters and storage classes that other packages add.

A package declares them in its ``pyproject.toml``, by the names that repositories call them::

    [project.entry-points."butler.formatters"]
    Spectrum = "package.formatters:SpectrumFormatter"

    [project.entry-points."butler.storage_classes"]
    Spectrum = "package.storage_classes:SPECTRUM"

A repository names formatters and storage classes, never modules: what is imported is what an installed
package declares under such a name, and only once the name turns up.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from .errors import StorageClassError

if TYPE_CHECKING:
    from importlib import metadata

__all__ = ["fault_of", "load_plugin", "package_of", "plugin_names"]


@cache
def _declared(group: str) -> dict[str, list[metadata.EntryPoint]]:
    """Return what installed packages declare, by name, without an import."""
    from importlib import metadata

    found: dict[str, list[metadata.EntryPoint]] = {}
    for point in metadata.entry_points(group=group):
        found.setdefault(point.name, []).append(point)
    return found


def plugin_names(group: str) -> list[str]:
    """Return the names that installed packages declare in a group of entry points."""
    return sorted(_declared(group))


def load_plugin(group: str, name: str, kind: type) -> Any:
    """Import what a package declares under a name; None if no package does.

    Parameters
    ----------
    group
        Group of entry points.
    name
        Name in it.
    kind
        Type of what is declared, or of what the class that is declared makes.

    Raises
    ------
    StorageClassError
        Raised with the name of the package if its module cannot be imported, if it is of another type, or
        if two packages declare the name.
    """
    points = _declared(group).get(name, [])
    if not points:
        return None
    if len(points) > 1:
        packages = " and ".join(sorted(map(package_of, points)))
        raise StorageClassError(f"the packages {packages} both declare {name!r} in {group}; remove one")
    [point] = points
    fault = f"package {package_of(point)}: its {name!r} in {group}"
    try:
        loaded = point.load()
        made = loaded() if isinstance(loaded, type) else loaded
    except Exception as error:
        # Whatever a stranger's module does on import is the fault of its package, and to be told as such.
        raise StorageClassError(f"{fault} cannot be loaded: {fault_of(error)}") from error
    if not isinstance(made, kind):
        raise StorageClassError(f"{fault} is {point.value}, which is no {kind.__name__}")
    if made.name != name:  # type: ignore[attr-defined]
        raise StorageClassError(f"{fault} calls itself {made.name!r}")  # type: ignore[attr-defined]
    return made


def package_of(point: metadata.EntryPoint) -> str:
    """Return the name of the distribution that declares an entry point."""
    return point.dist.name if point.dist is not None else "unknown"


def fault_of(error: Exception) -> str:
    """Return one line that says what a stranger's module has raised."""
    return " ".join(f"{type(error).__name__}: {error}".split())
