"""File records: where the bytes of each dataset are."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from .database import Database
from .schema import Schema

__all__ = ["FileRecord", "FileRecordStore"]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A stored file.

    Parameters
    ----------
    path
        Relative to the root of the datastore, with ``./`` before it if the file was ingested where it lay;
        absolute or a URL if it is elsewhere.
    formatter
        Name of the formatter that reads it.
    size
        Bytes; -1 if nobody looked.
    checksum
        SHA-256 in hexadecimal digits; None if it was not computed.
    layout
        Where the pixel planes lie, as text; None if the file has none that can be read in place.
    """

    path: str
    formatter: str
    size: int
    checksum: str | None = None
    layout: str | None = None


class FileRecordStore:
    """The rows of stored files.

    Parameters
    ----------
    database, schema
        The registry's.
    """

    def __init__(self, database: Database, schema: Schema) -> None:
        self._db = database
        self._schema = schema

    def insert(self, records: Mapping[int, FileRecord]) -> None:
        """Insert the records of datasets, by row number of the dataset."""
        if not records:
            return
        with self._db.transaction():
            layouts = self._layout_numbers({r.layout for r in records.values() if r.layout is not None})
            rows = [
                {
                    "dataset_id": number,
                    "path": record.path,
                    "formatter": record.formatter,
                    "size": record.size,
                    "checksum": record.checksum,
                    "layout_id": None if record.layout is None else layouts[record.layout],
                }
                for number, record in records.items()
            ]
            self._db.execute(self._schema.file_record.insert(), rows)

    def get(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, FileRecord]:
        """Return the records of datasets that have one."""
        dataset = self._schema.dataset
        found: dict[uuid.UUID, FileRecord] = {}
        for start in range(0, len(ids), 500):
            chunk = [i.bytes for i in ids[start : start + 500]]
            rows = self._db.query(self._all().where(dataset.c.uuid.in_(chunk)))
            found |= {uuid.UUID(bytes=bytes(row.uuid)): _record(row) for row in rows}
        return found

    def remove(self, ids: Sequence[uuid.UUID]) -> None:
        """Remove the records of datasets; ones that have none are no error."""
        table, dataset = self._schema.file_record, self._schema.dataset
        with self._db.transaction():
            for start in range(0, len(ids), 500):
                chunk = [i.bytes for i in ids[start : start + 500]]
                numbers = sa.select(dataset.c.id).where(dataset.c.uuid.in_(chunk))
                self._db.execute(table.delete().where(table.c.dataset_id.in_(numbers)))

    def paths_in_use(self, paths: Sequence[str]) -> set[str]:
        """Return those of some paths that a record names."""
        column = self._schema.file_record.c.path
        found: set[str] = set()
        for start in range(0, len(paths), 500):
            rows = self._db.query(sa.select(column).where(column.in_(paths[start : start + 500])))
            found |= {str(row.path) for row in rows}
        return found

    def all(self) -> dict[uuid.UUID, FileRecord]:
        """Return all records."""
        return {uuid.UUID(bytes=bytes(row.uuid)): _record(row) for row in self._db.query(self._all())}

    def _all(self) -> sa.Select[tuple[object, ...]]:
        table, layout, dataset = self._schema.file_record, self._schema.file_layout, self._schema.dataset
        return (
            sa.select(
                dataset.c.uuid,
                table.c.path,
                table.c.formatter,
                table.c.size,
                table.c.checksum,
                layout.c.definition,
            )
            .join_from(dataset, table, table.c.dataset_id == dataset.c.id)
            .outerjoin(layout, table.c.layout_id == layout.c.id)
        )

    def _layout_numbers(self, layouts: set[str]) -> dict[str, int]:
        """Return the numbers of layouts; most files share one, so each text is kept once."""
        table = self._schema.file_layout
        statement = sa.select(table.c.definition, table.c.id).where(table.c.definition.in_(layouts))
        known = {row.definition: int(row.id) for row in self._db.query(statement)}
        fresh = sorted(layouts - known.keys())
        if fresh:
            self._db.execute(table.insert(), [{"definition": text} for text in fresh])
            known = {row.definition: int(row.id) for row in self._db.query(statement)}
        return known


def _record(row: sa.Row[tuple[object, ...]]) -> FileRecord:
    values = row._mapping
    return FileRecord(
        str(values["path"]),
        str(values["formatter"]),
        int(values["size"]),
        values["checksum"],
        values["definition"],
    )
