"""Which calibration of a data ID is meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import AmbiguousCalibrationError
from .spec import DatasetSearch

__all__ = ["first_valid"]

_Row = tuple[Any, ...]


def first_valid(search: DatasetSearch, rows: Sequence[_Row]) -> list[_Row]:
    """Return for each data ID the row of the first collection that has one, in the order of the rows.

    Parameters
    ----------
    search
        The search.
    rows
        Values of a data ID, number of the collection, number of the run, UUID.

    Raises
    ------
    AmbiguousCalibrationError
        Raised if that collection has several datasets, each valid at a part of the time.
    """
    rank = {collection.id: place for place, collection in enumerate(search.runs)}
    first: dict[_Row, _Row] = {}
    rivals: dict[_Row, _Row] = {}
    for row in rows:
        key = row[:-3]
        known = first.setdefault(key, row)
        if rank[row[-3]] < rank[known[-3]]:
            first[key] = row
            rivals.pop(key, None)
        elif row[-3] == known[-3] and row[-1] != known[-1]:
            rivals[key] = row
    if rivals:
        where = search.runs[rank[next(iter(rivals.values()))[-3]]].name
        raise AmbiguousCalibrationError(
            f"several datasets {search.name} of one data ID are valid in {where!r}, "
            f"of {len(rivals)} data IDs; name a visit, exposure or day in the query, or a time, as in "
            f"\"{search.name}.timespan OVERLAPS T'2026-01-01'\", or set find_first=False"
        )
    return [row for row in rows if first[row[:-3]] is row]
