"""retrieve_files: copies of stored files, for use outside the repository."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ..errors import ArtifactExistsError, ArtifactMissingError, ButlerUserError
from ..registry import FileRecord
from .bringing import LINK_MODES
from .file_datastore import FileDatastore
from .paths import is_outside

__all__ = ["retrieve_files"]


def retrieve_files(
    datastore: FileDatastore,
    records: Iterable[FileRecord],
    destination: Path,
    *,
    transfer: str = "copy",
    preserve_path: bool = True,
    overwrite: bool = False,
) -> list[Path]:
    """Bring stored files into a directory; nothing is brought if one of them cannot be.

    Parameters
    ----------
    datastore
        Where they are.
    records
        The files; one that is named several times is brought once.
    destination
        Directory; made if needed.
    transfer
        One of `LINK_MODES`; ``auto`` copies.
    preserve_path
        Whether files keep their directories, or stand side by side.
    overwrite
        Whether files that are there already may be replaced.

    Returns
    -------
    paths
        Where the files are now, in the order of the records.

    Raises
    ------
    ArtifactMissingError
        Raised if a stored file is gone.
    ArtifactExistsError
        Raised if a file is there already, or if two of them would get the same name.
    ButlerUserError
        Raised for another transfer mode, or if the system refuses.
    """
    mode = "copy" if transfer == "auto" else transfer
    if mode not in LINK_MODES:
        raise ButlerUserError(f"transfer is one of auto, {', '.join(LINK_MODES)}, not {transfer!r}")
    planned: dict[Path, FileRecord] = {}
    for record in records:
        source = datastore.locate(record.path)
        target = destination / (_kept(record.path) if preserve_path else PurePosixPath(source).name)
        other = datastore.locate(planned.setdefault(target, record).path)
        if other != source:
            raise ArtifactExistsError(f"{source} and {other} would both be {target}; keep the paths")
        if datastore.size(record.path) is None:
            raise ArtifactMissingError(f"the file {source} is registered but gone; see `butler verify`")
        if os.path.lexists(target) and not overwrite:
            raise ArtifactExistsError(
                f"{target} is there already; allow overwriting, or choose another place"
            )
    for target, record in planned.items():
        datastore.send(record, target, mode)
    return list(planned)


def _kept(path: str) -> PurePosixPath:
    """Return a recorded path as one below another directory; of a URL, host and path."""
    kept = PurePosixPath(path.partition("://")[2] if is_outside(path) and "://" in path else path)
    return PurePosixPath(*(part for part in kept.parts if part not in ("/", "..")))
