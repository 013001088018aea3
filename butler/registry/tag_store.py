"""TagStore: datasets that TAGGED collections refer to."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from ..datasets import DatasetRef
from ..dimensions import DataCoordinate
from ..errors import CollectionTypeError, ConflictingDefinitionError, DatasetNotFoundError
from .chunks import chunks
from .collections import CollectionInfo, CollectionType
from .database import Database
from .dataset_store import DatasetStore, RegisteredType
from .schema import Schema

__all__ = ["TagStore"]


class TagStore:
    """The rows by which TAGGED collections hold datasets that a RUN owns.

    Parameters
    ----------
    database, schema
        The registry's.
    datasets
        Its datasets.
    """

    def __init__(self, database: Database, schema: Schema, datasets: DatasetStore) -> None:
        self._db = database
        self._schema = schema
        self._datasets = datasets

    def associate(self, collection: CollectionInfo, refs: Iterable[DatasetRef]) -> None:
        """Put datasets into a TAGGED collection; those that are in it already stay.

        Raises
        ------
        CollectionTypeError
            Raised if the collection is not TAGGED.
        DatasetNotFoundError
            Raised if a dataset is not registered.
        ConflictingDefinitionError
            Raised if the collection holds, or would hold, another dataset of the same type and data ID.
        """
        _require_tagged(collection)
        with self._db.transaction():
            self._db.lock(f"members of {collection.id}")
            for registered, wanted in self.known(refs):
                tagged = self._datasets.held(registered, collection, list(wanted))
                fresh = []
                for values, number in wanted.items():
                    if values in tagged and tagged[values].number != number:
                        raise ConflictingDefinitionError(
                            f"collection {collection.name!r} holds another "
                            f"{_named(registered, values)}; disassociate that first"
                        )
                    if values not in tagged:
                        keys = zip(registered.type.dimensions.required, values, strict=True)
                        fresh.append({"dataset_id": number, **dict(keys)})
                both = {"dataset_type_id": registered.id, "collection_id": collection.id}
                if fresh:
                    self._db.execute(registered.tags.insert(), [{**both, **row} for row in fresh])

    def disassociate(self, collection: CollectionInfo, refs: Iterable[DatasetRef]) -> None:
        """Take datasets out of a TAGGED collection; those that are not in it are no error.

        Raises
        ------
        CollectionTypeError
            Raised if the collection is not TAGGED.
        """
        _require_tagged(collection)
        dataset = self._schema.dataset
        with self._db.transaction():
            for registered, members in self._by_type(refs):
                tags = registered.tags
                for chunk in chunks(members):
                    ids = [ref.id.bytes for ref in chunk]
                    numbers = sa.select(dataset.c.id).where(dataset.c.uuid.in_(ids))
                    self._db.execute(
                        tags.delete().where(
                            tags.c.collection_id == collection.id, tags.c.dataset_id.in_(numbers)
                        )
                    )

    def known(
        self, refs: Iterable[DatasetRef]
    ) -> Iterator[tuple[RegisteredType, dict[tuple[Any, ...], int]]]:
        """Yield, by dataset type, row numbers of datasets by the required values that the registry knows.

        Raises
        ------
        DatasetNotFoundError
            Raised if a dataset is not registered.
        ConflictingDefinitionError
            Raised if two datasets have the same type and data ID.
        """
        for registered, members in self._by_type(refs):
            wanted: dict[tuple[Any, ...], int] = {}
            for chunk in chunks(members):
                self._add_wanted(registered, chunk, wanted)
            yield registered, wanted

    def members(self, registered: RegisteredType, collection: CollectionInfo) -> list[DatasetRef]:
        """Return the datasets of a type that a RUN or TAGGED collection holds, by data ID."""
        tags, dataset, owner = registered.tags, self._schema.dataset, self._schema.collection
        dimensions = registered.type.dimensions
        keys: list[Any] = [tags.c[name] for name in dimensions.required]
        rows = self._db.query(
            sa.select(dataset.c.uuid, owner.c.name, *keys)
            .join_from(tags, dataset, tags.c.dataset_id == dataset.c.id)
            .join(owner, dataset.c.run_id == owner.c.id)
            .where(tags.c.dataset_type_id == registered.id, tags.c.collection_id == collection.id)
            .order_by(*keys)
        )
        return [
            DatasetRef(
                registered.type,
                DataCoordinate(dimensions, tuple(row[2:])),
                row.name,
                uuid.UUID(bytes=bytes(row.uuid)),
            )
            for row in rows
        ]

    def _by_type(self, refs: Iterable[DatasetRef]) -> Iterator[tuple[RegisteredType, Sequence[DatasetRef]]]:
        ordered = sorted(refs, key=lambda ref: ref.datasetType.name)
        for name, members in groupby(ordered, key=lambda ref: ref.datasetType.name):
            yield self._datasets.get_type(name), list(members)

    def _add_wanted(
        self,
        registered: RegisteredType,
        refs: Sequence[DatasetRef],
        wanted: dict[tuple[Any, ...], int],
    ) -> None:
        """Add row numbers by data ID, as the registry knows them, not as the refs say."""
        tags, dataset = registered.tags, self._schema.dataset
        keys = [tags.c[name] for name in registered.type.dimensions.required]
        rows = self._db.query(
            sa.select(dataset.c.uuid, tags.c.dataset_id, *keys)
            .join_from(dataset, tags, tags.c.dataset_id == dataset.c.id)
            .where(tags.c.collection_id == dataset.c.run_id)
            .where(tags.c.dataset_type_id == registered.id)
            .where(dataset.c.uuid.in_([ref.id.bytes for ref in refs]))
        )
        known = {bytes(row.uuid) for row in rows}
        for ref in refs:
            if ref.id.bytes not in known:
                raise DatasetNotFoundError(f"{ref} with the UUID {ref.id} is not registered here")
        for row in rows:
            if wanted.setdefault(tuple(row[2:]), row.dataset_id) != row.dataset_id:
                raise ConflictingDefinitionError(
                    f"two datasets are {_named(registered, tuple(row[2:]))}; a collection holds one of each"
                )


def _require_tagged(collection: CollectionInfo) -> None:
    if collection.type is not CollectionType.TAGGED:
        raise CollectionTypeError(
            f"collection {collection.name!r} is a {collection.type} collection; only TAGGED ones refer to "
            "datasets of others"
        )


def _named(registered: RegisteredType, values: tuple[Any, ...]) -> str:
    keys = zip(registered.type.dimensions.required, values, strict=True)
    return f"{registered.type.name} with data ID {dict(keys)}"
