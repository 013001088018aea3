"""Files that are kept as they are: pictures, documents, any bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ..errors import FileFormatError, StorageClassError
from .formatter import ContentFormatter

__all__ = ["BytesFormatter", "PdfFormatter", "PngFormatter"]


class BytesFormatter(ContentFormatter):
    """Any bytes."""

    name: ClassVar[str] = "Bytes"
    extension: ClassVar[str] = ".bin"
    start: ClassVar[bytes] = b""
    """What such files begin with."""

    def content(self, obj: Any) -> bytes:
        """Return bytes as they are."""
        if not isinstance(obj, bytes):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as {self.name}; give bytes")
        if not obj.startswith(self.start):
            raise StorageClassError(f"these bytes are no {self.name} file: they begin with {obj[:8]!r}")
        return obj

    def read_whole(self, path: Path) -> bytes:
        """Read bytes."""
        content = path.read_bytes()
        if not content.startswith(self.start):
            raise FileFormatError(f"{path} is no {self.name} file: it begins with {content[:8]!r}")
        return content


class PngFormatter(BytesFormatter):
    """A picture."""

    name: ClassVar[str] = "Png"
    extension: ClassVar[str] = ".png"
    start: ClassVar[bytes] = b"\x89PNG\r\n\x1a\n"


class PdfFormatter(BytesFormatter):
    """A document."""

    name: ClassVar[str] = "Pdf"
    extension: ClassVar[str] = ".pdf"
    start: ClassVar[bytes] = b"%PDF-"
