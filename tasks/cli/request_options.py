"""request_options: options whose values come to a command as one object."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeAlias

__all__ = ["Decorator", "request_options"]

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


def request_options(kind: type[Any], name: str, options: Sequence[Decorator]) -> Decorator:
    """Return a decorator that adds options to a command.

    Parameters
    ----------
    kind
        Dataclass whose fields are the values of the options.
    name
        Parameter of the command that gets an instance.
    options
        The options, in the order of the help.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def command(**given: Any) -> Any:
            values = {entry.name: given.pop(entry.name) for entry in fields(kind)}
            return function(**{name: kind(**values)}, **given)

        decorated: Callable[..., Any] = command
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate
