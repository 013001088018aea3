"""Difference candidates: what single visits show beyond a template, and who else shows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from butler.images import Box2I, SpanSet

from .clip_decision import overlap_fractions

__all__ = ["DifferenceCandidates"]


class DifferenceCandidates:
    """Connected differences of each visit, and how far those of other visits overlap them.

    A footprint of the difference of mean and clipped mean may hold the artifacts of several visits, which
    cross. Cut by visit, each part is the artifact of one.

    Parameters
    ----------
    spans
        For each visit the pixels in which it differs; inside the box.
    bbox
        Box of the patch.
    """

    def __init__(self, spans: Sequence[SpanSet], bbox: Box2I) -> None:
        self._bbox = bbox
        parts = [one.split() for one in spans]
        self.spans: list[SpanSet] = [part for own in parts for part in own]
        """Pixels of each candidate, visit by visit."""
        self.visits: list[int] = [i for i, own in enumerate(parts) for _ in own]
        """Index of the visit of each."""
        self._different = spans
        width = bbox.width
        places = [y * width + x for y, x in (part.indices(bbox.minimum) for part in self.spans)]
        self._places: NDArray[np.int64] = np.concatenate([np.empty(0, np.int64), *places])
        self._numbers = np.repeat(np.arange(len(places)), [place.size for place in places])
        n = (len(self.spans), len(spans))
        self._n_bad: NDArray[np.int64] = np.zeros(n, np.int64)
        self._n_different: NDArray[np.int64] = np.zeros(n, np.int64)

    def count(self, visit: int, bad: NDArray[np.bool_]) -> None:
        """Count what one visit has in each candidate.

        Parameters
        ----------
        visit
            Its index.
        bad
            Where it has no good pixel, ``(n_y, n_x)``.
        """
        different = self._different[visit].asArray(self._bbox) & ~bad
        for plane, counts in ((bad, self._n_bad), (different, self._n_different)):
            found = self._numbers[plane.ravel()[self._places]]
            counts[:, visit] = np.bincount(found, minlength=len(self.spans))

    def overlaps(self, number: int) -> dict[int, float]:
        """Return the part of a candidate that each visit shows, by its index, without those showing none."""
        return overlap_fractions(
            self.spans[number].area, self._n_bad[number].tolist(), self._n_different[number].tolist()
        )

    def n_able(self, number: int) -> int:
        """Return how many visits see more than half of a candidate."""
        return int(np.count_nonzero(2 * self._n_bad[number] < self.spans[number].area))
