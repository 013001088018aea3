"""QuantumContext: all of a butler that a running quantum gets."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from butler import DatasetProvenance, DatasetRef, DeferredDatasetHandle
from butler.datastore import FileDatastore, StagedFile
from butler.provenance import with_provenance
from butler.registry import FileRecord
from connections import Input, PipelineTaskConnections, PrerequisiteInput, Quantum

from ..errors import TaskError
from ..struct import Struct

__all__ = ["ExecutionResources", "QuantumContext"]

Refs = DatasetRef | Sequence[DatasetRef] | None


@dataclass(frozen=True)
class ExecutionResources:
    """What a quantum may use.

    Parameters
    ----------
    num_cores
        Number of threads.
    max_mem
        Bytes of memory; None for as many as there are.
    """

    num_cores: int = 1
    max_mem: int | None = None


class QuantumContext:
    """Reads the inputs of one quantum and stages its outputs; asks no registry.

    Parameters
    ----------
    quantum
        The quantum, with those inputs and outputs that it really has.
    connections
        Connections of its task.
    datastore
        Where the files are.
    records
        Files of the inputs, by dataset UUID.
    resources
        What the quantum may use.
    """

    def __init__(
        self,
        quantum: Quantum,
        connections: PipelineTaskConnections,
        datastore: FileDatastore,
        records: Mapping[uuid.UUID, FileRecord],
        resources: ExecutionResources = ExecutionResources(),
    ) -> None:
        self.quantum = quantum
        self.resources = resources
        self._writes = connections.outputs
        self._datastore = datastore
        self._records = records
        self._outputs = {ref.id for ref in quantum.output_refs()}
        self._reads: dict[str, Input | PrerequisiteInput] = {
            **connections.inputs,
            **connections.prerequisiteInputs,
        }
        self._deferred = {
            ref.id
            for name, connection in self._reads.items()
            if connection.deferLoad
            for ref in quantum.inputs.get(name, ())
        }
        self._read_as = {
            ref.id: connection.storageClass
            for name, connection in self._reads.items()
            for ref in quantum.inputs.get(name, ())
            if connection.storageClass != ref.datasetType.storageClass_name and not ref.isComponent()
        }
        self._read_ids: set[uuid.UUID] = set()
        self._provenance = DatasetProvenance(quantum_id=quantum.id)
        self.staged: list[tuple[DatasetRef, StagedFile]] = []

    def input_refs(self) -> dict[str, Any]:
        """Return the refs of the inputs by connection, as the task expects them.

        A list where the connection is `multiple`; an optional input that is missing is left out.
        """
        refs: dict[str, Any] = {}
        for name, connection in self._reads.items():
            found = [ref for ref in self.quantum.inputs.get(name, ()) if ref.id in self._records]
            if connection.multiple:
                refs[name] = found
            elif found:
                refs[name] = found[0]
        return refs

    def output_refs(self) -> dict[str, Any]:
        """Return the refs of the outputs by connection; a list where it is `multiple`."""
        refs: dict[str, Any] = {}
        for name, connection in self._writes.items():
            wanted = self.quantum.outputs.get(name, ())
            if connection.multiple:
                refs[name] = list(wanted)
            elif wanted:
                refs[name] = wanted[0]
        return refs

    def get(self, refs: Mapping[str, Refs] | Refs) -> Any:
        """Return inputs: objects, or handles where the connection says `deferLoad`.

        Parameters
        ----------
        refs
            Refs by connection, as `runQuantum` gets them, for a dict; one ref, or a list; None for None.

        Raises
        ------
        TaskError
            Raised for a dataset that is no input of the quantum.
        """
        if isinstance(refs, Mapping):
            return {name: self.get(given) for name, given in refs.items()}
        if refs is None or isinstance(refs, DatasetRef):
            return None if refs is None else self._read(refs)
        return [self._read(ref) for ref in refs]

    def put(self, values: Any, refs: Mapping[str, Refs] | Refs) -> None:
        """Write outputs under temporary names; a result that is None or absent is not written.

        Parameters
        ----------
        values
            A `Struct` with results by connection, if refs are given by connection; otherwise one object, or
            as many as there are refs.
        refs
            Where they go.

        Raises
        ------
        TaskError
            Raised if the results are no `Struct`, if a list has another length than its refs, or for a
            dataset that is no output of the quantum.
        """
        if not isinstance(refs, Mapping):
            self._put("results", values, refs)
            return
        if not isinstance(values, Struct):
            raise TaskError(f"a task returns a Struct with its results by connection, not {values!r:.100}")
        for name, given in refs.items():
            self._put(name, getattr(values, name, None), given)

    def add_additional_provenance(self, ref: DatasetRef, extra: Mapping[str, Any]) -> None:
        """Tell more of an input in what is put from now on; see `DatasetProvenance.add_extra_provenance`.

        Raises
        ------
        TaskError
            Raised for a dataset that was not read.
        """
        if ref.id not in self._read_ids:
            raise TaskError(f"{ref} was not read, and so is told of in no provenance")
        self._provenance.add_extra_provenance(ref.id, extra)

    def discard(self) -> None:
        """Remove what was written."""
        for _, staged in self.staged:
            staged.discard()
        self.staged.clear()

    def _put(self, name: str, value: Any, given: Refs) -> None:
        if value is None or given is None:
            return
        if isinstance(given, DatasetRef):
            self._write(value, given)
            return
        # A sequence may make its parts as they are asked for, so that they are never in memory together.
        values = value if isinstance(value, Sequence) else list(value)
        if len(values) != len(given):
            raise TaskError(f"{self.quantum}: {len(values)} results for {len(given)} datasets of {name}")
        for ref, obj in zip(given, values, strict=True):
            if obj is not None:
                self._write(obj, ref)

    def _write(self, obj: Any, ref: DatasetRef) -> None:
        if ref.id not in self._outputs:
            raise TaskError(f"{ref} is no output of the quantum {self.quantum}")
        told = with_provenance(obj, self._provenance, ref)
        # What is made in memory is small, and flushed together with others when it is registered.
        settle = not self._datastore.is_made_in_memory(ref)
        self.staged.append((ref, self._datastore.stage(told, ref, settle=settle)))

    def _read(self, ref: DatasetRef) -> Any:
        if ref.id not in self._records:
            raise TaskError(f"{ref} is no input of the quantum {self.quantum}")
        _, component = ref.datasetType.nameAndComponent()
        stored = self._datastore.stored(self._records[ref.id], ref.datasetType, component)
        if ref.id not in self._read_ids:
            self._read_ids.add(ref.id)
            self._provenance.inputs.append(ref)
        handle = DeferredDatasetHandle(stored, ref, storageClass=self._read_as.get(ref.id))
        return handle if ref.id in self._deferred else handle.get()
