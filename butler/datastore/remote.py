"""RemoteFile: a file that fsspec knows how to reach; the only door to that library."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ..errors import ButlerUserError, FileFormatError
from ..formatters import ByteRange, ByteSource, LocalFile
from .file_cache import FileCache

__all__ = ["CHUNK_SIZE", "RemoteFile", "file_system_errors", "open_file_system"]

CHUNK_SIZE: Final = 16 * 2**20
"""Bytes that are fetched at once where a whole file is wanted."""

# What client libraries raise that is no OSError, by the modules that define it.
_LIBRARY_ERRORS: Final = (("botocore.exceptions", "BotoCoreError"), ("aiohttp", "ClientError"))
_EXTRAS: Final = {"s3": "coadd-butler[s3]", "s3a": "coadd-butler[s3]"}


def open_file_system(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the file system of a URL, and the URL's name in it.

    Both are made anew in each process and thread, as the libraries below want it; they keep connections.

    Raises
    ------
    ButlerUserError
        Raised if the library for this kind of URL is not installed, or there is none, or for a chain of URLs.
    """
    scheme = url.partition("://")[0]
    if "::" in url:
        raise ButlerUserError(f"cannot open {url}: one file system inside another is not read")
    try:
        import fsspec  # type: ignore[import-untyped]

        # Listings change under other hands.
        system, name = fsspec.core.url_to_fs(url, **{"use_listings_cache": False, **options})
    except ImportError as error:
        needed = _EXTRAS.get(scheme, "fsspec")
        told = str(error) if needed == "fsspec" and error.name != "fsspec" else "a library is not installed"
        raise ButlerUserError(f"cannot open {url}: {told}; run: pip install '{needed}'") from error
    except ValueError as error:
        raise ButlerUserError(f"cannot open {url}: {error}") from error
    return system, name


@contextmanager
def file_system_errors() -> Iterator[None]:
    """Turn what client libraries raise for their own reasons into an OSError."""
    try:
        yield
    except NotImplementedError as error:
        raise OSError("there is no way to do that there") from error
    except _library_errors() as error:
        raise OSError(" ".join(str(error).split()) or type(error).__name__) from error


def _library_errors() -> tuple[type[Exception], ...]:
    """Return the errors of the libraries that are loaded."""
    loaded = ((sys.modules.get(module), name) for module, name in _LIBRARY_ERRORS)
    return tuple(getattr(module, name) for module, name in loaded if module is not None)


class RemoteFile(ByteSource):
    """A file in an object store, or anywhere else that fsspec reads.

    Parameters
    ----------
    url
        Where it is.
    options
        Options of the file system.
    cache
        Where copies of whole files go.
    size, checksum
        Bytes and SHA-256 sum that it must have, if known.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any],
        cache: FileCache,
        size: int | None = None,
        checksum: str | None = None,
    ) -> None:
        super().__init__(url)
        self._options = options
        self._cache = cache
        self._size = size
        self._checksum = checksum

    def size(self) -> int:
        """Return the number of bytes; what is known is not asked for again."""
        if self._size is None:
            size = self._info()["size"]
            if size is None:
                raise OSError("the server does not tell its size")
            self._size = int(size)
        return self._size

    def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """Fetch parts of the file, all of them at once where the library can."""
        if self._checksum is not None and (copy := self._cache.find(self._key(), self.size())) is not None:
            try:
                return LocalFile(copy, self.name).read_ranges(ranges)
            except FileNotFoundError:
                # Another process has made room just now.
                pass
        system, name = open_file_system(self.name, self._options)
        begins, ends = zip(*ranges, strict=True)
        with self._explained_errors():
            parts = system.cat_ranges([name] * len(ranges), list(begins), list(ends), on_error="raise")
        for part, (begin, end) in zip(parts, ranges, strict=True):
            if len(part) != end - begin:
                raise FileFormatError(f"{self} is truncated: it ends at byte {begin + len(part)}, not {end}")
        return [memoryview(part) for part in parts]

    @contextmanager
    def as_local_file(self) -> Iterator[Path]:
        """Give the block a local copy, kept in the cache for the next time."""
        with self._cache.lend(self._key(), self.size(), self.copy_to) as path:
            yield path

    def copy_to(self, path: Path) -> None:
        """Fetch the whole file.

        Raises
        ------
        FileFormatError
            Raised if it has not the size or checksum that it must have.
        """
        system, name = open_file_system(self.name, self._options)
        digest = hashlib.sha256()
        n_bytes = 0
        with self._explained_errors(), path.open("wb") as target:
            while n_bytes < self.size():
                chunk = system.cat_file(name, start=n_bytes, end=min(n_bytes + CHUNK_SIZE, self.size()))
                if not chunk:
                    break
                target.write(chunk)
                digest.update(chunk)
                n_bytes += len(chunk)
        if n_bytes != self.size() or self._checksum not in (None, digest.hexdigest()):
            raise FileFormatError(f"{self} is not what it was when it was stored; see `butler verify`")

    def remove(self) -> None:
        """Remove the file, if it is there."""
        system, name = open_file_system(self.name, self._options)
        with suppress(FileNotFoundError), file_system_errors():
            system.rm_file(name)

    @contextmanager
    def _explained_errors(self) -> Iterator[None]:
        """Say of a file that has another length than it had that this is why it cannot be read."""
        try:
            with file_system_errors():
                yield
        except FileNotFoundError:
            raise
        except OSError:
            found = self._info()["size"]
            if self._size is None or found in (None, self._size):
                raise
            raise FileFormatError(
                f"{self} has {found} bytes, it had {self._size} when it was stored; see `butler verify`"
            ) from None

    def _info(self) -> Mapping[str, Any]:
        system, name = open_file_system(self.name, self._options)
        with file_system_errors():
            info: Mapping[str, Any] = system.info(name)
        if info["type"] == "directory":
            raise FileNotFoundError(f"no file {self}")
        return info

    def _key(self) -> str:
        """Return name and version; a file that is written anew has another version."""
        if self._checksum is not None:
            return f"{self.name}\n{self._checksum}"
        # Modification time, ETag and the like: whatever the file system tells.
        return f"{self.name}\n{sorted((key, str(value)) for key, value in self._info().items())}"
