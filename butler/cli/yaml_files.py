"""YAML files that users give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ButlerUserError

__all__ = ["load_mapping"]


def load_mapping(path: Path) -> dict[str, Any]:
    """Read a mapping from a file.

    Raises
    ------
    ButlerUserError
        Raised if the file cannot be read, or holds something else.
    """
    from ..safe_yaml import load_yaml

    try:
        values = load_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise ButlerUserError(f"cannot read {path}: {error.strerror}") from error
    if not isinstance(values, dict):
        raise ButlerUserError(f"{path} holds no mapping of fields to values")
    return values
