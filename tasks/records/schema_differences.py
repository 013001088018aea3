"""schema_differences: what tells two init outputs apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from butler.tables import is_table, to_astropy
from connections.overrides import flat_fields

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["schema_differences"]


def schema_differences(old: Any, new: Any) -> list[str]:
    """Return a line for each difference of two objects, ``name: old -> new``; none if they are the same.

    Of tables only the columns count: names, order, types, units and descriptions. Plain values are compared
    field by field, all else as a whole.
    """
    if is_table(old) and is_table(new):
        before, after = _columns(to_astropy(old)), _columns(to_astropy(new))
        lines = _differences(before, after)
        if not lines and list(before) != list(after):
            lines = [f"columns: {', '.join(before)} -> {', '.join(after)}"]
        return lines
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return _differences(dict(flat_fields(old)), dict(flat_fields(_stored(new))))
    return [] if bool(old == new) else [f"{old!r:.60} -> {new!r:.60}"]


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    return [f"{name}: {old.get(name, 'absent')} -> {new.get(name, 'absent')}" for name in names]


def _columns(table: Table) -> dict[str, str]:
    """Return a text for each column: its type, unit and description."""
    found = {}
    for column in table.itercols():
        # How long the longest text is belongs to the rows; a column of objects holds texts as well.
        kind = "text" if column.dtype.kind in "USO" else column.dtype.newbyteorder("=").name
        shape = "x".join(str(n) for n in column.shape[1:])
        parts = [kind, shape, str(column.unit or ""), str(column.description or "")]
        found[column.name] = " ".join(part for part in parts if part)
    return found


def _stored(values: Mapping[str, Any]) -> Any:
    """Return plain values as they are read after they were written."""
    return json.loads(json.dumps(values))
