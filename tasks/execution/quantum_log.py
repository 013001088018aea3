"""Capture what a quantum logs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from butler.log_records import ButlerLogRecord, ButlerLogRecords

__all__ = ["add_silently", "captured_log"]

_LOG = logging.getLogger(__name__)


@contextmanager
def captured_log(label: str, level: int) -> Iterator[ButlerLogRecords]:
    """Collect all messages of this process while a block runs; what is printed is the same as without.

    Parameters
    ----------
    label
        Told with each message, as LSST's LABEL.
    level
        Least level to collect.
    """
    root = logging.getLogger()
    collector = _Collector({"LABEL": label}, level)
    before, printers = root.level, list(root.handlers)
    unheard = _AtLeast(before)
    for printer in printers:
        printer.addFilter(unheard)
    if not printers and logging.lastResort is not None:
        # Without any handler Python prints warnings; with ours alone it would not.
        collector.also = logging.lastResort
    root.addHandler(collector)
    root.setLevel(min(before, level))
    try:
        yield collector.records
    finally:
        root.setLevel(before)
        root.removeHandler(collector)
        for printer in printers:
            printer.removeFilter(unheard)


def add_silently(log: ButlerLogRecords, level: int, message: str, error: BaseException | None = None) -> None:
    """Add a message, perhaps with the traceback of an error, to a log alone; nothing is printed."""
    trace = None if error is None else (type(error), error, error.__traceback__)
    log.append(_LOG.makeRecord(_LOG.name, level, __file__, 0, message, (), trace))


class _Collector(logging.Handler):
    """Keeps messages."""

    def __init__(self, context: dict[str, str], level: int) -> None:
        super().__init__(level)
        self.records = ButlerLogRecords()
        self.also: logging.Handler | None = None
        self._context = context

    def emit(self, record: logging.LogRecord) -> None:
        try:
            told = ButlerLogRecord.from_record(record)
        except Exception:
            # As Python's own handlers do with a message that does not fit its arguments.
            self.handleError(record)
            return
        self.records.append(told.model_copy(update={"MDC": {**self._context, **told.MDC}}))
        if self.also is not None and record.levelno >= self.also.level:
            self.also.handle(record)


class _AtLeast(logging.Filter):
    """Lets the messages of the root logger's former level pass, and those of loggers with their own level."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= self._level:
            return True
        return _own_level(record.name) is not None


def _own_level(name: str) -> int | None:
    """Return the level that a logger, or one above it but the root, was given."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None and logger.parent is not None:
        if logger.level:
            return logger.level
        logger = logger.parent
    return None
