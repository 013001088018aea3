"""Warp visits: which warps, or refs of warps, are of one visit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["of_same_visits", "visit_of"]


def visit_of(warp: Any) -> tuple[Any, Any]:
    """Return what all images of one visit have in common: instrument and visit."""
    return warp.dataId.get("instrument"), warp.dataId["visit"]


def of_same_visits(warps: Iterable[Any], others: Iterable[Any] | None) -> list[Any]:
    """Return the warps of visits that others are of, in order; all of them if there are no others to ask."""
    if others is None:
        return list(warps)
    visits = {visit_of(other) for other in others}
    return [warp for warp in warps if visit_of(warp) in visits]
