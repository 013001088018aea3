"""ingest_files: files that somebody has become datasets."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from .datasets import DatasetRef, FileDataset, require_same
from .datastore import IncomingFile, StagedFile, share_file, stage_file
from .errors import ConflictingDefinitionError
from .formatters import formatter_for, get_formatter
from .registry import Registry, without_collection
from .writer import DatasetWriter

__all__ = ["ingest_files"]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What of the datasets of one call is to be brought in.

    Parameters
    ----------
    files
        Each file with its datasets, their data IDs expanded.
    registered
        UUIDs of those that have a row, but no file.
    """

    files: list[tuple[FileDataset, list[DatasetRef]]]
    registered: set[uuid.UUID]


@without_collection()
def ingest_files(
    writer: DatasetWriter,
    datasets: Sequence[FileDataset],
    *,
    transfer: str | None,
    skip_existing: bool,
    validate: bool,
) -> list[DatasetRef]:
    """Register files as datasets, all or none; dataset types and runs are made as needed.

    Files are brought in before the database is locked, so that others write meanwhile.

    Parameters
    ----------
    writer
        Of the repository.
    datasets
        Files and what they are; a file named again, with another formatter, is brought in once.
    transfer
        As of `butler.datastore.stage_file`.
    skip_existing
        Whether to leave out datasets that exist, by UUID, or by type, data ID and run.
    validate
        Whether to look at the files.

    Returns
    -------
    refs
        The datasets that were brought in.
    """
    registry = writer.registry
    registry.database.require_writeable()
    wanted = _wanted(registry, datasets, skip_existing=skip_existing)
    staged: list[tuple[DatasetRef, StagedFile]] = []
    first: dict[str, StagedFile] = {}
    folders: dict[str, str] = {}
    with ExitStack() as undo:
        for dataset, refs in wanted.files:
            name = dataset.formatter
            formatter = get_formatter(name) if name else formatter_for(refs[0].datasetType.storageClass)
            incoming = IncomingFile(dataset.path, refs[0], formatter, validate, dataset.layout)
            if dataset.path in first:
                file = share_file(writer.datastore, incoming, first[dataset.path])
            else:
                file = stage_file(writer.datastore, incoming, transfer, folders)
                undo.callback(file.discard)
                first[dataset.path] = file
            staged += [(ref, file) for ref in refs]
        undo.pop_all()
    with writer.transaction_for(file for _, file in staged) as batch:
        refs = [ref for dataset in datasets for ref in dataset.refs]
        for dataset_type in dict.fromkeys(ref.datasetType for ref in refs):
            registry.registerDatasetType(dataset_type)
        runs = sorted({ref.run for ref in refs})
        for run in runs:
            registry.registerRun(run)
        if skip_existing:
            registry.hold(runs)
            kept = _without_overtaken(registry, staged, wanted.registered)
            needed = {file.key for _, file in kept}
            batch.drop(file for _, file in staged if file.key not in needed)
            staged = kept
        writer.insert(staged, batch, registered=wanted.registered)
    return [ref for ref, _ in staged]


def _wanted(registry: Registry, datasets: Sequence[FileDataset], *, skip_existing: bool) -> _Wanted:
    """Tell what is to be brought in.

    Raises
    ------
    ConflictingDefinitionError
        Raised if a dataset is named twice, or exists, or a UUID belongs to another one.
    DataIdValueError
        Raised if a dimension record is missing.
    """
    given = [ref for dataset in datasets for ref in dataset.refs]
    _require_distinct(given)
    known = {ref.id: ref for ref in registry.datasets.get_many([ref.id for ref in given])}
    filed = registry.files.get(list(known))
    held = _held(registry, given)
    registered: set[uuid.UUID] = set()
    skipped: set[uuid.UUID] = set()
    for ref in given:
        existing = known.get(ref.id)
        if existing is not None:
            require_same(ref, existing)
        if existing is not None and ref.id not in filed:
            registered.add(ref.id)
        elif existing is not None or ref.id in held:
            if not skip_existing:
                what = f"as {held.get(ref.id, ref.id)}"
                raise ConflictingDefinitionError(f"{ref} exists in run {ref.run!r} {what}; use another run")
            skipped.add(ref.id)
    expanded = {ref.id: ref for ref in registry.expanded([ref for ref in given if ref.id not in skipped])}
    refs_of = [
        (dataset, [expanded[ref.id] for ref in dataset.refs if ref.id in expanded]) for dataset in datasets
    ]
    return _Wanted([(dataset, refs) for dataset, refs in refs_of if refs], registered)


def _without_overtaken(
    registry: Registry, staged: Sequence[tuple[DatasetRef, StagedFile]], registered: set[uuid.UUID]
) -> list[tuple[DatasetRef, StagedFile]]:
    """Leave out what another process has ingested meanwhile."""
    held = _held(registry, [ref for ref, _ in staged if ref.id not in registered])
    return [(ref, file) for ref, file in staged if ref.id not in held]


def _held(registry: Registry, refs: Iterable[DatasetRef]) -> dict[uuid.UUID, uuid.UUID]:
    """Return the UUIDs of datasets that stand where others would, by the UUID of those."""
    groups: dict[tuple[str, str], list[DatasetRef]] = {}
    for ref in refs:
        groups.setdefault((ref.datasetType.name, ref.run), []).append(ref)
    runs = set(registry.collections.query())
    held: dict[uuid.UUID, uuid.UUID] = {}
    for (name, run), members in groups.items():
        registered = registry.datasets.find_type(name)
        if (
            registered is None
            or run not in runs
            or registered.type.dimensions != members[0].datasetType.dimensions
        ):
            continue
        found = registry.datasets.held(
            registered, registry.collections.get_info(run), [ref.dataId.required_values for ref in members]
        )
        for ref in members:
            if (existing := found.get(ref.dataId.required_values)) is not None:
                held[ref.id] = existing.id
    return held


def _require_distinct(refs: Iterable[DatasetRef]) -> None:
    """Refuse a dataset that one call names twice."""
    seen: set[object] = set()
    for ref in refs:
        key = (ref.datasetType.name, ref.run, ref.dataId.required_values)
        if key in seen or ref.id in seen:
            raise ConflictingDefinitionError(f"{ref} is named twice in one call")
        seen |= {key, ref.id}
