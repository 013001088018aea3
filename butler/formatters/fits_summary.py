"""Quality numbers of an exposure as a FITS table of one row, with LSST's columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from ..images import ExposureSummaryStats
from .fits_table_unit import Column, table_unit
from .fits_units import FitsUnit

__all__ = ["read_summary", "summary_to_table"]

_VERSION: Final = 1


def summary_to_table(stats: ExposureSummaryStats) -> FitsUnit:
    """Return the table of quality numbers: a column for each, the four corners in one."""
    columns = [Column("version", "J", [_VERSION])]
    for name, value in stats.to_dict().items():
        columns.append(Column(name, "K" if isinstance(value, int) else "D", [value]))
    return table_unit(columns, {"EXTNAME": "SUMMARY_STATS"})


def read_summary(row: Mapping[str, Any]) -> ExposureSummaryStats:
    """Return the quality numbers of a row; those that it lacks are not known.

    Parameters
    ----------
    row
        Row of our table, or of the one in LSST's archive, by column.
    """
    values: dict[str, Any] = {}
    for name, default in ExposureSummaryStats().to_dict().items():
        if name in row:
            found = np.asarray(row[name])
            values[name] = tuple(map(float, found)) if found.ndim else type(default)(found)
    return ExposureSummaryStats(**values)
