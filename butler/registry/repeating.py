"""repeated: what is done again where two writers have waited for each other."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import wraps
from operator import attrgetter
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from ..errors import TransactionConflictError

__all__ = ["repeated"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Owner = TypeVar("_Owner")
_TRIES: Final = 5
_PAUSE_S: Final = 0.05
"""Longest sleep before the second try; it is twice as long before each further one."""


def repeated(
    place: str,
) -> Callable[[Callable[Concatenate[_Owner, _P], _R]], Callable[Concatenate[_Owner, _P], _R]]:
    """Return a decorator for methods that change something in one transaction, all or nothing.

    Where the database undoes it in favour of another writer, it is done again, a few times. Inside a
    transaction of the caller it is not: all of that is undone, and only the caller can repeat it.

    Parameters
    ----------
    place
        Attribute of the method's owner that is the database, for example ``registry.database``.
    """
    database_of = attrgetter(place)

    def decorate(method: Callable[Concatenate[_Owner, _P], _R]) -> Callable[Concatenate[_Owner, _P], _R]:
        @wraps(method)
        def call(owner: _Owner, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
            # What can be looked through only once could not be looked through again.
            given: Any = [_kept(value) for value in args]
            named: Any = {name: _kept(value) for name, value in kwargs.items()}
            for number in range(_TRIES):
                try:
                    return method(owner, *given, **named)
                except TransactionConflictError:
                    if number == _TRIES - 1 or database_of(owner).root is not None:
                        raise
                    time.sleep(random.uniform(0, _PAUSE_S * 2**number))
            raise AssertionError("the last try returns or raises")

        return call

    return decorate


def _kept(value: Any) -> Any:
    return list(value) if isinstance(value, Iterator) else value
