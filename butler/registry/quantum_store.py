"""Quanta: which execution of which task made a dataset, and of what."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa

from ..provenance import QuantumRecord, TaskRecord
from .chunks import chunks
from .database import Database
from .memory import Memory
from .prepared import insert_by_uuid
from .quantum_codec import (
    pack_data_id,
    pack_datasets,
    pack_settings,
    unpack_data_id,
    unpack_datasets,
    unpack_settings,
)
from .schema import Schema

__all__ = ["QuantumStore"]

_QUANTUM: Final = (
    "uuid", "task_id", "data_id", "status", "message", "begin_ns", "duration", "datasets",
)  # fmt: skip


class QuantumStore:
    """The rows of quanta, which outlive the datasets that they tell of.

    A quantum is kept as long as one of its outputs is registered, or a quantum that is kept has read one:
    of what was removed, that which still explains something stays known. Those that have written nothing
    stay until their run is removed.

    Parameters
    ----------
    database, schema, memory
        The registry's.
    """

    def __init__(self, database: Database, schema: Schema, memory: Memory) -> None:
        self._db = database
        self._schema = schema
        self._memory = memory
        quantum, edges = schema.quantum, schema.quantum_dataset
        values: dict[str, Any] = {name: sa.bindparam(name) for name in _QUANTUM}
        self._insert = database.prepare(quantum.insert().values(values), _QUANTUM)
        one = sa.select(quantum.c.id).where(quantum.c.uuid == sa.bindparam("uuid"))
        self._number = database.prepare(one, ["uuid"])
        self._link = database.prepare(
            *insert_by_uuid(edges, ["dataset_uuid", "is_output"], "quantum_id", quantum)
        )

    def insert(self, records: Sequence[QuantumRecord]) -> None:
        """Insert what became of quanta; one that has been tried before is replaced."""
        if not records:
            return
        with self._db.joined():
            before = [r.id for r in records if self._db.run(self._number, (r.id.bytes,))]
            self._remove(self.get(before))
            tasks = self._task_numbers([record.task for record in records])
            self._db.run_many(
                self._insert,
                [
                    (
                        record.id.bytes,
                        number,
                        pack_data_id(record.data_id),
                        record.status,
                        record.message,
                        record.begin_ns,
                        record.duration,
                        pack_datasets(record),
                    )
                    for record, number in zip(records, tasks, strict=True)
                ],
            )
            links = [(key, out, record.id.bytes) for record in records for key, out in _links(record)]
            if links:
                self._db.run_many(self._link, links)

    def get(self, ids: Sequence[uuid.UUID]) -> list[QuantumRecord]:
        """Return the quanta of some UUIDs, as far as they are known."""
        table = self._schema.quantum
        return [
            record
            for chunk in chunks(ids)
            for record in self._records(self._all().where(table.c.uuid.in_([i.bytes for i in chunk])))
        ]

    def in_runs(self, runs: Sequence[str]) -> list[QuantumRecord]:
        """Return the quanta of some runs, also those that wrote nothing, in the order of insertion."""
        task = self._schema.quantum_task
        statement = self._all().where(task.c.run.in_(list(runs))).order_by(self._schema.quantum.c.id)
        return self._records(statement)

    def producers(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, QuantumRecord]:
        """Return the quantum that made each dataset; nothing for one that no quantum made."""
        return dict(self._linked(ids, is_output=True))

    def ancestry(self, ids: Sequence[uuid.UUID]) -> list[QuantumRecord]:
        """Return the quanta that made some datasets, those that made what these read, and so on."""
        found: dict[uuid.UUID, QuantumRecord] = {}
        waiting = list(ids)
        while waiting:
            makers = {record.id: record for record in self.producers(waiting).values()}
            new = [record for key, record in makers.items() if key not in found]
            found |= {record.id: record for record in new}
            waiting = list({dataset.id for record in new for dataset in record.all_inputs()})
        return list(found.values())

    def insert_missing(self, records: Sequence[QuantumRecord]) -> None:
        """Insert quanta that are not known yet; what is known of the others stays."""
        known = {record.id for record in self.get([record.id for record in records])}
        self.insert([record for record in records if record.id not in known])

    def consumers(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[QuantumRecord]]:
        """Return the quanta that read each dataset; nothing for one that none read."""
        found: dict[uuid.UUID, list[QuantumRecord]] = {}
        for dataset, record in self._linked(ids, is_output=False):
            found.setdefault(dataset, []).append(record)
        return found

    def release(self, ids: Sequence[uuid.UUID]) -> None:
        """Forget the quanta that made some datasets, now removed, unless they still explain something."""
        self._forget_unneeded(self.producers(ids).values())

    def forget_run(self, run: str) -> None:
        """Forget the quanta of a removed run, unless they still explain something."""
        self._forget_unneeded(self.in_runs([run]))

    def _forget_unneeded(self, candidates: Iterable[QuantumRecord]) -> None:
        """Remove quanta without registered outputs or consumers, and what only they needed."""
        waiting = {record.id: record for record in candidates}
        while waiting:
            made = [dataset.id for record in waiting.values() for dataset in record.all_outputs()]
            needed = self._registered(made) | self._used(made)
            gone = [
                record
                for record in waiting.values()
                if needed.isdisjoint(dataset.id for dataset in record.all_outputs())
            ]
            self._remove(gone)
            read = list({dataset.id for record in gone for dataset in record.all_inputs()})
            still_there = self._registered(read)
            lost = [i for i in read if i not in still_there]
            waiting = {record.id: record for record in self.producers(lost).values()}

    def _registered(self, ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
        return self._present(self._schema.dataset.c.uuid, ids)

    def _used(self, ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
        edges = self._schema.quantum_dataset
        return self._present(edges.c.dataset_uuid, ids, edges.c.is_output.is_(False))

    def _present(
        self, column: sa.Column[Any], ids: Sequence[uuid.UUID], *conditions: sa.ColumnElement[bool]
    ) -> set[uuid.UUID]:
        """Return those of some UUIDs that a column has."""
        return {
            uuid.UUID(bytes=bytes(row[0]))
            for chunk in chunks(ids)
            for row in self._db.query(
                sa.select(column).where(column.in_([i.bytes for i in chunk]), *conditions).distinct()
            )
        }

    def _remove(self, records: Sequence[QuantumRecord]) -> None:
        quantum, edges, task = self._schema.quantum, self._schema.quantum_dataset, self._schema.quantum_task
        if not records:
            return
        for chunk in chunks(records):
            named = quantum.c.uuid.in_([record.id.bytes for record in chunk])
            numbers = [row.id for row in self._db.query(sa.select(quantum.c.id).where(named))]
            linked = list({key for record in chunk for key, _ in _links(record)})
            for part in chunks(linked):
                held = edges.c.dataset_uuid.in_(part) & edges.c.quantum_id.in_(numbers)
                self._db.execute(edges.delete().where(held))
            self._db.execute(quantum.delete().where(named))
        in_use = sa.select(quantum.c.id).where(quantum.c.task_id == task.c.id).exists()
        if self._db.execute(task.delete().where(~in_use)).rowcount:
            self._memory.changed()

    def _linked(
        self, ids: Sequence[uuid.UUID], *, is_output: bool
    ) -> Iterator[tuple[uuid.UUID, QuantumRecord]]:
        """Yield datasets with quanta that made or read them."""
        quantum, edges = self._schema.quantum, self._schema.quantum_dataset
        links: list[tuple[uuid.UUID, int]] = []
        for chunk in chunks(ids):
            wanted = edges.c.dataset_uuid.in_([i.bytes for i in chunk])
            rows = self._db.query(
                sa.select(edges.c.dataset_uuid, edges.c.quantum_id).where(
                    wanted, edges.c.is_output.is_(is_output)
                )
            )
            links += [(uuid.UUID(bytes=bytes(row.dataset_uuid)), row.quantum_id) for row in rows]
        known: dict[int, QuantumRecord] = {}
        for numbers in chunks(sorted({number for _, number in links})):
            rows = self._db.query(self._all().where(quantum.c.id.in_(numbers)))
            known |= dict(zip([row.id for row in rows], self._of_rows(rows), strict=True))
        for dataset, number in links:
            yield dataset, known[number]

    def _all(self) -> sa.Select[Any]:
        quantum, task = self._schema.quantum, self._schema.quantum_task
        return sa.select(quantum).join_from(quantum, task, quantum.c.task_id == task.c.id)

    def _records(self, statement: sa.Select[Any]) -> list[QuantumRecord]:
        return self._of_rows(self._db.query(statement))

    def _of_rows(self, rows: Sequence[sa.Row[Any]]) -> list[QuantumRecord]:
        tasks = self._tasks({int(row.task_id) for row in rows})
        return [
            QuantumRecord(
                uuid.UUID(bytes=bytes(row.uuid)),
                tasks[row.task_id],
                unpack_data_id(row.data_id),
                row.status,
                row.message,
                row.begin_ns,
                row.duration,
                **unpack_datasets(bytes(row.datasets)),
            )
            for row in rows
        ]

    def _tasks(self, numbers: set[int]) -> dict[int, TaskRecord]:
        table = self._schema.quantum_task
        return {
            row.id: TaskRecord(row.run, row.label, row.task_class, *unpack_settings(bytes(row.settings)))
            for chunk in chunks(sorted(numbers))
            for row in self._db.query(sa.select(table).where(table.c.id.in_(chunk)))
        }

    def _task_numbers(self, tasks: Sequence[TaskRecord]) -> list[int]:
        """Return the numbers of tasks; most quanta share one, so each is kept once."""
        answers = self._memory.answers()
        wanted = {task.digest: task for task in tasks}
        missing = {digest: task for digest, task in wanted.items() if ("task", digest) not in answers}
        if missing:
            table = self._schema.quantum_task
            # All writers in the same order, so that none waits for one that waits for it.
            rows = [
                {
                    "digest": digest,
                    "run": task.run,
                    "label": task.label,
                    "task_class": task.task_class,
                    "settings": pack_settings(task),
                }
                for digest, task in sorted(missing.items())
            ]
            self._db.insert_missing(table, rows, "digest")
            found = self._db.query(sa.select(table.c.digest, table.c.id).where(table.c.digest.in_(missing)))
            answers.update({("task", bytes(row.digest)): int(row.id) for row in found})
        return [answers["task", task.digest] for task in tasks]


def _links(record: QuantumRecord) -> Iterator[tuple[bytes, bool]]:
    """Return the datasets of a quantum, each once, and whether it wrote them; in a fixed order."""
    links = {(dataset.id.bytes, False) for dataset in record.all_inputs()}
    links |= {(dataset.id.bytes, True) for dataset in record.all_outputs()}
    return iter(sorted(links))
