"""RemoteResource: where a stored file is, if that is no local path."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ..registry import FileRecord
from .file_datastore import UNKNOWN_SIZE, FileDatastore
from .paths import is_url

__all__ = ["RemoteResource", "as_resource"]


@dataclass(frozen=True, slots=True, order=True)
class RemoteResource:
    """The URL of a stored file, with what a script asks of a path.

    Parameters
    ----------
    url
        For example ``s3://bucket/prefix/run/x.fits``.
    path
        The recorded path.
    datastore
        What reaches it.
    """

    url: str
    path: str = field(compare=False, repr=False)
    datastore: FileDatastore = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """Last part of the path."""
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        """Extension, with its dot."""
        return PurePosixPath(self.path).suffix

    def exists(self) -> bool:
        """Tell whether the file is there."""
        return self.datastore.size(self.path) is not None

    def read_bytes(self) -> bytes:
        """Return the whole file.

        Raises
        ------
        OSError
            Raised if it is gone, or cannot be read.
        """
        source = self.datastore.source(FileRecord(self.path, "", UNKNOWN_SIZE))
        size = source.size()
        return bytes(source.read_ranges([(0, size)])[0]) if size else b""

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the file.

        Raises
        ------
        FileNotFoundError
            Raised if it is not there, unless that is all right.
        """
        if not missing_ok and not self.exists():
            raise FileNotFoundError(f"no file {self.url}")
        self.datastore.remove(FileRecord(self.path, "", UNKNOWN_SIZE))


def as_resource(datastore: FileDatastore, path: str) -> Path | RemoteResource:
    """Return where the file of a recorded path is.

    Raises
    ------
    TemplateError
        Raised if a relative path would leave the root.
    """
    place = datastore.locate(path)
    return RemoteResource(place, path, datastore) if is_url(place) else Path(place)
