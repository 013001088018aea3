"""QuantumContext: all of a butler that a running quantum gets."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from butler import DatasetRef, DeferredDatasetHandle
from butler.datastore import FileDatastore, StagedFile
from butler.registry import FileRecord
from connections import PipelineTaskConnections, Quantum

from ..errors import TaskError
from ..struct import Struct

__all__ = ["QuantumContext"]

Refs = DatasetRef | Sequence[DatasetRef] | None


class QuantumContext:
    """Reads the inputs of one quantum and stages its outputs; asks no registry.

    Parameters
    ----------
    quantum
        The quantum.
    connections
        Connections of its task.
    datastore
        Where the files are.
    records
        Files of the inputs, by dataset UUID.
    """

    def __init__(
        self,
        quantum: Quantum,
        connections: PipelineTaskConnections,
        datastore: FileDatastore,
        records: Mapping[uuid.UUID, FileRecord],
    ) -> None:
        self.quantum = quantum
        self._connections = connections
        self._datastore = datastore
        self._records = records
        self.staged: list[tuple[DatasetRef, StagedFile]] = []

    def input_refs(self) -> dict[str, Any]:
        """Return the refs of the inputs by connection, as the task expects them.

        A list where the connection is `multiple`; an optional input that is missing is left out.
        """
        declared = {**self._connections.inputs, **self._connections.prerequisiteInputs}
        refs: dict[str, Any] = {}
        for name, connection in declared.items():
            found = [ref for ref in self.quantum.inputs.get(name, ()) if ref.id in self._records]
            if connection.multiple:
                refs[name] = found
            elif found:
                refs[name] = found[0]
        return refs

    def output_refs(self) -> dict[str, Any]:
        """Return the refs of the outputs by connection; a list where it is `multiple`."""
        return {
            name: list(self.quantum.outputs[name]) if connection.multiple else self.quantum.outputs[name][0]
            for name, connection in self._connections.outputs.items()
        }

    def get(self, refs: Mapping[str, Refs]) -> dict[str, Any]:
        """Return the inputs by connection: objects, or handles where the connection says `deferLoad`."""
        deferred = {
            name: connection.deferLoad
            for group in (self._connections.inputs, self._connections.prerequisiteInputs)
            for name, connection in group.items()
        }
        values: dict[str, Any] = {}
        for name, given in refs.items():
            handles = [self._handle(r) for r in ([given] if isinstance(given, DatasetRef) else given or ())]
            loaded = handles if deferred[name] else [handle.get() for handle in handles]
            if not isinstance(given, DatasetRef):
                values[name] = loaded
            else:
                values[name] = loaded[0]
        return values

    def put(self, values: Struct, refs: Mapping[str, Any]) -> None:
        """Write the outputs under temporary names; a result that is None or absent is not written.

        Raises
        ------
        TaskError
            Raised if a list has another length than its refs.
        """
        for name, given in refs.items():
            value = getattr(values, name, None)
            if value is None:
                continue
            several = not isinstance(given, DatasetRef)
            pairs = list(zip(given, value, strict=False)) if several else [(given, value)]
            if several and len(value) != len(given):
                raise TaskError(f"{self.quantum}: {len(value)} results for {len(given)} datasets of {name}")
            for ref, obj in pairs:
                self.staged.append((ref, self._datastore.stage(obj, ref)))

    def discard(self) -> None:
        """Remove what was written."""
        for _, staged in self.staged:
            staged.discard()
        self.staged.clear()

    def _handle(self, ref: DatasetRef) -> DeferredDatasetHandle:
        _, component = ref.datasetType.nameAndComponent()
        stored = self._datastore.stored(self._records[ref.id], ref.datasetType, component)
        return DeferredDatasetHandle(stored, ref)
