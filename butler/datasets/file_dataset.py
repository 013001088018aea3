"""FileDataset: a file to ingest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .dataset_ref import DatasetRef

__all__ = ["FileDataset"]


@dataclass(frozen=True, slots=True)
class FileDataset:
    """A file to ingest and the dataset that it is.

    Parameters
    ----------
    path
        The file.
    ref
        What it holds.
    formatter
        Name of the formatter that reads it; that of the storage class if None.
    """

    path: Path
    ref: DatasetRef
    formatter: str | None = None
