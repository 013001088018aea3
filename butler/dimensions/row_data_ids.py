"""RowDataIds: how rows of a registry become data IDs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, Final

from .data_coordinate import DataCoordinate
from .shared_records import SharedRecords, picker
from .universe import DataIdValue, DimensionGroup

__all__ = ["RowDataIds"]

_Key = tuple[Any, ...]


class RowDataIds:
    """Makes data IDs of rows: one by one when they are asked for, or all at once.

    Parameters
    ----------
    dimensions
        Of the data IDs.
    places
        Positions of the values of dimensions in a row.
    constants
        Values that are the same for all rows, and not in them.
    implied
        Implied values by those of `drivers`; None if the rows have them.
    drivers
        Names of the required dimensions that tell the implied ones.
    records
        Dimension records, if known.
    """

    __slots__ = (
        "_constants",
        "_dimensions",
        "_drivers",
        "_implied",
        "_key_of",
        "_places",
        "_records",
        "_values_of",
    )

    def __init__(
        self,
        dimensions: DimensionGroup,
        places: Mapping[str, int],
        constants: Mapping[str, DataIdValue],
        implied: Mapping[_Key, tuple[DataIdValue, ...]] | None = None,
        drivers: tuple[str, ...] = (),
        records: SharedRecords | None = None,
    ) -> None:
        self._dimensions: Final = dimensions
        self._constants: Final = constants
        self._places: Final = places
        self._implied: Final = implied
        self._drivers: Final = dimensions.implied if implied is None else drivers
        self._records: Final = records
        # A row behind the constants has all values.
        all_places = {name: i for i, name in enumerate(constants)}
        all_places |= {name: len(constants) + place for name, place in places.items()}
        self._values_of: Final = picker([all_places[name] for name in dimensions.required])
        self._key_of: Final = picker([all_places[name] for name in self._drivers])

    def with_implied(self, implied: Mapping[_Key, tuple[DataIdValue, ...]]) -> RowDataIds:
        """Return what takes other implied values."""
        return RowDataIds(
            self._dimensions, self._places, self._constants, implied, self._drivers, self._records
        )

    def with_records(self, records: SharedRecords) -> RowDataIds:
        """Return what makes data IDs with records."""
        return RowDataIds(
            self._dimensions, self._places, self._constants, self._implied, self._drivers, records
        )

    def one(self, row: _Key) -> DataCoordinate:
        """Return the data ID of a row."""
        values = (*self._constants.values(), *row)
        key = self._key_of(values)
        implied = key if self._implied is None else self._implied[key]
        [made] = DataCoordinate.from_parts(
            self._dimensions, [self._values_of(values)], [implied], self._records
        )
        return made

    def every(self, rows: Sequence[_Key]) -> list[DataCoordinate]:
        """Return the data IDs of rows."""
        values = self._zipped(self._dimensions.required, rows)
        implied = self._zipped(self._drivers, rows)
        if self._implied is not None:
            implied = map(self._implied.__getitem__, implied)
        return DataCoordinate.from_parts(self._dimensions, values, implied, self._records)

    def told(self, rows: Iterable[_Key]) -> list[_Key]:
        """Return the rows whose implied values are known."""
        implied, key_of, constants = self._implied, self._key_of, tuple(self._constants.values())
        return [row for row in rows if implied is None or key_of((*constants, *row)) in implied]

    def keys(self, names: tuple[str, ...], rows: Sequence[_Key]) -> set[_Key]:
        """Return the values of some dimensions that occur in rows."""
        if self._implied is None or not set(names).intersection(self._dimensions.implied):
            return set(self._zipped(names, rows))
        # What is implied, and what belongs to it, is the same for all rows of a visit.
        places = [(*self._drivers, *self._dimensions.implied).index(name) for name in names]
        return set(map(picker(places), (key + values for key, values in self._implied.items())))

    def _zipped(self, names: Sequence[str], rows: Sequence[_Key]) -> Iterable[_Key]:
        """Return the values of some dimensions of each row."""
        if not names:
            return repeat((), len(rows))
        columns: list[Iterable[DataIdValue]] = [
            repeat(self._constants[name], len(rows))
            if name in self._constants
            else map(itemgetter(self._places[name]), rows)
            for name in names
        ]
        return zip(*columns, strict=True)
