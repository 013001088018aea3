"""chunks: a long list in parts that a statement can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["chunks"]

_Item = TypeVar("_Item")


def chunks(items: Sequence[_Item], size: int = 500) -> Iterator[Sequence[_Item]]:
    """Yield parts of at most `size` items, in order."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
