"""HealSparse maps in their own FITS form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from ..errors import FileFormatError, StorageClassError
from .byte_source import ByteSource
from .fits_file import broken_file
from .formatter import Formatter, ReadRequest

__all__ = ["HealSparseFormatter"]


class HealSparseFormatter(Formatter):
    """A HealSparse map as its library writes it."""

    name: ClassVar[str] = "HealSparse"
    extension: ClassVar[str] = ".hs"

    def write(self, obj: Any, path: Path) -> None:
        """Write a map."""
        import healsparse

        if not isinstance(obj, healsparse.HealSparseMap):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as a HealSparseMap")
        obj.write(str(path), clobber=True)

    def read_whole(self, path: Path) -> Any:
        """Read a map."""
        import healsparse

        with _readable(path):
            return healsparse.HealSparseMap.read(str(path))

    def read(self, source: ByteSource, request: ReadRequest) -> Any:
        """Read a map, or only some of its coverage pixels, at a lower resolution, or what it covers.

        ``pixels`` are numbers of coverage pixels, ``degrade_nside`` the resolution to which the map is
        brought while it is read.
        """
        import healsparse

        with source.read_locally() as path, _readable(path):
            if request.component == "coverage":
                return healsparse.HealSparseCoverage.read(str(path))
            wanted = {key: value for key, value in request.parameters.items() if value is not None}
            return healsparse.HealSparseMap.read(str(path), **wanted)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        with broken_file(path):
            yield
    except RuntimeError as error:
        raise FileFormatError(f"{path} is not a HealSparse map: {error}") from error
