"""Clip decision: whether a footprint of the difference image is an artifact, and of which visits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ClipDecision", "ClipRule", "ClipThresholds", "decide_clip", "overlap_fractions"]


class ClipRule(StrEnum):
    """Why pixels of a visit were clipped."""

    SINGLE = "single"
    """The footprint was detected on this visit only."""

    DOMINANT = "dominant"
    """Of several visits it was detected on, only this one shows most of it."""

    DOUBLE = "double"
    """Two visits show it, and the others next to nothing."""

    BIG = "big"
    """A detection of this visit of which clipped footprints cover a large part."""


@dataclass(frozen=True, slots=True)
class ClipThresholds:
    """Limits of the overlap of a footprint with the detections of a visit, as fractions."""

    single: float
    """A single visit must exceed this."""

    dominant: float
    """One of several visits must exceed this, as the only one."""

    double: float
    """Exactly two of four or more visits must exceed this ..."""

    double_others: float
    """... and no other one this."""


@dataclass(frozen=True, slots=True)
class ClipDecision:
    """What becomes of one footprint."""

    rule: ClipRule | None
    """The rule that fired; None if the footprint stays."""

    chosen: tuple[int, ...]
    """Indices of the visits on which it is clipped, in increasing order."""

    runner_up: float
    """Largest overlap of the visits on which it is not clipped; 0 if there are none."""


def overlap_fractions(area: int, n_bad: Sequence[int], n_detected: Sequence[int]) -> dict[int, float]:
    """Return the part of a footprint that each visit detects, where it can tell.

    Parameters
    ----------
    area
        Pixels of the footprint.
    n_bad, n_detected
        By visit: pixels of it that are bad, and pixels that are detected and not bad.

    Returns
    -------
    overlaps
        Detected over usable pixels by index of the visit. Left out are visits that detect nothing, those
        with more bad than detected pixels, and those that see no more than half of the footprint.
    """
    return {
        i: detected / (area - bad)
        for i, (bad, detected) in enumerate(zip(n_bad, n_detected, strict=True))
        if detected > 0 and bad <= detected and 2 * (area - bad) > area
    }


def decide_clip(
    overlaps: Mapping[int, float], thresholds: ClipThresholds, *, n_visits: int | None = None
) -> ClipDecision:
    """Decide on which visits a footprint is clipped.

    What stands out in the difference of mean and clipped mean, and is detected on one or two visits only,
    is an artifact; what most visits detect is a source whose image varies with the seeing.

    Parameters
    ----------
    overlaps
        Overlap fraction by index of the visit, of the visits that can tell.
    thresholds
        Limits, all exclusive but the one of the others of a double, which they may reach.
    n_visits
        Number of visits of which two may be left out; that of the overlaps if None.
    """
    chosen: list[int] = []
    rule: ClipRule | None = None
    if len(overlaps) == 1:
        chosen = [i for i, overlap in overlaps.items() if overlap > thresholds.single]
        rule = ClipRule.SINGLE
    elif overlaps:
        chosen = [i for i, overlap in overlaps.items() if overlap > thresholds.dominant]
        chosen = chosen if len(chosen) == 1 else []
        rule = ClipRule.DOMINANT
        pair = sorted(i for i, overlap in overlaps.items() if overlap > thresholds.double)
        others = [overlap for i, overlap in overlaps.items() if i not in pair]
        n_visits = len(overlaps) if n_visits is None else n_visits
        if len(pair) == 2 and n_visits > 3 and max(others, default=0.0) <= thresholds.double_others:
            chosen, rule = pair, ClipRule.DOUBLE
    runner_up = max((overlap for i, overlap in overlaps.items() if i not in chosen), default=0.0)
    return ClipDecision(rule if chosen else None, tuple(chosen), runner_up)
