"""Columns, rows and facts of tables in memory."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..errors import StorageClassError, UnknownComponentError, did_you_mean
from .conversions import to_arrow, to_astropy, to_numpy, to_pandas

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import NDArray

__all__ = ["column_names", "is_table", "select_rows_and_columns", "table_component", "table_part"]

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda values, allowed: np.isin(values, list(allowed)),
    "not in": lambda values, allowed: ~np.isin(values, list(allowed)),
}


def is_table(obj: object) -> bool:
    """Tell whether an object is a table of one of the libraries that `to_astropy` knows."""
    place = type(obj).__module__.partition(".")[0], type(obj).__name__
    if place in (("pyarrow", "Table"), ("pandas", "DataFrame")):
        return True
    # An object of these is there only if its library is.
    module = sys.modules.get("astropy.table")
    return (module is not None and isinstance(obj, module.Table)) or (
        isinstance(obj, np.ndarray) and obj.dtype.names is not None
    )


def table_part(obj: Any, component: str | None, parameters: Mapping[str, Any]) -> Any:
    """Return a component, or columns and rows, of a table of any kind, as one of the same kind.

    Raises
    ------
    UnknownComponentError, StorageClassError
        Raised as by `table_component` and `select_rows_and_columns`.
    """
    if component is not None:
        return table_component(to_astropy(obj), component)
    if not any(parameters.get(name) is not None for name in ("columns", "filters")):
        return obj
    part = select_rows_and_columns(to_astropy(obj), parameters)
    back = {"pyarrow": to_arrow, "pandas": to_pandas, "numpy": to_numpy}
    return back.get(type(obj).__module__.partition(".")[0], to_astropy)(part)


def table_component(table: Table, name: str) -> Any:
    """Return the names of the columns, the number of rows, or the arrow schema of a table.

    Raises
    ------
    UnknownComponentError
        Raised for anything else.
    """
    match name:
        case "columns":
            return list(table.colnames)
        case "rowcount":
            return len(table)
        case "schema":
            return to_arrow(table[:0]).schema
    raise UnknownComponentError(f"a table has no component {name!r}")


def select_rows_and_columns(table: Table, parameters: Mapping[str, Any]) -> Table:
    """Return the part of a table that read parameters ask for.

    Parameters
    ----------
    table
        The table.
    parameters
        ``columns``, a name or several; ``filters``, conditions ``(column, operator, value)`` of which all
        must be true, or lists of such conditions of which one must be, as pyarrow has them. A missing value
        fulfils none.

    Raises
    ------
    StorageClassError
        Raised for columns that are not there, or filters that are none.
    """
    wanted = parameters.get("columns")
    names = table.colnames if wanted is None else column_names(wanted, table.colnames)
    filters = parameters.get("filters")
    if filters is not None:
        table = table[_selected(table, filters)]
    return table if names == table.colnames else table[names]


def column_names(wanted: str | Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the names of columns, in the order in which they are asked for.

    Raises
    ------
    StorageClassError
        Raised if one of them is not there.
    """
    names, available = [wanted] if isinstance(wanted, str) else list(wanted), list(known)
    for name in names:
        if name not in available:
            raise StorageClassError(f"the table has no column {name!r}{did_you_mean(str(name), available)}")
    return names


def _selected(table: Table, filters: Any) -> NDArray[np.bool_]:
    chosen = np.zeros(len(table), dtype=bool)
    for conditions in alternatives(filters, table.colnames):
        together = np.ones(len(table), dtype=bool)
        for name, sign, value in conditions:
            found = np.ma.asarray(_OPERATORS[sign](table[name], value))
            together &= np.ma.filled(found, fill_value=False) & ~np.ma.getmaskarray(table[name])
        chosen |= together
    return chosen


def alternatives(filters: Any, known: Iterable[str]) -> list[list[tuple[str, str, Any]]]:
    """Return filters as lists of conditions, of which one must be true as a whole.

    Raises
    ------
    StorageClassError
        Raised for filters of another form, operators that do not exist, and columns that are not there.
    """
    names = list(known)
    lists = filters if isinstance(filters, list) else None
    if lists and all(isinstance(item, tuple) for item in lists):
        lists = [lists]
    if not lists or not all(isinstance(item, list) and item for item in lists):
        raise StorageClassError("filters are a list of (column, operator, value), or a list of such lists")
    for name, sign, _ in (_condition(item) for conditions in lists for item in conditions):
        column_names(name, names)
        if sign not in _OPERATORS:
            raise StorageClassError(f"no operator {sign!r} in filters; known: {', '.join(_OPERATORS)}")
    return lists


def _condition(item: Any) -> tuple[str, str, Any]:
    if not isinstance(item, tuple) or len(item) != 3 or not isinstance(item[0], str):
        raise StorageClassError(f"a filter is (column, operator, value), not {item!r}")
    return item
