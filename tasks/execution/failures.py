"""What a failure means: whether it may pass, which exit status it has, and one line for it."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator
from typing import Final

from butler import ButlerUserError
from butler.errors import TransactionConflictError

from ..errors import InvalidQuantumError, RepeatableQuantumError, TransientError

__all__ = ["INVALID_EXIT", "REPEATABLE_EXIT", "details_of", "exit_code_of", "is_transient", "message_of"]

REPEATABLE_EXIT: Final = 20
INVALID_EXIT: Final = 21
_PASSING: Final = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EHOSTUNREACH,
        errno.EIO,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENOBUFS,
        errno.ESTALE,
    }
)
_SIGNS: Final = (ConnectionError, InterruptedError, TimeoutError, TransactionConflictError, TransientError)


def is_transient(error: BaseException) -> bool:
    """Tell whether a failure, or what it came from, may be over in a moment."""
    if isinstance(error, RepeatableQuantumError):
        return False
    return any(
        isinstance(cause, _SIGNS) or (isinstance(cause, OSError) and cause.errno in _PASSING)
        for cause in _causes(error)
    )


def exit_code_of(error: BaseException) -> int:
    """Return the exit status that LSST's tools have for such a failure."""
    if isinstance(error, InvalidQuantumError):
        return INVALID_EXIT
    return REPEATABLE_EXIT if isinstance(error, RepeatableQuantumError) else 1


def message_of(error: BaseException) -> str:
    """Return one line; for what is not a user's error, with the class."""
    name = type(error).__name__
    try:
        lines = str(error).strip().splitlines()
    except Exception:
        # An error that cannot say what it is.
        lines = []
    if not lines:
        return name
    return lines[0] if isinstance(error, ButlerUserError) else f"{name}: {lines[0]}"


def details_of(error: BaseException) -> str:
    """Return the traceback."""
    return "".join(traceback.format_exception(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
