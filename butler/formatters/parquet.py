"""Tables as parquet: only the columns and rows that are asked for are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from ..errors import FileFormatError, StorageClassError
from ..tables import require_pyarrow, to_arrow
from ..tables.parts import alternatives, column_names
from .byte_source import ByteSource, LocalFile
from .formatter import Formatter, ReadRequest

__all__ = ["ParquetFormatter"]


class ParquetFormatter(Formatter):
    """A table of any kind; what is read is of the kind that the storage class says."""

    name: ClassVar[str] = "Parquet"
    extension: ClassVar[str] = ".parq"

    def write(self, obj: Any, path: Path) -> None:
        """Write a table."""
        pa = require_pyarrow()
        try:
            pa.parquet.write_table(to_arrow(obj), path)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise StorageClassError(f"cannot write this table as parquet: {error}") from error

    def read_whole(self, path: Path) -> Any:
        """Read an arrow table."""
        with _opened(LocalFile(path)) as file:
            return _selected(file, {})

    def read(self, source: ByteSource, request: ReadRequest) -> Any:
        """Read columns and rows, or only what the file says about them."""
        if request.component is not None:
            return self._component(source, request.component)
        with _opened(source) as file:
            return request.storage_class.coerce_type(_selected(file, request.parameters))

    def _component(self, source: ByteSource, component: str) -> Any:
        with _opened(source) as file:
            match component:
                case "rowcount":
                    return file.metadata.num_rows
                case "columns":
                    return list(file.schema_arrow.names)
                case _:
                    return file.schema_arrow


@contextmanager
def _opened(source: ByteSource) -> Iterator[Any]:
    """Open a parquet file over a source; what breaks it becomes a FileFormatError that names it."""
    pa = require_pyarrow()
    with source.open() as stream:
        try:
            yield pa.parquet.ParquetFile(stream, pre_buffer=False)
        except FileFormatError as error:
            raise FileFormatError(f"{source}: {error}") from error
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            # An OSError with a number is the system's: the file is gone, or may not be read.
            if getattr(error, "errno", None) is not None:
                raise
            reason = " ".join(str(error).split())
            raise FileFormatError(f"{source} is not a parquet table: {reason}") from error


def _selected(file: Any, parameters: Mapping[str, Any]) -> Any:
    """Return the columns and rows that read parameters ask for as an arrow table."""
    names = file.schema_arrow.names
    columns, filters = parameters.get("columns"), parameters.get("filters")
    wanted = None if columns is None else column_names(columns, names)
    if filters is None:
        return file.read(columns=wanted)
    conditions = alternatives(filters, names)
    needed = {name for together in conditions for name, _, _ in together}
    read = None if wanted is None else [*wanted, *sorted(needed - set(wanted))]
    table = file.read(columns=read).filter(require_pyarrow().parquet.filters_to_expression(conditions))
    return table if wanted is None else table.select(wanted)
