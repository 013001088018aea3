"""How quanta are written into columns."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from ..errors import RepositoryCorruptionError
from ..provenance import (
    QuantumRecord,
    RecordedDataset,
    TaskRecord,
    datasets_from_simple,
    datasets_to_simple,
)

__all__ = [
    "pack_data_id",
    "pack_datasets",
    "pack_settings",
    "unpack_data_id",
    "unpack_datasets",
    "unpack_settings",
]


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
    """Return the datasets of a quantum."""
    return _packed(datasets_to_simple(record))


def unpack_datasets(packed: bytes) -> dict[str, dict[str, tuple[RecordedDataset, ...]]]:
    """Return the `inputs`, `outputs` and `unwritten` of the quantum that `pack_datasets` was given."""
    return datasets_from_simple(_unpacked(packed))


def _packed(values: Any) -> bytes:
    return zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 6)


def _unpacked(packed: bytes) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(zlib.decompress(packed))
    except (ValueError, zlib.error) as error:
        raise RepositoryCorruptionError(f"the record of a quantum is damaged: {error}") from error
    return values
