"""Struct: the named results of a task."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

__all__ = ["Struct"]


class Struct(SimpleNamespace):
    """Named results; what a task's `run` returns."""

    def getDict(self) -> dict[str, Any]:
        """Return the results by name."""
        return dict(vars(self))
