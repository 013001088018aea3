"""Clip record: which pixels of which visit were clipped, and why, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from butler.images import SpanSet

from .clip_decision import ClipRule

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["ClipRow", "clip_record_table", "record_table", "spans_of_row", "spans_of_visit"]

_COLUMNS = {
    "instrument": (str, "instrument of the visit"),
    "visit": (np.int64, "visit on which the pixels were clipped"),
    "rule": (str, "single, dominant, double: a footprint of the difference; big: a detection of the visit"),
    "footprint": (np.int32, "number of the footprint of the difference image; -1 for rule big"),
    "area": (np.int64, "pixels of the footprint or detection"),
    "overlap": (
        np.float64,
        "fraction of the footprint's usable pixels that the visit detects; for rule big: "
        "fraction of the detection that clipped footprints cover",
    ),
    "runner_up": (np.float64, "largest overlap of the visits that were not clipped; 0 for rule big"),
    "n_overlapping": (np.int32, "visits that detect something of the footprint; 1 for rule big"),
}


@dataclass(frozen=True, slots=True)
class ClipRow:
    """One clipped footprint of one visit."""

    data_id: Mapping[str, Any]
    """Data ID of the warp."""

    rule: ClipRule
    """Why it was clipped."""

    footprint: int
    """Number of the footprint of the difference image; -1 for a detection of the visit."""

    overlap: float
    """Fraction of the footprint's usable pixels that the visit detects; for a detection of the visit, the
    fraction of it that clipped footprints cover."""

    runner_up: float
    """Largest overlap of the visits that were not clipped."""

    n_overlapping: int
    """Number of visits that detect something of the footprint."""

    spans: SpanSet
    """The clipped pixels, in the tract's pixels."""


def clip_record_table(rows: Sequence[ClipRow], meta: Mapping[str, Any]) -> Table:
    """Return the table of everything that was clipped.

    Parameters
    ----------
    rows
        One for each clipped footprint and visit.
    meta
        What holds for the whole coadd: thresholds and totals.

    Returns
    -------
    table
        One row for each entry, with the pixels as three columns of arrays, ``span_y``, ``span_x0`` and
        ``span_x1`` (inclusive), which ECSV can hold; `spans_of_row` puts them together.
    """
    values: dict[str, Iterable[Any]] = {
        "instrument": [str(row.data_id.get("instrument", "")) for row in rows],
        "visit": [row.data_id["visit"] for row in rows],
        "rule": [row.rule.value for row in rows],
        "footprint": [row.footprint for row in rows],
        "area": [row.spans.area for row in rows],
        "overlap": [row.overlap for row in rows],
        "runner_up": [row.runner_up for row in rows],
        "n_overlapping": [row.n_overlapping for row in rows],
    }
    return record_table(_COLUMNS, values, [row.spans for row in rows], meta)


def record_table(
    columns: Mapping[str, tuple[type, str]],
    values: Mapping[str, Iterable[Any]],
    span_sets: Sequence[SpanSet],
    meta: Mapping[str, Any],
) -> Table:
    """Return a table of clipped pixels.

    Parameters
    ----------
    columns
        Type and description of each column.
    values
        What each column holds.
    span_sets
        The clipped pixels of each row, for the columns that `spans_of_row` reads.
    meta
        What holds for the whole coadd.
    """
    from astropy.table import Table

    table = Table(meta=dict(meta))
    for name, (dtype, description) in columns.items():
        table[name] = np.array(values[name], dtype=dtype)
        table[name].description = description
    arrays = [spans.to_arrays() for spans in span_sets]
    for i, name in enumerate(("span_y", "span_x0", "span_x1")):
        table[name] = _array_column([spans[i] for spans in arrays])
        table[name].description = "runs of clipped pixels: row, first and last column (tract pixels)"
    return table


def spans_of_visit(table: Table, visit: int) -> SpanSet:
    """Return all clipped pixels of a visit."""
    own = [spans_of_row(row).to_arrays() for row in table if int(row["visit"]) == visit]
    if not own:
        return SpanSet()
    y, x0, x1 = (np.concatenate(arrays) for arrays in zip(*own, strict=True))
    return SpanSet.from_arrays(y, x0, x1)


def spans_of_row(row: Any) -> SpanSet:
    """Return the clipped pixels of a row of the table, also of one that was read from a file."""
    y, x0, x1 = (np.array(row[name], dtype=np.int64) for name in ("span_y", "span_x0", "span_x1"))
    return SpanSet.from_arrays(y, x0, x1)


def _array_column(arrays: Sequence[NDArray[np.int32]]) -> NDArray[np.object_]:
    """Return a column of arrays, one in each row, whatever their lengths."""
    column = np.empty(len(arrays), dtype=object)
    for i, array in enumerate(arrays):
        column[i] = array
    return column
