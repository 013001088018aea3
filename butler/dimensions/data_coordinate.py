"""DataCoordinate: a data ID that is known to make sense."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any

from ..errors import DataIdValueError, DimensionNameError, did_you_mean
from .records import DimensionRecord
from .shared_records import SharedRecords
from .timespan import Timespan
from .universe import UNIVERSE, DataIdValue, DimensionGroup, DimensionUniverse, coerce_value

if TYPE_CHECKING:
    from ..regions import SkyRegion

__all__ = ["DataCoordinate", "DataId", "plain_values"]

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

    __slots__ = ("_implied", "_records", "_values", "dimensions")

    def __init__(
        self,
        dimensions: DimensionGroup,
        values: tuple[DataIdValue, ...],
        records: Mapping[str, DimensionRecord | None] | None = None,
    ) -> None:
        n_required = len(dimensions.required)
        self.dimensions = dimensions
        self._values = values[:n_required]
        self._implied = values[n_required:] if len(values) > n_required or not dimensions.implied else None
        self._records: Mapping[str, DimensionRecord | None] | SharedRecords | None = records

    @classmethod
    def from_parts(
        cls,
        dimensions: DimensionGroup,
        values: Iterable[tuple[DataIdValue, ...]],
        implied: Iterable[tuple[DataIdValue, ...]],
        records: SharedRecords | None,
    ) -> list[DataCoordinate]:
        """Make many data IDs of values that are known to fit.

        Parameters
        ----------
        dimensions
            The group of all.
        values, implied
            Required and implied values of each.
        records
            Dimension records; each data ID looks up its own when it is asked for them.
        """
        made: list[DataCoordinate] = []
        append, new = made.append, cls.__new__
        for own, more in zip(values, implied, strict=True):
            data_id = new(cls)
            data_id.dimensions = dimensions
            data_id._values = own
            data_id._implied = more
            data_id._records = records
            append(data_id)
        return made

    @classmethod
    def from_required_values(
        cls, dimensions: DimensionGroup, values: Iterable[DataIdValue]
    ) -> DataCoordinate:
        """Make a data ID of values in the order of `DimensionGroup.required`; raises as `standardize`."""
        return cls._checked(dimensions, dimensions.required, tuple(values))

    @classmethod
    def from_full_values(cls, dimensions: DimensionGroup, values: Iterable[DataIdValue]) -> DataCoordinate:
        """Make a data ID of values in the order of the group's keys; raises as `standardize`."""
        return cls._checked(dimensions, dimensions.data_coordinate_keys, tuple(values))

    @classmethod
    def _checked(
        cls, dimensions: DimensionGroup, keys: tuple[str, ...], values: tuple[DataIdValue, ...]
    ) -> DataCoordinate:
        if len(keys) != len(values):
            raise DimensionNameError(f"values are needed for {', '.join(keys) or 'nothing'}, not {values}")
        return cls(dimensions, tuple(map(coerce_value, keys, values)))

    @classmethod
    def make_empty(cls, universe: DimensionUniverse = UNIVERSE) -> DataCoordinate:
        """Return the data ID without dimensions."""
        return cls(universe.empty, (), {})

    @classmethod
    def standardize(
        cls,
        mapping: DataId | None = None,
        *,
        dimensions: DimensionGroup | Iterable[str] | None = None,
        universe: DimensionUniverse | None = None,
        defaults: DataId | None = None,
        **kwargs: Any,
    ) -> DataCoordinate:
        """Check a mapping and bring it into the order of a group.

        Keys beyond the group are left out if they are dimensions. Records that a data ID has are kept if
        nothing is added to it.

        Parameters
        ----------
        mapping
            Values by dimension name; keyword arguments add to them.
        dimensions
            Group that the data ID is for; by default that of the keys.
        universe
            The one there is; for LSST's callers.
        defaults
            Values to use for missing keys.

        Raises
        ------
        DimensionNameError
            Raised if a required key is missing or a key is no dimension.
        DataIdValueError
            Raised if a value has the wrong type.
        """
        given = {**(mapping or {}), **kwargs} if kwargs else mapping or {}
        if type(given) is dict and not defaults and isinstance(dimensions, DimensionGroup):
            plain = None if dimensions.skypix else plain_values(dimensions, given, {})
            if plain is not None:
                return cls(dimensions, plain)
        for key in given:
            if not UNIVERSE.is_dimension(key):
                raise DimensionNameError(f"{key!r} is no dimension{did_you_mean(key, UNIVERSE.names)}")
        group = UNIVERSE.conform(given if dimensions is None else dimensions)
        if isinstance(given, DataCoordinate) and all(name in given for name in group.required):
            return given if given.dimensions is group else given.subset(group)
        known = {**defaults, **given} if defaults else given
        missing = [name for name in group.required if name not in known]
        if missing:
            raise DimensionNameError(
                f"the data ID {dict(given)} lacks {', '.join(missing)}; "
                f"needed are {', '.join(group.required)}"
            )
        keys = group.required
        if all(name in known for name in group.implied):
            keys = group.data_coordinate_keys
        return cls(group, tuple([coerce_value(name, known[name]) for name in keys]))

    @property
    def required_values(self) -> tuple[DataIdValue, ...]:
        """Values of the required dimensions, in their order."""
        return self._values

    @property
    def required(self) -> dict[str, DataIdValue]:
        """Required values by name."""
        return dict(zip(self.dimensions.required, self._values, strict=True))

    @property
    def full_values(self) -> tuple[DataIdValue, ...]:
        """Values of all dimensions, in the order of the group's keys.

        Raises
        ------
        DimensionNameError
            Raised if the implied ones are not known.
        """
        if self._implied is None:
            raise DimensionNameError(
                f"the data ID {self} lacks {', '.join(self.dimensions.implied)}; expand it first"
            )
        return self._values + self._implied

    @property
    def mapping(self) -> dict[str, DataIdValue]:
        """All known values by name."""
        return dict(self)

    @property
    def universe(self) -> DimensionUniverse:
        """Where the dimensions come from."""
        return self.dimensions.universe

    @property
    def region(self) -> SkyRegion | None:
        """Region on the sky of the finest element that has one; None if none has, or it is not known.

        Where observations and sky map both have one, it is what these have in common.

        Raises
        ------
        AttributeError
            Raised if no records are attached.
        """
        held = [self.records.get(element) for element in self.dimensions.region_elements.values()]
        regions = [None if record is None else record.region for record in held]
        known = [region for region in regions if region is not None]
        if not known or len(known) < len(regions):
            return None
        return reduce(lambda common, region: common.intersection(region), known)

    @property
    def timespan(self) -> Timespan | None:
        """Timespan of the finest element that has one; None if none has, or it is not known.

        Raises
        ------
        AttributeError
            Raised if no records are attached.
        """
        record = self.records.get(self.dimensions.timespan_dimension or "")
        return None if record is None else record.timespan

    def hasFull(self) -> bool:
        """Tell whether the implied values are known."""
        return self._implied is not None

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
        if isinstance(self._records, SharedRecords):
            self._records = self._records.of(self.full_values)
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
        records = None
        if self._records is not None:
            held = self.records
            records = {element: held[element] for element in group.elements if element in held}
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

    def to_simple(self, minimal: bool = False) -> dict[str, Any]:
        """Return plain values for JSON.

        Parameters
        ----------
        minimal
            Whether to leave out attached records.
        """
        simple: dict[str, Any] = {"dataId": dict(self)}
        if self._records is not None and not minimal and self.records:
            simple["records"] = {e: r.to_simple() for e, r in self.records.items() if r is not None}
        return simple

    @classmethod
    def from_simple(cls, simple: Mapping[str, Any], universe: DimensionUniverse = UNIVERSE) -> DataCoordinate:
        """Read what `to_simple` returned; raises as `standardize` and `DimensionRecord.from_simple`."""
        data_id = cls.standardize(simple["dataId"], universe=universe)
        if simple.get("records") is None:
            return data_id
        records = {e: DimensionRecord.from_simple(r, universe) for e, r in simple["records"].items()}
        return data_id.expanded({e: records.get(e) for e in data_id.dimensions.elements})

    def to_json(self, minimal: bool = False) -> str:
        """Return `to_simple` as JSON text."""
        return json.dumps(self.to_simple(minimal), separators=(",", ":"))

    @classmethod
    def from_json(cls, json_str: str, universe: DimensionUniverse = UNIVERSE) -> DataCoordinate:
        """Read what `to_json` returned; raises as `from_simple`."""
        return cls.from_simple(json.loads(json_str), universe)

    def __getitem__(self, key: str) -> DataIdValue:
        dimensions = self.dimensions
        if key in dimensions.required:
            return self._values[dimensions.required.index(key)]
        if self._implied is None or key not in dimensions.implied:
            raise KeyError(key)
        return self._implied[dimensions.implied.index(key)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: object) -> bool:
        return key in self._known

    @property
    def _known(self) -> tuple[str, ...]:
        """Names of the dimensions with a value."""
        dimensions = self.dimensions
        return dimensions.required if self._implied is None else dimensions.data_coordinate_keys

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DataCoordinate):
            return self.dimensions is other.dimensions and self._values == other._values
        if isinstance(other, Mapping):
            return self.required == {k: v for k, v in other.items() if k in self.dimensions.required}
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.dimensions.required, self._values))

    def __lt__(self, other: DataCoordinate) -> bool:
        return self._values < other._values

    def __str__(self) -> str:
        return "{" + ", ".join(f"{key}: {value!r}" for key, value in self.items()) + "}"

    def __repr__(self) -> str:
        return f"DataCoordinate({self})"

    def __reduce__(self) -> tuple[object, ...]:
        # Records stay behind: workers need values only.
        return DataCoordinate, (self.dimensions, self._values + (self._implied or ()))


def plain_values(dimensions: DimensionGroup, given: DataId, defaults: DataId) -> tuple[int | str, ...] | None:
    """Return the required values if these are all that is given, and there is no doubt about any of them.

    This is the case that must be fast; None leaves the others to those who tell what is wrong.
    """
    values: list[int | str] = []
    n_given = 0
    for name, kind in dimensions.key_types:
        value: Any = given[name] if name in given else defaults.get(name)
        n_given += name in given
        if kind is int and type(value) is int:
            is_sound = -(2**63) <= value < 2**63
        else:
            is_sound = (
                kind is str and type(value) is str and value != "" and value.isascii() and "\0" not in value
            )
        if not is_sound:
            return None
        values.append(value)
    return tuple(values) if n_given == len(given) else None
