"""FileCache: local copies of files that are far away, within a limit."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import ButlerUserError

__all__ = ["DEFAULT_CACHE_SIZE", "FileCache"]

DEFAULT_CACHE_SIZE: Final = 10 * 2**30
"""Bytes that a cache holds if nobody says otherwise."""

_DIRECTORY_VARIABLE: Final = "BUTLER_CACHE_DIRECTORY"
_SIZE_VARIABLE: Final = "BUTLER_CACHE_SIZE"
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_MAX_LOAN_AGE_S: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class FileCache:
    """A directory of copies, of which those that were not used for the longest time go first.

    Several processes may share it: copies appear whole under their names, and a reader has a name of its
    own, so that nobody takes a file from under it. What readers have, and what the last of several writers
    brings at once, may exceed the limit for a moment.

    Parameters
    ----------
    directory
        Where the copies are, for this user alone; made if needed. None if nobody knows a place.
    limit
        Most bytes to keep.
    """

    directory: Path | None
    limit: int

    @classmethod
    def from_environment(cls, limit: int = DEFAULT_CACHE_SIZE) -> FileCache:
        """Return the user's cache.

        Its directory is ``$BUTLER_CACHE_DIRECTORY``, else ``coadd-butler`` in ``$XDG_CACHE_HOME`` or
        ``~/.cache``; its limit ``$BUTLER_CACHE_SIZE``, for example ``20GB``, else the one given.

        Raises
        ------
        ButlerUserError
            Raised for a size that is none.
        """
        text = os.environ.get(_SIZE_VARIABLE)
        return cls(_users_directory(), limit if text is None else _bytes_of(text))

    def find(self, key: str, size: int) -> Path | None:
        """Return the copy of a file if there is one of the right size; it may go at any time.

        Parameters
        ----------
        key
            Name and version of the file.
        size
            Its bytes.
        """
        if self.directory is None:
            return None
        entry = _entry(self.directory, key)
        with suppress(FileNotFoundError):
            if entry.stat().st_size == size:
                os.utime(entry)
                return entry
        return None

    @contextmanager
    def lend(self, key: str, size: int, fetch: Callable[[Path], None]) -> Iterator[Path]:
        """Give a copy of a file a name that is valid inside the block.

        Parameters
        ----------
        key, size
            As for `find`.
        fetch
            Writes the file to a new path, if there is no copy.

        Raises
        ------
        ButlerUserError
            Raised if there is no place for copies.
        """
        directory = self.directory
        if directory is None:
            raise ButlerUserError(
                f"there is no home directory for copies of files; set {_DIRECTORY_VARIABLE}"
            )
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        loan = directory / f".{uuid.uuid4().hex}"
        try:
            if not self._take(key, size, loan):
                fetch(loan)
                self._keep(directory, loan, key)
            yield loan
        finally:
            loan.unlink(missing_ok=True)

    def _take(self, key: str, size: int, loan: Path) -> bool:
        entry = self.find(key, size)
        if entry is None:
            return False
        try:
            _duplicate(entry, loan)
        except FileNotFoundError:
            return False
        return True

    def _keep(self, directory: Path, loan: Path, key: str) -> None:
        size = loan.stat().st_size
        if size > self.limit:
            return
        self._make_room(directory, size)
        part = directory / f".{uuid.uuid4().hex}"
        try:
            _duplicate(loan, part)
            part.replace(_entry(directory, key))
        finally:
            part.unlink(missing_ok=True)

    def _make_room(self, directory: Path, needed: int) -> None:
        """Remove the copies that were not used for the longest time, and what killed readers left."""
        copies = []
        for path in directory.iterdir():
            with suppress(FileNotFoundError):
                status = path.stat()
                if not path.name.startswith("."):
                    copies.append((status.st_mtime_ns, status.st_size, path))
                elif status.st_mtime < time.time() - _MAX_LOAN_AGE_S:
                    path.unlink(missing_ok=True)
        total = sum(size for _, size, _ in copies)
        for _, size, path in sorted(copies):
            if total + needed <= self.limit:
                break
            path.unlink(missing_ok=True)
            total -= size


def _entry(directory: Path, key: str) -> Path:
    return directory / hashlib.sha256(key.encode()).hexdigest()


def _users_directory() -> Path | None:
    """Return where copies go; None if the user has no home, as in some containers."""
    given = os.environ.get(_DIRECTORY_VARIABLE)
    if given:
        return Path(given).absolute()
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        return home.expanduser().absolute() / "coadd-butler"
    except RuntimeError:
        return None


def _duplicate(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no second names."""
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _bytes_of(text: str) -> int:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)B?\s*", text, re.IGNORECASE | re.ASCII)
    if match is None:
        raise ButlerUserError(f"{_SIZE_VARIABLE} is {text!r}; it must be bytes, or for example 20GB")
    return round(float(match[1]) * _UNITS[match[2].upper()])
