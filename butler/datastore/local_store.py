"""LocalStore: files below a directory."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Set
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from ..formatters import LocalFile
from .contract import Leftover, NewFile, PendingFile, Store, StoredFile, with_token, without_token
from .flushing import flush_all

__all__ = ["LocalStore", "is_temporary", "temporary_name"]

_PART_SUFFIX: Final = ".part"
"""End of the names of files that are not complete."""
_MOST_CHARACTERS: Final = 150
"""Of a file's name in its temporary one."""
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class LocalStore(Store):
    """Files below a directory: written under a temporary name, renamed, flushed.

    Parameters
    ----------
    root
        The directory, absolute.
    """

    has_links: ClassVar[bool] = True

    root: Path

    def locate(self, path: str) -> str:
        """Return the file's name."""
        return f"{self.root}/{path}" if path else str(self.root)

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
        final, temporary = self._names(path)
        local = self.root / temporary
        with ExitStack() as undo:
            undo.callback(self.remove, temporary)
            folders = self._make_folder(os.path.dirname(temporary))
            yield PendingFile(temporary, final, folders, local=local)
            local.lstat()
            undo.pop_all()

    def save(self, path: str, content: bytes) -> NewFile:
        """Write a file beside its final place."""
        final, temporary = self._names(path)
        place = self.locate(temporary)
        folders: tuple[str, ...] = ()
        with ExitStack() as undo:
            undo.callback(self.remove, temporary)
            try:
                descriptor = os.open(place, _NEW_FILE, 0o666)
            except FileNotFoundError:
                folders = self._make_folder(os.path.dirname(temporary))
                descriptor = os.open(place, _NEW_FILE, 0o666)
            try:
                rest = memoryview(content)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            finally:
                os.close(descriptor)
            undo.pop_all()
        return NewFile(temporary, final, folders)

    def _names(self, path: str) -> tuple[str, str]:
        """Return the path that a new file gets, and a temporary one beside it."""
        final = with_token(path) if os.path.lexists(self.locate(path)) else path
        folder, slash, name = final.rpartition("/")
        return final, f"{folder}{slash}{_temporary(name)}"

    def publish(self, temporary: str, final: str) -> None:
        """Give a file a second name, or, on a file system without hard links, another one."""
        given, wanted = self.locate(temporary), self.locate(final)
        try:
            os.link(given, wanted, follow_symlinks=False)
        except (FileExistsError, FileNotFoundError):
            raise
        except OSError:
            if os.path.lexists(wanted):
                raise FileExistsError(wanted) from None
            os.replace(given, wanted)

    def settle(self, paths: Iterable[str], names: Iterable[str] = ()) -> None:
        """Flush files and their directories, each once."""
        places = [self.locate(path) for path in paths]
        folders = [os.path.dirname(place) for place in (*places, *map(self.locate, names))]
        flush_all(places, folders)

    def remove(self, path: str) -> None:
        """Remove a file or link, if it is there."""
        with suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(self.locate(path))

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

    def leftovers(self, paths: Iterable[str]) -> Iterator[Leftover]:
        """Yield files with a temporary name, and the final one of each that has it."""
        wanted: dict[str, set[str]] = {}
        for path in paths:
            folder, _, name = path.rpartition("/")
            wanted.setdefault(folder, set()).add(name[:_MOST_CHARACTERS])
        for folder, names in wanted.items():
            with suppress(FileNotFoundError, NotADirectoryError):
                yield from self._leftovers_in(folder, names)

    def _leftovers_in(self, folder: str, names: Set[str]) -> Iterator[Leftover]:
        with os.scandir(self.locate(folder)) as scanned:
            entries = list(scanned)
        partial = [entry for entry in entries if is_temporary(entry.name)]
        own = [e for e in partial if {n := _final_name(e.name), without_token(n)} & names]
        slash = f"{folder}/" if folder else ""
        for entry in own:
            twins: tuple[str, ...] = ()
            if entry.stat(follow_symlinks=False).st_nlink > 1:
                others = (e for e in entries if e.inode() == entry.inode() and not is_temporary(e.name))
                twins = tuple(slash + other.name for other in others)
            yield Leftover(slash + entry.name, twins)

    def walk(self) -> Iterator[StoredFile]:
        """Yield the files; links to directories are not followed."""
        places = [place for place in sorted(self.root.rglob("*")) if not place.is_dir()]
        partial = {_node(place) for place in places if is_temporary(place.name)} - {None}
        for place in places:
            path = place.relative_to(self.root).as_posix()
            yield StoredFile(path, self.size(path), bool(partial) and _node(place) in partial)

    def _make_folder(self, folder: str) -> tuple[str, ...]:
        """Make a directory and those above it; return those that were not there."""
        try:
            os.mkdir(self.locate(folder))
        except FileExistsError:
            return ()
        except FileNotFoundError:
            if not folder:
                self.root.mkdir(parents=True, exist_ok=True)
                return ("",)
            made = self._make_folder(os.path.dirname(folder))
            return (*made, *self._make_folder(folder))
        return (folder,)


def temporary_name(final: Path) -> Path:
    """Return a name beside a file for what is to become that file."""
    return final.with_name(_temporary(final.name))


def _temporary(name: str) -> str:
    return f".{name[:_MOST_CHARACTERS]}.{os.urandom(16).hex()}{_PART_SUFFIX}"


def _final_name(temporary: str) -> str:
    """Return the name that a file with a temporary one was to get, as far as that tells it."""
    return temporary.removesuffix(_PART_SUFFIX).rpartition(".")[0].removeprefix(".")


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
