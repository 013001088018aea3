"""Unions of many span sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from butler.images import SpanSet

__all__ = ["union_of"]


def union_of(spans: Sequence[SpanSet]) -> SpanSet:
    """Return the pixels of any of some sets."""
    if not spans:
        return SpanSet()
    y, x0, x1 = (np.concatenate(arrays) for arrays in zip(*(s.to_arrays() for s in spans), strict=True))
    return SpanSet.from_arrays(y, x0, x1)
