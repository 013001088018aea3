"""RecordClosure: dimension records together with those that they need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..datasets import DatasetRef
from ..dimensions import UNIVERSE, DataCoordinate, DimensionRecord
from ..registry import Registry

__all__ = ["RecordClosure"]

_POPULATED_BY_VISIT: Final = tuple(name for name, e in UNIVERSE.elements.items() if not e.is_dimension)
"""Tables that say more about visits: their exposures, detector regions and visit systems."""


class RecordClosure:
    """Collects records so that another repository can take them: none refers to one that is missing.

    Parameters
    ----------
    registry
        Where they are.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._records: dict[str, dict[DimensionRecord, None]] = {}

    @property
    def records(self) -> dict[str, list[DimensionRecord]]:
        """The records by element, in canonical order."""
        return {name: list(self._records[name]) for name in UNIVERSE.elements if name in self._records}

    def add(self, record: DimensionRecord) -> bool:
        """Add one record alone; return whether it is new."""
        known = self._records.setdefault(record.definition.name, {})
        is_new = record not in known
        known[record] = None
        return is_new

    def add_data_id(self, data_id: DataCoordinate) -> DataCoordinate:
        """Add the records of a data ID, what they refer to, and what is told about its visits.

        Returns
        -------
        expanded
            The data ID with its records.

        Raises
        ------
        DataIdValueError
            Raised if a dimension has no record for its value.
        """
        expanded = data_id if data_id.hasRecords() else self._registry.records.expand(data_id)
        self._add_closed(record for record in expanded.records.values() if record is not None)
        return expanded

    def add_refs(self, refs: Iterable[DatasetRef]) -> None:
        """Add the records of the data IDs of datasets."""
        for ref in refs:
            self.add_data_id(ref.dataId)

    def _add_closed(self, records: Iterable[DimensionRecord]) -> None:
        waiting = list(records)
        while waiting:
            record = waiting.pop()
            definition = record.definition
            if not definition.has_table or not self.add(record):
                continue
            for name in (*definition.requires, *definition.implies):
                referred = self._registry.records.fetch_one(name, record)
                if referred is not None:
                    waiting.append(referred)
            if definition.name == "visit":
                keys = {"instrument": record["instrument"], "visit": record["visit"]}
                for table in _POPULATED_BY_VISIT:
                    waiting += self._registry.records.fetch_all(table, keys)
