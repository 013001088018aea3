"""The dataset ``packages``: versions of all that the quanta of a run are made with."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from typing import Final, NamedTuple

from butler import DatasetType

__all__ = ["PACKAGES", "version_differences", "versions_in_use"]

PACKAGES: Final = DatasetType("packages", (), "Packages")
"""Versions by name, one dataset in each run."""
_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
"""Start of a requirement as PEP 508 has it: the name of a distribution."""
_FIELD: Final = re.compile(r"^(Name|Version|Requires-Dist):(.*)$", re.MULTILINE)
"""The fields of a distribution's record that are asked for."""
_MODULE: Final = re.compile(r'^"?(?:([^/,"\n]+)/[^,"\n]*|([^/,"\n]+))\.py"?,', re.MULTILINE)
"""A module among the files of a distribution: its package, or its own name outside of packages."""


def versions_in_use(task_classes: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of installed distributions, by name in lower case.

    These are the distributions of every module that this process has imported, and those that the
    distributions of the tasks require: much is imported only when it is used, in worker processes.

    Parameters
    ----------
    task_classes
        Names of the tasks' classes, ``package.module:Class``.
    """
    installed = _installed()
    homes = _distributions_by_module()
    # What several distributions share, like a namespace, tells of none of them that it is in use.
    imported = {homes[m][0] for m in _top_names(sys.modules) if len(homes.get(m, ())) == 1}
    own = {name for module in _top_names(task_classes) for name in homes.get(module, ())}
    names = (imported | _required_by(own)) & installed.keys()
    versions = {"python": platform.python_version()}
    versions |= {name: installed[name].version for name in names}
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


class _Record(NamedTuple):
    """What is asked of an installed distribution."""

    version: str
    requires: tuple[str, ...]
    """Requirements, as PEP 508 has them."""
    modules: frozenset[str]
    """Names of its modules, without those inside of packages."""


@cache
def _installed() -> Mapping[str, _Record]:
    """Return all distributions by name; of several records of one name the first found, as Python does."""
    found: dict[str, _Record] = {}
    for distribution in metadata.distributions():
        # importlib parses the description, too, which is most of a record and takes most of the time.
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
        fields: dict[str, list[str]] = {"Name": [], "Version": [], "Requires-Dist": []}
        for key, value in _FIELD.findall(text.partition("\n\n")[0]):
            fields[key].append(value.strip())
        if fields["Name"] and fields["Version"]:
            record = _Record(fields["Version"][0], tuple(fields["Requires-Dist"]), _modules_of(distribution))
            found.setdefault(_normal(fields["Name"][0]), record)
    return found


def _modules_of(distribution: metadata.Distribution) -> frozenset[str]:
    declared = (distribution.read_text("top_level.txt") or "").split()
    if declared:
        return frozenset(declared)
    record = distribution.read_text("RECORD") or ""
    return frozenset(first or name for first, name in _MODULE.findall(record))


@cache
def _distributions_by_module() -> Mapping[str, list[str]]:
    homes: dict[str, list[str]] = {}
    for name, record in _installed().items():
        for module in record.modules:
            homes.setdefault(module, []).append(name)
    return homes


def _required_by(names: Iterable[str]) -> set[str]:
    """Return distributions with all that they require, and that requires; extras are left out."""
    installed = _installed()
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        lines = installed[name].requires if name in installed else ()
        needed = {m[1] for line in lines if "extra ==" not in line and (m := _REQUIREMENT.match(line))}
        waiting |= {_normal(other) for other in needed} - found
    return found


def _normal(name: str) -> str:
    """Return the name of a distribution in its one form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
