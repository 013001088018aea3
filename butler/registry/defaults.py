"""RegistryDefaults: what a butler fills in where a call says nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..datasets import DatasetType
from ..dimensions import GOVERNORS, UNIVERSE, DataCoordinate, DataId, DimensionGroup, coerce_value
from ..errors import (
    CollectionError,
    DataIdValueError,
    DimensionNameError,
    MissingCollectionError,
    NoDefaultCollectionError,
)
from .data_id_completion import DataIdCompletion

if TYPE_CHECKING:
    from .registry import Registry
    from .where import Where

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
        Values for ``instrument`` and ``skymap``.
    infer
        Whether one of them that is not given, but has only one value in the collections, or in the whole
        repository, gets that.

    Raises
    ------
    DimensionNameError
        Raised for a data ID key that is neither of the two.
    DataIdValueError
        Raised for an instrument or sky map that has no record.
    CollectionError
        Raised for a glob among the collections.
    """

    def __init__(
        self,
        registry: Registry,
        collections: str | Iterable[str] | None = None,
        run: str | None = None,
        data_id: Mapping[str, str] | None = None,
        *,
        infer: bool = True,
    ) -> None:
        self._registry = registry
        self._completion = DataIdCompletion(registry.records)
        self.run = run
        self.searched = None if collections is None else tuple(_in_order(collections))
        self.collections = self.searched or ((run,) if run else ())
        self.infers = infer
        for name in data_id or {}:
            if name not in GOVERNORS:
                raise DimensionNameError(
                    f"a butler has no argument {name!r}, and data IDs have defaults for "
                    f"{' and '.join(GOVERNORS)} only"
                )
        self.given = {name: str(coerce_value(name, value)) for name, value in (data_id or {}).items()}
        for name, value in self.given.items():
            if registry.records.fetch_one(name, self.given) is None:
                known = ", ".join(map(str, registry.records.known_values(name, limit=20)))
                raise DataIdValueError(f"there is no {name} {value!r}; known: {known or 'none yet'}")
        self._governors: dict[str, Any] | None = None

    @property
    def dataId(self) -> DataCoordinate:
        """Default values of instrument and sky map, given or inferred."""
        return DataCoordinate.standardize(self.governors())

    def path(self, collections: str | Iterable[str] | None) -> list[str]:
        """Return the collections to search.

        Raises
        ------
        NoDefaultCollectionError
            Raised if there are neither given nor default ones.
        CollectionError
            Raised for a glob: it would have no order.
        """
        if collections is not None:
            return _in_order(collections)
        if not self.collections:
            raise NoDefaultCollectionError(
                "no collections to search; give collections=... here or open the butler with some"
            )
        return list(self.collections)

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
        """Return the data ID of a dataset; a missing instrument or sky map is filled in.

        Parameters
        ----------
        dataset_type
            Dataset type.
        given
            Values by dimension, or by another column that tells it; see `DataIdCompletion`.

        Raises
        ------
        DimensionNameError
            Raised if a required value is missing, or for a name that is neither dimension nor column.
        DataIdValueError
            Raised if a value is wrong, or contradicts others.
        """
        dimensions = dataset_type.dimensions
        if isinstance(given, DataCoordinate) and given.dimensions is dimensions:
            return given
        lacking = any(name in dimensions.governors and name not in given for name in dimensions.required)
        defaults = self.governors() if lacking else {}
        if not isinstance(given, DataCoordinate) and not _is_plain(given, dimensions):
            given = self._completion.primary_keys(given, dimensions, defaults)
            self._completion.check_implied(given, dimensions, defaults)
        missing = [name for name in dimensions.required if name not in given and name not in defaults]
        if missing:
            filled = ", ".join(f"{name}={value!r}" for name, value in defaults.items()) or "none"
            raise DimensionNameError(
                f"the data ID {dict(given)} lacks {', '.join(missing)}; needed are "
                f"{', '.join(dimensions.required)}; defaults in force: {filled}"
            )
        return DataCoordinate.standardize(given, dimensions=dimensions, defaults=defaults)

    def query_values(self, dimensions: DimensionGroup, given: DataId, where: Where) -> dict[str, Any]:
        """Return the values that the rows of a query must have; a condition takes the place of a default.

        Parameters
        ----------
        dimensions
            Of the query.
        given
            Values by dimension, or by another column that tells it, as for `data_id`.
        where
            The condition.

        Raises
        ------
        DimensionNameError
            Raised for a name that is neither dimension nor column.
        DataIdValueError
            Raised if a column's value does not tell one dimension record.
        """
        if not _is_plain(given, dimensions):
            told = UNIVERSE.conform(key for key in (*dimensions.names, *given) if UNIVERSE.is_dimension(key))
            given = self._completion.primary_keys(given, told, self.governors())
        wanted = {k: v for k, v in self.given.items() if k in dimensions and not where.mentions(k)}
        return {**wanted, **given}

    def governors(self) -> dict[str, Any]:
        """Return the instrument and sky map that are given, or the only ones of the collections."""
        if not self.infers:
            return self.given
        if self._governors is None:
            inferred: dict[str, Any] = {}
            try:
                runs = self._registry.collections.flatten(self.collections)
            except MissingCollectionError:
                runs = []
            for governor in GOVERNORS:
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


def _in_order(collections: str | Iterable[str]) -> list[str]:
    """Return collections as a list; one that has no order is refused."""
    names = [collections] if isinstance(collections, str) else list(collections)
    for name in names:
        if re.search(r"[*?\[]", name):
            raise CollectionError(
                f"{name!r} stands for collections in no order; name them, or query them and choose"
            )
    return names


def _is_plain(given: DataId, dimensions: DimensionGroup) -> bool:
    """Tell whether there is nothing but required dimensions, with values of the type of their key."""
    for name, value in given.items():
        if name not in dimensions.required:
            return False
        key = UNIVERSE[name].key
        if key is None or not isinstance(value, key.type):
            return False
    return True
