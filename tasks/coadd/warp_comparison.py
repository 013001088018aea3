"""Warp comparison: what comparing one visit with the static sky has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from butler.images import SpanSet

from .varying_source import Variation

__all__ = ["Candidate", "WarpComparison"]


class Candidate(NamedTuple):
    """What differs from the static sky on one visit, and may be an artifact."""

    spans: SpanSet
    """Its pixels."""

    brighter: bool
    """Whether the visit is brighter than the static sky there."""

    variation: Variation | None = None
    """What it is if it is a star that varies."""

    is_partial: bool = False
    """Whether it is less than half of what the static sky has there."""


@dataclass(slots=True, eq=False)
class WarpComparison:
    """What the comparison of one visit with the static sky has found.

    Parameters
    ----------
    data_id
        Data ID of the warp.
    candidates
        What may be an artifact.
    streaks
        Pixels of each streak, grown already.
    no_data, edge
        Pixels where the PSF-matched warp has no data, and where it has EDGE.
    sigma
        Size of its PSF, pixels.
    """

    data_id: Mapping[str, Any]
    no_data: SpanSet
    edge: SpanSet
    sigma: float
    candidates: list[Candidate] = field(default_factory=list)
    streaks: list[SpanSet] = field(default_factory=list)

    def alternative(self, clipped: Sequence[SpanSet]) -> dict[str, list[SpanSet]]:
        """Return the pixels that change in the mask of the direct warp, by plane.

        Parameters
        ----------
        clipped
            Pixels of each artifact.
        """
        return {"CLIPPED": list(clipped), "NO_DATA": [self.no_data], "EDGE": [self.edge]}
