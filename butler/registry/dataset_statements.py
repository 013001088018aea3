"""DatasetStatements: the statements by which datasets are inserted and looked up, compiled once each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from .database import Database
from .file_store import file_columns, join_files
from .prepared import Prepared, insert_by_uuid
from .schema import Schema

__all__ = ["MANY", "DatasetStatements"]

MANY: Final = 64
"""Number of data IDs that `DatasetStatements.held` looks up at once, if not one."""


class DatasetStatements:
    """Prepared statements over `dataset` and the tag tables; all dataset types of a tag table share them.

    Parameters
    ----------
    database, schema
        The registry's.
    """

    def __init__(self, database: Database, schema: Schema) -> None:
        self._db = database
        self._schema = schema
        self._known: dict[tuple[str, sa.Table, int], Prepared] = {}
        table = schema.dataset
        names = ["uuid", "dataset_type_id", "run_id", "ingest_date"]
        self.insert: Final = database.prepare(
            table.insert().values({name: sa.bindparam(name) for name in names}), names
        )
        """Inserts a dataset: UUID, dataset type, run, time."""
        self.number: Final = database.prepare(
            sa.select(table.c.id).where(table.c.uuid == sa.bindparam("uuid")), ["uuid"]
        )
        """Returns the row number of a UUID."""

    def tag(self, tags: sa.Table) -> Prepared:
        """Put a dataset into a collection: dataset type, collection, required values, UUID."""
        return self._get("tag", tags, 0, lambda: self._make_tag(tags))

    def held(self, tags: sa.Table, n_keys: int) -> Prepared:
        """Return row number, UUID and key of what a collection holds: dataset type, collection, keys."""
        return self._get("held", tags, n_keys, lambda: self._make_held(tags, n_keys))

    def find(self, tags: sa.Table, n_collections: int) -> Prepared:
        """Return collection, UUID, run and file of a data ID: dataset type, collections, required values."""
        return self._get("find", tags, n_collections, lambda: self._make_find(tags, n_collections))

    def _get(self, purpose: str, tags: sa.Table, n: int, make: Callable[[], Prepared]) -> Prepared:
        known = self._known.get((purpose, tags, n))
        if known is None:
            known = self._known[purpose, tags, n] = make()
        return known

    def _make_tag(self, tags: sa.Table) -> Prepared:
        names = ["dataset_type_id", "collection_id", *_required(tags)]
        return self._db.prepare(*insert_by_uuid(tags, names, "dataset_id", self._schema.dataset))

    def _make_held(self, tags: sa.Table, n_keys: int) -> Prepared:
        dataset, required = self._schema.dataset, _required(tags)
        columns: list[Any] = [dataset.c.id, dataset.c.uuid, *[tags.c[name] for name in required]]
        statement = (
            sa.select(*columns)
            .join_from(tags, dataset, tags.c.dataset_id == dataset.c.id)
            .where(tags.c.dataset_type_id == sa.bindparam("type"))
            .where(tags.c.collection_id == sa.bindparam("collection"))
        )
        names = [[f"{name}_{i}" for name in required] for i in range(n_keys)]
        if required:
            # A joined list is looked up in the primary key row by row; "(a, b) IN (...)" is not.
            asked = [
                sa.select(
                    *[
                        sa.bindparam(b, type_=tags.c[n].type).label(n)
                        for n, b in zip(required, row, strict=True)
                    ]
                )
                for row in names
            ]
            wanted = sa.union_all(*asked).subquery("wanted")
            statement = statement.join(wanted, sa.and_(*[tags.c[n] == wanted.c[n] for n in required]))
        return self._db.prepare(statement, ["type", "collection", *(name for row in names for name in row)])

    def _make_find(self, tags: sa.Table, n_collections: int) -> Prepared:
        dataset, owner, required = self._schema.dataset, self._schema.collection, _required(tags)
        numbers = [f"collection_{i}" for i in range(n_collections)]
        columns: list[Any] = [tags.c.collection_id, dataset.c.uuid, owner.c.name]
        joined = tags.join(dataset, tags.c.dataset_id == dataset.c.id)
        joined = joined.join(owner, dataset.c.run_id == owner.c.id)
        statement = (
            sa.select(*columns, *file_columns(self._schema))
            .select_from(join_files(self._schema, joined))
            .where(tags.c.dataset_type_id == sa.bindparam("type"))
            .where(tags.c.collection_id.in_([sa.bindparam(n, type_=sa.BigInteger) for n in numbers]))
            .where(*[tags.c[name] == sa.bindparam(f"key_{name}") for name in required])
        )
        return self._db.prepare(statement, ["type", *numbers, *(f"key_{name}" for name in required)])


def _required(tags: sa.Table) -> Sequence[str]:
    """Return the required dimensions of a tag table."""
    return [c.name for c in tags.c if c.name not in ("dataset_type_id", "collection_id", "dataset_id")]
