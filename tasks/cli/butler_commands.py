"""The commands of tasks that join ``butler``."""

from __future__ import annotations

import click

from .explain import explain
from .provenance import provenance

__all__ = ["butler_commands"]


def butler_commands() -> list[click.Command]:
    """Return the commands that the entry point ``butler.cli`` of this package adds."""
    return [explain, provenance]
