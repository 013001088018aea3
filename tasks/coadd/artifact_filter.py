"""Artifact filter: which candidates in the differences of visits and static sky are artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from butler.images import Footprint, Image, SpanSet

__all__ = ["ArtifactRule", "ArtifactTest", "EpochLimits", "Sign", "contained_in_source", "judge_candidate"]


class ArtifactRule(StrEnum):
    """Why a candidate was clipped."""

    TEMPORAL = "temporal"
    """Few visits have candidates there."""

    STREAK = "streak"
    """It is a straight line."""


@dataclass(frozen=True, slots=True)
class EpochLimits:
    """Up to how many visits an artifact may be on: ``min(low N, number + high N)`` of N visits."""

    number: int
    """Visits in any case."""

    low: float
    """Largest fraction of few visits."""

    high: float
    """Fraction of many visits on top."""

    def limit(self, n: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the limit for a number of visits, not a whole number yet."""
        return np.minimum(self.low * np.asarray(n), self.number + self.high * np.asarray(n))


@dataclass(frozen=True, slots=True)
class ArtifactTest:
    """What was found about a candidate.

    Parameters
    ----------
    rule
        The rule by which it is an artifact; None if it is not.
    rare_fraction
        Fraction of its pixels that few enough visits have candidates on.
    n_epochs
        Mean number of visits with good pixels.
    max_epochs
        Largest number of visits that was few enough (of any of its pixels).
    """

    rule: ArtifactRule | None
    rare_fraction: float
    n_epochs: float
    max_epochs: int


@dataclass(frozen=True, slots=True)
class Sign:
    """The sign of a candidate, and how many visits have brighter ones.

    An artifact of one visit draws the static sky towards it, so that the others are fainter than that. What
    is brighter on few visits therefore explains what is fainter on others.

    Parameters
    ----------
    brighterCountImage
        Number of visits that have a candidate on each pixel and are brighter than the static sky there.
    brighter
        Whether this candidate is.
    is_median
        Whether the static sky is a median, which only half of the visits or more can draw towards them.
    is_variation
        Whether it is part of the brightness of a source. It then is no artifact where other visits differ the
        other way: that varies.
    """

    brighterCountImage: Image
    brighter: bool
    is_median: bool = False
    is_variation: bool = False


def judge_candidate(
    spans: SpanSet,
    epochCountImage: Image,
    nImage: Image,
    limits: EpochLimits,
    spatial_threshold: float,
    *,
    per_pixel: bool = False,
    sign: Sign | None = None,
) -> ArtifactTest:
    """Tell whether a candidate is an artifact.

    Parameters
    ----------
    spans
        Its pixels.
    epochCountImage
        Number of visits that have a candidate on each pixel.
    nImage
        Number of visits with a good pixel.
    limits
        Which number of visits is few.
    spatial_threshold
        Fraction of the pixels that must have few visits; it must be exceeded.
    per_pixel
        Whether the limit is that of each pixel, rounded, instead of that of the mean number of visits, cut to
        a whole number.
    sign
        Its sign, if candidates of the same sign alone count. One that is fainter is an artifact's only where
        it is not explained by few visits that are brighter; of two visits, so, the brighter one.
    """
    where = spans.indices(epochCountImage.xy0)
    count = epochCountImage.array[where]
    n = nImage.array[where].astype(np.float64)
    mean = float(n.mean())
    limit = np.rint(limits.limit(n)) if per_pixel else np.trunc(limits.limit(mean))
    few = (count > 0) & (count <= limit)
    if sign is not None:
        n_brighter = sign.brighterCountImage.array[where]
        few_brighter = (n_brighter > 0) & (n_brighter <= limit)
        n_fainter = count - n_brighter
        drawn = 2 * n_brighter >= n if sign.is_median else np.ones(n.shape, bool)
        by_sign = few_brighter
        if not sign.brighter:
            by_sign = (n_fainter > 0) & (n_fainter <= limit) & ~(few_brighter & drawn)
        one_way = (n_brighter == 0) | (n_fainter == 0)
        few = by_sign & (drawn | one_way) if sign.is_variation else by_sign
    rare = float(np.mean(few))
    rule = ArtifactRule.TEMPORAL if rare > spatial_threshold else None
    return ArtifactTest(rule, rare, mean, int(np.max(limit)))


def contained_in_source(spans: SpanSet, sources: Sequence[Footprint]) -> bool:
    """Tell whether a candidate lies wholly inside one source."""
    box = spans.bbox
    return any(source.bbox.contains(box) and source.spans.contains(spans) for source in sources)
