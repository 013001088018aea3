"""DatasetLookup: which datasets there are for many data IDs, with one query for all of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence

from butler import Butler, DataCoordinate, DatasetRef, DatasetType
from butler.dimensions import DimensionGroup, picker
from butler.errors import MissingCollectionError, MissingDatasetTypeError
from butler.registry import Column, DatasetSearch, QuerySpec, Where
from butler.registry.queries import KeyTable, Output
from butler.registry.queries.first_valid import first_valid

from .data_id_rows import Key

__all__ = ["DatasetLookup"]


class DatasetLookup:
    """Finds datasets for many data IDs at once.

    Parameters
    ----------
    butler
        Butler of the repository.
    """

    def __init__(self, butler: Butler) -> None:
        self._butler = butler

    def search(self, dataset_type: str, collections: Sequence[str]) -> DatasetSearch | None:
        """Return the search for a dataset type; None if type or collections are not known."""
        try:
            return self._butler.registry.search(dataset_type, collections)
        except (MissingDatasetTypeError, MissingCollectionError):
            return None

    def run_names(self) -> Mapping[int, str]:
        """Return the names of all collections by their numbers."""
        return {info.id: info.name for info in self._butler.collections.query_info("*")}

    def at(self, dataset_type: str, collections: Sequence[str], keys: Iterable[Key]) -> dict[Key, DatasetRef]:
        """Return the first datasets of a type along collections that have given data IDs.

        Parameters
        ----------
        dataset_type
            Name of the type.
        collections
            Collections to search, in order.
        keys
            Required values of the data IDs.
        """
        search = self.search(dataset_type, collections)
        asked = list(dict.fromkeys(keys))
        if search is None or not asked:
            return {}
        dimensions = search.registered.type.dimensions
        spec = QuerySpec(dimensions, given=(KeyTable(dimensions.required, asked),))
        refs = self._butler.registry.queries.datasets(spec, search)
        return {ref.dataId.required_values: ref for ref in refs}

    def related(
        self, dataset_type: str, collections: Sequence[str], data_ids: Sequence[DataCoordinate]
    ) -> dict[Key, list[DatasetRef]]:
        """Return the datasets of a type that belong to each of many data IDs, by their required values.

        They belong together if they agree in what they share, overlap on the sky where nothing else connects
        them, and are valid at the time, where they are so at a time only.

        Parameters
        ----------
        dataset_type
            Name of the type.
        collections
            Collections to search, in order; the first that has a data ID counts.
        data_ids
            Data IDs of one group, each once, with implied values.

        Raises
        ------
        AmbiguousCalibrationError
            Raised if several datasets are valid at the time of one data ID.
        """
        search = self.search(dataset_type, collections)
        if search is None or not data_ids:
            return {}
        dimensions, own = data_ids[0].dimensions, search.registered.type.dimensions
        if own.issubset(dimensions) and not search.calibrations:
            pick = picker([dimensions.data_coordinate_keys.index(name) for name in own.required])
            wanted = [pick(data_id.full_values) for data_id in data_ids]
            found = self.at(dataset_type, collections, wanted)
            return {
                data_id.required_values: [found[key]]
                for data_id, key in zip(data_ids, wanted, strict=True)
                if key in found
            }
        names = tuple(dict.fromkeys((*dimensions.required, *own.data_coordinate_keys)))
        keys = [data_id.required_values for data_id in data_ids]
        spec = QuerySpec(
            dimensions.union(own),
            where=_on_the_sky(dimensions, own),
            given=(KeyTable(dimensions.required, keys, exist=True),),
        )
        fields = (
            Column(search.name, "collection_number", "int", of_dataset=True),
            Column(search.name, "run_number", "int", of_dataset=True),
            Column(search.name, "dataset_id", "uuid", of_dataset=True),
        )
        rows = self._butler.registry.queries.rows(spec, Output(names, fields), (search,))
        if search.calibrations:
            rows = first_valid(search, rows)
        return self._grouped(search.registered.type, rows, names, len(dimensions.required))

    def _grouped(
        self, kind: DatasetType, rows: Sequence[Key], names: Sequence[str], width: int
    ) -> dict[Key, list[DatasetRef]]:
        """Return the datasets of rows by the values that come first in each, in data ID order."""
        required, implied = (
            map(picker([names.index(name) for name in group]), rows)
            for group in (kind.dimensions.required, kind.dimensions.implied)
        )
        data_ids = DataCoordinate.from_parts(kind.dimensions, required, implied, None)
        runs = self.run_names()
        refs = DatasetRef.from_parts(kind, data_ids, (runs[row[-2]] for row in rows), (r[-1] for r in rows))
        # What several data IDs share is one object.
        same: dict[uuid.UUID, DatasetRef] = {}
        found: dict[Key, list[DatasetRef]] = {}
        for row, ref in sorted(zip(rows, refs, strict=True), key=lambda pair: pair[1].dataId.required_values):
            found.setdefault(row[:width], []).append(same.setdefault(ref.id, ref))
        return found


def _on_the_sky(dimensions: DimensionGroup, own: DimensionGroup) -> tuple[Where, ...]:
    """Return the condition that pixels of the sky overlap all that has a region, where there are several."""
    regions = dimensions.region_elements.values()
    pixels = [name for name in own.skypix if name not in dimensions]
    if len(regions) < 2 or not pixels:
        return ()
    return (Where.parse(" AND ".join(f"{e}.region OVERLAPS {p}.region" for e in regions for p in pixels)),)
