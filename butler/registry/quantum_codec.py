"""How quanta are written into columns: short, for there are many, and each has many datasets."""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Mapping
from typing import Any, Final

from ..errors import RepositoryCorruptionError
from ..provenance import QuantumRecord, RecordedDataset, TaskRecord

__all__ = [
    "pack_data_id",
    "pack_datasets",
    "pack_settings",
    "unpack_data_id",
    "unpack_datasets",
    "unpack_settings",
]

_Datasets = Mapping[str, tuple[RecordedDataset, ...]]
_ROLES: Final = ("inputs", "outputs", "unwritten")


def pack_settings(task: TaskRecord) -> bytes:
    """Return config and versions of a task."""
    return _packed({"config": task.config, "versions": task.versions})


def unpack_settings(packed: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the config and the versions that `pack_settings` was given."""
    values = _unpacked(packed)
    return values["config"], values["versions"]


def pack_data_id(data_id: Mapping[str, Any]) -> str:
    """Return a data ID as text."""
    return json.dumps(dict(data_id), separators=(",", ":"))


def unpack_data_id(text: str) -> dict[str, Any]:
    """Return the data ID that `pack_data_id` was given."""
    values: dict[str, Any] = json.loads(text)
    return values


def pack_datasets(record: QuantumRecord) -> bytes:
    """Return the datasets of a quantum: a list of rows for each connection, their common keys told once."""
    values = {role: _table(getattr(record, role), with_ids=role != "unwritten") for role in _ROLES}
    return _packed({role: table for role, table in values.items() if table})


def unpack_datasets(packed: bytes) -> dict[str, dict[str, tuple[RecordedDataset, ...]]]:
    """Return by role, `inputs`, `outputs` or `unwritten`, and connection what `pack_datasets` was given."""
    values = _unpacked(packed)
    return {
        role: {name: _datasets(*table) for name, table in values.get(role, {}).items()} for role in _ROLES
    }


def _table(datasets: _Datasets, *, with_ids: bool) -> dict[str, Any]:
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


_UNSEEN: Final = uuid.UUID(int=0)
"""Stands for the UUID of what was not written."""


def _packed(values: Any) -> bytes:
    return zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 6)


def _unpacked(packed: bytes) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(zlib.decompress(packed))
    except (ValueError, zlib.error) as error:
        raise RepositoryCorruptionError(
            f"what the registry keeps of a quantum is damaged: {error}"
        ) from error
    return values
