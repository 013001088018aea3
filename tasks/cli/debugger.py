"""The option that has a debugger stop where a quantum failed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import click

__all__ = ["DebuggerType", "PostMortem"]

PostMortem = Callable[[Any], Any]
"""Debugs a traceback, as `pdb.post_mortem` does."""


class DebuggerType(click.ParamType[PostMortem]):
    """A module with a function ``post_mortem``, such as pdb, ipdb or pudb."""

    name = "module"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> PostMortem:
        """Return the function."""
        found: PostMortem
        if not isinstance(value, str):
            found = value
            return found
        try:
            found = importlib.import_module(value).post_mortem
        except (ImportError, AttributeError, ValueError) as error:
            self.fail(f"{value!r} is no module with a debugger's post_mortem: {error}", param, ctx)
        return found
