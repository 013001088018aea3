"""DimensionRecord: what the registry knows about one value of a dimension."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import DataIdValueError, DimensionNameError, did_you_mean
from .elements import DimensionElement
from .timespan import Timespan
from .universe import UNIVERSE, DimensionUniverse, coerce_value

if TYPE_CHECKING:
    from ..regions import SkyRegion

__all__ = ["DimensionRecord"]


class DimensionRecord:
    """One row of a dimension element: keys, implied values, metadata, region, timespan.

    Values are read as attributes (``record.exposure_time``) or items (``record["visit"]``); the own key
    has the name of the dimension and of the key column, ``record["visit"] == record.id``.

    Parameters
    ----------
    element
        The element, or its name.
    values
        Values by column; missing ones are None where that is allowed.

    Raises
    ------
    DimensionNameError
        Raised for an unknown column or a missing key.
    DataIdValueError
        Raised for a value of another type than its column's.
    """

    __slots__ = ("_values", "definition")

    def __init__(self, element: DimensionElement | str, values: Mapping[str, Any]) -> None:
        self.definition = UNIVERSE[element] if isinstance(element, str) else element
        columns = self.definition.columns
        given = dict(values)
        key = self.definition.key
        if key is not None and key.name in given and key.name not in columns:
            given[self.definition.name] = given.pop(key.name)
        if unknown := next((name for name in given if name not in columns), None):
            hint = did_you_mean(unknown, columns)
            raise DimensionNameError(f"{self.definition.name} records have no field {unknown!r}{hint}")
        needed = self.definition.needed_columns
        if missing := [name for name in needed if given.get(name) is None]:
            raise DimensionNameError(f"a {self.definition.name} record needs {', '.join(missing)}")
        self._values = {name: self._checked(name, given.get(name)) for name in columns}

    @classmethod
    def from_known(cls, definition: DimensionElement, values: dict[str, Any]) -> DimensionRecord:
        """Make a record of values by column, in their order, that are known to fit; they are not copied."""
        record = cls.__new__(cls)
        record.definition = definition
        record._values = values
        return record

    def _checked(self, name: str, value: Any) -> Any:
        """Return a value as the type of its column."""
        if name in ("region", "timespan"):
            return self._checked_extent(name, value)
        if name == "hash" and isinstance(value, bytes):
            # LSST's sky maps have bytes; digits are kept here, which people can read.
            value = value.hex()
        field = self.definition.fields_by_name.get(name)
        return coerce_value(name, value) if field is None else field.coerce(value, name)

    def _checked_extent(self, name: str, value: Any) -> SkyRegion | Timespan | None:
        """Return a region or timespan; those of lsst.sphgeom become ours."""
        if value is None:
            return None
        if name == "region":
            from ..regions import SkyRegion

            region = SkyRegion.of(value)
            if region is None:
                raise DataIdValueError(f"region needs a SkyRegion, not {value!r}")
            return region
        if not isinstance(value, Timespan):
            raise DataIdValueError(f"timespan needs a Timespan, not {value!r}")
        if value.isEmpty():
            raise DataIdValueError(f"the timespan of a {self.definition.name} record cannot be empty")
        return value

    def key_of(self, element: DimensionElement) -> tuple[Any, ...]:
        """Return the key of an element's record that this one refers to, or its own."""
        return element.take_key(self._values)

    def columns(self) -> dict[str, Any]:
        """Return the values by column, the own key under the name of the dimension."""
        return dict(self._values)

    def toDict(self) -> dict[str, Any]:
        """Return the values by field as LSST names them, the own key under its own name (``id``)."""
        key = self.definition.key
        own = {} if key is None else {self.definition.name: key.name}
        return {own.get(name, name): value for name, value in self._values.items()}

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value as an attribute would, or a default if there is no such field."""
        return getattr(self, name, default)

    def to_simple(self) -> dict[str, Any]:
        """Return plain values for JSON; regions are hexadecimal, times nanoseconds."""
        plain = self.toDict()
        if self.region is not None:
            plain["region"] = self.region.encode().hex()
        if self.timespan is not None:
            plain["timespan"] = [self.timespan.begin_ns, self.timespan.end_ns]
        return {"definition": self.definition.name, "record": plain}

    @classmethod
    def from_simple(
        cls, simple: Mapping[str, Any], universe: DimensionUniverse = UNIVERSE
    ) -> DimensionRecord:
        """Read what `to_simple` returned.

        Raises
        ------
        DimensionNameError, DataIdValueError
            Raised if the values are no record.
        """
        values = dict(simple["record"])
        if values.get("region") is not None:
            from ..regions import SkyRegion

            values["region"] = SkyRegion.decode(bytes.fromhex(values["region"]))
        if values.get("timespan") is not None:
            values["timespan"] = Timespan(*values["timespan"])
        return cls(universe[simple["definition"]], values)

    def to_json(self) -> str:
        """Return `to_simple` as JSON text."""
        return json.dumps(self.to_simple(), separators=(",", ":"))

    @classmethod
    def from_json(cls, json_str: str, universe: DimensionUniverse = UNIVERSE) -> DimensionRecord:
        """Read what `to_json` returned; raises as `from_simple`."""
        return cls.from_simple(json.loads(json_str), universe)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        key = self.definition.key
        if key is not None and name == key.name and name not in self._values:
            name = self.definition.name
        try:
            return self._values[name]
        except KeyError:
            hint = did_you_mean(name, self._values)
            raise AttributeError(f"{self.definition.name} records have no field {name!r}{hint}") from None

    @property
    def region(self) -> SkyRegion | None:
        """Region on the sky, if the element has one and it is known."""
        return self._values.get("region")

    @property
    def timespan(self) -> Timespan | None:
        """Timespan, if the element has one and it is known."""
        return self._values.get("timespan")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DimensionRecord):
            return NotImplemented
        return self.definition == other.definition and self._values == other._values

    def __hash__(self) -> int:
        keys = self.definition.required
        return hash((self.definition.name, *(self._values[key] for key in keys)))

    def __repr__(self) -> str:
        shown = {key: value for key, value in self._values.items() if key != "region"}
        return f"DimensionRecord({self.definition.name}, {shown})"
