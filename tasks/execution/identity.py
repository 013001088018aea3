"""Identity: which program a process runs, so that workers are those of their coordinator."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

__all__ = ["Identity"]

_PACKAGES: Final = ("butler", "connections", "tasks")
_DISTRIBUTION: Final = "coadd-butler"


@dataclass(frozen=True)
class Identity:
    """Version and place of our packages, and the version of Python.

    The packages have general names: another's ``tasks`` could stand before ours on a worker's path.

    Parameters
    ----------
    version
        Of the distribution; empty if it is not installed.
    python
        Major and minor version.
    places
        Directories of the packages, by name.
    host
        Name of the machine.
    """

    version: str
    python: str
    places: tuple[tuple[str, str], ...]
    host: str

    @classmethod
    def of_this_process(cls) -> Self:
        """Return what this process runs."""
        try:
            version = importlib.metadata.version(_DISTRIBUTION)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        places = tuple((name, _place_of(name)) for name in _PACKAGES)
        python = ".".join(platform.python_version_tuple()[:2])
        return cls(version, python, places, platform.node())

    def difference(self, other: Identity) -> str:
        """Return in what another process differs; empty if it runs the same.

        On another machine the packages may lie elsewhere.
        """
        told = [
            f"{name} {theirs or 'not installed'} instead of {ours or 'not installed'}"
            for name, ours, theirs in (
                (_DISTRIBUTION, self.version, other.version),
                ("Python", self.python, other.python),
            )
            if ours != theirs
        ]
        if self.host == other.host:
            pairs = zip(self.places, other.places, strict=True)
            told += [
                f"{name} in {there} instead of {here}" for (name, here), (_, there) in pairs if here != there
            ]
        return ", ".join(told)


def _place_of(package: str) -> str:
    spec = importlib.util.find_spec(package)
    return str(Path(spec.origin).resolve().parent) if spec is not None and spec.origin else ""
