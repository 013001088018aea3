"""save_graph: write a quantum graph into a file, block by block."""

from __future__ import annotations

import os
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import Final

from butler import DatasetType
from butler.dimensions import UNIVERSE
from butler.registry import without_collection

from .errors import GraphFileError
from .graph import QuantumGraph
from .graph_archive import HEADER, BlockEntry, DroppedEntry, GraphHeader, PlaceEntry, TaskEntry
from .graph_columns import as_block
from .pipeline_node import PipelineTaskNode
from .quantum import Quantum
from .run_collections import RunCollections

__all__ = ["program_version", "save_graph", "task_entry", "write_quanta"]

_MAX_QUANTA: Final = 1000
_MAX_DATASETS: Final = 10_000
"""A block ends when it has as many quanta, or reads and writes as many datasets."""


def save_graph(graph: QuantumGraph, path: Path, place: RunCollections, repository: uuid.UUID | str) -> None:
    """Write a graph into a file; one that is there is replaced when all of it has been written.

    Parameters
    ----------
    graph
        The graph.
    path
        The file.
    place
        Where its outputs go.
    repository
        UUID of the repository that it was made for, ``butler.registry.repository_id``.

    Raises
    ------
    GraphFileError
        Raised if there is no directory to write it into.
    """
    labels = graph.pipeline.labels
    quanta = sorted(graph.quanta, key=lambda quantum: labels.index(quantum.label))
    write_quanta(path, quanta, lambda types, blocks: _header(graph, place, str(repository), types, blocks))


def write_quanta(
    path: Path,
    quanta: Iterable[Quantum],
    header: Callable[[Mapping[str, DatasetType], Sequence[BlockEntry]], GraphHeader],
) -> None:
    """Write a file of quanta; one that is there is replaced when all of it has been written.

    Parameters
    ----------
    path
        The file.
    quanta
        The quanta, task by task.
    header
        Makes the header of the dataset types and blocks that were written.

    Raises
    ------
    GraphFileError
        Raised if there is no directory to write it into.
    """
    if not path.parent.is_dir():
        raise GraphFileError(f"cannot save a graph as {str(path)!r}: there is no such directory")
    types: dict[str, DatasetType] = {}
    blocks: list[BlockEntry] = []
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with without_collection(), zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for block in _blocks(quanta):
                described, datasets = as_block(block)
                number = f"{len(blocks):05}.json"
                archive.writestr(f"quanta/{number}", described.model_dump_json())
                archive.writestr(f"datasets/{number}", datasets.model_dump_json())
                n_datasets = sum(len(columns.run) for columns in datasets.types.values())
                blocks.append(BlockEntry(label=block[0].label, n_quanta=len(block), n_datasets=n_datasets))
                for quantum in block:
                    for refs in (*quantum.inputs.values(), *quantum.outputs.values()):
                        types |= {ref.datasetType.name: ref.datasetType for ref in refs[:1]}
            archive.writestr(HEADER, header(types, blocks).model_dump_json())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def program_version() -> str:
    """Return the version of this package."""
    return metadata.version("coadd-butler")


def _blocks(quanta: Iterable[Quantum]) -> Iterator[list[Quantum]]:
    """Yield quanta in portions of one task."""
    for _, same in groupby(quanta, key=lambda quantum: quantum.label):
        block: list[Quantum] = []
        n_datasets = 0
        for quantum in same:
            block.append(quantum)
            n_datasets += sum(map(len, (*quantum.inputs.values(), *quantum.outputs.values())))
            if len(block) >= _MAX_QUANTA or n_datasets >= _MAX_DATASETS:
                yield block
                block, n_datasets = [], 0
        if block:
            yield block


def _header(
    graph: QuantumGraph,
    place: RunCollections,
    repository: str,
    types: Mapping[str, DatasetType],
    blocks: Sequence[BlockEntry],
) -> GraphHeader:
    return GraphHeader(
        id=str(graph.id),
        program=program_version(),
        universe=UNIVERSE.version,
        repository=repository,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        pipeline=graph.pipeline.to_yaml(),
        tasks={node.label: task_entry(node) for node in graph.pipeline.nodes},
        types=[kind.to_simple() for kind in types.values()],
        place=PlaceEntry(
            run=place.run,
            inputs=list(place.inputs),
            chain=place.chain,
            children=list(place.children),
            replaced=place.replaced,
        ),
        n_skipped=dict(graph.n_skipped),
        dropped=[
            DroppedEntry(
                label=entry.label,
                reason=entry.reason,
                count=entry.count,
                example=None if entry.example is None else dict(entry.example),
            )
            for entry in graph.dropped
        ],
        blocks=list(blocks),
    )


def task_entry(node: PipelineTaskNode) -> TaskEntry:
    """Return what a saved graph keeps of a task."""
    connections = node.connections
    return TaskEntry(
        class_name=node.task_class_name,
        dimensions=list(connections.dimensions),
        config=node.config.to_simple(),
        inputs={n: c.name for n, c in {**connections.inputs, **connections.prerequisiteInputs}.items()},
        outputs={name: connection.name for name, connection in connections.outputs.items()},
    )
