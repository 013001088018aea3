"""ButlerLogRecords: the log of a task as data."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from .errors import FileFormatError

__all__ = ["ButlerLogRecord", "ButlerLogRecords"]


class ButlerLogRecord(BaseModel):
    """One message, with the fields that LSST's logs have.

    Parameters
    ----------
    name
        Name of the logger.
    asctime
        When it was logged.
    message
        The message, with its arguments.
    levelno, levelname
        How grave it is.
    filename, pathname, lineno, funcName
        Where it was logged.
    process, processName
        Who logged it.
    exc_info
        Traceback of the exception that was logged with it.
    MDC
        What else the logger was told, for example the label and data ID of a quantum.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    asctime: datetime
    message: str
    levelno: int
    levelname: str
    filename: str | None = None
    pathname: str | None = None
    lineno: int | None = None
    funcName: str | None = None
    process: int | None = None
    processName: str | None = None
    exc_info: str | None = None
    MDC: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def from_record(cls, record: logging.LogRecord) -> ButlerLogRecord:
        """Return the data of a log record of Python's."""
        error = record.exc_info
        return cls(
            name=record.name,
            asctime=datetime.fromtimestamp(record.created, tz=UTC),
            message=record.getMessage(),
            levelno=record.levelno,
            levelname=record.levelname,
            filename=record.filename,
            pathname=record.pathname,
            lineno=record.lineno,
            funcName=record.funcName,
            process=record.process,
            processName=record.processName,
            exc_info="".join(traceback.format_exception(*error)) if error and error[0] else None,
            MDC={str(key): str(value) for key, value in getattr(record, "MDC", {}).items()},
        )

    def __str__(self) -> str:
        return f"{self.levelname} {self.asctime.isoformat()} {self.name} - {self.message}"


class _List(RootModel[list[ButlerLogRecord]]):
    """Messages as one JSON list."""


class ButlerLogRecords:
    """Messages in the order in which they were logged.

    Parameters
    ----------
    records
        The messages.
    """

    def __init__(self, records: Iterable[ButlerLogRecord] = ()) -> None:
        self.records = list(records)

    @classmethod
    def from_text(cls, text: str) -> ButlerLogRecords:
        """Read JSON lines, one message each, or LSST's older form, one JSON list of them.

        Raises
        ------
        FileFormatError
            Raised with the number of the line that is no message.
        """
        if text.lstrip().startswith("["):
            try:
                return cls(_List.model_validate_json(text).root)
            except ValidationError as error:
                raise FileFormatError(f"not a log: {error.errors(include_url=False)[0]['msg']}") from error
        records = []
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                records += [ButlerLogRecord.model_validate_json(line)] if line.strip() else []
            except ValidationError as error:
                reason = error.errors(include_url=False)[0]["msg"]
                raise FileFormatError(f"line {number} is no log message: {reason}") from error
        return cls(records)

    def to_text(self) -> str:
        """Return JSON lines."""
        return "".join(f"{record.model_dump_json(exclude_none=True)}\n" for record in self.records)

    def append(self, record: logging.LogRecord | ButlerLogRecord) -> None:
        """Add a message."""
        own = record if isinstance(record, ButlerLogRecord) else ButlerLogRecord.from_record(record)
        self.records.append(own)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[ButlerLogRecord]:
        return iter(self.records)

    def __getitem__(self, index: int) -> ButlerLogRecord:
        return self.records[index]

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, ButlerLogRecords):
            return NotImplemented
        return self.records == other.records

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return "\n".join(str(record) for record in self.records)
