"""DatasetRemover: rows first, files once the rows are gone for good."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from .datastore import IN_PLACE, FileDatastore, is_owned
from .errors import CollectionTypeError, OrphanedRecordError
from .registry import CollectionInfo, CollectionType, FileRecord, Registry, Transaction

__all__ = ["DatasetRemover"]


@dataclass(frozen=True, slots=True)
class DatasetRemover:
    """Removes datasets in an order that a kill cannot spoil.

    Files go after the outermost transaction is committed. What a kill can leave is a file without a row,
    which `verify` finds by its mark even if its run is gone, too, never a row without its file.

    Parameters
    ----------
    registry, datastore
        Those of one repository.
    """

    registry: Registry
    datastore: FileDatastore

    def unstore(self, ids: Sequence[uuid.UUID]) -> None:
        """Remove the files of datasets; the datasets stay registered."""
        with self.registry.database.transaction() as transaction:
            records = self.registry.files.get(ids)
            self.registry.files.remove(ids)
            self._remove_files(transaction, records.values())

    def purge(self, ids: Sequence[uuid.UUID]) -> None:
        """Remove datasets with their tags and files; ones that do not exist are no error."""
        with self.registry.database.transaction() as transaction:
            records = self.registry.files.get(ids)
            self.registry.datasets.remove(ids)
            self.registry.quanta.release(ids)
            self._remove_files(transaction, records.values())

    def remove_runs(self, names: Iterable[str], *, unlink_from_chains: bool) -> None:
        """Remove runs with all that they hold.

        Raises
        ------
        MissingCollectionError
            Raised if one does not exist.
        CollectionTypeError
            Raised if one is no RUN.
        OrphanedRecordError
            Raised if one is part of a chain and must not be taken out of it.
        """
        collections = self.registry.collections
        with self.registry.database.transaction():
            runs = [collections.get_info(name) for name in dict.fromkeys(names)]
            self._check_runs(runs, unlink_from_chains)
            for run in runs:
                for parent in collections.parents(run.name):
                    collections.remove_from_chain(parent, run.name)
                self.purge(self.registry.datasets.in_run(run))
                self.registry.quanta.forget_run(run.name)
                collections.remove(run.name)

    def _check_runs(self, runs: Sequence[CollectionInfo], unlink_from_chains: bool) -> None:
        chains: list[str] = []
        for run in runs:
            if run.type is not CollectionType.RUN:
                raise CollectionTypeError(
                    f"{run.name!r} is a {run.type} collection, which owns no datasets; remove the collection"
                )
            if parents := self.registry.collections.parents(run.name):
                chains.append(f"{run.name!r} is part of {', '.join(parents)}")
        if chains and not unlink_from_chains:
            raise OrphanedRecordError(
                f"{'; '.join(chains)}; nothing was removed: take the runs out of their chains first"
            )

    def _remove_files(self, transaction: Transaction, records: Iterable[FileRecord]) -> None:
        """Have files removed that no other dataset shares, once this is committed."""
        by_path = {record.path: record for record in records if is_owned(record.path)}
        # A dataset may have been made of the file of another, in its place.
        shared = self.registry.files.taken([*by_path, *(IN_PLACE + path for path in by_path)])
        for path, record in by_path.items():
            if path not in shared and IN_PLACE + path not in shared:
                mark = self.datastore.condemn(record)
                if mark is not None:
                    transaction.on_rollback(partial(self.datastore.pardon, mark))
                transaction.on_commit(partial(self.datastore.remove, record, mark))
