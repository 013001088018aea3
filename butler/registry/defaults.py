"""RegistryDefaults: what a butler fills in where a call says nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..dimensions import (
    GOVERNORS,
    UNIVERSE,
    DataCoordinate,
    DataId,
    DimensionGroup,
    coerce_value,
    plain_values,
)
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
        self._found: dict[str, list[str]] | None = None

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

    def data_id(self, dimensions: DimensionGroup, given: DataId, *, filled: bool = True) -> DataCoordinate:
        """Return a data ID of some dimensions; a missing instrument or sky map is filled in.

        Parameters
        ----------
        dimensions
            What it is for.
        given
            Values by dimension, or by another column that tells it; see `DataIdCompletion`.
        filled
            Whether instrument and sky map have their defaults.

        Raises
        ------
        DimensionNameError
            Raised if a required value is missing, or for a name that is neither dimension nor column.
        DataIdValueError
            Raised if a value is wrong, or contradicts others.
        """
        if isinstance(given, DataCoordinate) and given.dimensions is dimensions:
            return given
        defaults: DataId = {}
        for name in GOVERNORS:
            if filled and name not in given and name in dimensions.required:
                defaults = self.governors()
        plain = plain_values(dimensions, given, defaults)
        if plain is not None:
            return DataCoordinate(dimensions, plain)
        if not isinstance(given, DataCoordinate) and not _is_plain(given, dimensions):
            given = self._completion.primary_keys(given, dimensions, defaults)
            self._completion.check_implied(given, dimensions, defaults)
        missing = [name for name in dimensions.required if name not in given and name not in defaults]
        if missing:
            told = ", ".join(f"{name}={value!r}" for name, value in defaults.items()) or "none"
            raise DimensionNameError(
                f"the data ID {dict(given)} lacks {', '.join(missing)}; needed are "
                f"{', '.join(dimensions.required)}; defaults in force: {told}"
            )
        return DataCoordinate.standardize(given, dimensions=dimensions, defaults=defaults)

    def query_values(self, dimensions: DimensionGroup, given: DataId) -> dict[str, Any]:
        """Return the values that the rows of a query must have.

        Parameters
        ----------
        dimensions
            Of the query.
        given
            Values by dimension, or by another column that tells it, as for `data_id`.

        Raises
        ------
        DimensionNameError
            Raised for a name that is neither dimension nor column.
        DataIdValueError
            Raised if a column's value does not tell one dimension record.
        """
        if _is_plain(given, dimensions):
            return dict(given)
        named = [key.partition(".")[0] for key in given]
        told = UNIVERSE.conform(key for key in (*dimensions.names, *named) if UNIVERSE.is_dimension(key))
        return dict(self._completion.primary_keys(given, told, self.governors()))

    def query_defaults(self) -> dict[str, Any]:
        """Return the instrument and sky map that are given, or the only ones of the collections."""
        if not self.infers:
            return self.given
        only = {name: values[0] for name, values in self._held().items() if len(values) == 1}
        return {**only, **self.given}

    def governors(self) -> dict[str, Any]:
        """Return what `query_defaults` does; what it leaves open is told by a repository with only one."""
        if not self.infers:
            return self.given
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
