"""Verify: whether the registry's records and the files agree."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from ..registry import FileRecord
from .file_datastore import FileDatastore, file_checksum, is_temporary
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
    """

    missing: tuple[uuid.UUID, ...]
    damaged: Mapping[uuid.UUID, str]
    orphans: tuple[Path, ...]
    n_checked: int

    @property
    def is_clean(self) -> bool:
        """Whether everything agrees."""
        return not (self.missing or self.damaged or self.orphans)


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
    """
    missing: list[uuid.UUID] = []
    damaged: dict[uuid.UUID, str] = {}
    for dataset_id, record in records.items():
        path = datastore.resolve(record.path)
        if not path.exists():
            missing.append(dataset_id)
            continue
        size = path.stat().st_size
        if size != record.size:
            damaged[dataset_id] = f"{path} has {size} bytes, not {record.size}"
        elif checksums and record.checksum and file_checksum(path) != record.checksum:
            damaged[dataset_id] = f"{path} has another checksum than when it was stored"
    root = datastore.root.resolve()
    known = {root / record.path for record in records.values()}
    return VerifyReport(
        tuple(missing), damaged, tuple(_orphans(root, known, {safe_path(run) for run in runs})), len(records)
    )


def _orphans(root: Path, known: set[Path], directories: set[str]) -> list[Path]:
    """Return files in the directories of runs that no record names, and partial files with their twins.

    Partial files come last: a repair that is killed shall not lose what tells of their twins.
    """
    files = [path for path in sorted(root.rglob("*")) if not path.is_dir()]
    partial = [path for path in files if is_temporary(path)]
    partial_nodes = {_node(path) for path in partial}
    found = []
    for path in files:
        if path in known or is_temporary(path):
            continue
        folders = [parent.relative_to(root).as_posix() for parent in path.parents if root in parent.parents]
        in_run = any(folder in directories for folder in folders)
        if in_run or (partial_nodes and _node(path) in partial_nodes):
            found.append(path)
    return found + partial


def _node(path: Path) -> tuple[Path, int, int]:
    """Return what two names of one file in one directory share."""
    status = path.lstat()
    return path.parent, status.st_dev, status.st_ino
