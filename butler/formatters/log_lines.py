"""Logs as JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ..errors import FileFormatError, StorageClassError
from ..log_records import ButlerLogRecords
from .formatter import Formatter

__all__ = ["LogRecordsFormatter"]


class LogRecordsFormatter(Formatter):
    """The messages of a log, one JSON object in each line."""

    name: ClassVar[str] = "LogRecords"
    extension: ClassVar[str] = ".jsonl"

    def write(self, obj: Any, path: Path) -> None:
        """Write a log."""
        if not isinstance(obj, ButlerLogRecords):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as a log")
        path.write_text(obj.to_text(), encoding="utf-8")

    def read_whole(self, path: Path) -> ButlerLogRecords:
        """Read a log."""
        try:
            return ButlerLogRecords.from_text(path.read_text(encoding="utf-8"))
        except (FileFormatError, UnicodeDecodeError) as error:
            raise FileFormatError(f"{path} is no log: {error}") from error
