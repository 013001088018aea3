"""DatasetWriter: files and rows, kept together or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from .datasets import DatasetRef
from .datastore import FileBatch, FileDatastore, StagedFile, VerifyReport, settle_files, verify_files
from .errors import ConflictingDefinitionError, OrphanedRecordError
from .provenance import QuantumRecord
from .registry import CollectionType, FileRecord, Registry

__all__ = ["DatasetWriter"]


@dataclass(frozen=True, slots=True)
class DatasetWriter:
    """Writes datasets in an order that a kill cannot spoil.

    Bytes go to a temporary name, get their final one, too, and are flushed; then, in one transaction, the
    rows are inserted. What a kill can leave is a file without a row, never a row without its file. Inside a
    transaction of the caller files are flushed at its end, all at once.

    Parameters
    ----------
    registry, datastore
        Those of one repository.
    """

    registry: Registry
    datastore: FileDatastore

    def put(self, obj: Any, ref: DatasetRef) -> DatasetRef:
        """Write an object and register it; return the ref with an expanded data ID."""
        database = self.registry.database
        database.require_writeable()
        with database.in_a_moment():
            expanded = ref.expanded(self.registry.records.expand(ref.dataId))
            # What is refused later, too, is refused before a large file is written, or any into a wrong run.
            is_small = self.datastore.is_made_in_memory(expanded)
            self.registry.check_datasets(ref.run, [] if is_small else [expanded])
        self.store([(expanded, self.datastore.stage(obj, expanded, settle=False))])
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
        staged = self.datastore.stage(obj, expanded, settle=False)
        with self.transaction_for([staged]) as batch:
            if self.registry.files.get_one(ref.id) is not None:
                raise ConflictingDefinitionError(f"{ref} is stored already")
            self.registry.files.insert({ref.id: batch.record(staged)})
        return expanded

    def put_many(self, datasets: Sequence[tuple[Any, DatasetRef]]) -> list[DatasetRef]:
        """Write objects and register them, all or none; return the refs with expanded data IDs."""
        self.registry.database.require_writeable()
        refs = self.registry.expanded([ref for _, ref in datasets])
        expanded = [(obj, ref) for (obj, _), ref in zip(datasets, refs, strict=True)]
        for run in {ref.run for _, ref in expanded}:
            self.registry.check_datasets(run, [ref for _, ref in expanded if ref.run == run])
        staged: list[tuple[DatasetRef, StagedFile]] = []
        with ExitStack() as undo:
            for obj, ref in expanded:
                file = self.datastore.stage(obj, ref, settle=False)
                undo.callback(file.discard)
                staged.append((ref, file))
            undo.pop_all()
        self.store(staged)
        return [ref for ref, _ in staged]

    def store(
        self,
        datasets: Sequence[tuple[DatasetRef, StagedFile]],
        *,
        registered: Set[uuid.UUID] = frozenset(),
        quanta: Sequence[QuantumRecord] = (),
    ) -> dict[uuid.UUID, FileRecord]:
        """Register files that are complete under temporary names, all or none.

        Parameters
        ----------
        datasets
            Datasets and their files.
        registered
            Datasets that have a row already, and get nothing but their file.
        quanta
            What became of the quanta that wrote them, kept with them or not at all.

        Returns
        -------
        records
            What the registry knows of the files now, by the UUIDs of the datasets.

        Raises
        ------
        ConflictingDefinitionError
            Raised if one of the other datasets exists; the files are removed.
        """
        batch = self.transaction_for(staged for _, staged in datasets)
        return self._insert(datasets, registered, batch, quanta)

    def insert(
        self,
        datasets: Sequence[tuple[DatasetRef, StagedFile]],
        batch: FileBatch,
        *,
        registered: Set[uuid.UUID] = frozenset(),
    ) -> None:
        """Insert the rows of files, inside the `transaction_for` them; otherwise as `store`."""
        self._insert(datasets, registered, self._inside(batch))

    def _insert(
        self,
        datasets: Sequence[tuple[DatasetRef, StagedFile]],
        registered: Set[uuid.UUID],
        transaction: AbstractContextManager[FileBatch],
        quanta: Sequence[QuantumRecord] = (),
    ) -> dict[uuid.UUID, FileRecord]:
        new: dict[str, list[DatasetRef]] = {}
        for ref, _ in datasets:
            if ref.id not in registered:
                new.setdefault(ref.run, []).append(ref)
        try:
            with transaction as batch:
                if stored := self.registry.files.get(sorted(registered)):
                    raise ConflictingDefinitionError(f"{len(stored)} of the datasets are stored already")
                for run, refs in sorted(new.items()):
                    self.registry.add_datasets(run, refs)
                records = {ref.id: batch.record(file) for ref, file in datasets}
                self.registry.files.insert(records)
                self.registry.quanta.insert(quanta)
        except (ConflictingDefinitionError, OrphanedRecordError):
            # Asked only now: after an error a database may answer nothing until all is undone.
            for run, refs in new.items():
                self.registry.check_datasets(run, refs)
            raise
        return records

    @contextmanager
    def _inside(self, batch: FileBatch) -> Iterator[FileBatch]:
        with self.registry.database.transaction():
            yield batch

    @contextmanager
    def transaction_for(self, files: Iterable[StagedFile]) -> Iterator[FileBatch]:
        """Run a transaction in which staged files get their rows; if it fails, they go.

        They have their final names before it begins, and where it is not inside another one they are
        flushed, too, so that others write while the disk takes in what is new. What breaks off after the
        commit takes no file along: there are rows for them.
        """
        batch = FileBatch(files)
        database = self.registry.database
        is_outermost = database.root is None
        with ExitStack() as undo:
            for file in batch.files:
                undo.callback(batch.take_back, file)
            batch.publish()
            if is_outermost:
                settle_files(batch.files)
            with database.transaction() as transaction:
                for file in batch.files:
                    transaction.on_rollback(partial(batch.take_back, file))
                undo.pop_all()
                yield batch
                if not is_outermost:
                    transaction.before_commit(settle_files, batch.files)
                for file in batch.files:
                    transaction.on_commit(file.finish)

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
