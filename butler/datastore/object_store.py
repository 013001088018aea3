"""ObjectStore: objects below a URL, through fsspec."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contract import PendingFile, Store, StoredFile, has_token, with_token
from .file_cache import FileCache
from .remote import RemoteFile, file_system_errors, open_file_system

__all__ = ["ObjectStore"]


@dataclass(frozen=True, slots=True)
class ObjectStore(Store):
    """Objects below a URL such as ``s3://bucket/prefix``.

    An object appears whole when its upload ends, but no store has a rename that is cheap, and not every one
    can refuse to overwrite. So each upload gets a path of its own, with a token, before any row names it:
    what two writers of one dataset upload never meets, and no reader finds new bytes under an old name.

    Parameters
    ----------
    root
        The URL.
    options
        Options of the file system; no secrets.
    cache
        Where copies of whole objects go.
    """

    root: str
    options: Mapping[str, Any]
    cache: FileCache

    @property
    def scheme(self) -> str:
        """Kind of the URL, for example ``s3``."""
        return self.root.partition("://")[0]

    def locate(self, path: str) -> str:
        """Return the URL."""
        return f"{self.root.rstrip('/')}/{path}"

    def size(self, path: str) -> int | None:
        """Ask for the size of an object."""
        try:
            return self.source(path).size()
        except FileNotFoundError:
            return None

    def source(self, path: str, size: int | None = None, checksum: str | None = None) -> RemoteFile:
        """Return an object."""
        return RemoteFile(self.locate(path), self.options, self.cache, size, checksum)

    @contextmanager
    def write(self, path: str) -> Iterator[PendingFile]:
        """Upload what a block writes to a file."""
        final = with_token(path)
        with tempfile.TemporaryDirectory(prefix="coadd-butler-") as folder:
            local = Path(folder) / Path(path).name
            yield PendingFile(final, final, local=local)
            system, name = open_file_system(self.locate(final), self.options)
            with file_system_errors():
                system.put_file(str(local), name)

    def publish(self, temporary: str, final: str) -> None:
        """Do nothing: an object has its path from the start."""

    def settle(self, paths: Iterable[str], names: Iterable[str] = ()) -> None:
        """Do nothing: an upload that is confirmed stays."""

    def remove(self, path: str) -> None:
        """Delete an object."""
        self.source(path).remove()

    def walk(self) -> Iterator[StoredFile]:
        """List all objects."""
        system, top = open_file_system(self.root, self.options)
        with file_system_errors():
            found = system.find(top, detail=True)
        for name, info in sorted(found.items()):
            path = name.removeprefix(top).lstrip("/")
            yield StoredFile(path, int(info["size"]), has_token(path))
