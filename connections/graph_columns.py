"""Quanta as columns, and columns as quanta: the blocks of saved graphs."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, islice, repeat
from typing import Any, Final, NoReturn

from butler import DataCoordinate, DatasetRef, DatasetType
from butler.dimensions import UNIVERSE, DimensionGroup

from .data_id_rows import Key
from .errors import GraphFileError
from .graph_archive import BlockDatasets, DatasetColumns, Edges, QuantaColumns, TaskEntry, ValueColumn
from .quantum import Quantum

__all__ = ["as_block", "as_quanta", "matching_places"]

_WIDTH: Final = 16
"""Bytes of a UUID."""
_Known = dict[str, dict[bytes, tuple[int, DatasetRef]]]
"""Datasets with their numbers, by type and UUID."""


def as_block(quanta: Sequence[Quantum]) -> tuple[QuantaColumns, BlockDatasets]:
    """Return the columns of quanta of one task, of which there is at least one."""
    described = QuantaColumns(
        ids=b"".join(quantum.id.bytes for quantum in quanta),
        values=_columns([quantum.dataId for quantum in quanta]),
    )
    known: _Known = {}
    inputs = {name: _edges([quantum.inputs[name] for quantum in quanta], known) for name in quanta[0].inputs}
    outputs = {name: _edges([q.outputs[name] for q in quanta], known) for name in quanta[0].outputs}
    types = {
        name: _dataset_columns([ref for _, ref in numbered.values()]) for name, numbered in known.items()
    }
    return described, BlockDatasets(types=types, inputs=inputs, outputs=outputs)


def _edges(groups: Sequence[tuple[DatasetRef, ...]], known: _Known) -> Edges:
    """Return the datasets of one connection; those that are not known yet get a number."""
    places = []
    for ref in chain.from_iterable(groups):
        numbered = known.setdefault(ref.datasetType.name, {})
        place, _ = numbered.setdefault(ref.id_bytes, (len(numbered), ref))
        places.append(place)
    is_simple = places == list(range(len(places)))
    return Edges(counts=[len(refs) for refs in groups], places=None if is_simple else places)


def _dataset_columns(refs: Sequence[DatasetRef]) -> DatasetColumns:
    runs = {run: i for i, run in enumerate(dict.fromkeys(ref.run for ref in refs))}
    return DatasetColumns(
        ids=b"".join(ref.id_bytes for ref in refs),
        runs=list(runs),
        run=[runs[ref.run] for ref in refs],
        values=_columns([ref.dataId for ref in refs]),
    )


def _columns(data_ids: Sequence[DataCoordinate]) -> list[ValueColumn]:
    """Return the values of each dimension: of all, or of the required ones if no others are known."""
    if all(data_id.hasFull() for data_id in data_ids):
        return [list(column) for column in zip(*(d.full_values for d in data_ids), strict=True)]
    return [list(column) for column in zip(*(d.required_values for d in data_ids), strict=True)]


def matching_places(
    block: QuantaColumns,
    dimensions: DimensionGroup,
    ids: Collection[uuid.UUID] | None,
    data_id: Mapping[str, Collection[Any]],
) -> list[int]:
    """Return which quanta of a block are asked for.

    Parameters
    ----------
    block
        The quanta.
    dimensions
        Dimensions of their task.
    ids
        UUIDs; None for all.
    data_id
        Allowed values by dimension; a task without a dimension has none of its values.

    Raises
    ------
    GraphFileError
        Raised if the columns cannot be.
    """
    quanta_ids = _ids(block.ids)
    named = _named_columns(block.values, dimensions, len(quanta_ids))
    places: Iterable[int] = range(len(quanta_ids))
    if ids is not None:
        wanted = {quantum_id.bytes for quantum_id in ids}
        places = [i for i in places if quanta_ids[i] in wanted]
    for name, allowed in data_id.items():
        column = named.get(name)
        places = [i for i in places if column[i] in allowed] if column is not None else []
    return list(places)


def as_quanta(
    label: str,
    task: TaskEntry,
    block: tuple[QuantaColumns, BlockDatasets],
    types: Mapping[str, DatasetType],
    places: Sequence[int],
) -> list[Quantum]:
    """Return some quanta of a block.

    Parameters
    ----------
    label, task
        Their task.
    block
        The columns.
    types
        Dataset types by name.
    places
        Which.

    Raises
    ------
    GraphFileError
        Raised if the columns contradict each other.
    """
    described, datasets = block
    ids = _ids(described.ids)
    data_ids = _data_ids(described.values, UNIVERSE.conform(task.dimensions), len(ids))
    tables = {name: _refs(columns, _type(types, name)) for name, columns in datasets.types.items()}
    inputs = _sides(task.inputs, datasets.inputs, tables, len(ids))
    outputs = _sides(task.outputs, datasets.outputs, tables, len(ids))
    return [
        Quantum(
            label,
            data_ids[i],
            {name: groups[i] for name, groups in inputs.items()},
            {name: groups[i] for name, groups in outputs.items()},
            uuid.UUID(bytes=ids[i]),
        )
        for i in places
    ]


def _refs(columns: DatasetColumns, kind: DatasetType) -> list[DatasetRef]:
    ids = _ids(columns.ids)
    if len(columns.run) != len(ids) or max(columns.run, default=-1) >= len(columns.runs):
        _fail(f"{kind.name} has other runs than datasets")
    runs = [columns.runs[i] for i in columns.run]
    return DatasetRef.from_parts(kind, _data_ids(columns.values, kind.dimensions, len(ids)), runs, ids)


def _sides(
    declared: Mapping[str, str],
    edges: Mapping[str, Edges],
    tables: Mapping[str, Sequence[DatasetRef]],
    n_quanta: int,
) -> dict[str, list[tuple[DatasetRef, ...]]]:
    """Return the datasets of each connection quantum by quantum."""
    if declared.keys() != edges.keys():
        _fail(f"a task has the connections {', '.join(declared)}, and its quanta {', '.join(edges)}")
    return {name: _groups(edges[name], tables.get(kind, ()), n_quanta) for name, kind in declared.items()}


def _groups(edges: Edges, refs: Sequence[DatasetRef], n_quanta: int) -> list[tuple[DatasetRef, ...]]:
    """Return the datasets of a connection quantum by quantum."""
    total, places = sum(edges.counts), edges.places
    last = total - 1 if places is None else max(places, default=-1)
    if last >= len(refs):
        _fail("a quantum has a dataset that there is not")
    if len(edges.counts) != n_quanta or (places is not None and len(places) != total):
        _fail("the numbers of datasets do not fit the quanta")
    following = iter(refs[:total]) if places is None else map(refs.__getitem__, places)
    return [tuple(islice(following, count)) for count in edges.counts]


def _data_ids(columns: Sequence[ValueColumn], dimensions: DimensionGroup, count: int) -> list[DataCoordinate]:
    named = _named_columns(columns, dimensions, count)
    n_required = len(dimensions.required)
    nothing: Iterable[Key] = repeat((), count)
    values = zip(*columns[:n_required], strict=True) if n_required else nothing
    if len(named) == n_required and dimensions.implied:
        return [DataCoordinate(dimensions, row) for row in values]
    implied = zip(*columns[n_required:], strict=True) if dimensions.implied else nothing
    return DataCoordinate.from_parts(dimensions, values, implied, None)


def _named_columns(
    columns: Sequence[ValueColumn], dimensions: DimensionGroup, count: int
) -> dict[str, ValueColumn]:
    """Return columns by dimension, once they are known to fit."""
    keys = dimensions.data_coordinate_keys
    if len(columns) not in (len(keys), len(dimensions.required)):
        _fail(f"{len(columns)} columns are no data IDs of {dimensions}")
    named = dict(zip(keys, columns, strict=False))
    for name, column in named.items():
        key = UNIVERSE[name].key
        kind = str if key is None else key.type
        if len(column) != count or set(map(type, column)) - {kind}:
            _fail(f"{name} has not {count} values of type {kind.__name__}")
    return named


def _ids(encoded: bytes) -> list[bytes]:
    if len(encoded) % _WIDTH:
        _fail("a UUID is cut off")
    return [encoded[i : i + _WIDTH] for i in range(0, len(encoded), _WIDTH)]


def _type(types: Mapping[str, DatasetType], name: str) -> DatasetType:
    return types[name] if name in types else _fail(f"it does not say what {name!r} is")


def _fail(reason: str) -> NoReturn:
    raise GraphFileError(reason)
