"""MemoryStore: bytes in the memory of one process, a double for tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import ButlerUserError, FileFormatError
from ..formatters import ByteRange, ByteSource
from .contract import PendingFile, Store, StoredFile, with_token
from .local_store import is_temporary, temporary_name

__all__ = ["MemoryFile", "MemoryStore"]

_MEMORIES: Final[dict[str, dict[str, bytes]]] = {}
"""Files by path, of each store by its name; as long as the process lives."""


@dataclass(frozen=True, slots=True)
class MemoryStore(Store):
    """Bytes in memory; all stores of one name are one.

    Parameters
    ----------
    name
        Name of the store.
    """

    name: str

    def __reduce__(self) -> str:
        raise ButlerUserError("an in-memory datastore cannot be handed to another process")

    @property
    def files(self) -> dict[str, bytes]:
        """Contents by path."""
        return _MEMORIES.setdefault(self.name, {})

    def locate(self, path: str) -> str:
        """Return a name that says that there is no file."""
        return f"in-memory://{self.name}/{path}"

    def size(self, path: str) -> int | None:
        """Return the number of bytes."""
        content = self.files.get(path)
        return None if content is None else len(content)

    def source(self, path: str, size: int | None = None, checksum: str | None = None) -> MemoryFile:
        """Return bytes."""
        return MemoryFile(self.locate(path), self.files, path)

    @contextmanager
    def write(self, path: str) -> Iterator[PendingFile]:
        """Take in what a block writes to a file."""
        final = with_token(path) if path in self.files else path
        temporary = temporary_name(Path(final)).as_posix()
        with tempfile.TemporaryDirectory(prefix="coadd-butler-") as folder:
            local = Path(folder) / Path(path).name
            yield PendingFile(temporary, final, local=local)
            self.files[temporary] = local.read_bytes()

    def publish(self, temporary: str, final: str) -> None:
        """Give bytes another path, too."""
        if final in self.files:
            raise FileExistsError(f"{self.locate(final)} is there already")
        if temporary not in self.files:
            raise FileNotFoundError(f"no {self.locate(temporary)}")
        self.files[final] = self.files[temporary]

    def settle(self, paths: Iterable[str], names: Iterable[str] = ()) -> None:
        """Do nothing: memory does not survive."""

    def remove(self, path: str) -> None:
        """Forget bytes."""
        self.files.pop(path, None)

    def condemn(self, path: str) -> str | None:
        """Give bytes a temporary path, too."""
        twin = temporary_name(Path(path)).as_posix()
        self.publish(path, twin)
        return twin

    def walk(self) -> Iterator[StoredFile]:
        """Yield all files."""
        partial = {id(content) for path, content in self.files.items() if _is_temporary(path)}
        for path, content in sorted(self.files.items()):
            yield StoredFile(path, len(content), id(content) in partial)


class MemoryFile(ByteSource):
    """Bytes of a `MemoryStore`.

    Parameters
    ----------
    name
        For messages.
    files
        Contents by path.
    path
        The path that is meant.
    """

    def __init__(self, name: str, files: dict[str, bytes], path: str) -> None:
        super().__init__(name)
        self._files = files
        self._path = path

    def size(self) -> int:
        """Return the number of bytes."""
        return len(self._content())

    def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """Return views of the bytes."""
        content = self._content()
        if max(end for _, end in ranges) > len(content):
            raise FileFormatError(f"{self} is truncated: it has {len(content)} bytes")
        return [memoryview(content)[begin:end] for begin, end in ranges]

    @contextmanager
    def as_local_file(self) -> Iterator[Path]:
        """Write the bytes to a file for as long as the block lasts."""
        with tempfile.TemporaryDirectory(prefix="coadd-butler-") as folder:
            local = Path(folder) / Path(self._path).name
            local.write_bytes(self._content())
            yield local

    def _content(self) -> bytes:
        if self._path not in self._files:
            raise FileNotFoundError(f"no {self}")
        return self._files[self._path]


def _is_temporary(path: str) -> bool:
    return is_temporary(path.rpartition("/")[2])
