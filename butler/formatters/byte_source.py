"""ByteSource: the bytes of one stored file, wherever they are."""

from __future__ import annotations

import io
import mmap
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from ..errors import FileFormatError

__all__ = ["ByteRange", "ByteSource", "LocalFile", "SparseBytes"]

ByteRange = tuple[int, int]
"""First byte, and the byte after the last."""

_BUFFER_SIZE: Final = 64 * 1024
_SMALL: Final = 64 * 1024
"""Most bytes of a part of a file that are copied, not mapped."""
_MAP_UNIT: Final = max(2 << 20, mmap.ALLOCATIONGRANULARITY)
"""Maps begin and end where large pages do, bytes; others are filled page by page, which takes far longer."""


class ByteSource(ABC):
    """The bytes of one stored file; formatters read through it as little as they need.

    Parameters
    ----------
    name
        Where the bytes are, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    @abstractmethod
    def size(self) -> int:
        """Return the number of bytes.

        Raises
        ------
        OSError
            Raised if the file is gone or cannot be read; so do the other methods.
        """

    @abstractmethod
    def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """Read parts of the file, all of them at once where that is quicker.

        Parameters
        ----------
        ranges
            The parts; none is empty.

        Returns
        -------
        views
            Read-only bytes of each part, in the same order. They may be a map of the file, which lives as
            long as the view: copy what is to stay.

        Raises
        ------
        FileFormatError
            Raised if the file ends before a part does.
        """

    @abstractmethod
    @contextmanager
    def as_local_file(self) -> Iterator[Path]:
        """Give the whole file a local name, for libraries that want one; valid inside the block only."""
        yield Path()

    @contextmanager
    def read_locally(self) -> Iterator[Path]:
        """Do as `as_local_file`; an error about the file's content names the source nevertheless."""
        with self.as_local_file() as path:
            try:
                yield path
            except FileFormatError as error:
                raise FileFormatError(str(error).replace(str(path), str(self))) from error

    def open(self) -> BinaryIO:
        """Return a stream that can be sought in; only what is read of it, rounded up, is fetched."""
        return io.BufferedReader(_SourceStream(self), _BUFFER_SIZE)


class LocalFile(ByteSource):
    """A file of the local file system, read through memory maps.

    Parameters
    ----------
    path
        The file.
    name
        Where it is, for messages; the path if not given.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        super().__init__(name or str(path))
        self.path = path

    def size(self) -> int:
        """Return the number of bytes."""
        return self.path.stat().st_size

    def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """Map parts of the file; copy small ones, which is quicker."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            views = []
            for begin, end in ranges:
                if end > size:
                    raise FileFormatError(
                        f"{self} is truncated: it has {size} bytes, what is to be read ends at {end}"
                    )
                if end - begin <= _SMALL:
                    views.append(memoryview(os.pread(descriptor, end - begin, begin)))
                    continue
                start = begin - begin % _MAP_UNIT
                stop = min(end + -end % _MAP_UNIT, size)
                mapped = mmap.mmap(descriptor, stop - start, offset=start, access=mmap.ACCESS_READ)
                # The last view that goes takes the map along.
                views.append(memoryview(mapped)[begin - start : end - start])
        finally:
            os.close(descriptor)
        return views

    @contextmanager
    def as_local_file(self) -> Iterator[Path]:
        """Name the file itself."""
        yield self.path

    def open(self) -> BinaryIO:
        """Open the file; its header is most often there at the first access to the disk."""
        return self.path.open("rb", _BUFFER_SIZE)


class SparseBytes(ByteSource):
    """Parts of a file in memory; what lies between them reads as zeros.

    Parameters
    ----------
    source
        The file, of which nothing is read later.
    ranges
        The parts, in order.
    """

    def __init__(self, source: ByteSource, ranges: Sequence[ByteRange]) -> None:
        super().__init__(source.name)
        self._size = max(end for _, end in ranges)
        views = source.read_ranges(ranges)
        self._parts = [(begin, end, bytes(view)) for (begin, end), view in zip(ranges, views, strict=True)]

    def size(self) -> int:
        """Return the end of the last part."""
        return self._size

    def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """Copy out of the parts."""
        return [memoryview(self._read(begin, end)) for begin, end in ranges]

    def _read(self, begin: int, end: int) -> bytearray:
        found = bytearray(end - begin)
        for start, stop, part in self._parts:
            first, last = max(begin, start), min(end, stop)
            if first < last:
                found[first - begin : last - begin] = part[first - start : last - start]
        return found

    @contextmanager
    def as_local_file(self) -> Iterator[Path]:
        """Write the parts to a file with holes between them."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "parts"
            with path.open("wb") as stream:
                for begin, _, part in self._parts:
                    stream.seek(begin)
                    stream.write(part)
            yield path


class _SourceStream(io.RawIOBase):
    """A stream over the ranges of a source."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._size = source.size()
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed hides the buffer's type
        end = min(self._position + len(buffer), self._size)
        if end <= self._position:
            return 0
        [view] = self._source.read_ranges([(self._position, end)])
        buffer[: len(view)] = view
        self._position = end
        return len(view)
