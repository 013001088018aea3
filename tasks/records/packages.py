"""The dataset ``packages``: versions of all that the quanta of a run are made with."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from typing import Final

from butler import DatasetType

__all__ = ["PACKAGES", "version_differences", "versions_in_use"]

PACKAGES: Final = DatasetType("packages", (), "Packages")
"""Versions by name, one dataset in each run."""
_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
"""Start of a requirement as PEP 508 has it: the name of a distribution."""


def versions_in_use(task_classes: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of installed distributions, by name in lower case.

    These are the distributions of every module that this process has imported, and those that the
    distributions of the tasks require: much is imported only when it is used, in worker processes.

    Parameters
    ----------
    task_classes
        Names of the tasks' classes, ``package.module:Class``.
    """
    homes = _distributions_by_module()
    # What several distributions share, like a namespace, tells of none of them that it is in use.
    imported = {homes[m][0] for m in _top_names(sys.modules) if len(homes.get(m, ())) == 1}
    own = {name for module in _top_names(task_classes) for name in homes.get(module, ())}
    versions = {"python": platform.python_version()}
    versions |= _installed(imported | _required_by(own))
    for module in _top_names(task_classes):
        told = getattr(sys.modules.get(module), "__version__", None)
        if module not in homes and isinstance(told, str):
            versions[module] = told
    return dict(sorted(versions.items()))


def version_differences(known: Mapping[str, str], versions: Mapping[str, str]) -> list[str]:
    """Return a line for each package that has another version: ``name: known -> now``; new ones are none."""
    return [
        f"{name}: {known[name]} -> {versions[name]}"
        for name in sorted(known.keys() & versions.keys())
        if known[name] != versions[name]
    ]


def _top_names(modules: Iterable[str]) -> set[str]:
    return {re.split(r"[.:]", name, maxsplit=1)[0] for name in list(modules)}


@cache
def _distributions_by_module() -> Mapping[str, list[str]]:
    # A distribution is named once for each of its records, of which a checkout has several.
    return {module: sorted(set(names)) for module, names in metadata.packages_distributions().items()}


def _installed(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of distributions, as far as they are installed."""
    found = {}
    for name in names:
        try:
            found[_normal(name)] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _required_by(names: Iterable[str]) -> set[str]:
    """Return distributions with all that they require, and that requires; extras are left out."""
    found: set[str] = set()
    waiting = {_normal(name) for name in names}
    while waiting:
        name = waiting.pop()
        found.add(name)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        needed = {m[1] for line in lines if "extra ==" not in line and (m := _REQUIREMENT.match(line))}
        waiting |= {_normal(other) for other in needed} - found
    return found


def _normal(name: str) -> str:
    """Return the name of a distribution in its one form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
