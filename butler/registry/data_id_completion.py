"""DataIdCompletion: what people write instead of primary keys, turned into those."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..dimensions import (
    UNIVERSE,
    DataId,
    DimensionElement,
    DimensionGroup,
    DimensionRecord,
    Field,
    coerce_value,
)
from ..errors import DataIdValueError, DimensionNameError, did_you_mean
from .dimension_store import DimensionRecordStore

__all__ = ["DataIdCompletion"]


class DataIdCompletion:
    """Reads data IDs that tell dimensions by other columns than their primary keys.

    An observation may be told by its ``obs_id``, or by ``day_obs`` and ``seq_num``, a detector by its
    ``full_name``, a patch by ``cell_x`` and ``cell_y``. A column is named alone or with its dimension
    (``visit.name``); a value of another type than the primary key's is taken as an alternate key
    (``detector="S00"``).

    Parameters
    ----------
    records
        Where the columns are looked up.
    """

    def __init__(self, records: DimensionRecordStore) -> None:
        self._records = records

    def primary_keys(self, given: DataId, needed: DimensionGroup, defaults: DataId) -> dict[str, Any]:
        """Return the values by dimension; those that are no primary keys are looked up.

        Dimensions that are not needed come back as they were given, ``dimension.column`` of one not at all.

        Parameters
        ----------
        given
            Values by dimension or column.
        needed
            Dimensions that the data ID is for.
        defaults
            Instrument and sky map where `given` has none.

        Raises
        ------
        DimensionNameError
            Raised for a name that is neither a dimension nor a column of one that is needed, or that may
            mean several columns.
        DataIdValueError
            Raised if not exactly one record has the values, or the one of a primary key has others.
        """
        values, columns = _sorted_out(given, needed)
        for name in needed.names:
            if name in columns:
                self._resolve(name, {**defaults, **values}, columns[name], values)
        return values

    def _resolve(
        self, name: str, known: Mapping[str, Any], columns: Mapping[str, Any], values: dict[str, Any]
    ) -> None:
        """Look up the record that has some columns; set, or check, the primary key."""
        element = UNIVERSE[name]
        if missing := [key for key in element.requires if key not in known]:
            raise DimensionNameError(
                f"to find the {name} with {_told(columns)}, {', '.join(missing)} is needed"
            )
        told = [key for key in (*element.required, *element.implies) if key in known]
        fixed = {key: coerce_value(key, known[key]) for key in told}
        found = self._records.fetch_all(name, {**fixed, **columns})
        if len(found) > 1 and name == "visit":
            found = self._of_preferred_system(found) or found
        if len(found) != 1:
            which = f"no {name} has" if not found else f"{len(found)} {name} records have"
            raise DataIdValueError(f"{which} {_told({**fixed, **columns})}; one is needed")
        values[name] = found[0][name]

    def _of_preferred_system(self, visits: Iterable[DimensionRecord]) -> list[DimensionRecord]:
        """Return the visits that belong to the visit system that their instrument prefers."""
        preferred = []
        for visit in visits:
            key = {"instrument": visit["instrument"], "visit": visit["visit"]}
            camera = self._records.fetch_one("instrument", key)
            system = None if camera is None else camera["visit_system"]
            if self._records.fetch_all("visit_system_membership", {**key, "visit_system": system}):
                preferred.append(visit)
        return preferred

    def check_implied(self, values: DataId, needed: DimensionGroup, defaults: DataId) -> None:
        """Refuse values that contradict the records which imply them; arguments as `primary_keys`.

        Raises
        ------
        DataIdValueError
            Raised with both values.
        """
        told = {name for name in needed.implied if name in values}
        known = {**defaults, **{key: value for key, value in values.items() if key not in told}}
        for name in needed.lookup_order if told else ():
            element = UNIVERSE[name]
            if not element.implies or any(key not in known for key in element.required):
                continue
            record = self._records.fetch_one(name, known)
            if record is None:
                continue
            for key in element.implies:
                if key in told and coerce_value(key, values[key]) != record[key]:
                    raise DataIdValueError(
                        f"the data ID says {key}={values[key]!r}, but {name}={known[name]!r} "
                        f"has {key}={record[key]!r}"
                    )
                known[key] = record[key]


def _sorted_out(given: DataId, needed: DimensionGroup) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return values by dimension, and values by column of the needed dimensions."""
    values: dict[str, Any] = {}
    columns: dict[str, dict[str, Any]] = {}
    bare = {}
    for key, value in given.items():
        name, dot, column = key.partition(".")
        if dot:
            element = _dimension(name, key)
            if element.key is not None and column == element.key.name:
                values[name] = value
            else:
                field = _field(element, column)
                columns.setdefault(name, {})[column] = field.coerce(value, key)
        elif not UNIVERSE.is_dimension(key):
            bare[key] = value
        elif (alternate := _alternate(UNIVERSE[key], value)) is not None:
            columns.setdefault(key, {})[alternate.name] = value
        else:
            values[key] = value
    for key, owner in _owners(bare, needed).items():
        columns.setdefault(owner.name, {})[key] = _field(owner, key).coerce(bare[key], key)
    return values, columns


def _owners(names: Iterable[str], needed: DimensionGroup) -> dict[str, DimensionElement]:
    """Return, by name of a column, the needed dimension that has it; of several, that with most of them."""
    having: dict[str, list[DimensionElement]] = {}
    for name in names:
        everywhere = [element for element in UNIVERSE.dimensions.values() if _has(element, name)]
        if not everywhere:
            known = {
                *UNIVERSE.names,
                *(f.name for element in UNIVERSE.dimensions.values() for f in element.fields),
            }
            raise DimensionNameError(
                f"{name!r} is neither a dimension nor a column of one{did_you_mean(name, known)}"
            )
        having[name] = [element for element in everywhere if element.name in needed]
        if not having[name]:
            owners = ", ".join(element.name for element in everywhere)
            raise DimensionNameError(f"{name!r} is a column of {owners}, not of one of {needed}")
    n_matched = Counter(element.name for elements in having.values() for element in elements)
    chosen = {}
    for name, elements in having.items():
        # Whoever names neither exposure nor visit means what was taken, not what was made of it.
        ranked = sorted(elements, key=lambda e: (n_matched[e.name], e.name == "exposure"), reverse=True)
        if len(ranked) > 1 and "exposure" not in (e.name for e in ranked):
            first, second = ranked[:2]
            if n_matched[first.name] == n_matched[second.name]:
                raise DimensionNameError(
                    f"{name!r} may be {first.name}.{name} or {second.name}.{name}; write which of them"
                )
        chosen[name] = ranked[0]
    return chosen


def _dimension(name: str, key: str) -> DimensionElement:
    if not UNIVERSE.is_dimension(name):
        raise DimensionNameError(f"{key!r} names no dimension{did_you_mean(name, UNIVERSE.names)}")
    return UNIVERSE[name]


def _field(element: DimensionElement, column: str) -> Field:
    known = {field.name: field for field in element.fields}
    if column not in known:
        hint = did_you_mean(column, known) or "; it has none"
        raise DimensionNameError(f"{element.name} has no column {column!r}{hint}")
    return known[column]


def _has(element: DimensionElement, column: str) -> bool:
    return any(field.name == column for field in element.fields)


def _alternate(element: DimensionElement, value: Any) -> Field | None:
    """Return the alternate key that a value must be meant for, None if it may be the primary key."""
    if element.key is None or not isinstance(value, str) or element.key.type is str:
        return None
    return next((field for field in element.alternates if field.type is str), None)


def _told(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
