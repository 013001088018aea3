"""DataIdBounds: which data IDs, besides its own, say where on the sky and when a quantum looks for inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from butler import Butler, DataCoordinate, DatasetRef
from butler.dimensions import DimensionGroup
from butler.errors import did_you_mean

from .data_id_rows import Key
from .dataset_lookup import DatasetLookup
from .errors import QuantumGraphError
from .pipeline_node import PipelineTaskNode

__all__ = ["DataIdBounds"]

_OfQuanta = Mapping[Key, Sequence[DatasetRef]]
"""Datasets by the data ID of their quantum."""


class DataIdBounds:
    """Finds the prerequisites of a task that names connections as its bounds.

    Such a connection's data IDs are those of the datasets that a quantum reads or writes by it. A
    prerequisite belongs to a quantum if it belongs to one of them and agrees with the quantum's data ID; what
    belongs to the quantum's own place and time counts, too, if its data ID has such.

    Parameters
    ----------
    butler
        Butler of the repository.
    node
        The task.
    regular
        Its inputs and outputs, by connection.
    """

    def __init__(self, butler: Butler, node: PipelineTaskNode, regular: Mapping[str, _OfQuanta]) -> None:
        self._lookup = DatasetLookup(butler)
        self._regular = regular
        asked = node.connections
        self._spatial = self._checked(asked.getSpatialBoundsConnections(), "getSpatialBoundsConnections")
        self._temporal = self._checked(asked.getTemporalBoundsConnections(), "getTemporalBoundsConnections")

    def related(
        self, dataset_type: str, collections: Sequence[str], data_ids: Sequence[DataCoordinate]
    ) -> _OfQuanta:
        """Return the datasets of a prerequisite by quantum; arguments as for `DatasetLookup.related`."""
        is_spatial, names = self._names_for(dataset_type, collections)
        if not names:
            return self._lookup.related(dataset_type, collections, data_ids)
        group = data_ids[0].dimensions
        has_own = bool(group.region_elements if is_spatial else group.temporal)
        bounds = self._bounds(names, data_ids, has_own=has_own)
        found = {
            group: self._lookup.related(dataset_type, collections, members)
            for group, members in _grouped(bound for some in bounds.values() for bound in some).items()
        }
        related: dict[Key, list[DatasetRef]] = {}
        for data_id in data_ids:
            key = data_id.required_values
            refs = {
                ref.id: ref
                for bound in bounds[key]
                for ref in found[bound.dimensions].get(bound.required_values, ())
                if _agree(ref.dataId, data_id)
            }
            related[key] = sorted(refs.values(), key=lambda ref: ref.dataId.required_values)
        return related

    def _names_for(self, dataset_type: str, collections: Sequence[str]) -> tuple[bool, Sequence[str]]:
        """Return whether datasets of a type are looked for on the sky, or by time; and what bounds that."""
        if self._spatial or self._temporal:
            search = self._lookup.search(dataset_type, collections)
            if search is not None and search.registered.type.dimensions.skypix:
                return True, self._spatial
            if search is not None and search.calibrations:
                return False, self._temporal
        return False, ()

    def _bounds(
        self, names: Sequence[str], data_ids: Sequence[DataCoordinate], *, has_own: bool
    ) -> dict[Key, list[DataCoordinate]]:
        """Return the data IDs that bound each quantum, its own among them if that has a place, or a time."""
        bounds: dict[Key, list[DataCoordinate]] = {}
        for data_id in data_ids:
            key = data_id.required_values
            refs = (ref for name in names for ref in self._regular[name].get(key, ()))
            bounds[key] = [*([data_id] if has_own else []), *(ref.dataId for ref in refs)]
        return bounds

    def _checked(self, names: Iterable[str], hook: str) -> tuple[str, ...]:
        chosen = tuple(names)
        for name in chosen:
            if name not in self._regular:
                raise QuantumGraphError(
                    f"{hook} names {name!r}, which is no input or output{did_you_mean(name, self._regular)}"
                )
        return chosen


def _grouped(data_ids: Iterable[DataCoordinate]) -> dict[DimensionGroup, list[DataCoordinate]]:
    """Return data IDs by their dimensions, each once."""
    groups: dict[DimensionGroup, dict[Key, DataCoordinate]] = {}
    for data_id in data_ids:
        groups.setdefault(data_id.dimensions, {})[data_id.required_values] = data_id
    return {group: list(members.values()) for group, members in groups.items()}


def _agree(one: DataCoordinate, other: DataCoordinate) -> bool:
    """Tell whether two data IDs have the same values of what both require."""
    shared = [name for name in one.dimensions.required if name in other.dimensions.required]
    return all(one[name] == other[name] for name in shared)
