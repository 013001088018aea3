"""FileDataset: a file to ingest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import DatasetTypeError
from .dataset_ref import DatasetRef

__all__ = ["FileDataset"]


@dataclass(frozen=True, slots=True)
class FileDataset:
    """A file to ingest and the datasets that it is.

    Parameters
    ----------
    path
        The file.
    refs
        What it holds: one dataset or several, all in one run.
    formatter
        Name of the formatter that reads it; that of the storage class if None.

    Raises
    ------
    DatasetTypeError
        Raised if it holds nothing, or datasets of different runs.
    """

    path: str | Path
    refs: tuple[DatasetRef, ...]
    formatter: str | None

    def __init__(
        self, path: str | Path, refs: DatasetRef | Iterable[DatasetRef], *, formatter: str | None = None
    ) -> None:
        held = (refs,) if isinstance(refs, DatasetRef) else tuple(refs)
        if len(runs := {ref.run for ref in held}) != 1:
            raise DatasetTypeError(
                f"the datasets of a file are in one run, not in {', '.join(sorted(runs)) or 'none'}"
            )
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "refs", held)
        object.__setattr__(self, "formatter", formatter)
