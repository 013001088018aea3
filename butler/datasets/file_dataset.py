"""FileDataset: a file to ingest."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import DatasetTypeError
from ..user_paths import check_path
from .dataset_ref import DatasetRef

__all__ = ["FileDataset"]


@dataclass(frozen=True, slots=True)
class FileDataset:
    """A file to ingest and the datasets that it is.

    Parameters
    ----------
    path
        The file: a local path, or a URL.
    refs
        What it holds: one dataset or several, all in one run, each of which is the whole file to its
        formatter.
    formatter
        Name of the formatter that reads it; that of the storage class if None.
    layout
        Where its pixels lie, as text, if somebody has just found out with that formatter; None to look.

    Raises
    ------
    DatasetTypeError
        Raised if it holds nothing, or datasets of different runs.
    ButlerUserError
        Raised if no file can have such a name.
    """

    path: str
    refs: tuple[DatasetRef, ...]
    formatter: str | None
    layout: str | None

    def __init__(
        self,
        path: str | os.PathLike[str],
        refs: DatasetRef | Iterable[DatasetRef],
        *,
        formatter: str | None = None,
        layout: str | None = None,
    ) -> None:
        held = (refs,) if isinstance(refs, DatasetRef) else tuple(refs)
        if len(runs := {ref.run for ref in held}) != 1:
            raise DatasetTypeError(
                f"the datasets of a file are in one run, not in {', '.join(sorted(runs)) or 'none'}"
            )
        check_path(path)
        object.__setattr__(self, "path", os.fspath(path))
        object.__setattr__(self, "refs", held)
        object.__setattr__(self, "formatter", formatter)
        object.__setattr__(self, "layout", layout)
