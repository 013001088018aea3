"""StagedFile: a complete file that waits for its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..errors import ArtifactMissingError, ButlerUserError
from ..formatters import ByteSource, LocalFile
from ..registry import FileRecord
from .contract import Store, with_token
from .remote import RemoteFile

__all__ = ["StagedFile", "settle_files"]


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A complete file that waits for its rows.

    Parameters
    ----------
    record
        What the registry will know about it.
    store
        Where it is; None for a file that stays where it is.
    temporary
        Path that it has in the store.
    moved_from
        The file that it takes the place of, if any.
    folders
        Paths of the directories that were made for it.
    is_settled
        Whether it would survive a loss of power under its temporary name.
    """

    record: FileRecord
    store: Store | None = None
    temporary: str = ""
    moved_from: ByteSource | None = None
    folders: tuple[str, ...] = ()
    is_settled: bool = False

    @property
    def key(self) -> str:
        """What tells it from other files, whatever name it gets; the parts of one file have the same."""
        return self.temporary or self.record.path

    def publish(self) -> StagedFile:
        """Give the file its final name, or one with a token if somebody has taken that since.

        Whoever has taken it may never get rows for it. The file keeps the temporary name, too, until
        `finish`: a kill before the commit leaves both, by which `verify` knows what nobody owns even in the
        directory of a run that was never registered.

        Returns
        -------
        published
            The file with the name that it has got.

        Raises
        ------
        ArtifactMissingError
            Raised if somebody has removed the file since it was staged.
        ButlerUserError
            Raised if the system refuses.
        """
        if self.store is None:
            return self
        place = self.store.locate(self.record.path)
        try:
            try:
                self.store.publish(self.temporary, self.record.path)
                return self
            except FileExistsError:
                path = with_token(self.record.path)
                self.store.publish(self.temporary, path)
                return replace(self, record=replace(self.record, path=path))
        except FileNotFoundError as error:
            raise ArtifactMissingError(
                f"what was staged for {place} is gone; repair only while nothing else writes"
            ) from error
        except OSError as error:
            raise ButlerUserError(f"cannot write {place}: {error.strerror or error}") from error

    def discard(self) -> None:
        """Remove the file before it is published."""
        if self.store is not None:
            self.store.remove(self.temporary)

    def finish(self) -> None:
        """Remove the temporary name, and what the file takes the place of; once nothing can be undone."""
        if self.temporary != self.record.path:
            self.discard()
        match self.moved_from:
            case LocalFile(path=path):
                path.unlink(missing_ok=True)
            case RemoteFile() as file:
                file.remove()

    def retract(self) -> None:
        """Remove the file after it was published."""
        if self.store is not None:
            self.store.remove(self.record.path)
            self.discard()


def settle_files(files: Iterable[StagedFile]) -> None:
    """Return when published files would survive a loss of power.

    Raises
    ------
    ButlerUserError
        Raised if the system refuses.
    """
    groups: dict[str, tuple[Store, list[str], list[str]]] = {}
    for file in files:
        if file.store is None:
            continue
        _, paths, names = groups.setdefault(file.store.locate(""), (file.store, [], []))
        if file.is_settled:
            names.append(file.record.path)
        else:
            paths += (file.record.path, *file.folders)
    for place, (store, paths, names) in groups.items():
        try:
            store.settle(paths, names)
        except OSError as error:
            raise ButlerUserError(f"cannot write files in {place}: {error.strerror or error}") from error
