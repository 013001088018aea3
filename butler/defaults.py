"""RegistryDefaults: what a butler fills in where a call says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .datasets import DatasetType
from .dimensions import GOVERNORS, DataCoordinate, DataId, coerce_value
from .errors import DimensionNameError, MissingCollectionError, NoDefaultCollectionError
from .registry import Registry

__all__ = ["RegistryDefaults"]


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
            if name not in GOVERNORS:
                raise DimensionNameError(
                    f"a butler has no argument {name!r}, and data IDs have defaults for "
                    f"{' and '.join(GOVERNORS)} only"
                )
        self.given = {name: str(coerce_value(name, value)) for name, value in data_id.items()}
        self._governors: dict[str, Any] | None = None
        self._found: dict[str, list[str]] | None = None

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

    def query_defaults(self) -> dict[str, Any]:
        """Return the instrument and sky map that are given, or the only ones of the collections."""
        only = {name: values[0] for name, values in self._held().items() if len(values) == 1}
        return {**only, **self.given}

    def governors(self) -> dict[str, Any]:
        """Return what `query_defaults` does; what it leaves open is told by a repository with only one."""
        if self._governors is None:
            inferred: dict[str, Any] = {}
            for governor, held in self._held().items():
                values = held or [str(r[governor]) for r in self._registry.records.fetch_all(governor)]
                if len(values) == 1:
                    inferred[governor] = values[0]
            found = {**inferred, **self.given}
            if len(found) < len(GOVERNORS):
                # What is still open may be decided by the next put.
                return found
            self._governors = found
        return self._governors

    def _held(self) -> dict[str, list[str]]:
        """Return the instruments and sky maps of the collections' datasets, as when there first were any."""
        if self._found is None:
            try:
                runs = self._registry.collections.flatten(self.collections)
            except MissingCollectionError:
                runs = []
            values = self._registry.datasets.governor_values
            found = {name: values(runs, name) if runs else [] for name in GOVERNORS}
            if not any(found.values()):
                return found
            self._found = found
        return self._found
