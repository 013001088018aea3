"""Aliases: short names of repositories, from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..errors import ButlerUserError, FileFormatError
from ..safe_yaml import load_yaml

__all__ = ["known_aliases"]

_INLINE: Final = "DAF_BUTLER_REPOSITORIES"
"""Variable with a YAML or JSON mapping of labels to repositories."""
_INDEX: Final = "DAF_BUTLER_REPOSITORY_INDEX"
"""Variable that names a file with such a mapping."""


def known_aliases() -> dict[str, str]:
    """Return the repositories by label; empty if the environment names none.

    Raises
    ------
    ButlerUserError
        Raised if the file that the environment names cannot be read.
    FileFormatError
        Raised if it, or the variable, is no mapping of labels to repositories.
    """
    if inline := os.environ.get(_INLINE):
        return _mapping(inline, f"${_INLINE}")
    index = os.environ.get(_INDEX)
    if not index:
        return {}
    try:
        return _mapping(Path(index.removeprefix("file://")).read_text(encoding="utf-8"), index)
    except (OSError, UnicodeDecodeError) as error:
        raise ButlerUserError(f"cannot read {index}, which ${_INDEX} names: {error}") from error


def _mapping(text: str, source: str) -> dict[str, str]:
    values = load_yaml(text, source)
    if not isinstance(values, Mapping) or not all(isinstance(v, str) for v in values.values()):
        raise FileFormatError(f"{source} must be a mapping of labels to repositories")
    return {str(label): place for label, place in values.items()}
