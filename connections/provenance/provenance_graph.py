"""ProvenanceGraph: datasets, and the quanta that made them and read them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from graphlib import TopologicalSorter

from butler.provenance import QuantumRecord, RecordedDataset

__all__ = ["DatasetState", "ProvenanceGraph"]


class DatasetState(StrEnum):
    """What the repository has of a dataset."""

    STORED = "stored"
    WITHOUT_FILE = "without file"
    """Registered, but its file was removed, or has never come."""
    GONE = "gone"
    """Not registered: removed, or left behind in another repository."""


@dataclass(frozen=True)
class ProvenanceGraph:
    """Datasets, and the quanta between them; a value, which asks no repository.

    Parameters
    ----------
    targets
        UUIDs of the datasets that were asked about.
    datasets
        These, and all that were found on the way, by UUID.
    quanta
        Executions of tasks by UUID.
    made_by
        Quantum that made a dataset, by the dataset's UUID; none for what was ingested or put.
    states
        What the repository has of each dataset, by UUID.
    paths
        Files by the UUID of the dataset, as the datastore names them; relative ones lie in it.
    ends
        UUIDs of datasets beyond which nobody has looked.
    """

    targets: tuple[uuid.UUID, ...]
    datasets: Mapping[uuid.UUID, RecordedDataset]
    quanta: Mapping[uuid.UUID, QuantumRecord]
    made_by: Mapping[uuid.UUID, uuid.UUID]
    states: Mapping[uuid.UUID, DatasetState]
    paths: Mapping[uuid.UUID, str]
    ends: frozenset[uuid.UUID] = frozenset()

    def producer(self, dataset_id: uuid.UUID) -> QuantumRecord | None:
        """Return the quantum that made a dataset; None if none did, or if that is beyond the graph."""
        quantum = self.made_by.get(dataset_id)
        return None if quantum is None else self.quanta[quantum]

    def consumers(self, dataset_id: uuid.UUID) -> list[QuantumRecord]:
        """Return the quanta of the graph that read a dataset."""
        return [self.quanta[key] for key in self._readers.get(dataset_id, ())]

    def sources(self) -> list[RecordedDataset]:
        """Return the datasets that no quantum made, as far as is known."""
        return [d for key, d in self.datasets.items() if key not in self.made_by and key not in self.ends]

    def gone(self) -> list[RecordedDataset]:
        """Return the datasets that the repository has no longer."""
        return [d for key, d in self.datasets.items() if self.states[key] is DatasetState.GONE]

    def quanta_in_order(self) -> Iterator[QuantumRecord]:
        """Iterate over the quanta, each after those whose outputs it read."""
        sorter: TopologicalSorter[uuid.UUID] = TopologicalSorter()
        for key, record in self.quanta.items():
            before = {self.made_by.get(dataset.id) for dataset in record.all_inputs()}
            sorter.add(key, *(other for other in before if other is not None))
        return (self.quanta[key] for key in sorter.static_order())

    @cached_property
    def _readers(self) -> dict[uuid.UUID, list[uuid.UUID]]:
        found: dict[uuid.UUID, dict[uuid.UUID, None]] = {}
        for key, record in self.quanta.items():
            for dataset in record.all_inputs():
                found.setdefault(dataset.id, {})[key] = None
        return {dataset: list(keys) for dataset, keys in found.items()}
