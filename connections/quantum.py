"""Quantum: one task on one data ID, with its datasets."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from butler import DataCoordinate, DatasetRef
from butler.datasets import make_dataset_id

__all__ = ["Quantum"]


@dataclass(frozen=True)
class Quantum:
    """One execution of a task.

    Parameters
    ----------
    label
        Task.
    dataId
        Data ID with the task's dimensions, implied values included.
    inputs
        Datasets to read, by connection, in data ID order.
    outputs
        Datasets to write, by connection.
    id
        UUID.
    """

    label: str
    dataId: DataCoordinate
    inputs: Mapping[str, tuple[DatasetRef, ...]]
    outputs: Mapping[str, tuple[DatasetRef, ...]]
    id: uuid.UUID = field(default_factory=make_dataset_id)

    def input_refs(self) -> Iterator[DatasetRef]:
        """Iterate over all datasets to read."""
        for refs in self.inputs.values():
            yield from refs

    def output_refs(self) -> Iterator[DatasetRef]:
        """Iterate over all datasets to write."""
        for refs in self.outputs.values():
            yield from refs

    def __str__(self) -> str:
        return f"{self.label} {self.dataId}"
