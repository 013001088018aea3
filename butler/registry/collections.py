"""Collections: RUNs own datasets, TAGGED ones refer to them, CHAINs search others in order."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from ..datasets import DatasetType
from ..errors import (
    CollectionCycleError,
    CollectionError,
    CollectionTypeError,
    MissingCollectionError,
    OrphanedRecordError,
    RepositoryCorruptionError,
    did_you_mean,
)
from .database import Database
from .memory import MARK, Memory
from .schema import Schema
from .summaries import CollectionSummaries

__all__ = ["CollectionInfo", "CollectionStore", "CollectionType"]


class CollectionType(StrEnum):
    """Kinds of collections."""

    RUN = "RUN"
    """Owns datasets; each dataset belongs to one."""
    TAGGED = "TAGGED"
    """Refers to datasets of RUNs, one of each type and data ID."""
    CHAINED = "CHAINED"
    """Searches other collections in order."""
    CALIBRATION = "CALIBRATION"
    """Refers to datasets of RUNs, each for a range of times."""

    @classmethod
    def all(cls) -> frozenset[CollectionType]:
        """Return all kinds."""
        return frozenset(cls)


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection.

    Parameters
    ----------
    id
        Number in this registry.
    name
        Name.
    type
        Kind.
    doc
        What it is for.
    children
        Names in search order, of a chain.
    parents
        Chains that it is a direct child of; None if not asked for.
    dataset_types
        Names of the dataset types that it, or its children, hold; None if not asked for.
    """

    id: int
    name: str
    type: CollectionType
    doc: str
    children: tuple[str, ...] = ()
    parents: tuple[str, ...] | None = None
    dataset_types: tuple[str, ...] | None = None


