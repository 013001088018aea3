"""Override: one setting of a task, and who made it; files of such settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from butler.assignments import read_assignments
from butler.errors import FileFormatError
from butler.safe_yaml import load_yaml

from .errors import ConfigError

__all__ = ["Override", "flat_fields", "flattened", "read_overrides", "settings_of"]


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


def flat_fields(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield field paths and values; a subtask is its target and the fields of its config."""
    for name, value in values.items():
        if isinstance(value, Mapping) and set(value) == {"target", "value"}:
            yield f"{prefix}{name}.target", value["target"]
            yield from flat_fields(value["value"], f"{prefix}{name}.")
        elif isinstance(value, Mapping) and value:
            yield from flat_fields(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def settings_of(history: Iterable[Override], field: str) -> list[Override]:
    """Return the settings of a field, or of what holds it, in order; those before a retarget are void."""
    found: list[Override] = []
    for override in history:
        retargets = override.field.endswith(".target") and field.startswith(override.field[: -len("target")])
        if retargets and override.field != field:
            found = []
        if field == override.field or field.startswith(f"{override.field}."):
            found.append(override)
    return found


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
