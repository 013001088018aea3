"""IncomingFile: a file that somebody has, on its way into a datastore."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from ..datasets import DatasetRef
from ..errors import ArtifactMissingError, ButlerUserError, TemplateError
from ..formatters import ByteSource, ContentFormatter, Formatter, LocalFile
from ..registry import FileRecord
from ..user_paths import check_path
from .bringing import LINK_MODES, bring_file, copy_bytes
from .file_datastore import UNKNOWN_SIZE, FileDatastore
from .paths import IN_PLACE, below, is_outside, is_url, standardized
from .staged_file import StagedFile

__all__ = ["TRANSFER_MODES", "IncomingFile", "share_file", "stage_file", "stage_own_file"]

TRANSFER_MODES: Final = ("auto", "move", *LINK_MODES, "direct", "split")
"""How `stage_file` brings files in; None: the file is in the datastore already."""

_IN_PLACE: Final = "in place"
_WHERE_MATTERS: Final = (None, "auto", "split")


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file that is to become that of a dataset.

    Parameters
    ----------
    place
        Local path or URL.
    ref
        The dataset, with an expanded data ID; the first, if there are several.
    formatter
        What reads it.
    validate
        Whether to look at the file: if not, its size, checksum and layout are not recorded.
    layout
        Where its pixels lie, as text, if it is known already.
    """

    place: str
    ref: DatasetRef
    formatter: Formatter
    validate: bool = True
    layout: str | None = None


def stage_file(
    datastore: FileDatastore,
    file: IncomingFile,
    transfer: str | None,
    folders: dict[str, str] | None = None,
) -> StagedFile:
    """Bring a file into a datastore, to wait there for its rows.

    Parameters
    ----------
    datastore
        Where it is to go.
    file
        The file.
    transfer
        ``copy``, ``link``, ``hardlink``, ``symlink``, ``relsymlink``; ``move``: it is removed once the
        dataset is registered; ``direct``: it stays where it is; None: the same, but it must be below the
        root of the datastore, and its path is recorded relative to that. A file that stays is never
        removed. ``split``: None for a file below the root, else ``direct``. ``auto``: None for a file below
        the root, else ``link``, or ``copy`` if it or the datastore is not local.
    folders
        What links among directories lead to, by name; filled here, for the other files of one call.

    Raises
    ------
    ButlerUserError
        Raised for another transfer mode, or if the file cannot be brought in that way.
    ArtifactMissingError
        Raised if there is no such file.
    FileFormatError
        Raised if the file is broken.
    """
    place = standardized(file.place)
    # To look where links lead takes longer than all the rest.
    path = below(place, datastore.store.locate("")) if transfer in _WHERE_MATTERS else None
    mode = _mode_for(datastore, place, transfer, inside=path is not None)
    if mode == "direct" and not is_url(place):
        return _stay(datastore, file, place, {} if folders is None else folders)
    source = datastore.outside(place)
    try:
        _require_file(source, file)
        if mode == _IN_PLACE:
            _require_folder(datastore, place, path)
            own = datastore.store.source(path or "")
            return StagedFile(_record(datastore, file, own, f"{IN_PLACE}{path}", is_written=False))
        if mode == "direct":
            return StagedFile(_record(datastore, file, source, place, is_written=False))
        return _bring(datastore, file, source, mode)
    except OSError as error:
        if isinstance(error, ButlerUserError):
            raise
        raise _meaning(error, str(source)) from error


def _meaning(error: OSError, place: str) -> ButlerUserError:
    """Return what an error of the system means to a user."""
    if isinstance(error, FileNotFoundError):
        return ArtifactMissingError(f"no file {place}")
    return ButlerUserError(f"cannot read {place}: {error.strerror or error}")


def share_file(datastore: FileDatastore, file: IncomingFile, staged: StagedFile) -> StagedFile:
    """Take another part of a file that is staged already, as its formatter finds it.

    Parameters
    ----------
    datastore
        Where it is to go.
    file
        The part.
    staged
        What `stage_file` returned for the file.

    Raises
    ------
    FileFormatError
        Raised if the file has no such part.
    """
    layout = file.layout
    if layout is None and file.validate:
        found = file.formatter.layout(datastore.outside(standardized(file.place)))
        layout = None if found is None else found.to_json()
    record = replace(staged.record, formatter=file.formatter.recorded_name, layout=layout)
    return replace(staged, record=record)


