"""save_with_run: the same plan for another run."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from butler import DatasetRef, DatasetType
from butler.datasets import make_dataset_id

from .graph_archive import BlockEntry, GraphHeader
from .graph_file import GraphFile
from .graph_writer import write_quanta
from .quantum import Quantum

__all__ = ["save_with_run"]


def save_with_run(file: GraphFile, run: str, path: Path) -> None:
    """Write a saved graph whose outputs go to another run; graph, quanta and outputs get new UUIDs.

    No task is imported for it.

    Parameters
    ----------
    file
        The graph.
    run
        RUN for the outputs; in the chain it takes the place of the old one.
    path
        File to write; it may be that of the graph.

    Raises
    ------
    GraphFileError
        Raised if the file is damaged.
    """

    def header(types: Mapping[str, DatasetType], blocks: Sequence[BlockEntry]) -> GraphHeader:
        old = file.header.place
        children = [run if child == old.run else child for child in old.children]
        changed = {
            "id": str(make_dataset_id()),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "place": old.model_copy(update={"run": run, "children": children}),
            "types": [kind.to_simple() for kind in types.values()],
            "blocks": list(blocks),
        }
        return file.header.model_copy(update=changed)

    write_quanta(path, _moved(file, run), header)


def _moved(file: GraphFile, run: str) -> Iterator[Quantum]:
    made: dict[uuid.UUID, DatasetRef] = {}
    for quantum in file.quanta():
        outputs = {
            name: tuple(ref.replace(run=run) for ref in refs) for name, refs in quantum.outputs.items()
        }
        for name, refs in quantum.outputs.items():
            made |= {old.id: new for old, new in zip(refs, outputs[name], strict=True)}
        inputs = {
            name: tuple(_instead(ref, made.get(ref.id)) for ref in refs)
            for name, refs in quantum.inputs.items()
        }
        yield Quantum(quantum.label, quantum.dataId, inputs, outputs)


def _instead(ref: DatasetRef, other: DatasetRef | None) -> DatasetRef:
    component = ref.datasetType.component()
    if other is None:
        return ref
    return other.makeComponentRef(component) if component else other
