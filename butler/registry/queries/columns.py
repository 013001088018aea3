"""Rows as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..conditions import ValueType

__all__ = ["as_arrays"]

_DTYPES: Final[Mapping[ValueType, Any]] = {
    "int": np.int64,
    "float": np.float64,
    "str": np.str_,
    "bool": np.bool_,
    "datetime": np.int64,
}
_FILL: Final[Mapping[ValueType, Any]] = {"str": "", "float": np.nan}


def as_arrays(types: Mapping[str, ValueType], rows: Sequence[tuple[Any, ...]]) -> dict[str, NDArray[Any]]:
    """Return the columns of rows.

    Parameters
    ----------
    types
        Types by name of the column, in the order of the rows' values.
    rows
        The rows.

    Returns
    -------
    arrays
        Each of shape ``(n,)``; a masked one where values are not known. Times are TAI nanoseconds, UUIDs 16
        bytes each, regions encoded.
    """
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(types)
    return {name: _array(kind, column) for (name, kind), column in zip(types.items(), columns, strict=True)}


def _array(kind: ValueType, values: Sequence[Any]) -> NDArray[Any]:
    if kind == "uuid":
        return np.frombuffer(b"".join(map(bytes, values)), dtype="V16")
    if kind not in _DTYPES:
        objects = np.empty(len(values), dtype=object)
        objects[:] = values
        return objects
    if None not in values:
        return np.array(values, dtype=_DTYPES[kind])
    mask = [value is None for value in values]
    fill = _FILL.get(kind, 0)
    data = np.array([fill if value is None else value for value in values], dtype=_DTYPES[kind])
    masked: NDArray[Any] = np.ma.MaskedArray(data, mask)
    return masked
