"""Arrivals: datasets that keep their UUID on the way into a repository."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from ..datasets import DatasetRef, require_same
from ..datastore import IncomingFile, StagedFile, stage_file, stage_own_file
from ..dimensions import DimensionRecord
from ..errors import ConflictingDefinitionError
from ..formatters import Formatter
from ..registry import Registry
from ..writer import DatasetWriter

__all__ = ["Arrival", "take_in_datasets", "take_in_records"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A dataset, and its file if that comes too.

    Parameters
    ----------
    ref
        The dataset, of a type and RUN that are registered.
    path
        Its file; relative to the root of the repository if it is there already. None without file.
    formatter
        What reads the file.
    """

    ref: DatasetRef
    path: str | None = None
    formatter: Formatter | None = None


def take_in_records(
    registry: Registry, records: Mapping[str, Sequence[DimensionRecord]]
) -> tuple[int, list[DimensionRecord]]:
    """Insert the dimension records that do not exist; those that do are kept as they are.

    Returns
    -------
    n_inserted
        Number of new records.
    differing
        Records that exist with other values.
    """
    n_inserted = 0
    differing = []
    with registry.database.transaction():
        for element, members in records.items():
            existing = registry.records.existing(element, members)
            differing += [given for given, known in existing if given != known]
            registry.records.insert(element, members, skip_existing=True)
            n_inserted += len(members) - len(existing)
    return n_inserted, differing


def take_in_datasets(writer: DatasetWriter, arrivals: Sequence[Arrival], transfer: str | None) -> int:
    """Register datasets under their UUIDs, and bring in their files; all or none.

    Datasets that are there already are left alone; one that has no file yet gets it.

    Parameters
    ----------
    writer
        Of the repository.
    arrivals
        The datasets.
    transfer
        As of `butler.datastore.stage_file`; None for files that are in their places.

    Returns
    -------
    n_new
        Number of datasets that were not there.

    Raises
    ------
    ConflictingDefinitionError
        Raised if a UUID belongs to another dataset, or a data ID to another UUID.
    DataIdValueError
        Raised if a dimension record is missing.
    """
    registry = writer.registry
    with registry.database.transaction():
        registry.hold({arrival.ref.run for arrival in arrivals})
        known = {ref.id: ref for ref in registry.datasets.get_many([a.ref.id for a in arrivals])}
        filed = registry.files.get(list(known))
        wanted: list[Arrival] = []
        for arrival in arrivals:
            if arrival.ref.id in known:
                require_same(arrival.ref, known[arrival.ref.id])
                if arrival.path is None or arrival.ref.id in filed:
                    continue
            wanted.append(arrival)
        without_file: dict[str, list[DatasetRef]] = {}
        with_file: list[tuple[DatasetRef, Arrival]] = []
        expanded = registry.expanded([arrival.ref for arrival in wanted])
        for ref, arrival in zip(expanded, wanted, strict=True):
            if arrival.path is None:
                without_file.setdefault(ref.run, []).append(ref)
            else:
                with_file.append((ref, arrival))
        for run, refs in without_file.items():
            registry.insert_datasets(run, refs)
        writer.store(
            _staged(writer, with_file, transfer), registered=known.keys() & {r.id for r, _ in with_file}
        )
    return len(arrivals) - len(known)


def _staged(
    writer: DatasetWriter, datasets: Iterable[tuple[DatasetRef, Arrival]], transfer: str | None
) -> list[tuple[DatasetRef, StagedFile]]:
    """Bring files in under temporary names; if one fails, remove the others."""
    staged: list[tuple[DatasetRef, StagedFile]] = []
    # Datasets that share a file here share one there.
    by_path: dict[str, StagedFile] = {}
    folders: dict[str, str] = {}
    with ExitStack() as undo:
        if transfer is None:
            writer.registry.database.lock("files in place")
            _require_free(writer.registry, [arrival.path or "" for _, arrival in datasets])
        for ref, arrival in datasets:
            assert arrival.path is not None
            assert arrival.formatter is not None
            if arrival.path in by_path:
                file = by_path[arrival.path]
            elif transfer is None:
                file = stage_own_file(writer.datastore, arrival.path, arrival.formatter)
            else:
                incoming = IncomingFile(arrival.path, ref, arrival.formatter)
                file = stage_file(writer.datastore, incoming, transfer, folders)
                undo.callback(file.discard)
            by_path[arrival.path] = file
            staged.append((ref, file))
        undo.pop_all()
    return staged


def _require_free(registry: Registry, paths: Sequence[str]) -> None:
    """Refuse a file that belongs to a dataset which has been here before."""
    for path in sorted(registry.files.taken(paths)):
        raise ConflictingDefinitionError(f"the file {path!r} belongs to another dataset already")
