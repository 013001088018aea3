"""Where Gen2 commands say what they have to say besides results."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

__all__ = ["command_log", "forwarded"]


def command_log() -> logging.Logger:
    """Return the logger that has the name of the running command."""
    return logging.getLogger(click.get_current_context().command.name)


class _Forwarding(logging.Handler):
    """Gives records to the handlers of a logger and of those above it; the root's have them anyhow."""

    def __init__(self, log: logging.Logger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        if f"{record.name}.".startswith(f"{self._log.name}."):
            return  # logged there
        log: logging.Logger | None = self._log
        while log is not None and log.parent is not None:
            for handler in log.handlers:
                if record.levelno >= handler.level:
                    handler.handle(record)
            log = log.parent if log.propagate else None


@contextmanager
def forwarded(log: logging.Logger | None) -> Iterator[None]:
    """Have what is logged meanwhile handled as if it was logged to a certain logger, too."""
    if log is None:
        yield
        return
    handler = _Forwarding(log)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
