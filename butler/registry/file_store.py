"""File records: where the bytes of each dataset are."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from ..errors import DatasetNotFoundError
from .chunks import chunks
from .database import Database
from .memory import Memory
from .prepared import insert_by_uuid
from .schema import Schema

__all__ = ["FileRecord", "FileRecordStore", "file_columns", "file_record", "join_files"]

_MANY_PATHS: Final = 10_000
"""Paths of one question; SQLite and PostgreSQL take three and six times as many values."""

_Format = tuple[str, str | None]
"""Formatter and layout."""


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
    database, schema, memory
        The registry's.
    """

    def __init__(self, database: Database, schema: Schema, memory: Memory) -> None:
        self._db = database
        self._memory = memory
        self._schema = schema
        dataset, files = schema.dataset, schema.file_record
        joined = join_files(schema, dataset, outer=False)
        self._one = database.prepare(
            sa.select(*file_columns(schema))
            .select_from(joined)
            .where(dataset.c.uuid == sa.bindparam("uuid")),
            ["uuid"],
        )
        names = ["path", "path_key", "size", "checksum", "format_id"]
        self._insert = database.prepare(*insert_by_uuid(files, names, "dataset_id", dataset))

    def insert(self, records: Mapping[uuid.UUID, FileRecord]) -> None:
        """Insert the records of datasets; a transaction that is open is not to be kept if that fails.

        Raises
        ------
        DatasetNotFoundError
            Raised if one of them is not registered.
        """
        if not records:
            return
        with self._db.joined():
            formats = self._format_numbers({(r.formatter, r.layout) for r in records.values()})
            n_inserted = self._db.run_many(
                self._insert,
                [
                    (
                        record.path,
                        _path_key(record.path),
                        record.size,
                        None if record.checksum is None else bytes.fromhex(record.checksum),
                        formats[record.formatter, record.layout],
                        dataset_id.bytes,
                    )
                    for dataset_id, record in records.items()
                ],
            )
            if n_inserted < len(records):
                raise DatasetNotFoundError(f"{len(records) - n_inserted} of the datasets are not registered")

    def get_one(self, dataset_id: uuid.UUID) -> FileRecord | None:
        """Return the record of a dataset, None if it has none."""
        rows = self._db.run(self._one, (dataset_id.bytes,))
        return file_record(rows[0]) if rows else None

    def get(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, FileRecord]:
        """Return the records of datasets that have one."""
        dataset = self._schema.dataset
        found: dict[uuid.UUID, FileRecord] = {}
        for chunk in chunks(ids):
            found |= self._records(self._all().where(dataset.c.uuid.in_([i.bytes for i in chunk])))
        return found

    def remove(self, ids: Sequence[uuid.UUID]) -> None:
        """Remove the records of datasets; ones that have none are no error."""
        table, dataset = self._schema.file_record, self._schema.dataset
        with self._db.transaction():
            for chunk in chunks(ids):
                numbers = sa.select(dataset.c.id).where(dataset.c.uuid.in_([i.bytes for i in chunk]))
                self._db.execute(table.delete().where(table.c.dataset_id.in_(numbers)))

    def taken(self, paths: Sequence[str]) -> set[str]:
        """Return those of some paths that a record names."""
        table = self._schema.file_record
        found: set[str] = set()
        for chunk in chunks(paths):
            keys = [_path_key(path) for path in chunk]
            rows = self._db.query(sa.select(table.c.path).where(table.c.path_key.in_(keys)))
            found |= {str(row.path) for row in rows}
        return found.intersection(paths)

    def sizes_at(self, paths: Sequence[str], dataset_type_id: int, run_id: int) -> dict[str, set[int]]:
        """Return the recorded sizes of files, by path, that datasets of one type in a run have.

        Parameters
        ----------
        paths
            As `FileRecord` has them; ones that no dataset has are left out.
        dataset_type_id, run_id
            Numbers of the type and of the run.
        """
        dataset, files = self._schema.dataset, self._schema.file_record
        found: dict[str, set[int]] = {}
        # Each statement looks at all files outside the datastore: they share a key.
        for chunk in chunks(paths, _MANY_PATHS):
            statement = (
                sa.select(files.c.path, files.c.size)
                .join_from(dataset, files, files.c.dataset_id == dataset.c.id)
                .where(dataset.c.run_id == run_id, dataset.c.dataset_type_id == dataset_type_id)
                .where(files.c.path_key.in_({_path_key(path) for path in chunk}), files.c.path.in_(chunk))
            )
            for row in self._db.query(statement):
                found.setdefault(str(row.path), set()).add(int(row.size))
        return found

    def all(self) -> dict[uuid.UUID, FileRecord]:
        """Return all records."""
        return self._records(self._all())

    def totals(self) -> dict[int, tuple[int, int]]:
        """Return the number of datasets with a file and their bytes, by the number of the run.

        A file that nobody looked at counts as a file, but adds no bytes.
        """
        table, dataset = self._schema.file_record, self._schema.dataset
        known = sa.case((table.c.size > 0, table.c.size), else_=0)
        statement = (
            sa.select(dataset.c.run_id, sa.func.count().label("n"), sa.func.sum(known).label("bytes"))
            .join_from(dataset, table, table.c.dataset_id == dataset.c.id)
            .group_by(dataset.c.run_id)
        )
        return {int(row.run_id): (int(row.n), int(row.bytes)) for row in self._db.query(statement)}

    def _all(self) -> sa.Select[Any]:
        joined = join_files(self._schema, self._schema.dataset, outer=False)
        return sa.select(*file_columns(self._schema), self._schema.dataset.c.uuid).select_from(joined)

    def _records(self, statement: sa.Select[Any]) -> dict[uuid.UUID, FileRecord]:
        return {uuid.UUID(bytes=bytes(row[-1])): file_record(row) for row in self._db.query(statement)}

    def _format_numbers(self, formats: set[_Format]) -> dict[_Format, int]:
        """Return the numbers of formatters with layouts; most files share one, so each is kept once."""
        answers = self._memory.answers()
        known = {pair: answers[pair] for pair in formats if pair in answers}
        if len(known) < len(formats):
            known |= self._read_formats(formats)
        if missing := formats - known.keys():
            # All writers in the same order, so that none waits for one that waits for it.
            rows = sorted((_format_digest(pair), *pair) for pair in missing)
            names = ("digest", "formatter", "layout")
            self._db.insert_missing(
                self._schema.file_format, [dict(zip(names, row, strict=True)) for row in rows], "digest"
            )
            known |= self._read_formats(missing)
        answers.update(known)
        return known

    def _read_formats(self, formats: Iterable[_Format]) -> dict[_Format, int]:
        table = self._schema.file_format
        digests = {_format_digest(pair): pair for pair in formats}
        rows = self._db.query(sa.select(table.c.digest, table.c.id).where(table.c.digest.in_(list(digests))))
        return {digests[bytes(row.digest)]: int(row.id) for row in rows}


