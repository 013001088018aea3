"""Tables as ECSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from astropy.table import Table
from yaml import YAMLError

from ..errors import FileFormatError, StorageClassError
from ..tables import select_rows_and_columns, table_component, to_astropy
from .byte_source import ByteSource
from .formatter import Formatter, ReadRequest

__all__ = ["TableFormatter"]


class TableFormatter(Formatter):
    """A table as ECSV: text that keeps units, types and metadata."""

    name: ClassVar[str] = "TableEcsv"
    extension: ClassVar[str] = ".ecsv"

    def write(self, obj: Any, path: Path) -> None:
        """Write a table."""
        try:
            to_astropy(obj).write(path, format="ascii.ecsv", overwrite=True)
        except (ValueError, TypeError, YAMLError) as error:
            if isinstance(error, StorageClassError):
                raise
            raise StorageClassError(f"cannot write this table as ECSV: {error}") from error

    def read_whole(self, path: Path) -> Table:
        """Read a table."""
        try:
            return Table.read(path, format="ascii.ecsv")
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise FileFormatError(f"{path} is not an ECSV table: {error}") from error

    def read(self, source: ByteSource, request: ReadRequest) -> Any:
        """Read a table, or columns and rows of it, or what it says about them."""
        with source.read_locally() as path:
            table = self.read_whole(path)
        if request.component is not None:
            return table_component(table, request.component)
        return request.storage_class.coerce_type(select_rows_and_columns(table, request.parameters))
