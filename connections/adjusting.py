"""adjust_quantum: ask a task which datasets a quantum really uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .connection_types import DimensionedConnection
from .connections import Adjustable, PipelineTaskConnections
from .errors import NoWorkFound, QuantumGraphError

if TYPE_CHECKING:
    from butler import DataCoordinate, DatasetRef

__all__ = ["adjust_quantum"]

_Refs = dict[str, tuple["DatasetRef", ...]]


def adjust_quantum(
    connections: PipelineTaskConnections,
    inputs: Mapping[str, Sequence[DatasetRef]],
    outputs: Mapping[str, Sequence[DatasetRef]],
    label: str,
    data_id: DataCoordinate,
) -> tuple[_Refs, _Refs]:
    """Return the inputs and outputs that a task's `adjustQuantum` leaves to a quantum.

    The builder calls it with what exists or will be made; whoever runs the quantum calls it again, with the
    inputs that exist, if some that were planned do not.

    Parameters
    ----------
    connections
        Connections of the task.
    inputs, outputs
        Datasets by connection; a connection that is not named has none.
    label
        Task.
    data_id
        Data ID of the quantum.

    Raises
    ------
    NoWorkFound
        Raised if there are too few inputs, or no outputs are left.
    ScalarError
        Raised if a connection that takes one dataset has several.
    MissingPrerequisiteError
        Raised if there are too few prerequisites.
    QuantumGraphError
        Raised if the hook names connections or adds datasets that the quantum has not, or takes all its
        inputs and leaves outputs.
    """
    reads = {**connections.inputs, **connections.prerequisiteInputs}
    given_in = {name: (connection, tuple(inputs.get(name, ()))) for name, connection in reads.items()}
    given_out = {name: (c, tuple(outputs.get(name, ()))) for name, c in connections.outputs.items()}
    changed_in, changed_out = connections.adjustQuantum(given_in, given_out, label, data_id)
    where = f"adjustQuantum of {label} {data_id}"
    left_in, left_out = _applied(where, given_in, changed_in), _applied(where, given_out, changed_out)
    if _count(given_out) and not any(left_out.values()):
        raise NoWorkFound(f"{label} {data_id}: adjustQuantum leaves no outputs")
    if _count(given_in) and any(left_out.values()) and not any(left_in.values()):
        raise QuantumGraphError(f"{where} leaves outputs, but no inputs to make them of")
    return left_in, left_out


def _count(given: Mapping[str, tuple[DimensionedConnection, tuple[DatasetRef, ...]]]) -> int:
    return sum(len(refs) for _, refs in given.values())


def _applied(
    where: str,
    given: Mapping[str, tuple[DimensionedConnection, tuple[DatasetRef, ...]]],
    changed: Adjustable,
) -> _Refs:
    """Return the datasets by connection after the hook's changes."""
    if unknown := sorted(changed.keys() - given.keys()):
        raise QuantumGraphError(f"{where} names {', '.join(unknown)}; it can change {', '.join(given)}")
    left = {name: refs for name, (_, refs) in given.items()}
    for name, (_, refs) in changed.items():
        if added := set(refs) - set(left[name]):
            first = min(map(str, added))
            raise QuantumGraphError(f"{where} adds {first} to {name}; it may only remove")
        left[name] = tuple(refs)
    return left
