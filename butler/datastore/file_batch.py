"""FileBatch: staged files that get their final names together with their rows."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from ..errors import TemplateError
from .staged_file import StagedFile, settle_files

__all__ = ["FileBatch"]


class FileBatch:
    """Staged files that get their final names together with their rows, or go.

    Parameters
    ----------
    files
        The files; several datasets may share one. Those that stay where they are do not matter here.

    Attributes
    ----------
    files
        Those that are still to be had.
    """

    def __init__(self, files: Iterable[StagedFile]) -> None:
        self.files = list({file.key: file for file in files if file.store is not None}.values())
        self._published: set[tuple[str, str]] = set()

    def publish_free(self) -> None:
        """Give files their final names, and settle them; but those whose name is taken wait for `publish`.

        Whose name is taken is most often another writer's, who is at the same dataset: the rows tell.
        """
        for file in self.files:
            with suppress(TemplateError):
                self._publish(file)
        settle_files(file for file in self.files if file.key in self._published)

    def publish(self) -> list[StagedFile]:
        """Give the other files their final names; return those, which are not settled yet.

        Raises
        ------
        TemplateError
            Raised if a name is taken.
        """
        late = [file for file in self.files if file.key not in self._published]
        for file in late:
            self._publish(file)
        return late

    def take_back(self, file: StagedFile) -> None:
        """Remove a file, if it is not removed already."""
        if file.key in self._published:
            self._published.remove(file.key)
            file.retract()
        else:
            file.discard()

    def drop(self, files: Iterable[StagedFile]) -> None:
        """Remove files for which there will be no rows."""
        doomed = {file.key: file for file in files}
        self.files = [file for file in self.files if file.key not in doomed]
        for file in doomed.values():
            self.take_back(file)

    def _publish(self, file: StagedFile) -> None:
        file.publish()
        self._published.add(file.key)
