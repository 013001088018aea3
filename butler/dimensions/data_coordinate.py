"""DataCoordinate: a data ID that is known to make sense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import DataIdValueError, DimensionNameError, did_you_mean
from .records import DimensionRecord
from .universe import UNIVERSE, DataIdValue, DimensionGroup, coerce_value

__all__ = ["DataCoordinate", "DataId"]

DataId = Mapping[str, Any]


class DataCoordinate(Mapping[str, DataIdValue]):
    """An immutable data ID: values for the dimensions of a group.

    It holds at least the required values. Equality and hash use the group and the required values only,
    so that a minimal and an expanded data ID of the same thing are equal.

    Parameters
    ----------
    dimensions
        The group.
    values
        Values in the order of `DimensionGroup.data_coordinate_keys`: the required ones, or all.
    records
        Dimension records by element, if known.
    """

    __slots__ = ("_records", "_values", "dimensions")

    def __init__(
        self,
        dimensions: DimensionGroup,
        values: tuple[DataIdValue, ...],
        records: Mapping[str, DimensionRecord | None] | None = None,
    ) -> None:
        self.dimensions = dimensions
        self._values = values
        self._records = records

    @classmethod
    def standardize(
        cls, data_id: DataId | None = None, *, dimensions: DimensionGroup, defaults: DataId | None = None
    ) -> DataCoordinate:
        """Check a mapping and bring it into the order of a group.

        Keys beyond the group are left out if they are dimensions.

        Parameters
        ----------
        data_id
            Values by dimension name.
        dimensions
            Group that the data ID is for.
        defaults
            Values to use for missing keys.

        Raises
        ------
        DimensionNameError
            Raised if a required key is missing or a key is no dimension.
        DataIdValueError
            Raised if a value has the wrong type.
        """
        given = {**(defaults or {}), **(data_id or {})}
        for key in given:
            if not UNIVERSE.is_dimension(key):
                raise DimensionNameError(f"{key!r} is no dimension{did_you_mean(key, UNIVERSE.names)}")
        missing = [name for name in dimensions.required if name not in given]
        if missing:
            raise DimensionNameError(
                f"the data ID {dict(data_id or {})} lacks {', '.join(missing)}; "
                f"needed are {', '.join(dimensions.required)}"
            )
        keys = dimensions.required
        if all(name in given for name in dimensions.implied):
            keys = dimensions.data_coordinate_keys
        return cls(dimensions, tuple(coerce_value(name, given[name]) for name in keys))

    @property
    def required_values(self) -> tuple[DataIdValue, ...]:
        """Values of the required dimensions, in their order."""
        return self._values[: len(self.dimensions.required)]

    @property
    def required(self) -> dict[str, DataIdValue]:
        """Required values by name."""
        return dict(zip(self.dimensions.required, self.required_values, strict=True))

    def hasFull(self) -> bool:
        """Tell whether the implied values are known."""
        return len(self._values) == len(self.dimensions.data_coordinate_keys)

    def hasRecords(self) -> bool:
        """Tell whether dimension records are attached."""
        return self._records is not None

    @property
    def records(self) -> Mapping[str, DimensionRecord | None]:
        """Dimension records by element.

        Raises
        ------
        AttributeError
            Raised if no records are attached.
        """
        if self._records is None:
            raise AttributeError(f"the data ID {self} has no dimension records; expand it first")
        return self._records

    def expanded(self, records: Mapping[str, DimensionRecord | None]) -> DataCoordinate:
        """Return this data ID with records, and the implied values that they hold."""
        values = dict(self.required)
        for name in self.dimensions.names:
            record = records.get(name)
            if record is not None:
                values.update({implied: record[implied] for implied in UNIVERSE[name].implies})
        keys = self.dimensions.data_coordinate_keys
        if not all(key in values for key in keys):
            keys = self.dimensions.required
        return DataCoordinate(self.dimensions, tuple(values[key] for key in keys), records)

    def subset(self, dimensions: DimensionGroup | Iterable[str]) -> DataCoordinate:
        """Return the data ID of fewer dimensions.

        Raises
        ------
        KeyError
            Raised if a value that the smaller group requires is not known here.
        """
        group = UNIVERSE.conform(dimensions)
        full = all(name in self for name in group.implied)
        keys = group.data_coordinate_keys if full else group.required
        records = self._records and {e: self._records[e] for e in group.elements if e in self._records}
        return DataCoordinate(group, tuple(self[key] for key in keys), records)

    def union(self, other: DataCoordinate) -> DataCoordinate:
        """Return the data ID of both groups together; where both have a value, they must agree.

        Raises
        ------
        DataIdValueError
            Raised if they contradict each other.
        """
        for key in self:
            if key in other and self[key] != other[key]:
                raise DataIdValueError(f"data IDs {self} and {other} differ in {key}")
        both = {**other, **self}
        return DataCoordinate.standardize(both, dimensions=self.dimensions.union(other.dimensions))

    def to_simple(self) -> dict[str, DataIdValue]:
        """Return the known values by name."""
        return dict(self)

    def __getitem__(self, key: str) -> DataIdValue:
        try:
            return self._values[self.dimensions.data_coordinate_keys.index(key)]
        except (ValueError, IndexError):
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.dimensions.data_coordinate_keys[: len(self._values)])

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self.dimensions.data_coordinate_keys[: len(self._values)]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DataCoordinate):
            return self.dimensions is other.dimensions and self.required_values == other.required_values
        if isinstance(other, Mapping):
            return self.required == {k: v for k, v in other.items() if k in self.dimensions.required}
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.dimensions.required, self.required_values))

    def __lt__(self, other: DataCoordinate) -> bool:
        return self.required_values < other.required_values

    def __str__(self) -> str:
        return "{" + ", ".join(f"{key}: {value!r}" for key, value in self.items()) + "}"

    def __repr__(self) -> str:
        return f"DataCoordinate({self})"

    def __reduce__(self) -> tuple[object, ...]:
        # Records stay behind: workers need values only.
        return DataCoordinate, (self.dimensions, self._values)
