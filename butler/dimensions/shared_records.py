"""SharedRecords: dimension records that many data IDs have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from .records import DimensionRecord
from .universe import UNIVERSE, DataIdValue, DimensionGroup

__all__ = ["SharedRecords", "picker"]

_Key = tuple[Any, ...]


class SharedRecords:
    """Dimension records of many data IDs of one group, each record held once.

    Parameters
    ----------
    dimensions
        The group.
    held
        By element, the records by their required values.
    """

    __slots__ = ("_finders",)

    def __init__(
        self, dimensions: DimensionGroup, held: Mapping[str, Mapping[_Key, DimensionRecord]]
    ) -> None:
        order = dimensions.data_coordinate_keys
        self._finders: Final = tuple(
            (name, picker([order.index(key) for key in UNIVERSE[name].required]), held[name].get)
            for name in dimensions.elements
        )

    def of(self, values: tuple[DataIdValue, ...]) -> dict[str, DimensionRecord | None]:
        """Return the records of a data ID by element, None where there is none.

        Parameters
        ----------
        values
            Values of the data ID, the implied ones included.
        """
        return {name: find(key_of(values)) for name, key_of, find in self._finders}


def picker(places: Sequence[int]) -> Callable[[_Key], _Key]:
    """Return what takes the values at some places of a tuple, always as a tuple."""
    first = places[0] if places else 0
    if list(places) == list(range(first, first + len(places))):
        # With a single place `itemgetter` would return no tuple.
        return itemgetter(slice(first, first + len(places)))
    return itemgetter(*places)
