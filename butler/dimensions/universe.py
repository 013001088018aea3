"""DimensionUniverse and DimensionGroup: which dimensions go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from ..errors import DataIdValueError, DimensionNameError, did_you_mean
from .elements import ELEMENTS, DimensionElement, pixel_element

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
        return self.universe.sorted({*self.required, *self.implied})

    @cached_property
    def data_coordinate_keys(self) -> tuple[str, ...]:
        """Required, then implied names: the order of the keys of a full data ID."""
        return self.required + self.implied

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
        return tuple(name for name in self.names if name in ("instrument", "skymap"))

    def spatial_element(self, family: tuple[str, ...]) -> str | None:
        """Return the finest element of a spatial family in this group, None if there is none."""
        return next((name for name in family if name in self.elements), None)

    def union(self, *others: DimensionGroup) -> DimensionGroup:
        """Return the group of all members."""
        return self.universe.conform([*self.names, *(name for other in others for name in other.names)])

    def issubset(self, other: DimensionGroup) -> bool:
        """Tell whether all members are members of the other group."""
        return set(self.names) <= set(other.names)

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

OBSERVATION_REGIONS: Final = ("visit_detector_region", "visit")
"""Elements with regions of observations, finest first."""
SKYMAP_REGIONS: Final = ("patch", "tract")
"""Elements with regions of sky maps, finest first."""


@dataclass(frozen=True, eq=False)
class DimensionUniverse:
    """All dimensions and how they hang together.

    Parameters
    ----------
    version
        Version of LSST's universe that these elements are taken from.
    """

    version: int = 8
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

    def sorted(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return names of dimensions in canonical order: band, pixels (healpix, htm), all others."""
        return tuple(sorted(names, key=self._rank))

    def _rank(self, name: str) -> tuple[int, str, int]:
        pixelization = self[name].pixelization
        if pixelization is not None:
            return 1, pixelization.system, pixelization.level
        return (0 if name == "band" else 2), "", self._positions[name]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.elements)}

    def conform(self, names: Iterable[str] | DimensionGroup) -> DimensionGroup:
        """Return the group of these dimensions and all that they require and imply.

        Raises
        ------
        DimensionNameError
            Raised for a name that is no dimension.
        """
        if isinstance(names, DimensionGroup):
            return names
        if isinstance(names, str):
            raise DimensionNameError(f"dimensions are a collection of names, not the text {names!r}")
        given = frozenset(names)
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
        required = self.sorted(members - implied)
        # What is required must be complete in itself: a required member may need an implied one.
        needed = {name for member in required for name in self[member].required}
        required = self.sorted(needed)
        closed = frozenset(required)
        if closed not in self._groups:
            self._groups[closed] = DimensionGroup(self, required, self.sorted(members - needed))
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
