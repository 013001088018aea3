"""Drafter: the quanta that data IDs make, before anybody asks what was done and what tasks do without."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat

from butler import Butler, DataCoordinate, DatasetRef, DatasetType
from butler.datasets import make_dataset_id
from butler.dimensions import UNIVERSE, DimensionGroup

from .bounds import DataIdBounds
from .connection_types import DimensionedConnection, Input, Output, PrerequisiteInput
from .data_id_rows import DataIdRows, Key
from .dataset_lookup import DatasetLookup
from .errors import QuantumGraphError
from .pipeline_node import PipelineTaskNode, dataset_type, parent_name
from .quantum import Quantum

__all__ = ["Drafter"]

_Table = Mapping[Key, DatasetRef]
"""Datasets of a type by their data ID."""
_OfQuanta = Mapping[Key, Sequence[DatasetRef]]
"""Datasets of a connection by the data ID of their quantum, in data ID order."""


class Drafter:
    """Makes the quanta of tasks that belong together.

    Parameters
    ----------
    butler
        Butler of the repository.
    rows
        Data IDs over all dimensions of the tasks.
    collections
        Where inputs are searched, in order.
    run
        RUN that the outputs will go to.
    """

    def __init__(self, butler: Butler, rows: DataIdRows, collections: Sequence[str], run: str) -> None:
        self._butler = butler
        self._rows = rows
        self._collections = list(collections)
        self._run = run
        self._lookup = DatasetLookup(butler)
        self._tables: dict[str, _Table] = {}

    def quanta(self, node: PipelineTaskNode) -> list[Quantum]:
        """Return the quanta of a task, in data ID order; those of the tasks before it have been asked for.

        Raises
        ------
        QuantumGraphError
            Raised if the task has other dimensions for an input than the repository.
        """
        group = UNIVERSE.conform(node.connections.dimensions)
        data_ids = self._rows.distinct(group).data_ids(group)
        if not data_ids:
            return []
        outputs = {
            name: self._together(group, connection, self._new(connection))
            for name, connection in node.connections.outputs.items()
        }
        inputs = {
            name: self._inputs(connection, data_ids) for name, connection in node.connections.inputs.items()
        }
        bounds = DataIdBounds(self._butler, node, {**inputs, **outputs})
        inputs |= {
            name: self._prerequisites(connection, data_ids, bounds)
            for name, connection in node.connections.prerequisiteInputs.items()
        }
        return [
            Quantum(node.label, data_id, _chosen(inputs, data_id), _chosen(outputs, data_id))
            for data_id in data_ids
        ]

    def _new(self, connection: Output) -> _Table:
        """Return new datasets for an output."""
        kind = dataset_type(connection)
        data_ids = self._rows.distinct(kind.dimensions).data_ids(kind.dimensions)
        ids = [make_dataset_id() for _ in data_ids]
        table = _by_key(DatasetRef.from_parts(kind, data_ids, repeat(self._run, len(ids)), ids))
        self._tables[kind.name] = table
        return table

    def _inputs(self, connection: Input, data_ids: Sequence[DataCoordinate]) -> _OfQuanta:
        """Return the datasets of an ordinary input."""
        name, group = parent_name(connection), data_ids[0].dimensions
        if name not in self._tables:
            search = self._lookup.search(name, self._collections)
            if search is None:
                return {}
            registered = search.registered.type
            _check_declaration(connection, registered)
            if search.calibrations:
                return _as_declared(connection, self._lookup.related(name, self._collections, data_ids))
            own = self._rows.distinct(registered.dimensions)
            if self._rows.has(name):
                self._tables[name] = _by_key(own.refs(name))
            else:
                keys = own.keys(registered.dimensions.required)
                self._tables[name] = self._lookup.at(name, self._collections, keys)
        return self._together(group, connection, self._tables[name])

    def _prerequisites(
        self, connection: PrerequisiteInput, data_ids: Sequence[DataCoordinate], bounds: DataIdBounds
    ) -> _OfQuanta:
        """Return the datasets of a prerequisite."""
        find = connection.lookupFunction
        if find is None:
            name = parent_name(connection)
            return _as_declared(connection, bounds.related(name, self._collections, data_ids))
        registry = self._butler.registry
        kind = dataset_type(connection)
        return {
            data_id.required_values: list(find(kind, registry, data_id, self._collections))
            for data_id in registry.records.expand_many(data_ids)
        }

    def _together(
        self, dimensions: DimensionGroup, connection: DimensionedConnection, table: _Table
    ) -> _OfQuanta:
        """Return the datasets of a connection that belong to data IDs by the rows that both are in."""
        own = UNIVERSE.conform(connection.dimensions)
        rows = self._rows.distinct(dimensions, own)
        found: dict[Key, list[DatasetRef]] = defaultdict(list)
        refs = map(table.get, rows.keys(own.required))
        for key, ref in zip(rows.keys(dimensions.required), refs, strict=True):
            if ref is not None:
                found[key].append(ref)
        return _as_declared(connection, found)


def _check_declaration(connection: Input, registered: DatasetType) -> None:
    """Refuse an input that is not what the repository has, and cannot be had of it."""
    name = registered.name
    if registered.dimensions != UNIVERSE.conform(connection.dimensions):
        raise QuantumGraphError(
            f"{name!r} has the dimensions {registered.dimensions} in the repository, "
            f"not {', '.join(connection.dimensions)} as a task declares"
        )
    declared = dataset_type(connection).storageClass
    if connection.name == name and not declared.can_convert(registered.storageClass):
        raise QuantumGraphError(
            f"{name!r} is a {registered.storageClass_name} in the repository, "
            f"which cannot be had as a {declared.name}, as a task declares"
        )


def _as_declared(connection: DimensionedConnection, found: _OfQuanta) -> _OfQuanta:
    """Return the components of datasets, if that is what a connection names."""
    _, _, component = connection.name.partition(".")
    if not component:
        return found
    return {key: [ref.makeComponentRef(component) for ref in refs] for key, refs in found.items()}


def _by_key(refs: Iterable[DatasetRef]) -> _Table:
    return {ref.dataId.required_values: ref for ref in refs}


def _chosen(found: Mapping[str, _OfQuanta], data_id: DataCoordinate) -> dict[str, tuple[DatasetRef, ...]]:
    """Return the datasets of one quantum by connection."""
    return {name: tuple(refs.get(data_id.required_values, ())) for name, refs in found.items()}
