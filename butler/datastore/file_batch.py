"""FileBatch: staged files that get their final names together with their rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..registry import FileRecord
from .staged_file import StagedFile

__all__ = ["FileBatch"]


class FileBatch:
    """Staged files that get their final names together with their rows, or go.

    Parameters
    ----------
    files
        The files; several datasets may share one. Those that stay where they are do not matter here.
    """

    def __init__(self, files: Iterable[StagedFile]) -> None:
        self._files = {file.key: file for file in files if file.store is not None}
        self._published: set[str] = set()

    @property
    def files(self) -> list[StagedFile]:
        """Those that are still to be had, with the names that they have got."""
        return list(self._files.values())

    def record(self, file: StagedFile) -> FileRecord:
        """Return what the registry shall know of a file, or of a part, now that it has its name."""
        path = self._files[file.key].record.path if file.key in self._files else file.record.path
        return file.record if path == file.record.path else replace(file.record, path=path)

    def publish(self) -> None:
        """Give the files their final names."""
        for file in self.files:
            self._files[file.key] = file.publish()
            self._published.add(file.key)

    def drop(self, files: Iterable[StagedFile]) -> None:
        """Remove files for which there will be no rows."""
        for file in files:
            self.take_back(file)

    def take_back(self, file: StagedFile) -> None:
        """Remove a file, if it is not removed already."""
        known = self._files.pop(file.key, None)
        if known is None:
            return
        if file.key in self._published:
            known.retract()
        else:
            known.discard()
