"""Verify: whether the registry's records and the files agree."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..registry import FileRecord
from .file_datastore import PART_SUFFIX, FileDatastore, file_checksum

__all__ = ["VerifyReport", "verify_files"]

_OWN_FILES = frozenset({"butler.yaml"})


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
        Files in the repository that belong to no dataset, partial ones among them.
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
    datastore: FileDatastore, records: Mapping[uuid.UUID, FileRecord], *, checksums: bool = True
) -> VerifyReport:
    """Compare records with files.

    Parameters
    ----------
    datastore
        Where the files are.
    records
        What the registry says.
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
    known = {datastore.resolve(record.path) for record in records.values()}
    return VerifyReport(tuple(missing), damaged, tuple(_orphans(datastore.root, known)), len(records))


def _orphans(root: Path, known: set[Path]) -> list[Path]:
    """Return files below the root that no record names; the repository's own files are none."""
    found = []
    for path in sorted(root.rglob("*")):
        if path.is_dir() or path in known:
            continue
        own = path.parent == root and (path.name in _OWN_FILES or ".sqlite3" in path.name)
        if not own or path.name.endswith(PART_SUFFIX):
            found.append(path)
    return found