def stage_own_file(datastore: FileDatastore, path: str, formatter: Formatter) -> StagedFile:
    """Take a file below the root as one of the datastore's own, as an import does.

    Parameters
    ----------
    datastore
        Where it is.
    path
        Relative to the root.
    formatter
        What reads it.

    Raises
    ------
    TemplateError
        Raised if the path is not that of a file in a folder below the root.
    ArtifactMissingError
        Raised if there is no such file.
    """
    plain = not is_outside(path) and PurePosixPath(path).as_posix() == path and ".." not in path.split("/")
    _require_folder(datastore, path, path if plain else None)
    if datastore.size(path) is None:
        raise ArtifactMissingError(f"no file {datastore.locate(path)}")
    return StagedFile(datastore.record_of(datastore.store.source(path), path, formatter))


def _mode_for(datastore: FileDatastore, place: str, transfer: str | None, *, inside: bool) -> str:
    """Return what is done with a file."""
    if transfer is not None and transfer not in TRANSFER_MODES:
        raise ButlerUserError(f"transfer is one of {', '.join(TRANSFER_MODES)}, or None, not {transfer!r}")
    linkable = datastore.store.has_links and not is_url(place)
    match transfer:
        case None:
            return _IN_PLACE
        case "auto":
            return _IN_PLACE if inside else "link" if linkable else "copy"
        case "split":
            return _IN_PLACE if inside else "direct"
        case "copy" | "move" | "direct":
            return transfer
        case _:
            if not linkable:
                where = place if is_url(place) else datastore.store.locate("")
                raise ButlerUserError(
                    f"no {transfer} is possible: {where} is no local file or directory; copy"
                )
            return transfer


def _require_file(source: ByteSource, file: IncomingFile) -> None:
    """Refuse what is no file; far away, only if files are to be looked at."""
    if isinstance(source, LocalFile):
        if not source.path.is_file():
            raise FileNotFoundError
    elif file.validate:
        source.size()


def _require_folder(datastore: FileDatastore, place: str, path: str | None) -> None:
    """Refuse a file that stays in the datastore, but is not in a folder there."""
    # In the root itself lie the registry and the configuration.
    if path is None or "/" not in path:
        root = datastore.store.locate("")
        raise TemplateError(
            f"{place!r} is no path of a file in a folder of the repository {root}; give another transfer mode"
        )


def _bring(datastore: FileDatastore, file: IncomingFile, source: ByteSource, mode: str) -> StagedFile:
    """Copy, link or move a file into the store."""
    with datastore.writing(datastore.path_for(file.ref, file.formatter), f"{mode} {source} to") as pending:
        if not isinstance(source, LocalFile):
            copy_bytes(source, pending.local)
        elif mode == "move":
            _move(source.path, pending.local)
        else:
            bring_file(source.path, pending.local, mode)
        brought = LocalFile(pending.local, source.name)
        record = _record(datastore, file, brought, pending.final)
    moved = source if mode == "move" else None
    return StagedFile(record, datastore.store, pending.temporary, moved, pending.folders)


def _move(source: Path, target: Path) -> None:
    """Give a file a second name, until the first can go; of a link that would be one of the link."""
    if not source.is_symlink():
        with suppress(OSError):
            target.hardlink_to(source)
            return
    bring_file(source, target, "copy")


def _record(
    datastore: FileDatastore, file: IncomingFile, source: ByteSource, path: str, *, is_written: bool = True
) -> FileRecord:
    if not file.validate:
        return FileRecord(path, file.formatter.recorded_name, UNKNOWN_SIZE)
    return datastore.record_of(source, path, file.formatter, is_written=is_written, layout=file.layout)


def _stay(datastore: FileDatastore, file: IncomingFile, place: str, folders: dict[str, str]) -> StagedFile:
    """Take a local file where it is, under the name that no link is a part of."""
    check_path(place)
    formatter = file.formatter
    try:
        status = os.lstat(place)
        if stat.S_ISLNK(status.st_mode):
            path = os.path.realpath(place)
            status = os.lstat(path)
        else:
            folder, name = os.path.split(place)
            if folder not in folders:
                folders[folder] = os.path.realpath(folder)
            path = os.path.join(folders[folder], name)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError
        if not file.validate:
            return StagedFile(FileRecord(path, formatter.recorded_name, UNKNOWN_SIZE))
        if isinstance(formatter, ContentFormatter) and not datastore.sums_all:
            return StagedFile(FileRecord(path, formatter.recorded_name, status.st_size))
        return StagedFile(_record(datastore, file, LocalFile(Path(place)), path, is_written=False))
    except OSError as error:
        if isinstance(error, ButlerUserError):
            raise
        raise _meaning(error, place) from error
