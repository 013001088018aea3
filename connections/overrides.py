"""Override: one setting of a task, and who made it; files of such settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from butler.assignments import read_assignments
from butler.errors import FileFormatError
from butler.safe_yaml import load_yaml

from .errors import ConfigError

__all__ = ["Override", "flattened", "read_overrides"]


@dataclass(frozen=True)
class Override:
    """A value for a field of a task's config.

    Parameters
    ----------
    field
        Path of the field, ``clipDetection.thresholdValue``; ``clipDetection.target`` retargets a subtask.
    value
        Plain value.
    source
        Who sets it: a file and line, or the command line.
    """

    field: str
    value: Any
    source: str


def flattened(values: Mapping[str, Any], source: str) -> list[Override]:
    """Return the settings of a mapping by field path, in its order."""
    return [Override(str(field), value, source) for field, value in values.items()]


def read_overrides(path: Path) -> list[Override]:
    """Read settings from a file: a YAML mapping, or plain assignments.

    A file whose name ends in ``.py`` holds lines as LSST's override files do, with literal values alone::

        config.doNImage = True
        config.badMaskPlanes = ["NO_DATA", "SAT"]
        config.background.retarget("my_package.sky:FlatSkyTask")

    It is parsed and never executed.

    Raises
    ------
    ConfigError
        Raised if the file cannot be read, or holds anything else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the config file {path}: {error.strerror}") from error
    try:
        if path.suffix == ".py":
            found = read_assignments(content, str(path))
            return [Override(each.field, each.value, f"{path}:{each.line}") for each in found]
        values = load_yaml(content, str(path))
    except FileFormatError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must map fields to values, not be {values!r:.60}")
    return flattened(values, str(path))
