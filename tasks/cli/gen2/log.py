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
    """Gives records to the handlers of another logger and those above it, but for the root's."""

    def __init__(self, log: logging.Logger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        log: logging.Logger | None = self._log
        while log is not None and log.parent is not None:
            for handler in log.handlers:
                if record.levelno >= handler.level:
                    handler.handle(record)
            log = log.parent if log.propagate else None


@contextmanager
def forwarded(name: str | None, log: logging.Logger | None) -> Iterator[None]:
    """Have what is logged under a name handled as if it was logged to another logger, too.

    The root's handlers get it anyhow, and those of a logger above or below the name are left alone.
    """
    source = logging.getLogger(name)
    if log is None or f"{log.name}.".startswith(f"{source.name}."):
        yield
        return
    handler = _Forwarding(log)
    source.addHandler(handler)
    try:
        yield
    finally:
        source.removeHandler(handler)
