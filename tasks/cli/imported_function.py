"""ImportedFunction: a function that an option names."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import click

__all__ = ["Function", "ImportedFunction"]

Function = Callable[[Any], Any]


class ImportedFunction(click.ParamType[Function]):
    """A function of a module, ``module:function``.

    Parameters
    ----------
    what
        What it is, for messages.
    default
        Name of the function where the module alone is named; none if empty.
    """

    name = "module:function"

    def __init__(self, what: str, default: str = "") -> None:
        self._what = what
        self._default = default

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Function:
        """Return the function."""
        found: Function
        if not isinstance(value, str):
            found = value
            return found
        module, _, name = value.partition(":")
        try:
            found = getattr(importlib.import_module(module), name or self._default)
        except (ImportError, AttributeError, ValueError) as error:
            self.fail(f"{value!r} is no {self._what}: {error}", param, ctx)
        return found
