"""Quality numbers of an exposure as a FITS table of one row, with LSST's columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from astropy.io import fits

from ..images import ExposureSummaryStats

__all__ = ["read_summary", "summary_to_table"]

_VERSION: Final = 1


def summary_to_table(stats: ExposureSummaryStats) -> Any:
    """Return the table of quality numbers: a column for each, the four corners in one."""
    columns = [fits.Column("version", "J", array=np.array([_VERSION]))]
    for name, value in stats.to_dict().items():
        code = "4D" if isinstance(value, tuple) else "K" if isinstance(value, int) else "D"
        columns.append(fits.Column(name, code, array=np.array([value])))
    table = fits.BinTableHDU.from_columns(columns)
    table.header["EXTNAME"] = "SUMMARY_STATS"
    return table


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
