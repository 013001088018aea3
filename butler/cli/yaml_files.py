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
    import yaml

    try:
        values = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ButlerUserError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ButlerUserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ButlerUserError(f"{path} holds no mapping of fields to values")
    return values