class CollectionStore:
    """Makes, finds and removes collections.

    Parameters
    ----------
    database, schema, memory
        The registry's.

    Attributes
    ----------
    defaults
        Collections that are searched where a call names none.
    """

    defaults: tuple[str, ...] = ()

    def __init__(self, database: Database, schema: Schema, memory: Memory) -> None:
        self._db = database
        self._schema = schema
        self._memory = memory
        self._summaries = CollectionSummaries(database, schema)

    def register(self, name: str, type: CollectionType = CollectionType.RUN, doc: str | None = None) -> bool:
        """Make a collection unless it exists.

        Parameters
        ----------
        name
            Letters, digits and ``_-+.:@/``, in parts separated by ``/``.
        type
            Kind.
        doc
            What it is for.

        Returns
        -------
        new
            Whether it was made.

        Raises
        ------
        CollectionError
            Raised for an impossible name.
        CollectionTypeError
            Raised if the name belongs to a collection of another type.
        """
        parts = name.split("/")
        if not re.fullmatch(r"[\w\-+.:@/]{1,250}", name, re.ASCII) or any(
            p in ("", ".", "..") for p in parts
        ):
            raise CollectionError(
                f"a collection is named with letters, digits and _-+.:@ in parts separated by /, not {name!r}"
            )
        if self._is_registered(name, type):
            return False
        row = {"name": name, "type": type.value, "doc": doc or ""}
        with self._db.transaction():
            if self._db.insert_missing(self._schema.collection, [row], "name"):
                return True
            # Another process was faster.
            return not self._is_registered(name, type)

    def _is_registered(self, name: str, type: CollectionType) -> bool:
        existing = self._known(name)
        if existing is not None and existing.type is not type:
            raise CollectionTypeError(f"collection {name!r} exists as {existing.type}, not {type}")
        return existing is not None

    def _known(self, name: str) -> CollectionInfo | None:
        """Return a collection by name, None if there is none."""
        return self._memory.recall(("collection", name), lambda: next(iter(self._find([name])), None))

    def get_info(
        self, name: str, include_parents: bool = False, include_summary: bool = False
    ) -> CollectionInfo:
        """Return a collection by name.

        Parameters
        ----------
        name
            Name.
        include_parents, include_summary
            Whether to tell its chains, and the dataset types that it holds.

        Raises
        ------
        MissingCollectionError
            Raised if there is none, with the nearest name.
        """
        found = self._known(name)
        if found is None:
            names = [info.name for info in self._find(None)]
            hint = did_you_mean(name, names) or "; there are none yet"
            raise MissingCollectionError(f"no collection {name!r}{hint}")
        if include_parents:
            found = replace(found, parents=tuple(self.parents(name)))
        return self._with_summaries([found])[0] if include_summary else found

    def query(
        self,
        expression: str | Iterable[str] = "*",
        collection_types: CollectionType | Iterable[CollectionType] | None = None,
        flatten_chains: bool = False,
        include_chains: bool | None = None,
    ) -> list[str]:
        """Return names of collections.

        Parameters
        ----------
        expression
            Name or glob, or several; a missing name is an error, a glob without match is not.
        collection_types
            Kinds to keep; all if None.
        flatten_chains
            Whether the children of a chain follow it, or take its place.
        include_chains
            Whether chains themselves are told; by default if they are not flattened.

        Raises
        ------
        MissingCollectionError
            Raised for a missing name.
        """
        infos = self._selected(expression, collection_types, flatten_chains, include_chains)
        return [info.name for info in infos]

    def query_info(
        self,
        expression: str | Iterable[str] = "*",
        collection_types: CollectionType | Iterable[CollectionType] | None = None,
        flatten_chains: bool = False,
        include_chains: bool | None = None,
        *,
        include_parents: bool = False,
        include_summary: bool = False,
        include_doc: bool = False,
        summary_datasets: Iterable[str | DatasetType] | None = None,
    ) -> list[CollectionInfo]:
        """Return the collections that match a name, a glob or several.

        Parameters
        ----------
        expression, collection_types, flatten_chains, include_chains
            As for `query`.
        include_parents
            Whether to tell the chains that each is a direct child of.
        include_summary
            Whether to tell which dataset types each holds.
        include_doc
            For LSST's callers: what a collection is for is always told.
        summary_datasets
            The only dataset types to tell of.

        Raises
        ------
        MissingCollectionError
            Raised for a missing name.
        """
        infos = self._selected(expression, collection_types, flatten_chains, include_chains)
        if include_parents:
            parents = self._parents()
            infos = [replace(info, parents=tuple(parents.get(info.name, ()))) for info in infos]
        if include_summary:
            infos = self._with_summaries(infos)
        if include_summary and summary_datasets is not None:
            told = {kind if isinstance(kind, str) else kind.name for kind in summary_datasets}
            infos = [
                replace(info, dataset_types=tuple(t for t in info.dataset_types or () if t in told))
                for info in infos
            ]
        return infos

    def _selected(
        self,
        expression: str | Iterable[str],
        collection_types: CollectionType | Iterable[CollectionType] | None,
        flatten_chains: bool,
        include_chains: bool | None,
    ) -> list[CollectionInfo]:
        wanted = _as_types(collection_types)
        if not (flatten_chains is False if include_chains is None else include_chains):
            wanted.discard(CollectionType.CHAINED)
        infos = self._matching(expression)
        if flatten_chains:
            infos = self._with_children(infos)
        return [info for info in infos if info.type in wanted]

    def _with_children(self, infos: Sequence[CollectionInfo]) -> list[CollectionInfo]:
        """Return collections, each chain with its children behind it, all at their first occurrence."""
        found: dict[str, CollectionInfo] = {}
        waiting = list(infos)[::-1]
        while waiting:
            info = waiting.pop()
            if info.name not in found:
                found[info.name] = info
                waiting += [self.get_info(child) for child in reversed(info.children)]
        return list(found.values())

    def _matching(self, expression: str | Iterable[str]) -> list[CollectionInfo]:
        patterns = [expression] if isinstance(expression, str) else list(expression)
        found: dict[str, CollectionInfo] = {}
        for pattern in patterns:
            if re.search(r"[*?\[]", pattern):
                for info in self._every():
                    if fnmatch.fnmatchcase(info.name, pattern):
                        found.setdefault(info.name, info)
            else:
                info = self.get_info(pattern)
                found.setdefault(info.name, info)
        return list(found.values())

    def _every(self) -> list[CollectionInfo]:
        """Return all collections; each is then known by its name, too."""
        mark = self._memory.answers().get(MARK)
        found = self._find(None)
        self._memory.keep({("collection", info.name): info for info in found}, mark)
        return found

    def _parents(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for chain in self._find(None):
            for child in chain.children:
                found.setdefault(child, []).append(chain.name)
        return found

    def _with_summaries(self, infos: Sequence[CollectionInfo]) -> list[CollectionInfo]:
        members = {info.name: [member.id for member in self.flatten([info.name])] for info in infos}
        held = self._summaries.dataset_types({number for ids in members.values() for number in ids})
        return [
            replace(info, dataset_types=tuple(sorted({t for n in members[info.name] for t in held[n]})))
            for info in infos
        ]

    def flatten(self, names: Iterable[str]) -> list[CollectionInfo]:
        """Return the RUN and TAGGED collections of a path, depth first, each at its first occurrence.

        Raises
        ------
        MissingCollectionError
            Raised for a missing name.
        """
        path = tuple(names)
        return list(self._memory.recall(("path", *path), lambda: self._flattened(path)) or ())

    def _flattened(self, names: Sequence[str]) -> tuple[CollectionInfo, ...]:
        flat: dict[str, CollectionInfo] = {}
        waiting = [self.get_info(name) for name in names][::-1]
        while waiting:
            info = waiting.pop()
            if info.type is CollectionType.CHAINED:
                waiting += [self.get_info(child) for child in reversed(info.children)]
            else:
                flat.setdefault(info.name, info)
        return tuple(flat.values())

    def redefine_chain(
        self, parent_collection_name: str, child_collection_names: str | Iterable[str]
    ) -> None:
        """Replace the children of a chain; duplicates collapse to the first.

        Raises
        ------
        CollectionTypeError
            Raised if the parent is no chain.
        MissingCollectionError
            Raised for a missing collection.
        CollectionCycleError
            Raised if the chain would contain itself.
        """
        names = _names(child_collection_names)
        with self._editing():
            self._write_chain(self.get_info(parent_collection_name), dict.fromkeys(names))

    def prepend_chain(self, parent_collection_name: str, child_collection_names: str | Iterable[str]) -> None:
        """Put children first; one that is there already is moved. Raises as `redefine_chain`."""
        names = _names(child_collection_names)
        with self._editing():
            info = self.get_info(parent_collection_name)
            self._write_chain(info, dict.fromkeys([*names, *info.children]))

    def extend_chain(self, parent_collection_name: str, child_collection_names: str | Iterable[str]) -> None:
        """Put children last; one that is there already is moved. Raises as `redefine_chain`."""
        names = _names(child_collection_names)
        with self._editing():
            info = self.get_info(parent_collection_name)
            self._write_chain(info, dict.fromkeys([*(c for c in info.children if c not in names), *names]))

    def remove_from_chain(
        self, parent_collection_name: str, child_collection_names: str | Iterable[str]
    ) -> None:
        """Take children out of a chain; one that is not in it is no error. Raises as `redefine_chain`."""
        names = _names(child_collection_names)
        with self._editing():
            for name in names:
                self.get_info(name)
            info = self.get_info(parent_collection_name)
            self._write_chain(info, dict.fromkeys(c for c in info.children if c not in names))

    def remove(self, name: str) -> None:
        """Remove an empty RUN, a chain, or a collection that refers to datasets; these stay.

        Raises
        ------
        MissingCollectionError
            Raised if it does not exist.
        OrphanedRecordError
            Raised if it holds datasets or is part of a chain.
        """
        table = self._schema.collection
        dataset = self._schema.dataset
        with self._editing():
            info = self.get_info(name)
            parents = self.parents(name)
            if parents:
                raise OrphanedRecordError(
                    f"collection {name!r} is part of {', '.join(parents)}; take it out first"
                )
            if self._db.query(sa.select(dataset.c.id).where(dataset.c.run_id == info.id).limit(1)):
                raise OrphanedRecordError(f"run {name!r} holds datasets; use removeRuns")
            for tags in self._summaries.member_tables():
                self._db.execute(tags.delete().where(tags.c.collection_id == info.id))
            self._db.execute(table.delete().where(table.c.id == info.id))
            self._memory.changed()

    x_remove = remove
    """LSST's name, which its scripts have."""

    def parents(self, name: str) -> list[str]:
        """Return the chains that a collection is a direct child of."""
        return self._parents().get(name, [])

    def set_doc(self, name: str, doc: str) -> None:
        """Say what a collection is for; an empty text removes what was said.

        Raises
        ------
        MissingCollectionError
            Raised if it does not exist.
        """
        table = self._schema.collection
        with self._db.transaction():
            info = self.get_info(name)
            self._db.execute(table.update().where(table.c.id == info.id).values(doc=doc))
            self._memory.changed()

    @contextmanager
    def _editing(self) -> Iterator[None]:
        """Run a block in a transaction while no other process edits chains or removes collections."""
        with self._db.transaction():
            self._db.lock("chains")
            yield

    def _write_chain(self, parent: CollectionInfo, children: Iterable[str]) -> None:
        if parent.type is not CollectionType.CHAINED:
            raise CollectionTypeError(
                f"collection {parent.name!r} is a {parent.type}, not a CHAINED collection"
            )
        infos = [self.get_info(name) for name in children]
        waiting = list(infos)
        while waiting:
            info = waiting.pop()
            if info.name == parent.name:
                raise CollectionCycleError(f"chain {parent.name!r} would contain itself")
            waiting += [self.get_info(child) for child in info.children]
        table = self._schema.chain
        self._db.execute(table.delete().where(table.c.parent_id == parent.id))
        rows = [
            {"parent_id": parent.id, "position": position, "child_id": info.id}
            for position, info in enumerate(infos)
        ]
        if rows:
            self._db.execute(table.insert(), rows)
        self._memory.changed()

    def _find(self, names: Sequence[str] | None) -> list[CollectionInfo]:
        """Return collections of these names, or all, in order of registration."""
        table, chain = self._schema.collection, self._schema.chain
        statement = sa.select(table.c.id, table.c.name, table.c.type, table.c.doc).order_by(table.c.id)
        if names is not None:
            statement = statement.where(table.c.name.in_(names))
        rows = self._db.query(statement)
        if not rows:
            return []
        links = self._db.query(
            sa.select(chain.c.parent_id, table.c.name)
            .join(table, table.c.id == chain.c.child_id)
            .where(chain.c.parent_id.in_([row.id for row in rows]) if names is not None else sa.true())
            .order_by(chain.c.parent_id, chain.c.position)
        )
        children: dict[int, list[str]] = {}
        for link in links:
            children.setdefault(link.parent_id, []).append(link.name)
        return [
            CollectionInfo(row.id, row.name, _type(row), row.doc, tuple(children.get(row.id, ())))
            for row in rows
        ]


def _names(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _as_types(types: CollectionType | Iterable[CollectionType] | None) -> set[CollectionType]:
    if types is None:
        return set(CollectionType)
    return {types} if isinstance(types, CollectionType) else set(types)


def _type(row: sa.Row[Any]) -> CollectionType:
    try:
        return CollectionType(row.type)
    except ValueError:
        told = f"the collection {row.name!r} is of no known type: {row.type!r}"
        raise RepositoryCorruptionError(told) from None
