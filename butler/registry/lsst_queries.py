"""LsstQueries: the query methods of LSST's registry, in its spelling, over `Query`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import EllipsisType
from typing import TYPE_CHECKING, Any, cast

from ..datasets import DatasetRef, DatasetType
from ..dimensions import DataId, DimensionElement, DimensionGroup
from ..errors import NoDefaultCollectionError
from .lsst_registry import LsstRegistry

if TYPE_CHECKING:
    from .queries import (
        DataCoordinateQueryResults,
        DatasetRefQueryResults,
        DimensionRecordQueryResults,
        Query,
    )
    from .registry import Registry

__all__ = ["DatasetQueryResults", "LsstQueries"]

_Collections = str | Iterable[str] | EllipsisType | None
_Types = str | DatasetType | Iterable[str | DatasetType] | EllipsisType


@dataclass(frozen=True)
class DatasetQueryResults:
    """Datasets of several types, type by type.

    Parameters
    ----------
    parts
        Those of each type.
    """

    parts: tuple[DatasetRefQueryResults, ...]

    def __iter__(self) -> Iterator[DatasetRef]:
        return (ref for part in self.parts for ref in part)

    def byParentDatasetType(self) -> Iterator[DatasetRefQueryResults]:
        """Yield the datasets of each type."""
        return iter(self.parts)

    def expanded(self) -> DatasetQueryResults:
        """Return the datasets with dimension records."""
        return DatasetQueryResults(tuple(part.with_dimension_records() for part in self.parts))

    def count(self, *, exact: bool = True, discard: bool = False) -> int:
        """Return the number of datasets; it is always exact, and LSST's arguments make no difference."""
        return sum(part.count() for part in self.parts)

    def any(self, *, execute: bool = True, exact: bool = True) -> bool:
        """Tell whether there are datasets; LSST's arguments make no difference."""
        return any(part.any() for part in self.parts)

    def explain_no_results(self, execute: bool = True) -> list[str]:
        """Say why there are none; nothing if there are some."""
        return [] if self.any() else [why for part in self.parts for why in part.explain_no_results()]


class LsstQueries(LsstRegistry):
    """What a script that was written for LSST's registry asks; results are found when iterated over.

    Arguments have LSST's names and defaults: other than ``butler.query_datasets``, `queryDatasets` returns
    the datasets of all collections unless `findFirst` is set. `check` is for LSST's callers; expressions are
    always checked.
    """

    def queryDatasets(
        self,
        datasetType: _Types,
        *,
        collections: _Collections = None,
        dimensions: Iterable[str] | None = None,
        dataId: DataId | None = None,
        where: str = "",
        findFirst: bool = False,
        bind: Mapping[str, Any] | None = None,
        check: bool = True,
        **kwargs: Any,
    ) -> DatasetQueryResults:
        """Return datasets of types, names or globs that fulfil a condition.

        Raises
        ------
        MissingDatasetTypeError
            Raised for a name that there is not; globs may mean nothing.
        """
        query = self._query(where, bind)
        if dimensions is not None:
            query = query.join_dimensions(dimensions)
        path = self._path(collections)
        parts = [query.datasets(name, path, find_first=findFirst) for name in self._type_names(datasetType)]
        return DatasetQueryResults(tuple(part.where(dataId or {}, **kwargs) for part in parts))

    def queryDataIds(
        self,
        dimensions: DimensionGroup | Iterable[str] | str,
        *,
        dataId: DataId | None = None,
        datasets: _Types | None = None,
        collections: _Collections = None,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        check: bool = True,
        **kwargs: Any,
    ) -> DataCoordinateQueryResults:
        """Return data IDs that fulfil a condition, those that have datasets if `datasets` are given."""
        query = self._joined(self._query(where, bind), datasets, collections)
        return query.data_ids(dimensions).where(dataId or {}, **kwargs)

    def queryDimensionRecords(
        self,
        element: DimensionElement | str,
        *,
        dataId: DataId | None = None,
        datasets: _Types | None = None,
        collections: _Collections = None,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        check: bool = True,
        **kwargs: Any,
    ) -> DimensionRecordQueryResults:
        """Return dimension records that fulfil a condition; arguments as `queryDataIds`."""
        name = element if isinstance(element, str) else element.name
        query = self._joined(self._query(where, bind), datasets, collections)
        return query.dimension_records(name).where(dataId or {}, **kwargs)

    def _query(self, where: str, bind: Mapping[str, Any] | None) -> Query:
        from .queries import Query

        return Query.everything(cast("Registry", self)).where(where, bind=bind)

    def _joined(self, query: Query, datasets: _Types | None, collections: _Collections) -> Query:
        if datasets is None:
            return query
        path = self._path(collections)
        searches = [query.search(name, path, find_first=False) for name in self._type_names(datasets)]
        return replace(query, spec=replace(query.spec, joined=(*query.spec.joined, *searches)))

    def _path(self, collections: _Collections) -> list[str]:
        """Return the collections that names and globs mean."""
        if isinstance(collections, EllipsisType):
            return self.collections.query("*")
        given = self.defaults.collections if collections is None else collections
        names = [given] if isinstance(given, str) else list(given)
        if not names and collections is None:
            raise NoDefaultCollectionError("no collections to search; give collections=... here")
        return self.collections.query(names)

    def _type_names(self, types: _Types) -> list[str]:
        if isinstance(types, str | DatasetType):
            types = [types]
        given = ["*"] if isinstance(types, EllipsisType) else list(types)
        names = [one if isinstance(one, str) else one.name for one in given]
        plain = [name for name in names if not set(name) & set("*?[")]
        known = {dataset_type.name: None for dataset_type in self.queryDatasetTypes(names)}
        # A name that is no glob is asked for, too, so that whoever misspells it is told.
        return list({**dict.fromkeys(plain), **known})
