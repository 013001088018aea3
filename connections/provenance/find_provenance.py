"""provenance: the graph behind a dataset, from what the registry keeps of quanta."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from butler import Butler, DatasetRef
from butler.errors import DatasetNotFoundError
from butler.provenance import QuantumRecord, RecordedDataset

from .provenance_graph import DatasetState, ProvenanceGraph

__all__ = ["provenance"]


def provenance(
    butler: Butler,
    dataset: DatasetRef | uuid.UUID | str,
    dataId: Any = None,
    *,
    collections: str | Iterable[str] | None = None,
    descendants: bool = False,
    depth: int | None = None,
) -> ProvenanceGraph:
    """Return what a dataset was made of, up to what no quantum made; or what was made of it.

    Parameters
    ----------
    butler
        The repository.
    dataset
        The dataset, its UUID, or the name of its type. The UUID may be of one that was removed.
    dataId, collections
        Which dataset of that type, as for `Butler.find_dataset`.
    descendants
        Whether to go down, to all that was made of the dataset, rather than up.
    depth
        Most quanta between the dataset and what is found; all if None.

    Raises
    ------
    DatasetNotFoundError
        Raised if there is no such dataset, and no quantum that is known made or read one.
    """
    if isinstance(dataset, str):
        found = butler.find_dataset(dataset, dataId, collections=collections)
        if found is None:
            raise DatasetNotFoundError(f"there is no {dataset} with the data ID {dict(dataId or {})}")
        dataset = found
    walk = _Walk(butler)
    target = walk.target(dataset)
    walk.datasets[target.id] = target
    step = walk.down if descendants else walk.up
    frontier = [target.id]
    n_done = 0
    while frontier and (depth is None or n_done < depth):
        frontier = step(frontier)
        n_done += 1
    return walk.graph(target.id, frontier)


class _Walk:
    """What was found so far; each step asks for all datasets of one level at once."""

    def __init__(self, butler: Butler) -> None:
        self._registry = butler.registry
        self.datasets: dict[uuid.UUID, RecordedDataset] = {}
        self.made_by: dict[uuid.UUID, uuid.UUID] = {}
        self._quanta: dict[uuid.UUID, QuantumRecord] = {}

    def target(self, dataset: DatasetRef | uuid.UUID) -> RecordedDataset:
        """Return what is known of a dataset, also if it is gone."""
        if isinstance(dataset, DatasetRef):
            return RecordedDataset.of(dataset)
        ref = self._registry.datasets.get(dataset)
        if ref is not None:
            return RecordedDataset.of(ref)
        quanta = self._registry.quanta
        for maker in quanta.producers([dataset]).values():
            return next(made for made in maker.all_outputs() if made.id == dataset)
        for readers in quanta.consumers([dataset]).values():
            return next(read for read in readers[0].all_inputs() if read.id == dataset)
        raise DatasetNotFoundError(
            f"there is no dataset {dataset}, and no quantum that is known made or read it"
        )

    def up(self, frontier: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        """Find what datasets were made of; return what is new."""
        new: list[uuid.UUID] = []
        for dataset, record in self._registry.quanta.producers(frontier).items():
            self.made_by[dataset] = record.id
            if record.id not in self._quanta:
                self._quanta[record.id] = record
                new += self._add(record.all_inputs())
        return new

    def down(self, frontier: Sequence[uuid.UUID]) -> list[uuid.UUID]:
        """Find what was made of datasets; return what is new."""
        new: list[uuid.UUID] = []
        for records in self._registry.quanta.consumers(frontier).values():
            for record in records:
                if record.id not in self._quanta:
                    self._quanta[record.id] = record
                    new += self._add(record.all_outputs())
                    self.made_by |= {made.id: record.id for made in record.all_outputs()}
        return new

    def _add(self, datasets: Iterable[RecordedDataset]) -> list[uuid.UUID]:
        new = {dataset.id: dataset for dataset in datasets if dataset.id not in self.datasets}
        self.datasets |= new
        return list(new)

    def graph(self, target: uuid.UUID, ends: Sequence[uuid.UUID]) -> ProvenanceGraph:
        """Return the graph, with what the repository has of each dataset now."""
        ids = list(self.datasets)
        registered = self._registry.datasets.numbers(ids)
        files = self._registry.files.get(ids)
        states = {
            key: DatasetState.STORED
            if key in files
            else DatasetState.WITHOUT_FILE
            if key in registered
            else DatasetState.GONE
            for key in ids
        }
        paths = {key: record.path for key, record in files.items()}
        return ProvenanceGraph(
            (target,), self.datasets, self._quanta, self.made_by, states, paths, frozenset(ends)
        )
