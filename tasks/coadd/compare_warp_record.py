"""Artifact record: what CompareWarp clipped on each visit, and why, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from butler.images import SpanSet

from .artifact_filter import ArtifactTest
from .clip_record import record_table

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["ArtifactRow", "artifact_record_table"]

_COLUMNS = {
    "instrument": (str, "instrument of the visit"),
    "visit": (np.int64, "visit on which the pixels were clipped"),
    "rule": (str, "temporal: few visits differ there; streak: it is a straight line"),
    "footprint": (np.int32, "number of the candidate on its visit; -1 for a streak"),
    "area": (np.int64, "clipped pixels"),
    "rare_fraction": (
        np.float64,
        "fraction of the candidate that at most max_epochs visits have candidates on",
    ),
    "n_epochs": (np.float64, "mean number of visits with good pixels"),
    "max_epochs": (np.int32, "largest number of visits that an artifact may be on"),
}


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """One artifact of one visit."""

    data_id: Mapping[str, Any]
    """Data ID of the warp."""

    footprint: int
    """Number of the candidate on its visit; -1 for a streak."""

    test: ArtifactTest
    """Why it was clipped."""

    spans: SpanSet
    """The clipped pixels, in the tract's pixels."""


def artifact_record_table(rows: Sequence[ArtifactRow], meta: Mapping[str, Any]) -> Table:
    """Return the table of everything that was clipped.

    Parameters
    ----------
    rows
        One for each artifact.
    meta
        What holds for the whole coadd.

    Returns
    -------
    table
        One row for each artifact, with the pixels in the columns that `spans_of_row` reads.
    """
    values: dict[str, Iterable[Any]] = {
        "instrument": [str(row.data_id.get("instrument", "")) for row in rows],
        "visit": [row.data_id["visit"] for row in rows],
        "rule": [str(row.test.rule) for row in rows],
        "footprint": [row.footprint for row in rows],
        "area": [row.spans.area for row in rows],
        "rare_fraction": [row.test.rare_fraction for row in rows],
        "n_epochs": [row.test.n_epochs for row in rows],
        "max_epochs": [row.test.max_epochs for row in rows],
    }
    return record_table(_COLUMNS, values, [row.spans for row in rows], meta)
