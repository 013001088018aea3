"""LsstQueries: the queries of LSST's registry that its butler's own have replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from ..datasets import DatasetRef, DatasetType
from ..dimensions import DataId, DimensionElement, DimensionGroup
from .queries import Query

if TYPE_CHECKING:
    from .queries.results import DataCoordinateQueryResults, DimensionRecordQueryResults
    from .registry import Registry

__all__ = ["LsstQueries"]

_DatasetTypes = str | DatasetType | Iterable[str | DatasetType]
_Names = str | Iterable[str] | None


class LsstQueries:
    """Older names for what `Butler.query` does; in `queryDatasets` all collections count by default."""

    def queryDatasets(
        self,
        datasetType: _DatasetTypes,
        *,
        collections: _Names = None,
        dimensions: Iterable[str] | DimensionGroup | None = None,
        dataId: DataId | None = None,
        where: str = "",
        findFirst: bool = False,
        bind: Mapping[str, Any] | None = None,
        check: bool = True,
        **kwargs: Any,
    ) -> list[DatasetRef]:
        """Return datasets of one dataset type or several.

        Parameters
        ----------
        datasetType
            Registered dataset types, also by glob.
        collections
            Collections to search; the defaults if None.
        dimensions
            Further dimensions that take part in the conditions.
        dataId
            Values that the data ID must have; keyword arguments add to it.
        where, bind
            Expression, and values for the ``:names`` in it.
        findFirst
            Whether of several collections only the first counts that has a data ID.
        check
            For LSST's callers: conditions are always checked.

        Raises
        ------
        MissingDatasetTypeError, MissingCollectionError
            Raised for a name that there is not.
        InvalidQueryError
            Raised if the expression is wrong.
        """
        query = self._query(where, bind, dataId, kwargs)
        if dimensions is not None:
            query = query.join_dimensions(dimensions)
        found: list[DatasetRef] = []
        for kind in self._types(datasetType):
            found += query.datasets(kind, collections, find_first=findFirst)
        return found

    def queryDataIds(
        self,
        dimensions: Iterable[str] | DimensionGroup | str,
        *,
        dataId: DataId | None = None,
        datasets: _DatasetTypes | None = None,
        collections: _Names = None,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        check: bool = True,
        **kwargs: Any,
    ) -> DataCoordinateQueryResults:
        """Return data IDs, also only those for which there are datasets.

        Parameters
        ----------
        dimensions
            Of the data IDs.
        datasets, collections
            Dataset types that must have a dataset in one of the collections.
        dataId, where, bind, check
            As of `queryDatasets`.
        """
        query = self._joined(self._query(where, bind, dataId, kwargs), datasets, collections)
        return query.data_ids(dimensions)

    def queryDimensionRecords(
        self,
        element: str | DimensionElement,
        *,
        dataId: DataId | None = None,
        datasets: _DatasetTypes | None = None,
        collections: _Names = None,
        where: str = "",
        bind: Mapping[str, Any] | None = None,
        check: bool = True,
        **kwargs: Any,
    ) -> DimensionRecordQueryResults:
        """Return the records of a dimension element; other arguments as of `queryDataIds`."""
        query = self._joined(self._query(where, bind, dataId, kwargs), datasets, collections)
        return query.dimension_records(element if isinstance(element, str) else element.name)

    def _query(
        self, where: str, bind: Mapping[str, Any] | None, data_id: DataId | None, kwargs: Mapping[str, Any]
    ) -> Query:
        everything = Query.everything(cast("Registry", self))
        return everything.where(where, bind=bind).where(data_id or {}, **kwargs)

    def _joined(self, query: Query, datasets: _DatasetTypes | None, collections: _Names) -> Query:
        for kind in () if datasets is None else self._types(datasets):
            query = query.join_dataset_search(kind, collections)
        return query

    def _types(self, given: _DatasetTypes) -> list[str]:
        """Return the names of dataset types that are given by name, glob or themselves."""
        registry = cast("Registry", self)
        names: dict[str, None] = {}
        for kind in [given] if isinstance(given, str | DatasetType) else given:
            name = kind if isinstance(kind, str) else kind.name
            if "*" in name or "?" in name:
                names |= dict.fromkeys(found.name for found in registry.queryDatasetTypes(name))
            else:
                names[name] = None
        return list(names)
