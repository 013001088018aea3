"""RecordBook: the dimension records that a batch of frames needs, held against those that are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np

from ..butler import Butler
from ..dimensions import DimensionRecord, Timespan
from ..errors import IngestError
from ..regions import SkyRegion
from .frames import Frame

__all__ = ["RecordBook"]

_Key = tuple[Any, ...]
_Values = dict[str, Any]
_ROUNDING: Final = 1e-9
"""Degrees by which the vertices of the same region may differ."""


class RecordBook:
    """Collects records of frames, refuses those that contradict others, and writes what is new.

    Parameters
    ----------
    butler
        A writeable butler.
    frames
        All frames that may be added, so that what is known of them is asked at once.
    """

    def __init__(self, butler: Butler, frames: Iterable[Frame]) -> None:
        self._butler = butler
        self._known: dict[_Key, DimensionRecord] = {}
        self._new: dict[_Key, DimensionRecord] = {}
        self._regions: dict[_Key, list[SkyRegion]] = {}
        shared: dict[_Key, tuple[_Values, DimensionRecord]] = {}
        self._records = {id(frame): _records_of(frame, shared) for frame in frames}
        by_element: dict[str, dict[_Key, DimensionRecord]] = {}
        for records in self._records.values():
            for record in records:
                by_element.setdefault(record.definition.name, {})[_key(record)] = record
        # Frames list records after those that they refer to, whether these are new or not.
        self._elements = list(by_element)
        for element, wanted in by_element.items():
            for _, known in butler.registry.records.existing(element, list(wanted.values())):
                self._known[_key(known)] = known

    def add(self, frames: Sequence[Frame]) -> None:
        """Add the records of all frames of a file, or of none.

        Raises
        ------
        IngestError
            Raised if one contradicts another frame, or what the registry knows.
        """
        added: dict[_Key, DimensionRecord] = {}
        regions: list[tuple[_Key, SkyRegion]] = []
        for frame in frames:
            for record in self._records[id(frame)]:
                key = _key(record)
                known = added.get(key) or self._new.get(key) or self._known.get(key)
                if known is None:
                    added[key] = record
                elif known is not record:
                    _require_same(record, known)
                if record.definition.name == "visit":
                    regions.append((key, frame.region))
        self._new |= added
        for key, region in regions:
            self._regions.setdefault(key, []).append(region)

    def write(self) -> None:
        """Insert the new records; the region of a visit becomes the hull of those of its detectors."""
        registry = self._butler.registry
        fresh: dict[str, list[DimensionRecord]] = {}
        for key, record in self._new.items():
            grown = _with_region(record, self._regions[key]) if key in self._regions else record
            fresh.setdefault(record.definition.name, []).append(grown)
        for element in self._elements:
            if element in fresh:
                registry.insertDimensionData(element, *fresh[element])
        for key, regions in self._regions.items():
            known = self._known.get(key)
            if known is not None:
                before = [] if known.region is None else [known.region]
                registry.syncDimensionData("visit", _with_region(known, [*before, *regions]), update=True)


def _records_of(frame: Frame, shared: dict[_Key, tuple[_Values, DimensionRecord]]) -> list[DimensionRecord]:
    """Return the records of a frame; one that was made of the same values for another frame is shared."""
    records = []
    for element, values in frame.records:
        # Instrument and number, or name: whether the rest is the same, too, is seen by comparison.
        place = element, *islice(values.values(), 2)
        known = shared.get(place)
        if known is None or known[0] != values:
            known = shared[place] = values, DimensionRecord(element, values)
        records.append(known[1])
    return records


def _key(record: DimensionRecord) -> _Key:
    return (record.definition.name, *(record[name] for name in record.definition.required))


def _with_region(record: DimensionRecord, regions: Sequence[SkyRegion]) -> DimensionRecord:
    region = regions[0] if len(regions) == 1 else SkyRegion.convex_hull_of(regions)
    return DimensionRecord.from_known(record.definition, {**record.columns(), "region": region})


def _require_same(record: DimensionRecord, known: DimensionRecord) -> None:
    """Refuse a record that differs from another of the same key; the region of a visit grows."""
    wanted, held = record.toDict(), known.toDict()
    passed = {"region"} if record.definition.name == "visit" else set()
    changed = [name for name in held if name not in passed and not _is_same(wanted[name], held[name])]
    if changed:
        element = record.definition.name
        key = ", ".join(
            f"{name} {record[name]}" for name in record.definition.required if name != "instrument"
        )
        told = ", ".join(
            name if name == "region" else f"{name} is {_shown(wanted[name])}, not {_shown(held[name])}"
            for name in changed
        )
        raise IngestError(f"it contradicts other files of {key or element}: {told}")


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Timespan) else repr(value)


def _is_same(value: Any, held: Any) -> bool:
    """Tell whether values are equal; regions may differ by what another processor rounds in another way."""
    if value == held or not (isinstance(value, SkyRegion) and isinstance(held, SkyRegion)):
        return bool(value == held)
    try:
        one, two = np.array(value.vertices()), np.array(held.vertices())
    except ValueError:
        return False
    apart = np.abs(one[:, np.newaxis] - two).max(axis=2)
    return len(one) == len(two) and float(apart.min(axis=1).max()) < _ROUNDING