def file_columns(schema: Schema) -> list[sa.ColumnElement[Any]]:
    """Return what to select of `join_files`, for `file_record`."""
    files, formats = schema.file_record, schema.file_format
    return [files.c.path, formats.c.formatter, files.c.size, files.c.checksum, formats.c.layout]


def join_files(schema: Schema, datasets: sa.FromClause, *, outer: bool = True) -> sa.Join:
    """Return datasets with their files, those without too if `outer`."""
    files, formats = schema.file_record, schema.file_format
    joined = datasets.join(files, schema.dataset.c.id == files.c.dataset_id, isouter=outer)
    return joined.join(formats, files.c.format_id == formats.c.id, isouter=outer)


def file_record(row: Sequence[Any]) -> FileRecord:
    """Return the record whose columns come first in a row."""
    path, formatter, size, checksum, layout = row[:5]
    return FileRecord(path, formatter, size, None if checksum is None else bytes(checksum).hex(), layout)


def _path_key(path: str) -> int:
    """Return 64 bits of a path: an index of these is a tenth of one of paths.

    A file outside the datastore is not the datastore's to remove, so that nobody asks who else has it; all
    of these share one key, which takes no room.
    """
    if path.startswith("/") or "://" in path:
        return 0
    digest = hashlib.blake2b(path.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _format_digest(pair: _Format) -> bytes:
    formatter, layout = pair
    return hashlib.sha256(f"{formatter}\n{layout or ''}".encode()).digest()
