"""CollectionSummaries: which dataset types a collection holds, from the indexes of the tag tables."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from ..dimensions import UNIVERSE
from .database import Database
from .schema import Schema

__all__ = ["CollectionSummaries"]


class CollectionSummaries:
    """What collections hold, asked of the tables rather than kept beside them.

    Parameters
    ----------
    database, schema
        The registry's.
    """

    def __init__(self, database: Database, schema: Schema) -> None:
        self._db = database
        self._schema = schema

    def tag_tables(self) -> dict[int, sa.Table]:
        """Return all tables that say which dataset a collection holds, by number."""
        rows = self._db.query(sa.select(self._schema.tag_group))
        return {row.id: self._schema.tags(row.id, UNIVERSE.conform(row.dimensions.split())) for row in rows}

    def calib_tables(self) -> dict[int, sa.Table]:
        """Return all tables that say when a dataset is valid in a collection, by number."""
        types, groups = self._schema.dataset_type, self._schema.tag_group
        calibrations = sa.select(types.c.tag_group_id).where(types.c.is_calibration)
        rows = self._db.query(sa.select(groups).where(groups.c.id.in_(calibrations)))
        return {row.id: self._schema.calibs(row.id, UNIVERSE.conform(row.dimensions.split())) for row in rows}

    def member_tables(self) -> list[sa.Table]:
        """Return all tables that name datasets of collections."""
        return [*self.tag_tables().values(), *self.calib_tables().values()]

    def dataset_types(self, collections: Collection[int]) -> dict[int, list[str]]:
        """Return the names of the dataset types that each collection, but no chain, holds, sorted.

        Parameters
        ----------
        collections
            Numbers of the collections.
        """
        types, collection = self._schema.dataset_type, self._schema.collection
        # One look into the primary key for each pair, however many datasets there are.
        held = [
            sa.select(collection.c.id, types.c.name)
            .join_from(types, collection, sa.true())
            .where(
                types.c.tag_group_id == number,
                collection.c.id.in_(collections),
                sa.exists().where(
                    tags.c.dataset_type_id == types.c.id, tags.c.collection_id == collection.c.id
                ),
            )
            for tables in (self.tag_tables(), self.calib_tables())
            for number, tags in tables.items()
        ]
        found: dict[int, list[str]] = {number: [] for number in collections}
        if held:
            for row in sorted(self._db.query(sa.union_all(*held)), key=lambda row: str(row.name)):
                found[row.id].append(row.name)
        return found
