"""QuantumRecord: what is kept of an execution of a task, whatever becomes of its datasets."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from ..datasets import DatasetRef

__all__ = ["QuantumRecord", "RecordedDataset", "TaskRecord"]


@dataclass(frozen=True, slots=True)
class RecordedDataset:
    """A dataset as a quantum knew it; it may be gone, or in another repository.

    Parameters
    ----------
    id
        UUID.
    dataset_type
        Name of its type.
    run
        RUN that owned it.
    data_id
        Values of the required dimensions.
    """

    id: uuid.UUID
    dataset_type: str
    run: str
    data_id: Mapping[str, Any]

    @classmethod
    def of(cls, ref: DatasetRef) -> Self:
        """Return what is recorded of a dataset; of a component, the whole."""
        return cls(ref.id, ref.datasetType.nameAndComponent()[0], ref.run, ref.dataId.required)

    def __str__(self) -> str:
        values = ", ".join(f"{key}={value}" for key, value in self.data_id.items())
        return f"{self.dataset_type} {{{values}}} in {self.run}"


@dataclass(frozen=True)
class TaskRecord:
    """A task as a run has it; many quanta share one.

    Parameters
    ----------
    run
        RUN of the outputs.
    label
        Name of the task within its pipeline.
    task_class
        The class, ``package.module:Class``.
    config
        Its settings, as plain values.
    versions
        Versions of Python and of distributions, by name; empty if nobody looked.
    """

    run: str
    label: str
    task_class: str
    config: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that stand for all that is told here."""
        told = [self.run, self.label, self.task_class, self.config, self.versions]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class QuantumRecord:
    """An execution of a task on one data ID.

    Parameters
    ----------
    id
        UUID of the quantum.
    task
        What was executed.
    data_id
        Values of the task's required dimensions.
    status
        How it ended, one word or two.
    message
        Reason, one line; empty for a success.
    begin_ns
        When it began, nanoseconds since 1970-01-01 UTC; 0 if it never did.
    duration
        Seconds that it took.
    inputs, outputs
        Datasets that it read and wrote, by connection.
    unwritten
        Outputs that were planned, but not written, by connection; nobody has seen their UUIDs.
    """

    id: uuid.UUID
    task: TaskRecord
    data_id: Mapping[str, Any]
    status: str
    message: str = ""
    begin_ns: int = 0
    duration: float = 0.0
    inputs: Mapping[str, tuple[RecordedDataset, ...]] = field(default_factory=dict)
    outputs: Mapping[str, tuple[RecordedDataset, ...]] = field(default_factory=dict)
    unwritten: Mapping[str, tuple[RecordedDataset, ...]] = field(default_factory=dict)

    def all_inputs(self) -> Iterator[RecordedDataset]:
        """Iterate over the datasets that it read."""
        for datasets in self.inputs.values():
            yield from datasets

    def all_outputs(self) -> Iterator[RecordedDataset]:
        """Iterate over the datasets that it wrote."""
        for datasets in self.outputs.values():
            yield from datasets

    def __str__(self) -> str:
        values = ", ".join(f"{key}={value}" for key, value in self.data_id.items())
        return f"{self.task.label} {{{values}}}"
