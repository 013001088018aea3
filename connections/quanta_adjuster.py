"""QuantaAdjuster: all quanta of a task, for its hook to change before each is asked for alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from butler import DataCoordinate, DatasetRef
from butler.errors import did_you_mean

from .errors import QuantumGraphError
from .quantum import Quantum

__all__ = ["QuantaAdjuster"]

_Key = tuple[Any, ...]


class QuantaAdjuster:
    """The quanta of a task as `adjust_all_quanta` sees them; what it does has effect at once.

    Quanta and datasets are named by data IDs; a dataset that is added must be one that some quantum of the
    task reads by the same connection.

    Parameters
    ----------
    task_label
        Label of the task.
    inputs
        Its ordinary inputs, which can be changed.
    quanta
        Its quanta that were not done before.

    Attributes
    ----------
    removed
        Quanta that were removed.
    """

    def __init__(self, task_label: str, inputs: Collection[str], quanta: Sequence[Quantum]) -> None:
        self.task_label = task_label
        self._inputs = inputs
        self._quanta = {quantum.dataId.required_values: quantum for quantum in quanta}
        self._known: dict[str, dict[_Key, DatasetRef]] = {}
        self.removed: list[Quantum] = []

    @property
    def quanta(self) -> list[Quantum]:
        """The quanta that are left, in their order."""
        return list(self._quanta.values())

    def iter_data_ids(self) -> Iterator[DataCoordinate]:
        """Iterate over the data IDs of the quanta; some may be removed meanwhile."""
        yield from [quantum.dataId for quantum in self._quanta.values()]

    def get_inputs(self, quantum_data_id: DataCoordinate) -> dict[str, list[DataCoordinate]]:
        """Return the data IDs of what a quantum reads by connection, prerequisites included."""
        quantum = self._quantum(quantum_data_id)
        return {name: [ref.dataId for ref in refs] for name, refs in quantum.inputs.items()}

    def get_outputs(self, quantum_data_id: DataCoordinate) -> dict[str, list[DataCoordinate]]:
        """Return the data IDs of what a quantum writes by connection."""
        quantum = self._quantum(quantum_data_id)
        return {name: [ref.dataId for ref in refs] for name, refs in quantum.outputs.items()}

    def remove_quantum(self, data_id: DataCoordinate) -> None:
        """Leave a quantum out of the graph; what comes after it does without its outputs.

        Raises
        ------
        QuantumGraphError
            Raised if there is none.
        """
        quantum = self._quantum(data_id)
        del self._quanta[data_id.required_values]
        self.removed.append(quantum)

    def add_input(
        self, quantum_data_id: DataCoordinate, connection_name: str, dataset_data_id: DataCoordinate
    ) -> None:
        """Have a quantum read another dataset; one that it reads already makes no difference.

        Raises
        ------
        QuantumGraphError
            Raised if there is no such quantum or connection, or if no quantum of the task reads the dataset.
        """
        quantum = self._quantum(quantum_data_id)
        ref = self._known_inputs(connection_name).get(dataset_data_id.required_values)
        if ref is None:
            self._fail(f"no quantum reads a dataset {dataset_data_id} as {connection_name}")
        refs = {other.id: other for other in (*quantum.inputs[connection_name], ref)}
        self._set(quantum, connection_name, sorted(refs.values(), key=lambda r: r.dataId.required_values))

    def remove_input(
        self, quantum_data_id: DataCoordinate, connection_name: str, dataset_data_id: DataCoordinate
    ) -> None:
        """Have a quantum not read a dataset.

        Raises
        ------
        QuantumGraphError
            Raised if there is no such quantum or connection, or if the quantum does not read the dataset.
        """
        quantum = self._quantum(quantum_data_id)
        # Another quantum may get it later.
        self._known_inputs(connection_name)
        refs = quantum.inputs[connection_name]
        left = [ref for ref in refs if ref.dataId.required_values != dataset_data_id.required_values]
        if len(left) == len(refs):
            self._fail(f"{quantum_data_id} reads no dataset {dataset_data_id} as {connection_name}")
        self._set(quantum, connection_name, left)

    def move_input(
        self,
        from_quantum_data_id: DataCoordinate,
        to_quantum_data_id: DataCoordinate,
        connection_name: str,
        dataset_data_id: DataCoordinate,
    ) -> None:
        """Have one quantum read a dataset instead of another; otherwise as `add_input` and `remove_input`."""
        self._quantum(to_quantum_data_id)
        self.remove_input(from_quantum_data_id, connection_name, dataset_data_id)
        self.add_input(to_quantum_data_id, connection_name, dataset_data_id)

    def _quantum(self, data_id: DataCoordinate) -> Quantum:
        quantum = self._quanta.get(data_id.required_values)
        return self._fail(f"there is no quantum {data_id}") if quantum is None else quantum

    def _known_inputs(self, name: str) -> dict[_Key, DatasetRef]:
        """Return the datasets that the quanta read by a connection, as they were at first."""
        if name not in self._inputs:
            self._fail(f"no input {name!r}{did_you_mean(name, self._inputs)}")
        if name not in self._known:
            self._known[name] = {
                ref.dataId.required_values: ref
                for quantum in (*self._quanta.values(), *self.removed)
                for ref in quantum.inputs[name]
            }
        return self._known[name]

    def _set(self, quantum: Quantum, name: str, refs: Sequence[DatasetRef]) -> None:
        inputs = {**quantum.inputs, name: tuple(refs)}
        self._quanta[quantum.dataId.required_values] = replace(quantum, inputs=inputs)

    def _fail(self, reason: str) -> NoReturn:
        raise QuantumGraphError(f"adjust_all_quanta of {self.task_label}: {reason}")
