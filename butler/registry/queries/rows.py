"""Objects from rows: columns first, objects late."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from ...datasets import DatasetRef, DatasetType
from ...dimensions import DataCoordinate

__all__ = ["make_refs"]


def make_refs(
    dataset_type: DatasetType, rows: Sequence[tuple[Any, ...]], run_names: Callable[[], dict[int, str]]
) -> list[DatasetRef]:
    """Return the refs of rows: the values of all dimensions, the UUID, the number of the run."""
    dimensions = dataset_type.dimensions
    names = run_names()
    return [
        DatasetRef(
            dataset_type, DataCoordinate(dimensions, row[:-2]), names[row[-1]], uuid.UUID(bytes=row[-2])
        )
        for row in rows
    ]
