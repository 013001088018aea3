"""Recorded paths: which file a record means, and whose it is.

=====================  ==========================================  ==================
recorded path          the file                                    removed with it
=====================  ==========================================  ==================
``run/type/x.fits``    below the root of the datastore             yes
``./run/type/x.fits``  there, too, but it was the user's before    no
``/data/x.fits``       anywhere in the local file system           no
``s3://bucket/x``      anywhere that fsspec reaches                no
=====================  ==========================================  ==================
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Final

from ..errors import TemplateError

__all__ = ["IN_PLACE", "below", "is_outside", "is_owned", "is_url", "key_of", "standardized"]

IN_PLACE: Final = "./"
"""Begins the path of a file below the root that is the user's."""
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")


@lru_cache(maxsize=4096)
def is_url(path: str) -> bool:
    """Tell whether a text is a URL with a host or bucket; ``file:`` counts as well."""
    return _SCHEME.match(path) is not None


@lru_cache(maxsize=4096)
def is_outside(path: str) -> bool:
    """Tell whether a recorded path means a file that is named in full."""
    return path.startswith("/") or is_url(path)


def is_owned(path: str) -> bool:
    """Tell whether the file of a recorded path is the datastore's to remove."""
    return not (is_outside(path) or path.startswith(IN_PLACE))


@lru_cache(maxsize=4096)
def key_of(path: str) -> str:
    """Return the place below the root that a recorded path means.

    Raises
    ------
    TemplateError
        Raised if it would leave the root, or no file can have it.
    """
    key = path.removeprefix(IN_PLACE)
    if ".." in key.split("/") or not key or "\0" in key:
        raise TemplateError(f"the recorded path {path!r} leaves the repository")
    return key


def standardized(place: str | os.PathLike[str]) -> str:
    """Return the place of a file as a URL, or as a path without ``file://``."""
    text = os.fspath(place)
    return text.removeprefix("file://") if text.startswith("file:///") else text


def below(place: str, root: str) -> str | None:
    """Return the path of a place relative to a root, None if it is not below it.

    Parameters
    ----------
    place
        URL or local path; relative ones count from the current directory.
    root
        URL, or absolute path.
    """
    if is_url(place) or is_url(root):
        folder = root.rstrip("/") + "/"
        path = place.removeprefix(folder)
        return path if place.startswith(folder) and ".." not in path.split("/") else None
    folder = os.path.realpath(root).rstrip("/") + "/"
    resolved = os.path.realpath(place)
    return resolved.removeprefix(folder) if resolved.startswith(folder) else None
