"""Verify: whether the registry's records and the files agree."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import ButlerUserError
from ..registry import FileRecord
from ..user_paths import checked_path
from .datastore_config import is_marker
from .file_datastore import UNKNOWN_SIZE, FileDatastore, checksum_of
from .local_store import is_temporary
from .paths import is_outside, is_url, key_of
from .resource import RemoteResource, as_resource
from .templates import safe_path

__all__ = ["VerifyReport", "verify_files"]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `verify_files` found.

    Parameters
    ----------
    missing
        Datasets whose file is gone.
    damaged
        Datasets whose file has another size or checksum, with the reason.
    orphans
        Partial files, and files in the directories of runs that belong to no dataset.
    n_checked
        Number of datasets looked at.
    astray
        Datasets whose recorded path leaves the repository, with that path; nothing is looked at or removed
        there.
    """

    missing: tuple[uuid.UUID, ...]
    damaged: Mapping[uuid.UUID, str]
    orphans: tuple[Path | RemoteResource, ...]
    n_checked: int
    astray: Mapping[uuid.UUID, str] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether everything agrees."""
        return not (self.missing or self.damaged or self.orphans or self.astray)


def verify_files(
    datastore: FileDatastore,
    records: Mapping[uuid.UUID, FileRecord],
    runs: Set[str],
    *,
    checksums: bool = True,
) -> VerifyReport:
    """Compare records with files.

    Parameters
    ----------
    datastore
        Where the files are.
    records
        What the registry says.
    runs
        RUN collections; only in their directories a file without record is taken for an orphan, so that
        whatever else somebody keeps in the directory of the repository is left alone.
    checksums
        Whether to read all files and compare their sums; sizes are always compared.

    Raises
    ------
    ButlerUserError
        Raised if the system refuses to tell: then nothing is known to be missing or damaged.
    """
    try:
        return _compared(datastore, records, {safe_path(run) for run in runs}, checksums=checksums)
    except OSError as error:
        if isinstance(error, ButlerUserError):
            raise
        place = datastore.store.locate("")
        raise ButlerUserError(f"cannot verify the files in {place}: {error.strerror or error}") from error


def _compared(
    datastore: FileDatastore, records: Mapping[uuid.UUID, FileRecord], folders: Set[str], *, checksums: bool
) -> VerifyReport:
    # One listing tells the sizes of a thousand objects.
    present = {file.path: file for file in datastore.store.walk() if not is_marker(file.path)}
    missing: list[uuid.UUID] = []
    damaged: dict[uuid.UUID, str] = {}
    astray: dict[uuid.UUID, str] = {}
    known: set[str] = set()
    for dataset_id, record in records.items():
        try:
            # The system would not look at such a path, and nothing is to stop at one record.
            checked_path(record.path)
            key = None if is_outside(record.path) else key_of(record.path)
        except ButlerUserError:
            astray[dataset_id] = record.path
            continue
        if key is None:
            size = datastore.size(record.path)
        else:
            known.add(key)
            size = present[key].size if key in present else None
        if size is None:
            missing.append(dataset_id)
        elif fault := _fault(datastore, record, size, checksums=checksums):
            damaged[dataset_id] = fault
    # A file that is recorded in full, but lies here, is somebody's, too.
    known |= set(_outside_keys(records, datastore.store.locate("")))
    loose = [p for p, file in present.items() if p not in known and (file.is_own or _is_below(p, folders))]
    # Partial files come last: a repair that is killed shall not lose what tells of their twins.
    loose.sort(key=lambda path: is_temporary(path.rpartition("/")[2]))
    orphans = tuple(as_resource(datastore, path) for path in loose)
    return VerifyReport(tuple(missing), damaged, orphans, len(records), astray)


def _fault(datastore: FileDatastore, record: FileRecord, size: int, *, checksums: bool) -> str:
    """Return what is wrong with a file that is there; empty if nothing is."""
    place = datastore.locate(record.path)
    if record.size not in (size, UNKNOWN_SIZE):
        return f"{place} has {size} bytes, not {record.size}"
    if not checksums or record.checksum is None:
        return ""
    # Who does not know the checksum finds no copy in the cache: it is the file itself that is read.
    source = datastore.source(replace(record, checksum=None))
    damaged = checksum_of(source) != record.checksum
    return f"{place} has another checksum than when it was stored" if damaged else ""


def _outside_keys(records: Mapping[uuid.UUID, FileRecord], root: str) -> Iterator[str]:
    """Yield the paths below the root of files that are recorded in full."""
    folder = (root if is_url(root) else os.path.realpath(root)).rstrip("/") + "/"
    for record in records.values():
        if record.path.startswith(folder):
            yield record.path.removeprefix(folder)


def _is_below(path: str, folders: Set[str]) -> bool:
    """Tell whether a path lies in one of some folders."""
    parts = path.split("/")[:-1]
    return any("/".join(parts[: i + 1]) in folders for i in range(len(parts)))
