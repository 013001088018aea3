"""PatchRef: a patch of a repository, as the methods that look for its inputs want it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from butler import Butler

__all__ = ["PatchRef"]


@dataclass(frozen=True, slots=True)
class PatchRef:
    """A patch, and where to look for what belongs to it.

    Parameters
    ----------
    butler
        The repository.
    dataId
        ``skymap``, ``tract``, ``patch`` and ``band``.
    collections
        Collections to search, in order.
    """

    butler: Butler
    dataId: Mapping[str, Any]
    collections: Sequence[str]
