"""FileDataset: a file to ingest."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from .dataset_ref import DatasetRef

__all__ = ["FileDataset"]


@dataclass(frozen=True, slots=True, init=False)
class FileDataset:
    """A file to ingest and the datasets that it is.

    Parameters
    ----------
    path
        The file: a local path, or a URL.
    refs
        What it holds: one dataset, or several in one RUN, each of which is the whole file to its formatter.
    formatter
        Name of the formatter that reads it; that of the storage class if None.

    Raises
    ------
    ValueError
        Raised for no dataset, or for datasets in different runs.
    """

    path: str
    refs: tuple[DatasetRef, ...]
    formatter: str | None

    def __init__(
        self,
        path: str | os.PathLike[str],
        refs: DatasetRef | Iterable[DatasetRef],
        formatter: str | None = None,
    ) -> None:
        given = (refs,) if isinstance(refs, DatasetRef) else tuple(refs)
        runs = sorted({ref.run for ref in given})
        if len(runs) != 1:
            raise ValueError(f"the datasets of one file belong to one run, not to {runs or 'none'}: {path}")
        object.__setattr__(self, "path", os.fspath(path))
        object.__setattr__(self, "refs", given)
        object.__setattr__(self, "formatter", formatter)
