"""DataIdRows: the answer of the one query of a graph, and what becomes of it with fewer dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from operator import itemgetter
from typing import Any

from butler import DataCoordinate, DatasetRef, DatasetType
from butler.dimensions import DimensionGroup

__all__ = ["DataIdRows", "Fields", "Key"]

Key = tuple[Any, ...]
Fields = tuple[DatasetType, Mapping[int, str]]
"""A dataset type whose datasets stand in the rows, and the names of runs by their numbers."""


class DataIdRows:
    """Data IDs that fulfil a query, as rows, with the datasets that belong to them.

    Columns first, objects late: rows are counted, sorted and sorted out as tuples, and each data ID and
    dataset becomes an object once.

    Parameters
    ----------
    dimensions
        Dimensions of the rows.
    rows
        The required values of each, in the order of the group; then for each of the datasets the number of
        its run and the 16 bytes of its UUID. In the order of their values, each once.
    implied
        Implied values by those of `drivers`.
    drivers
        Required dimensions that tell the implied ones.
    datasets
        Dataset types whose datasets stand in the rows, in this order.
    """

    def __init__(
        self,
        dimensions: DimensionGroup,
        rows: Sequence[Key],
        implied: Mapping[Key, Key],
        drivers: tuple[str, ...],
        datasets: Mapping[str, Fields],
    ) -> None:
        self.dimensions = dimensions
        self._rows = rows
        self._implied = implied
        self._drivers = drivers
        self._datasets = datasets
        self._distinct: dict[DimensionGroup, DataIdRows] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def keys(self, names: Sequence[str]) -> Iterable[Key]:
        """Iterate over the values of some dimensions, row by row."""
        return zip(*map(self._column, names), strict=True) if names else repeat((), len(self._rows))

    def distinct(self, *groups: DimensionGroup) -> DataIdRows:
        """Return one row for each data ID of fewer dimensions, in the order of their values.

        Of datasets those stand in it whose dimensions are among them.
        """
        group = groups[0].union(*groups[1:])
        if group.issuperset(self.dimensions):
            return self
        if group not in self._distinct:
            first = dict(zip(self.keys(group.required), self._rows, strict=True))
            rows = [first[key] for key in sorted(first)]
            self._distinct[group] = DataIdRows(
                self.dimensions, rows, self._implied, self._drivers, self._datasets
            )
        return self._distinct[group]

    def has(self, dataset_type: str) -> bool:
        """Tell whether the datasets of a type stand in the rows."""
        return dataset_type in self._datasets

    def data_ids(self, dimensions: DimensionGroup) -> list[DataCoordinate]:
        """Return the data IDs of fewer dimensions, row by row, with implied values."""
        values, implied = self.keys(dimensions.required), self.keys(dimensions.implied)
        return DataCoordinate.from_parts(dimensions, values, implied, None)

    def refs(self, dataset_type: str) -> list[DatasetRef]:
        """Return the datasets that stand in the rows, row by row."""
        kind, runs = self._datasets[dataset_type]
        place = len(self.dimensions.required) + 2 * list(self._datasets).index(dataset_type)
        names = map(runs.__getitem__, map(itemgetter(place), self._rows))
        ids = map(itemgetter(place + 1), self._rows)
        return DatasetRef.from_parts(kind, self.data_ids(kind.dimensions), names, ids)

    def _column(self, name: str) -> Iterable[Any]:
        required = self.dimensions.required
        if name in required:
            return map(itemgetter(required.index(name)), self._rows)
        return map(itemgetter(self.dimensions.implied.index(name)), self._implied_rows)

    @cached_property
    def _implied_rows(self) -> list[Key]:
        """Implied values, row by row."""
        return [self._implied[key] for key in self.keys(self._drivers)]
