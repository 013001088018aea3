"""Tables as ECSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from astropy.table import Table
from yaml import YAMLError

from ..errors import FileFormatError, StorageClassError
from .formatter import Formatter

__all__ = ["TableFormatter"]


class TableFormatter(Formatter):
    """An astropy table as ECSV: text that keeps units, types and metadata."""

    name: ClassVar[str] = "TableEcsv"
    extension: ClassVar[str] = ".ecsv"

    def write(self, obj: Any, path: Path) -> None:
        """Write a table."""
        if not isinstance(obj, Table):
            raise StorageClassError(f"cannot write a {type(obj).__name__} as a table")
        try:
            obj.write(path, format="ascii.ecsv", overwrite=True)
        except (ValueError, TypeError, YAMLError) as error:
            raise StorageClassError(f"cannot write this table as ECSV: {error}") from error

    def read_whole(self, path: Path) -> Table:
        """Read a table."""
        try:
            return Table.read(path, format="ascii.ecsv")
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise FileFormatError(f"{path} is not an ECSV table: {error}") from error
