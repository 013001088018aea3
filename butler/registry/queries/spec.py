"""QuerySpec: what a query asks for, as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...dimensions import UNIVERSE, DimensionGroup
from ..collections import CollectionInfo, CollectionType
from ..dataset_store import RegisteredType
from ..where import Where

__all__ = ["DatasetSearch", "KeyTable", "QuerySpec"]


@dataclass(frozen=True, slots=True)
class DatasetSearch:
    """A dataset type to be found in collections, searched in order.

    What a CALIBRATION collection holds counts at times at which it is valid: where the query is about visits,
    exposures or days, at those of its rows.
    """

    registered: RegisteredType
    runs: Sequence[CollectionInfo]
    find_first: bool = True
    """Whether only the first collection counts that has a data ID."""

    @property
    def name(self) -> str:
        """Name of the dataset type."""
        return self.registered.type.name

    @property
    def calibrations(self) -> list[CollectionInfo]:
        """The CALIBRATION collections, if datasets of this type can be in any."""
        if self.registered.calibs is None:
            return []
        return [run for run in self.runs if run.type is CollectionType.CALIBRATION]

    @property
    def may_repeat(self) -> bool:
        """Whether a data ID can be found several times."""
        return bool(self.calibrations) or (not self.find_first and len(self.runs) > 1)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What its part of a statement depends on."""
        runs = tuple((run.id, run.type) for run in self.runs)
        return self.registered.id, self.registered.tags.name, self.find_first, runs


@dataclass(frozen=True, slots=True, eq=False)
class KeyTable:
    """Given data IDs; observations and sky map in a row are taken as overlapping.

    Parameters
    ----------
    names
        Dimensions.
    rows
        Their values, each row once.
    exist
        Whether each value is known to have a record.
    """

    names: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    exist: bool = False


@dataclass(frozen=True, slots=True)
class QuerySpec:
    """What to ask for; built once and run.

    Parameters
    ----------
    dimensions
        Dimensions of the result.
    where
        Conditions that must all hold.
    data_id
        Values that rows must have.
    defaults
        Instrument and sky map where neither the conditions nor `data_id` say anything about them.
    joined
        Datasets that must exist for a row.
    given
        Data IDs among which a row must be.
    with_dimensions
        Further dimensions that take part.
    order_by
        Names to sort by, ``-name`` for descending.
    limit
        Most rows to return; all if None. With a negative one, ``-n``, it is logged if there are more than n.
    """

    dimensions: DimensionGroup
    where: tuple[Where, ...] = ()
    data_id: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    joined: tuple[DatasetSearch, ...] = ()
    given: tuple[KeyTable, ...] = ()
    with_dimensions: DimensionGroup = UNIVERSE.empty
    order_by: tuple[str, ...] = ()
    limit: int | None = None
