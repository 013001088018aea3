"""The UUIDs of datasets."""

from __future__ import annotations

import json
import os
import time
import uuid
from enum import Enum
from typing import Any, Final

from ..dimensions import DataCoordinate

__all__ = ["DATASET_NAMESPACE", "DatasetIdGenEnum", "derive_dataset_id", "id_from_bytes", "make_dataset_id"]


class DatasetIdGenEnum(Enum):
    """How the UUID of a dataset comes about."""

    UNIQUE = 0
    """New and ordered by time: version 7."""
    DATAID_TYPE = 1
    """From dataset type and data ID alone; the same in every run and repository."""
    DATAID_TYPE_RUN = 2
    """From run, dataset type and data ID; the same in every repository."""


DATASET_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "dataset-id.coadd-butler")
"""Namespace of the UUIDs that follow from what a dataset is."""


def derive_dataset_id(dataset_type: str, data_id: DataCoordinate, run: str | None = None) -> uuid.UUID:
    """Return the UUID of version 5 (RFC 9562) that belongs to a dataset type and data ID.

    Its name in `DATASET_NAMESPACE` is the JSON text of a list without blanks: the dataset type, the
    required dimensions with their values in the order of the universe, and the run if it counts.

    Parameters
    ----------
    dataset_type
        Name of the dataset type.
    data_id
        Data ID; implied values do not count.
    run
        RUN collection; None if it shall not count.
    """
    parts: list[Any] = [dataset_type, list(data_id.required.items())]
    name = json.dumps(parts if run is None else [*parts, run], separators=(",", ":"))
    return uuid.uuid5(DATASET_NAMESPACE, name)


def make_dataset_id() -> uuid.UUID:
    """Return a new UUID of version 7 (RFC 9562).

    Its 12 bits after the milliseconds say which part of one it was (method 3 of section 6.2), so that those
    of one process are in order: a database appends them to its index, whose pages it fills.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    value = (milliseconds & (2**48 - 1)) << 80 | 0x7 << 76 | (rest << 12) // 1_000_000 << 64
    return _id_of(value | 0b10 << 62 | int.from_bytes(os.urandom(8), "big") >> 2)


def id_from_bytes(encoded: bytes) -> uuid.UUID:
    """Return the UUID of 16 bytes."""
    return _id_of(int.from_bytes(encoded))


def _id_of(number: int) -> uuid.UUID:
    """Return the UUID of a number of 128 bits, without the checks that take most of the time of ``UUID``."""
    made = object.__new__(uuid.UUID)
    _set_integer(made, number)
    _set_safety(made, _UNKNOWN)
    return made


# A UUID refuses to be changed; its slots are set past that, once.
_UNKNOWN = uuid.SafeUUID.unknown
_set_integer, _set_safety = (vars(uuid.UUID)[name].__set__ for name in ("int", "is_safe"))
