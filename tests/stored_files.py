"""Objects written to files and read back as the datastore does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from butler.datasets import get_storage_class
from butler.formatters import (
    ByteRange,
    ByteSource,
    FileLayout,
    LocalFile,
    ReadRequest,
    formatter_for,
    get_formatter,
)

__all__ = ["CountedBytes", "read", "read_camera", "write"]


class CountedBytes(ByteSource):
    """Bytes in memory that remember which ranges were asked for."""

    def __init__(self, content: bytes) -> None:
        super().__init__("counted")
        self.content = content
        self.asked: list[list[ByteRange]] = []

    def size(self) -> int:
        return len(self.content)

    def read_ranges(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        self.asked.append(list(ranges))
        return [memoryview(self.content)[begin:end] for begin, end in ranges]

    @contextmanager
    def as_local_file(self) -> Iterator[Path]:
        raise AssertionError("the whole file was asked for")
        yield

    @property
    def n_bytes(self) -> int:
        return sum(end - begin for ranges in self.asked for begin, end in ranges)


def write(obj: Any, path: Path, storage_class: str) -> Path:
    """Write as the datastore does."""
    kind = get_storage_class(storage_class)
    formatter_for(kind).write(kind.coerce_type(obj), path)
    return path


def read(path: Path, storage_class: str, component: str | None = None, **parameters: Any) -> Any:
    """Read as the datastore does: with the layout that was found when the file was stored."""
    kind = get_storage_class(storage_class)
    formatter = formatter_for(kind)
    layout = formatter.layout(LocalFile(path))
    known = None if layout is None else FileLayout.from_json(layout.to_json())
    return formatter.read(LocalFile(path), ReadRequest(kind, component, parameters, known))


def read_camera(path: Path, component: str | None = None, **parameters: Any) -> Any:
    """Read a camera's own file."""
    formatter = get_formatter("CameraImageFits")
    kind = get_storage_class("ExposureF")
    layout = formatter.layout(LocalFile(path))
    return formatter.read(LocalFile(path), ReadRequest(kind, component, parameters, layout))
