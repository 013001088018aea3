"""RunHistory: what became of the quanta of some runs."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from butler import Butler, CollectionType, DataCoordinate
from butler.provenance import QuantumRecord

from ..quantum import Quantum

__all__ = ["Failures", "OutputCount", "RunHistory"]

_NO_FAILURES: Final = frozenset({"succeeded", "partial", "no work", "blocked", "not run"})
"""Statuses of what succeeded, or never ran."""
_Key = tuple[str, tuple[Any, ...]]
"""Label and required values of a quantum."""


@dataclass(frozen=True)
class Failures:
    """Quanta of a task that failed for the same reason.

    Parameters
    ----------
    label
        Task.
    message
        The reason.
    quanta
        The quanta, in the order in which they failed.
    """

    label: str
    message: str
    quanta: tuple[QuantumRecord, ...]


@dataclass(frozen=True)
class OutputCount:
    """What became of the planned datasets of a type.

    Parameters
    ----------
    dataset_type
        Name of the type.
    written
        Number of datasets that were written and are still registered.
    missing
        Number of those that were not written.
    gone
        Number of those that were written, and removed afterwards.
    """

    dataset_type: str
    written: int
    missing: int
    gone: int


@dataclass(frozen=True)
class RunHistory:
    """The last attempt at each quantum of some runs.

    Parameters
    ----------
    runs
        Names of the runs.
    quanta
        Records, one for each task and data ID.
    never_run
        Quanta that were planned and of which nothing is known.
    present
        UUIDs of the outputs that are registered.
    """

    runs: tuple[str, ...]
    quanta: tuple[QuantumRecord, ...]
    never_run: tuple[Quantum, ...]
    present: frozenset[uuid.UUID]

    @classmethod
    def of(
        cls,
        butler: Butler,
        collections: str | Iterable[str],
        *,
        where: str = "",
        planned: Iterable[Quantum] = (),
    ) -> Self:
        """Return the history of all runs in some collections.

        Of attempts at the same quantum in different runs the last one counts.

        Parameters
        ----------
        butler
            The repository.
        collections
            Runs, or chains of them.
        where
            Condition on the data IDs of the quanta.
        planned
            What was to be run, of saved graphs.

        Raises
        ------
        MissingCollectionError
            Raised if a collection does not exist.
        InvalidQueryError
            Raised if the condition is wrong.
        """
        runs = butler.collections.query(collections, collection_types=CollectionType.RUN, flatten_chains=True)
        records = butler.registry.quanta.in_runs(runs)
        last: dict[_Key, QuantumRecord] = {}
        for record in records:
            # What was not tried again, because something before it failed, tells less than what was tried.
            last[_key(record)] = max(last.get(_key(record), record), record, key=lambda r: r.begin_ns)
        quanta = list(last.values())
        unknown = [q for q in planned if (q.label, tuple(q.dataId.required.values())) not in last]
        if where:
            chosen = _Chosen(butler, where)
            quanta = [record for record in quanta if chosen.has(record.data_id)]
            unknown = [quantum for quantum in unknown if chosen.has(quantum.dataId.required)]
        made = [dataset.id for record in quanta for dataset in record.all_outputs()]
        present = frozenset(butler.registry.datasets.numbers(made))
        return cls(tuple(runs), tuple(quanta), tuple(unknown), present)

    @property
    def labels(self) -> list[str]:
        """Labels of the tasks, in the order in which their first quanta ended."""
        planned = (quantum.label for quantum in self.never_run)
        return list(dict.fromkeys([*(record.task.label for record in self.quanta), *planned]))

    def counts(self) -> dict[str, Counter[str]]:
        """Return how many quanta of each task ended how; those of which nothing is known: ``never run``."""
        counts = {label: Counter[str]() for label in self.labels}
        for record in self.quanta:
            counts[record.task.label][record.status] += 1
        for quantum in self.never_run:
            counts[quantum.label]["never run"] += 1
        return counts

    def failures(self) -> list[Failures]:
        """Return the quanta that failed, whatever the way, by task and reason, the most frequent first."""
        groups: dict[tuple[str, str], list[QuantumRecord]] = {}
        for record in self.quanta:
            if record.status not in _NO_FAILURES:
                groups.setdefault((record.task.label, record.message), []).append(record)
        found = [Failures(label, message, tuple(quanta)) for (label, message), quanta in groups.items()]
        return sorted(found, key=lambda failures: -len(failures.quanta))

    def outputs(self) -> list[OutputCount]:
        """Return what became of the datasets, by type in the order of the tasks."""
        counts: dict[str, Counter[str]] = {}
        for record in self.quanta:
            for dataset in record.all_outputs():
                state = "written" if dataset.id in self.present else "gone"
                counts.setdefault(dataset.dataset_type, Counter())[state] += 1
            for datasets in record.unwritten.values():
                for dataset in datasets:
                    counts.setdefault(dataset.dataset_type, Counter())["missing"] += 1
        return [OutputCount(name, n["written"], n["missing"], n["gone"]) for name, n in counts.items()]


def _key(record: QuantumRecord) -> _Key:
    return record.task.label, tuple(record.data_id.values())


class _Chosen:
    """The data IDs that a condition leaves, asked for once for all quanta of the same dimensions."""

    def __init__(self, butler: Butler, where: str) -> None:
        self._butler = butler
        self._where = where
        self._known: dict[Sequence[str], set[DataCoordinate]] = {}

    def has(self, data_id: Any) -> bool:
        """Tell whether a data ID is among them."""
        names = tuple(data_id)
        if names not in self._known:
            rows = self._butler.query_data_ids(names, where=self._where, explain=False)
            self._known[names] = set(rows)
        return DataCoordinate.standardize(data_id) in self._known[names]
