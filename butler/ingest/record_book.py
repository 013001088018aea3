"""RecordBook: the dimension records that a batch of frames needs, held against those that are there."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence, Set
from itertools import islice
from typing import Any, Final

import numpy as np

from ..butler import Butler
from ..dimensions import UNIVERSE, DimensionRecord, Timespan
from ..errors import IngestError
from ..regions import SkyRegion
from .frames import Frame, RecordValues

__all__ = ["RecordBook", "RecordKey"]

RecordKey = tuple[Any, ...]
"""Name of an element, and the key of a record of it."""
_Values = dict[str, Any]
_Keyed = dict[RecordKey, DimensionRecord]
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
    settled
        Keys of the records that may not be changed if frames contradict them; all if None.
    """

    def __init__(
        self, butler: Butler, frames: Iterable[Frame], settled: Container[RecordKey] | None = None
    ) -> None:
        self._butler = butler
        self._settled = settled
        self._known: dict[RecordKey, DimensionRecord] = {}
        self._new: dict[RecordKey, DimensionRecord] = {}
        self._told: dict[RecordKey, DimensionRecord] = {}
        self._regions: dict[RecordKey, list[SkyRegion]] = {}
        self._made: dict[RecordKey, tuple[_Values, DimensionRecord]] = {}
        self._records: dict[int, _Keyed] = {}
        self._agreed: set[int] = set()
        self._same: set[tuple[int, int]] = set()
        by_element: dict[str, dict[RecordKey, DimensionRecord]] = {}
        for frame in frames:
            for values in (frame.exposure_records, frame.records):
                if id(values) not in self._records:
                    self._records[id(values)] = records = self._keyed(values)
                    for key, record in records.items():
                        by_element.setdefault(record.definition.name, {})[key] = record
        # Frames list records after those that they refer to, whether these are new or not.
        self._elements = list(by_element)
        for element, wanted in by_element.items():
            possible = [record for record in wanted.values() if self._may_exist(record, by_element)]
            for _, known in butler.registry.records.existing(element, possible):
                self._known[_key(known)] = known

    def _may_exist(self, record: DimensionRecord, wanted: Mapping[str, Container[RecordKey]]) -> bool:
        """Tell whether all that a record refers to is known, as far as that was asked for."""
        for name in record.definition.requires:
            key = (name, *record.key_of(UNIVERSE[name]))
            if key in wanted.get(name, ()) and key not in self._known:
                return False
        return True

    def _keyed(self, given: Iterable[RecordValues]) -> _Keyed:
        """Return records by key; one that was made of the same values for other frames is shared."""
        records = {}
        for element, values in given:
            # Instrument and number, or name: whether the rest is the same, too, is seen by comparison.
            place = element, *islice(values.values(), 2)
            known = self._made.get(place)
            if known is None or known[0] != values:
                known = self._made[place] = values, DimensionRecord(element, values)
            records[_key(known[1])] = known[1]
        return records

    def add(self, frames: Sequence[Frame]) -> None:
        """Add the records of all frames of a file, or of none.

        Raises
        ------
        IngestError
            Raised if one contradicts another frame, or what the registry knows and may not be changed.
        """
        added: dict[RecordKey, DimensionRecord] = {}
        told: dict[RecordKey, DimensionRecord] = {}
        for frame in frames:
            shared = self._records[id(frame.exposure_records)]
            if id(frame.exposure_records) not in self._agreed:
                self._compare(shared, added, told)
            self._compare(self._records[id(frame.records)], added, told)
        self._new |= added
        self._told |= told
        for frame in frames:
            self._agreed.add(id(frame.exposure_records))
            instrument, _, number = frame.key
            self._regions.setdefault(("visit", instrument, number), []).append(frame.region)

    def _compare(
        self,
        records: _Keyed,
        added: dict[RecordKey, DimensionRecord],
        told: dict[RecordKey, DimensionRecord],
    ) -> None:
        """Hold records against what is known; tell which of them are new, and what counts of each key."""
        for key, record in records.items():
            known = told.get(key) or self._told.get(key)
            if known is None:
                known = self._known.get(key)
                if known is None or (self._may_change(key) and _changes(record, known)):
                    known = added[key] = record
                told[key] = known
            if known is not record and (id(record), id(known)) not in self._same:
                _require_same(record, known)
                self._same.add((id(record), id(known)))

    def write(self) -> None:
        """Write the new records; the region of a visit becomes the hull of those of its detectors."""
        registry = self._butler.registry
        fresh: dict[str, list[DimensionRecord]] = {}
        for key, record in self._new.items():
            grown = _with_region(record, self._regions[key]) if key in self._regions else record
            fresh.setdefault(record.definition.name, []).append(grown)
        for element in self._elements:
            records = fresh.get(element, [])
            inserted = [record for record in records if _key(record) not in self._known]
            if inserted:
                registry.records.insert(element, inserted, none_exists=True)
            for record in records:
                # Visits that are known follow when their regions are.
                if (key := _key(record)) in self._known and key not in self._regions:
                    registry.syncDimensionData(element, record, update=True)
        for key, regions in self._regions.items():
            known = self._known.get(key)
            if known is not None:
                grown = _with_region(self._new.get(key, known), [*self._regions_before(known), *regions])
                registry.syncDimensionData("visit", grown, update=True)

    @property
    def keys(self) -> Set[RecordKey]:
        """Keys of all records of the frames that were added."""
        return self._told.keys()

    def _may_change(self, key: RecordKey) -> bool:
        return self._settled is not None and key not in self._settled

    def _regions_before(self, visit: DimensionRecord) -> list[SkyRegion]:
        """Return regions that cover what a visit has so far; of its detectors, if any may have changed."""
        if self._settled is None:
            return [] if visit.region is None else [visit.region]
        data_id = {"instrument": visit["instrument"], "visit": visit["visit"]}
        detectors = self._butler.query_dimension_records(
            "visit_detector_region", data_id=data_id, explain=False, limit=None
        )
        return [record.region for record in detectors if record.region is not None]


def _key(record: DimensionRecord) -> RecordKey:
    return (record.definition.name, *record.key_of(record.definition))


def _with_region(record: DimensionRecord, regions: Sequence[SkyRegion]) -> DimensionRecord:
    region = regions[0] if len(regions) == 1 else SkyRegion.convex_hull_of(regions)
    return DimensionRecord.from_known(record.definition, {**record.columns(), "region": region})


def _changes(record: DimensionRecord, known: DimensionRecord) -> dict[str, tuple[Any, Any]]:
    """Return what differs in a record from another of the same key, and how; the region of a visit grows."""
    wanted, held = record.toDict(), known.toDict()
    passed = {"region"} if record.definition.name == "visit" else set()
    return {
        name: (wanted[name], held[name])
        for name in held
        if name not in passed and not _is_same(wanted[name], held[name])
    }


def _require_same(record: DimensionRecord, known: DimensionRecord) -> None:
    """Refuse a record that differs from another of the same key."""
    changes = _changes(record, known)
    if changes:
        element = record.definition.name
        key = ", ".join(
            f"{name} {record[name]}" for name in record.definition.required if name != "instrument"
        )
        told = ", ".join(
            name if name == "region" else f"{name} is {_shown(wanted)}, not {_shown(held)}"
            for name, (wanted, held) in changes.items()
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
