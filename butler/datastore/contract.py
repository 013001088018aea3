"""Store: what a place that keeps bytes can do."""

from __future__ import annotations

import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..formatters import ByteSource

__all__ = [
    "Leftover",
    "NewFile",
    "PendingFile",
    "Store",
    "StoredFile",
    "has_token",
    "with_token",
    "without_token",
]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What a store has under one path.

    Parameters
    ----------
    path
        The path.
    size
        Number of bytes; None for a link to nowhere.
    is_own
        Whether its name, or that of its twin, shows that a datastore wrote it, so that it is nobody's if no
        row names it. Other files may be somebody's.
    """

    path: str
    size: int | None
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is not published yet.

    Parameters
    ----------
    temporary
        Path that the store has it under once it is complete.
    final
        Path that it gets when it is published; equal to `temporary` where there are no renames.
    folders
        Paths of the directories that were made for it.
    """

    temporary: str
    final: str
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFile(NewFile):
    """A file that is being written.

    Parameters
    ----------
    local
        Where its bytes are to be written; there is nothing yet.
    """

    local: Path


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file of a writer that died.

    Parameters
    ----------
    temporary
        Its temporary path.
    published
        Its other paths: the final one, if it has got that already.
    """

    temporary: str
    published: tuple[str, ...] = ()


class Store(ABC):
    """Keeps bytes under paths below one root; knows neither datasets nor formats.

    Paths are relative, with ``/``; that they stay below the root is for the caller to see to. A store is a
    small value that may be pickled. Where something goes wrong, all methods raise OSError, and
    FileNotFoundError where there is nothing under a path.
    """

    has_links: ClassVar[bool] = False
    """Whether links to files elsewhere can be made."""

    @abstractmethod
    def locate(self, path: str) -> str:
        """Return the full name of a path, for messages and for other programs."""

    @abstractmethod
    def size(self, path: str) -> int | None:
        """Return the number of bytes under a path, None if there is nothing."""

    @abstractmethod
    def source(self, path: str, size: int | None = None, checksum: str | None = None) -> ByteSource:
        """Return the bytes under a path; nothing is looked up before they are read.

        Parameters
        ----------
        path
            The path.
        size, checksum
            What is known of the bytes; spares a store that is far away a question.
        """

    @abstractmethod
    def write(self, path: str) -> AbstractContextManager[PendingFile]:
        """Run a block that writes a local file; at its end the bytes are in the store.

        Nothing is overwritten: a path that is taken, or could be taken meanwhile, gets a token of its own.
        A block that fails leaves nothing; a loss of power may leave nothing until `settle`.
        """

    def save(self, path: str, content: bytes) -> NewFile:
        """Write bytes that are in memory; all else is as with `write`."""
        with self.write(path) as pending:
            pending.local.write_bytes(content)
        return pending

    @abstractmethod
    def publish(self, temporary: str, final: str) -> None:
        """Give a complete file its final path.

        It keeps the temporary one, too, until that is removed: a kill before the rows are there leaves
        both, by which `walk` knows the file.

        Raises
        ------
        FileExistsError
            Raised if something else has that path.
        """

    @abstractmethod
    def settle(self, paths: Iterable[str], names: Iterable[str] = ()) -> None:
        """Return when some files would survive a loss of power.

        Parameters
        ----------
        paths
            Files and directories that are new.
        names
            Files of which only the name is, as they were settled under another one.
        """

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove what is under a path, if anything is."""

    def condemn(self, path: str) -> str | None:
        """Have `walk` know a file as the store's own from now on, before no row names it any more.

        Returns
        -------
        twin
            Second path, to be removed after the file; None if the store knows its files without.

        Raises
        ------
        FileNotFoundError
            Raised if there is nothing under the path.
        """
        return None

    def leftovers(self, paths: Iterable[str]) -> Iterable[Leftover]:
        """Yield what writers have left that died before the rows for a file were there, or right after.

        Parameters
        ----------
        paths
            Paths that the files were to get, or got with a token of their own; nobody writes for them now.

        Returns
        -------
        leftovers
            None where a writer that dies leaves nothing that could be known as its own.
        """
        return ()

    @abstractmethod
    def walk(self) -> Iterator[StoredFile]:
        """Yield all files in the order of their paths."""


def with_token(path: str) -> str:
    """Return a path whose last part has a token that no other has, before its extension."""
    folder, slash, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".") if "." in name.lstrip(".") else (name, "", "")
    return f"{folder}{slash}{stem}_{uuid.uuid4().hex[:12]}{dot}{extension}"


def without_token(name: str) -> str:
    """Return a name, without directories, as it was before `with_token`; itself if it has no token."""
    return re.sub(r"_[0-9a-f]{12}(?=(\.[^./]*)?$)", "", name)


def has_token(path: str) -> bool:
    """Tell whether a path could be one that `with_token` made."""
    return re.search(r"_[0-9a-f]{12}(\.[^./]*)?$", path) is not None
