"""Logs as JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ..errors import FileFormatError, StorageClassError
from ..log_records import ButlerLogRecords
from .formatter import ContentFormatter

__all__ = ["LogRecordsFormatter"]


class LogRecordsFormatter(ContentFormatter):
    """The messages of a log, one JSON object in each line."""

    name: ClassVar[str] = "LogRecords"
    extension: ClassVar[str] = ".jsonl"

    def content(self, obj: Any) -> bytes:
        """Return a log as text."""
        if not isinstance(obj, ButlerLogRecords):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as a log")
        return obj.to_text().encode()

    def read_whole(self, path: Path) -> ButlerLogRecords:
        """Read a log."""
        try:
            return ButlerLogRecords.from_text(path.read_text(encoding="utf-8"))
        except (FileFormatError, UnicodeDecodeError) as error:
            raise FileFormatError(f"{path} is no log: {error}") from error
