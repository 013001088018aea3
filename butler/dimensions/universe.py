"""DimensionUniverse and DimensionGroup: which dimensions go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from ..errors import DataIdValueError, DimensionNameError, did_you_mean
from .elements import ELEMENTS, GOVERNORS, SPATIAL_FAMILIES, DimensionElement, pixel_element

__all__ = ["UNIVERSE", "DataIdValue", "DimensionGroup", "DimensionUniverse", "coerce_value"]

DataIdValue = int | str


@dataclass(frozen=True, eq=False)
class DimensionGroup:
    """A closed set of dimensions: with each member come those it requires and implies.

    Make one with `DimensionUniverse.conform`; equal groups are the same object.

    Parameters
    ----------
    universe
        Where the names come from.
    required
        Names that identify a data ID, in canonical order.
    implied
        Names whose values follow from the required ones, in canonical order.
    """

    universe: DimensionUniverse
    required: tuple[str, ...]
    implied: tuple[str, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All members in canonical order."""
        return tuple(self.universe.sorted({*self.required, *self.implied}))

    @cached_property
    def data_coordinate_keys(self) -> tuple[str, ...]:
        """Required, then implied names: the order of the keys of a full data ID."""
        return self.required + self.implied

    @cached_property
    def key_types(self) -> tuple[tuple[str, type], ...]:
        """Required names with the types of their values."""
        keys = ((name, self.universe[name].key) for name in self.required)
        return tuple((name, key.type) for name, key in keys if key is not None)

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Members and the join tables whose dimensions are all members."""
        members = set(self.names)
        joins = (
            element.name
            for element in self.universe.elements.values()
            if not element.is_dimension and members.issuperset(element.required)
        )
        return (*self.names, *joins)

    @cached_property
    def skypix(self) -> tuple[str, ...]:
        """Members that are pixels of the sky."""
        return tuple(name for name in self.names if self.universe[name].pixelization is not None)

    @property
    def governors(self) -> tuple[str, ...]:
        """Members among instrument and skymap."""
        return tuple(name for name in self.names if name in GOVERNORS)

    @property
    def spatial(self) -> tuple[str, ...]:
        """Families of elements with regions that have one here."""
        return tuple(self.region_elements)

    @property
    def temporal(self) -> tuple[str, ...]:
        """Families of elements with timespans that have one here."""
        return tuple(name for name, family in TEMPORAL_FAMILIES.items() if self._finest(family))

    @property
    def region_dimension(self) -> str | None:
        """Element whose records have the region of a data ID; None unless there is one family."""
        elements = list(self.region_elements.values())
        return elements[0] if len(elements) == 1 else None

    @property
    def timespan_dimension(self) -> str | None:
        """Element whose records have the timespan of a data ID; None unless there is one family."""
        return self._finest(TEMPORAL_FAMILIES[self.temporal[0]]) if len(self.temporal) == 1 else None

    @cached_property
    def lookup_order(self) -> tuple[str, ...]:
        """Elements in an order in which each one's keys are known from the required values and those before.

        What an element implies follows it at once.
        """
        order: dict[str, None] = {}

        def add(name: str) -> None:
            order.setdefault(name)
            for implied in self.universe.sorted(self.universe[name].implies):
                if implied not in order:
                    add(implied)

        for name in (*self.required, *self.elements):
            if name not in order:
                add(name)
        return tuple(order)

    @cached_property
    def region_elements(self) -> dict[str, str]:
        """Finest element of each spatial family; each pixelization of the sky is a family, too."""
        found = {name: self._finest(family) for name, family in SPATIAL_FAMILIES.items()}
        for name in self.skypix:
            # In canonical order the finest level comes last.
            found[self.universe[name].family or name] = name
        return {family: name for family, name in found.items() if name is not None}

    def _finest(self, family: tuple[str, ...]) -> str | None:
        return next((name for name in family if name in self.elements), None)

    def union(self, *others: DimensionGroup) -> DimensionGroup:
        """Return the group of all members."""
        return self.universe.conform([*self.names, *(name for other in others for name in other.names)])

    def intersection(self, *others: DimensionGroup) -> DimensionGroup:
        """Return the group of the members that all groups have."""
        return self.universe.conform(n for n in self.names if all(n in other for other in others))

    def difference(self, other: DimensionGroup) -> DimensionGroup:
        """Return the group of the members that the other lacks, with all that those require and imply."""
        return self.universe.conform(name for name in self.names if name not in other)

    def issubset(self, other: DimensionGroup) -> bool:
        """Tell whether all members are members of the other group."""
        return set(self.names) <= set(other.names)

    def issuperset(self, other: DimensionGroup) -> bool:
        """Tell whether all members of the other group are members."""
        return other.issubset(self)

    def isdisjoint(self, other: DimensionGroup) -> bool:
        """Tell whether the groups have no member in common."""
        return set(self.names).isdisjoint(other.names)

    def to_simple(self) -> list[str]:
        """Return the names of all members."""
        return list(self.names)

    @staticmethod
    def from_simple(data: Iterable[str], universe: DimensionUniverse) -> DimensionGroup:
        """Return the group of these names; raises as `DimensionUniverse.conform`."""
        return universe.conform(data)

    def __le__(self, other: DimensionGroup) -> bool:
        return self.issubset(other)

    def __ge__(self, other: DimensionGroup) -> bool:
        return other.issubset(self)

    def __lt__(self, other: DimensionGroup) -> bool:
        return self is not other and self.issubset(other)

    def __gt__(self, other: DimensionGroup) -> bool:
        return other < self

    def __or__(self, other: DimensionGroup) -> DimensionGroup:
        return self.union(other)

    def __and__(self, other: DimensionGroup) -> DimensionGroup:
        return self.intersection(other)

    def __sub__(self, other: DimensionGroup) -> DimensionGroup:
        return self.difference(other)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return "{" + ", ".join(self.required) + "}"

    def __reduce__(self) -> tuple[object, ...]:
        return self.universe.conform, (self.required,)


_KEY_WORDS: Final[dict[type, str]] = {int: "an integer", str: "a text that is not empty"}

TEMPORAL_FAMILIES: Final = {"observation_timespans": ("exposure", "visit", "day_obs")}
"""Elements with timespans, finest first, by family."""


@dataclass(frozen=True, eq=False)
class DimensionUniverse:
    """All dimensions and how they hang together.

    Parameters
    ----------
    version, namespace
        LSST's universe that these elements are taken from.
    """

    version: int = 8
    namespace: str = "daf_butler"
    _groups: dict[frozenset[str], DimensionGroup] = field(default_factory=dict, repr=False)
    _pixels: dict[str, DimensionElement | None] = field(default_factory=dict, repr=False)

    @cached_property
    def elements(self) -> dict[str, DimensionElement]:
        """Elements by name, in canonical order, without the many dimensions of sky pixels."""
        return {element.name: element for element in ELEMENTS}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the dimensions in canonical order, without those of sky pixels."""
        return tuple(name for name, element in self.elements.items() if element.is_dimension)

    @property
    def dimensions(self) -> dict[str, DimensionElement]:
        """Dimensions by name, in canonical order."""
        return {name: self.elements[name] for name in self.names}

    @property
    def governor_dimensions(self) -> dict[str, DimensionElement]:
        """Instrument and sky map by name."""
        return {name: self.elements[name] for name in GOVERNORS}

    def sorted(self, elements: Iterable[str | DimensionElement], *, reverse: bool = False) -> list[str]:
        """Return the names of elements in canonical order; raises as ``universe[name]``."""
        given = {element if isinstance(element, str) else element.name for element in elements}
        return sorted(given, key=self._rank, reverse=reverse)

    def get_elements_populated_by(self, dimension: str | DimensionElement) -> list[str]:
        """Return the names of the elements whose records are moved together with those of a dimension."""
        name = dimension if isinstance(dimension, str) else dimension.name
        return [element.name for element in self.elements.values() if element.populated_by == name]

    def get(self, name: str, default: DimensionElement | None = None) -> DimensionElement | None:
        """Return an element by name, a default if there is none."""
        return self.find(name) or default

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __getitem__(self, name: str) -> DimensionElement:
        """Return an element by name.

        Raises
        ------
        DimensionNameError
            Raised if there is none.
        """
        found = self.find(name)
        if found is None:
            hint = did_you_mean(name, self.elements)
            raise DimensionNameError(f"no dimension or element {name!r}{hint}")
        return found

    def find(self, name: str) -> DimensionElement | None:
        """Return an element by name, None if there is none; sky pixels, as ``htm7``, are made when named."""
        known = self.elements.get(name)
        if known is None and name.startswith(("htm", "healpix")):
            if name not in self._pixels:
                self._pixels[name] = pixel_element(name)
            return self._pixels[name]
        return known

    def is_dimension(self, name: str) -> bool:
        """Tell whether a name is that of a dimension."""
        element = self.find(name)
        return element is not None and element.is_dimension

    def _rank(self, name: str) -> tuple[int, str, int]:
        pixelization = self[name].pixelization
        if pixelization is not None:
            return 1, pixelization.system, pixelization.level
        return (0 if name == "band" else 2), "", self._positions[name]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.elements)}

    def conform(self, names: Iterable[str] | DimensionGroup) -> DimensionGroup:
        """Return the group of these dimensions, or this one, and all that they require and imply.

        Raises
        ------
        DimensionNameError
            Raised for a name that is no dimension.
        """
        if isinstance(names, DimensionGroup):
            return names
        given = frozenset([names] if isinstance(names, str) else names)
        if given not in self._groups:
            self._groups[given] = self._close(given)
        return self._groups[given]

    def _close(self, given: frozenset[str]) -> DimensionGroup:
        members: set[str] = set()
        waiting = list(given)
        while waiting:
            element = self[waiting.pop()]
            if not element.is_dimension:
                raise DimensionNameError(f"{element.name} is a table that joins dimensions, not a dimension")
            if element.name not in members:
                members.add(element.name)
                waiting += [*element.requires, *element.implies]
        implied = {name for member in members for name in self[member].implies}
        required = tuple(self.sorted(members - implied))
        # What is required must be complete in itself: a required member may need an implied one.
        needed = {name for member in required for name in self[member].required}
        required = tuple(self.sorted(needed))
        closed = frozenset(required)
        if closed not in self._groups:
            implied_names = tuple(self.sorted(members - needed))
            self._groups[closed] = DimensionGroup(self, required, implied_names)
        return self._groups[closed]

    @property
    def empty(self) -> DimensionGroup:
        """The group without members."""
        return self.conform(())

    def __reduce__(self) -> str:
        return "UNIVERSE"


UNIVERSE: Final = DimensionUniverse()
"""The universe that every repository uses."""


def coerce_value(name: str, value: Any) -> DataIdValue:
    """Return a value as the key type of a dimension.

    Parameters
    ----------
    name
        The dimension.
    value
        The value; numpy integers are integers, 1.0 and "1" are not.

    Raises
    ------
    DataIdValueError
        Raised if the value is of another type; None, an empty text or a number that needs more than 64 bits.
    """
    key = UNIVERSE[name].key
    if key is None:
        raise DimensionNameError(f"{name} is a table that joins dimensions, not a dimension")
    found: DataIdValue | None = key.coerce(value, name)
    if found is None or found == "":
        raise DataIdValueError(f"{name} cannot be {value!r}: give {_KEY_WORDS[key.type]}")
    return found
