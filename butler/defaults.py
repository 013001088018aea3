"""RegistryDefaults: what a butler fills in where a call says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from .datasets import DatasetType
from .dimensions import UNIVERSE, DataCoordinate, DataId, DimensionGroup, coerce_value
from .errors import DimensionNameError, MissingCollectionError, NoDefaultCollectionError
from .registry import Registry, Where

__all__ = ["RegistryDefaults"]

_GOVERNORS: Final = ("instrument", "skymap")


class RegistryDefaults:
    """Default collections, run, and values of instrument and sky map.

    Parameters
    ----------
    registry
        Where values are looked up.
    collections
        Collections to search, in order; the run if None.
    run
        RUN to put into.
    data_id
        Values for ``instrument`` and ``skymap``; where one is missing and the collections, or the whole
        repository, hold only one, that is used.

    Raises
    ------
    DimensionNameError
        Raised for a data ID key that is neither of the two.
    """

    def __init__(
        self,
        registry: Registry,
        collections: str | Iterable[str] | None,
        run: str | None,
        data_id: Mapping[str, str],
    ) -> None:
        self._registry = registry
        self.run = run
        self.searched = (collections,) if isinstance(collections, str) else tuple(collections or ())
        self.collections = self.searched or ((run,) if run else ())
        for name in data_id:
            if name not in _GOVERNORS:
                raise DimensionNameError(
                    f"a butler has no argument {name!r}, and data IDs have defaults for "
                    f"{' and '.join(_GOVERNORS)} only"
                )
        self.given = {name: str(coerce_value(name, value)) for name, value in data_id.items()}
        self._governors: dict[str, Any] | None = None

    def path(self, collections: str | Iterable[str] | None) -> list[str]:
        """Return the collections to search.

        Raises
        ------
        NoDefaultCollectionError
            Raised if there are neither given nor default ones.
        """
        if isinstance(collections, str):
            return [collections]
        if collections is None and not self.collections:
            raise NoDefaultCollectionError(
                "no collections to search; give collections=... here or open the butler with some"
            )
        return list(self.collections if collections is None else collections)

    def run_or(self, run: str | None) -> str:
        """Return the run to put into.

        Raises
        ------
        NoDefaultCollectionError
            Raised if there is neither a given nor a default one.
        """
        chosen = run or self.run
        if chosen is None:
            raise NoDefaultCollectionError("no run to put into; give run=... here or to the butler")
        return chosen

    def data_id(self, dataset_type: DatasetType, given: DataId) -> DataCoordinate:
        """Return the data ID of a dataset; a missing instrument or sky map is filled in."""
        dimensions = dataset_type.dimensions
        lacking = any(name in dimensions.governors and name not in given for name in dimensions.required)
        defaults = self.governors() if lacking else {}
        return DataCoordinate.standardize(given, dimensions=dimensions, defaults=defaults)

    def query_values(self, dimensions: DimensionGroup, given: DataId, where: Where) -> dict[str, Any]:
        """Return the values that the rows of a query must have; a condition takes the place of a default.

        Raises
        ------
        DimensionNameError
            Raised for a key that is no dimension.
        """
        UNIVERSE.conform(given)
        wanted = {k: v for k, v in self.given.items() if k in dimensions and not where.mentions(k)}
        return {**wanted, **given}

    def governors(self) -> dict[str, Any]:
        """Return the instrument and sky map that are given, or the only ones of the collections."""
        if self._governors is None:
            inferred: dict[str, Any] = {}
            try:
                runs = self._registry.collections.flatten(self.collections)
            except MissingCollectionError:
                runs = []
            for governor in _GOVERNORS:
                values = self._registry.datasets.governor_values(runs, governor)
                # Where the collections do not decide, a repository with only one leaves no doubt either.
                values = values or [str(r[governor]) for r in self._registry.records.fetch_all(governor)]
                if len(values) == 1:
                    inferred[governor] = values[0]
            found = {**inferred, **self.given}
            if len(found) < 2:
                # What is still open may be decided by the next put.
                return found
            self._governors = found
        return self._governors
