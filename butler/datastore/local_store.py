"""LocalStore: files below a directory."""

from __future__ import annotations

import os
import re
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from ..formatters import LocalFile
from .bringing import flush
from .contract import PendingFile, Store, StoredFile, with_token

__all__ = ["LocalStore", "is_temporary", "temporary_name"]

_PART_SUFFIX: Final = ".part"
"""End of the names of files that are not complete."""


@dataclass(frozen=True, slots=True)
class LocalStore(Store):
    """Files below a directory: written under a temporary name, flushed, renamed.

    Parameters
    ----------
    root
        The directory, absolute.
    """

    has_links: ClassVar[bool] = True

    root: Path

    def locate(self, path: str) -> str:
        """Return the file's name."""
        return str(self.root / path)

    def size(self, path: str) -> int | None:
        """Return the length of a file."""
        try:
            status = (self.root / path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return None if stat.S_ISDIR(status.st_mode) else status.st_size

    def source(self, path: str, size: int | None = None, checksum: str | None = None) -> LocalFile:
        """Return a file, to be mapped."""
        return LocalFile(self.root / path)

    @contextmanager
    def write(self, path: str) -> Iterator[PendingFile]:
        """Have a file written beside its final place."""
        final = with_token(path) if os.path.lexists(self.root / path) else path
        local = temporary_name(self.root / final)
        try:
            self._make_directory(local.parent)
            yield PendingFile(local, local.relative_to(self.root).as_posix(), final)
            if not local.is_symlink():
                flush(local)
        except BaseException:
            # Where its directory could not be made there is nothing to remove.
            with suppress(NotADirectoryError):
                local.unlink(missing_ok=True)
            raise

    def publish(self, temporary: str, final: str) -> None:
        """Give a file a second name, or, on a file system without hard links, another one."""
        given, wanted = self.root / temporary, self.root / final
        try:
            os.link(given, wanted, follow_symlinks=False)
        except (FileExistsError, FileNotFoundError):
            raise
        except OSError:
            if os.path.lexists(wanted):
                raise FileExistsError(wanted) from None
            given.replace(wanted)

    def settle(self, paths: Iterable[str]) -> None:
        """Flush the directories of files, each once."""
        for directory in dict.fromkeys((self.root / path).parent for path in paths):
            flush(directory)

    def remove(self, path: str) -> None:
        """Remove a file or link."""
        with suppress(NotADirectoryError):
            (self.root / path).unlink(missing_ok=True)

    def condemn(self, path: str) -> str | None:
        """Give a file a temporary name, too; None on a file system without hard links."""
        twin = temporary_name(self.root / path)
        try:
            os.link(self.root / path, twin, follow_symlinks=False)
        except FileNotFoundError:
            raise
        except OSError:
            return None
        return twin.relative_to(self.root).as_posix()

    def walk(self) -> Iterator[StoredFile]:
        """Yield the files; links to directories are not followed."""
        places = [place for place in sorted(self.root.rglob("*")) if not place.is_dir()]
        partial = {_node(place) for place in places if is_temporary(place.name)} - {None}
        for place in places:
            path = place.relative_to(self.root).as_posix()
            yield StoredFile(path, self.size(path), bool(partial) and _node(place) in partial)

    def _make_directory(self, directory: Path) -> None:
        """Make a directory and those above it, so that a loss of power keeps them."""
        if directory.is_dir():
            return
        self._make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        flush(directory.parent)


def temporary_name(final: Path) -> Path:
    """Return a name beside a file for what is to become that file."""
    return final.with_name(f".{final.name[:150]}.{uuid.uuid4().hex}{_PART_SUFFIX}")


def is_temporary(name: str) -> bool:
    """Tell whether a file's name, without directories, is that of one that is not complete."""
    return bool(re.fullmatch(r"\..+\.[0-9a-f]{32}" + re.escape(_PART_SUFFIX), name))


def _node(path: Path) -> tuple[Path, int, int] | None:
    """Return what two names of one file in one directory share; None if it has just gone."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return path.parent, status.st_dev, status.st_ino
