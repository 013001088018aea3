"""What the visit summary says of a detector image, which may be better than what the image says itself."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from butler.images import PhotoCalib, SkyWcs

from ..errors import TaskError

__all__ = ["summary_photo_calib", "summary_wcs"]


def summary_wcs(visit_summary: Any, detector: int) -> SkyWcs | None:
    """Return the WCS of a detector's row; None if it has no row, or no WCS there.

    Parameters
    ----------
    visit_summary
        Table with a row per detector, its number ``id`` and its ``wcs`` as cards in JSON.
    detector
        Number of the detector.

    Raises
    ------
    TaskError
        Raised if the table is missing, has no such columns, or what it has is no JSON object.
    FileFormatError
        Raised if the cards are no WCS.
    """
    cards = _cell(visit_summary, "wcs", detector)
    return None if cards is None else SkyWcs(cards)


def summary_photo_calib(visit_summary: Any, detector: int) -> PhotoCalib | None:
    """Return the photometric calibration of a detector's row; None if it has no row, or none there.

    Parameters
    ----------
    visit_summary
        Table with a row per detector, its number ``id`` and its ``photoCalib``, what
        `PhotoCalib.to_dict` returns in JSON.
    detector
        Number of the detector.

    Raises
    ------
    TaskError
        Raised if the table is missing, has no such columns, or what it has is no calibration.
    """
    values = _cell(visit_summary, "photoCalib", detector)
    try:
        return None if values is None else PhotoCalib.from_dict(values)
    except ValueError as error:
        raise TaskError(f"the photoCalib of detector {detector} in the visit summary: {error}") from error


def _cell(visit_summary: Any, column: str, detector: int) -> dict[str, Any] | None:
    """Return what a detector's row has in a column of JSON objects; None if there is nothing."""
    if visit_summary is None or not {"id", column} <= set(visit_summary.colnames):
        raise TaskError(f"no visit summary with columns id and {column}; run consolidateVisitSummary first")
    rows = np.flatnonzero(np.asarray(visit_summary["id"]) == detector)
    text = str(visit_summary[column][int(rows[0])]) if len(rows) == 1 else ""
    if not text:
        return None
    try:
        values = json.loads(text)
    except ValueError as error:
        raise TaskError(
            f"the {column} of detector {detector} in the visit summary is not JSON: {error}"
        ) from error
    if not isinstance(values, dict):
        raise TaskError(
            f"the {column} of detector {detector} in the visit summary is {text:.40}, not values by name"
        )
    return values
