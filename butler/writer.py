"""DatasetWriter: files and rows, kept together or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from .datasets import DatasetRef
from .datastore import FileDatastore, StagedFile, VerifyReport, settle_files, verify_files
from .errors import ConflictingDefinitionError
from .registry import CollectionType, Registry, Transaction

__all__ = ["DatasetWriter"]


@dataclass(frozen=True, slots=True)
class DatasetWriter:
    """Writes datasets in an order that a kill cannot spoil.

    Bytes go to a temporary name and are flushed; then, in one transaction, the rows are inserted and the
    files get their names. What a kill can leave is a file without a row, never a row without its file.

    Parameters
    ----------
    registry, datastore
        Those of one repository.
    """

    registry: Registry
    datastore: FileDatastore

    def put(self, obj: Any, ref: DatasetRef) -> DatasetRef:
        """Write an object and register it; return the ref with an expanded data ID."""
        self.registry.database.require_writeable()
        expanded = ref.expanded(self.registry.records.expand(ref.dataId))
        # What is refused later, too, is refused before a large file is written.
        self.registry.check_datasets(ref.run, [expanded])
        self.store([(expanded, self.datastore.stage(obj, expanded))])
        return expanded

    def put_again(self, obj: Any, ref: DatasetRef) -> DatasetRef:
        """Write the file of a registered dataset that has none.

        Raises
        ------
        ConflictingDefinitionError
            Raised if it has got one in the meantime.
        """
        self.registry.database.require_writeable()
        expanded = ref.expanded(self.registry.records.expand(ref.dataId))
        staged = self.datastore.stage(obj, expanded)
        with self.transaction_for([staged]) as transaction:
            if self.registry.files.get_one(ref.id) is not None:
                raise ConflictingDefinitionError(f"{ref} is stored already")
            self.registry.files.insert({ref.id: staged.record})
            _publish(transaction, [staged])
        return expanded

    def put_many(self, datasets: Sequence[tuple[Any, DatasetRef]]) -> list[DatasetRef]:
        """Write objects and register them, all or none; return the refs with expanded data IDs."""
        self.registry.database.require_writeable()
        refs = self.registry.expanded([ref for _, ref in datasets])
        expanded = [(obj, ref) for (obj, _), ref in zip(datasets, refs, strict=True)]
        for run in {ref.run for _, ref in expanded}:
            self.registry.check_datasets(run, [ref for _, ref in expanded if ref.run == run])
        staged: list[tuple[DatasetRef, StagedFile]] = []
        try:
            for obj, ref in expanded:
                staged.append((ref, self.datastore.stage(obj, ref)))
        except BaseException:
            for _, file in staged:
                file.discard()
            raise
        self.store(staged)
        return [ref for ref, _ in staged]

    def store(
        self, datasets: Sequence[tuple[DatasetRef, StagedFile]], *, registered: Set[uuid.UUID] = frozenset()
    ) -> None:
        """Register files that are complete under temporary names, all or none.

        Parameters
        ----------
        datasets
            Datasets and their files.
        registered
            Datasets that have a row already, and get nothing but their file.

        Raises
        ------
        ConflictingDefinitionError
            Raised if one of the other datasets exists; the files are removed.
        """
        # Several datasets may share one file.
        files = list({staged.key: staged for _, staged in datasets}.values())
        with self.transaction_for(files) as transaction:
            if stored := self.registry.files.get(sorted(registered)):
                raise ConflictingDefinitionError(f"{len(stored)} of the datasets are stored already")
            by_run: dict[str, list[DatasetRef]] = {}
            for ref, _ in datasets:
                if ref.id not in registered:
                    by_run.setdefault(ref.run, []).append(ref)
            for run, members in by_run.items():
                self.registry.insert_datasets(run, members)
            self.registry.files.insert({ref.id: staged.record for ref, staged in datasets})
            _publish(transaction, files)

    @contextmanager
    def transaction_for(self, files: Iterable[StagedFile]) -> Iterator[Transaction]:
        """Run a transaction that staged files wait for; if it fails, they go.

        What breaks off after the commit takes no file along: there are rows for them.
        """
        begun = False
        try:
            with self.registry.database.transaction() as transaction:
                for staged in files:
                    transaction.on_rollback(staged.discard)
                begun = True
                yield transaction
        except BaseException:
            if not begun:
                for staged in files:
                    staged.discard()
            raise

    def verify(self, *, repair: bool, checksums: bool) -> VerifyReport:
        """Compare the registry with the files, and remove what has no counterpart if asked."""
        records = self.registry.files.all()
        runs = set(self.registry.collections.query("*", CollectionType.RUN))
        report = verify_files(self.datastore, records, runs, checksums=checksums)
        if repair:
            lost = [*report.missing, *report.damaged, *report.astray]
            with self.registry.database.transaction() as transaction:
                self.registry.datasets.remove(lost)
                for dataset_id in (*report.missing, *report.damaged):
                    transaction.on_commit(partial(self.datastore.remove, records[dataset_id]))
            for path in report.orphans:
                path.unlink(missing_ok=True)
        return report


def _publish(transaction: Transaction, files: Sequence[StagedFile]) -> None:
    """Give files their final names, as long as a transaction is not undone."""
    for staged in files:
        staged.publish()
        transaction.on_rollback(staged.retract)
        transaction.on_commit(staged.finish)
    settle_files(files)
