"""check_path: paths as users give them."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import ButlerUserError

__all__ = ["check_path", "checked_path"]


def checked_path(path: str | os.PathLike[str]) -> Path:
    """Return a path that the system would at least look at; raises as `check_path`."""
    check_path(path)
    return Path(path)


def check_path(path: str | os.PathLike[str]) -> None:
    """Refuse a path that the system would not even look at.

    Raises
    ------
    ButlerUserError
        Raised if no file can have such a name.
    """
    text = os.fspath(path)
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError as error:
        raise ButlerUserError(f"{text!r} can be no path: {error.reason}") from error
    if b"\0" in encoded:
        raise ButlerUserError(f"{text!r} can be no path: it has a NUL character")
