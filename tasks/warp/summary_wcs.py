"""summary_wcs: the WCS of a detector image by the visit summary, which may be a better one than its own."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from butler.images import SkyWcs

from ..errors import TaskError

__all__ = ["summary_wcs"]


def summary_wcs(visit_summary: Any, detector: int) -> SkyWcs | None:
    """Return the WCS of a detector's row; None if it has no row, or no WCS there.

    Parameters
    ----------
    visit_summary
        Table with a row per detector, its number ``id`` and its WCS as cards in JSON.
    detector
        Number of the detector.

    Raises
    ------
    TaskError
        Raised if the table is missing, has no such columns, or what it has is no JSON object.
    FileFormatError
        Raised if the cards are no WCS.
    """
    if visit_summary is None or not {"id", "wcs"} <= set(visit_summary.colnames):
        raise TaskError("no visit summary with columns id and wcs; run consolidateVisitSummary first")
    rows = np.flatnonzero(np.asarray(visit_summary["id"]) == detector)
    text = str(visit_summary["wcs"][int(rows[0])]) if len(rows) == 1 else ""
    if not text:
        return None
    try:
        cards = json.loads(text)
    except ValueError as error:
        raise TaskError(
            f"the WCS of detector {detector} in the visit summary is not JSON: {error}"
        ) from error
    if not isinstance(cards, dict):
        raise TaskError(
            f"the WCS of detector {detector} in the visit summary is {text:.40}, not cards by name"
        )
    return SkyWcs(cards)
