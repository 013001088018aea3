"""HealSparse maps in their own FITS form."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ..errors import FileFormatError, StorageClassError
from .fits_file import broken_file
from .formatter import Formatter

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

        try:
            with broken_file(path):
                return healsparse.HealSparseMap.read(str(path))
        except RuntimeError as error:
            raise FileFormatError(f"{path} is not a HealSparse map: {error}") from error
