"""Old universes: what exports from before today's dimensions lack, and what they have too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from ..errors import FileFormatError
from .times import to_ns

__all__ = ["modern_dimensions", "modern_rows"]

_NS_PER_DAY: Final = 86_400_000_000_000
_EPOCH: Final = date(1970, 1, 1)

Row = dict[str, Any]


def modern_rows(rows: Mapping[str, Sequence[Mapping[str, Any]]], version: int) -> dict[str, list[Row]]:
    """Return the dimension records of an export as today's universe has them.

    Before universe 1 visits had a ``seeing`` and no ``day_obs``; before 2 each was in one visit system,
    named in its own record; before 6 ``group`` and ``day_obs`` were no dimensions.

    Parameters
    ----------
    rows
        Records by element, as the file has them; not changed.
    version
        Version of the file's universe.

    Raises
    ------
    FileFormatError
        Raised if a visit has no begin from which its day could follow.
    """
    new = {element: [dict(row) for row in members] for element, members in rows.items()}
    if version < 1:
        for visit in new.get("visit", []):
            visit.pop("seeing", None)
            if visit.get("day_obs") is None:
                visit["day_obs"] = _day_of(visit)
    if version < 2:
        new.setdefault("visit_system_membership", []).extend(_memberships(new.get("visit", [])))
        for definition in new.get("visit_definition", []):
            definition.pop("visit_system", None)
    if version < 6:
        exposures = new.get("exposure", [])
        for exposure in exposures:
            exposure.pop("group_id", None)
            if "group_name" in exposure:
                exposure["group"] = exposure.pop("group_name")
        new["group"] = _with_named(new.get("group", []), exposures, "group", "name")
        observed = [*exposures, *new.get("visit", [])]
        new["day_obs"] = _with_named(new.get("day_obs", []), observed, "day_obs", "id")
    return new


def modern_dimensions(names: Sequence[str], version: int) -> list[str]:
    """Return the dimensions of a dataset type; before universe 2 visits required a visit system."""
    if version < 2 and "visit" in names:
        return [name for name in names if name != "visit_system"]
    return list(names)


def _day_of(visit: Mapping[str, Any]) -> int:
    """Return the TAI date of the begin of a visit as YYYYMMDD."""
    begin = to_ns("datetime_begin", visit.get("datetime_begin"))
    if begin is None:
        raise FileFormatError(f"the visit {visit.get('id')!r} has neither day_obs nor datetime_begin")
    return int((_EPOCH + timedelta(days=begin // _NS_PER_DAY)).strftime("%Y%m%d"))


def _memberships(visits: Sequence[Row]) -> list[Row]:
    """Take the visit system out of the visits, and return who is in which."""
    return [
        {
            "instrument": visit.get("instrument"),
            "visit_system": visit.pop("visit_system"),
            "visit": visit.get("id"),
        }
        for visit in visits
        if "visit_system" in visit
    ]


def _with_named(known: list[Row], observed: Sequence[Row], dimension: str, key: str) -> list[Row]:
    """Return records of a dimension, also those that observations name and that have none."""
    keys = {(row.get("instrument"), row.get(key)) for row in known}
    named = {(row.get("instrument"), row.get(dimension)): None for row in observed}
    return known + [{"instrument": i, key: value} for i, value in named if (i, value) not in keys]
