"""QuantumBook: what the registry keeps of each quantum of a run."""

from __future__ import annotations

import uuid
from collections.abc import Container, Mapping

from butler.provenance import QuantumRecord, RecordedDataset, TaskRecord
from connections import QuantumGraph

from .quantum_report import QuantumReport

__all__ = ["QuantumBook"]

_Datasets = dict[str, tuple[RecordedDataset, ...]]


class QuantumBook:
    """Turns reports into the records that are kept.

    Parameters
    ----------
    graph
        The plan.
    versions
        Versions of what its tasks are made of.
    """

    def __init__(self, graph: QuantumGraph, versions: Mapping[str, str]) -> None:
        self._tasks = {
            node.label: TaskRecord(
                graph.run, node.label, node.task_class_name, node.config.to_simple(), versions
            )
            for node in graph.pipeline.nodes
        }

    def record(self, report: QuantumReport, present: Container[uuid.UUID]) -> QuantumRecord:
        """Return what is kept of a quantum.

        Parameters
        ----------
        report
            What became of it.
        present
            UUIDs of the datasets that were there to be read.
        """
        quantum = report.quantum
        connection_of = {ref.id: name for name, refs in quantum.outputs.items() for ref in refs}
        inputs = {
            name: tuple(RecordedDataset.of(ref) for ref in refs if ref.id in present)
            for name, refs in quantum.inputs.items()
        }
        outputs: _Datasets = {}
        for ref, _ in report.staged:
            # Metadata and log belong to no connection; they have the name of the task before theirs.
            name = connection_of.get(ref.id) or ref.datasetType.name.removeprefix(f"{quantum.label}_")
            outputs[name] = (*outputs.get(name, ()), RecordedDataset.of(ref))
        written = {ref.id for ref, _ in report.staged}
        unwritten = {
            name: tuple(RecordedDataset.of(ref) for ref in refs if ref.id not in written)
            for name, refs in quantum.outputs.items()
        }
        return QuantumRecord(
            quantum.id,
            self._tasks[quantum.label],
            quantum.dataId.required,
            report.status.value,
            report.message,
            report.begin_ns,
            report.duration,
            _filled(inputs),
            outputs,
            _filled(unwritten),
        )


def _filled(datasets: _Datasets) -> _Datasets:
    return {name: members for name, members in datasets.items() if members}
