"""Records of quanta as plain values: short, for there are many, and each has many datasets."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from ..errors import FileFormatError
from .quantum_record import QuantumRecord, RecordedDataset, TaskRecord

__all__ = ["datasets_from_simple", "datasets_to_simple", "records_from_simple", "records_to_simple"]

_Number = TypeVar("_Number", int, float)
_ROLES: Final = ("inputs", "outputs", "unwritten")
_UNSEEN: Final = uuid.UUID(int=0)
"""Stands for the UUID of what was not written."""


def datasets_to_simple(record: QuantumRecord) -> dict[str, Any]:
    """Return the datasets of a quantum: rows by role and connection, their common keys told once."""
    tables = {role: _tables(getattr(record, role), with_ids=role != "unwritten") for role in _ROLES}
    return {role: table for role, table in tables.items() if table}


def datasets_from_simple(values: Mapping[str, Any]) -> dict[str, dict[str, tuple[RecordedDataset, ...]]]:
    """Return the `inputs`, `outputs` and `unwritten` that `datasets_to_simple` was given."""
    return {
        role: {name: _datasets(*table) for name, table in values.get(role, {}).items()} for role in _ROLES
    }


def records_to_simple(records: Sequence[QuantumRecord]) -> dict[str, Any]:
    """Return quanta as plain values, their tasks told once each."""
    tasks = {record.task.digest: record.task for record in records}
    number = {digest: i for i, digest in enumerate(tasks)}
    return {
        "tasks": [
            {
                "run": task.run,
                "label": task.label,
                "task_class": task.task_class,
                "config": dict(task.config),
                "versions": dict(task.versions),
            }
            for task in tasks.values()
        ],
        "quanta": [
            {
                "id": str(record.id),
                "task": number[record.task.digest],
                "data_id": dict(record.data_id),
                "status": record.status,
                "message": record.message,
                "begin_ns": record.begin_ns,
                "duration": record.duration,
                "datasets": datasets_to_simple(record),
            }
            for record in records
        ],
    }


def records_from_simple(tasks: Iterable[Any], quanta: Iterable[Any], source: str) -> list[QuantumRecord]:
    """Return the quanta that `records_to_simple` was given.

    Parameters
    ----------
    tasks, quanta
        The two lists.
    source
        Where they come from, for messages.

    Raises
    ------
    FileFormatError
        Raised if they are not such values.
    """
    try:
        known = [_task(**values) for values in tasks]
        return [_quantum(known, **values) for values in quanta]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"{source}: a record of a quantum cannot be read: {error}") from error


def _task(
    *, run: str, label: str, task_class: str, config: dict[str, Any], versions: dict[str, str]
) -> TaskRecord:
    return TaskRecord(str(run), str(label), str(task_class), dict(config), dict(versions))


def _quantum(
    tasks: Sequence[TaskRecord],
    *,
    id: str,
    task: int,
    data_id: dict[str, Any],
    datasets: dict[str, Any],
    **told: Any,
) -> QuantumRecord:
    return QuantumRecord(
        uuid.UUID(id),
        tasks[task],
        dict(data_id),
        str(told["status"]),
        str(told["message"]),
        _within(int(told["begin_ns"]), 2**63 - 1),
        _within(float(told["duration"]), math.inf),
        **datasets_from_simple(datasets),
    )


def _within(number: _Number, most: float) -> _Number:
    """Refuse a number that no column holds."""
    if not 0 <= number <= most:
        raise ValueError(f"{number} is no time")
    return number


def _tables(datasets: Mapping[str, tuple[RecordedDataset, ...]], *, with_ids: bool) -> dict[str, Any]:
    return {
        name: [
            members[0].dataset_type,
            list(members[0].data_id),
            [[d.id.hex if with_ids else "", d.run, *d.data_id.values()] for d in members],
        ]
        for name, members in datasets.items()
        if members
    }


def _datasets(kind: str, keys: list[str], rows: list[list[Any]]) -> tuple[RecordedDataset, ...]:
    return tuple(
        RecordedDataset(
            uuid.UUID(hex=digits) if digits else _UNSEEN, kind, run, dict(zip(keys, values, strict=True))
        )
        for digits, run, *values in rows
    )
