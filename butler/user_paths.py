"""checked_path: paths as users give them."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import ButlerUserError

__all__ = ["checked_path"]


def checked_path(path: str | os.PathLike[str]) -> Path:
    """Return a path that the system would at least look at.

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
    return Path(path)
