"""Importing: the contents of an export file into a repository, all or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..datasets import DatasetRef
from ..datastore import is_outside
from ..dimensions import DimensionRecord
from ..errors import ButlerError, DataIdValueError, DimensionNameError, FileFormatError
from ..registry import Registry
from ..writer import DatasetWriter
from .arrivals import Arrival, take_in_datasets, take_in_records
from .contents import ExportContents, ExportedFile
from .formatter_names import formatter_named

__all__ = ["ImportReport", "import_contents"]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Parameters
    ----------
    n_records, n_datasets
        Numbers of dimension records and datasets in the file.
    n_new_records, n_new_datasets
        Numbers of those that were not in the repository.
    differing
        Dimension records of the file that exist with other values, which were kept.
    """

    n_records: int
    n_new_records: int
    n_datasets: int
    n_new_datasets: int
    differing: tuple[DimensionRecord, ...]


def import_contents(
    writer: DatasetWriter,
    contents: ExportContents,
    *,
    directory: Path | None = None,
    transfer: str | None = None,
    skip_dimensions: Collection[str] = (),
    without_datastore: bool = False,
) -> ImportReport:
    """Bring the contents of an export file into a repository, in one transaction.

    Parameters
    ----------
    writer
        Of the repository.
    contents
        The file.
    directory
        What relative paths in it are relative to; the current directory if None. Not used if `transfer` is
        None: then paths are relative to the root of the repository.
    transfer
        As of `butler.datastore.stage_file`, or None for files that are in their places.
    skip_dimensions
        Elements whose records are left out.
    without_datastore
        Whether files are left out.

    Raises
    ------
    ConflictingDefinitionError
        Raised if a dataset type, dataset or collection exists with another definition.
    DataIdValueError
        Raised if a dimension record is neither in the file nor in the repository.
    FileFormatError
        Raised if the file contradicts itself, or a data file is broken.
    """
    registry = writer.registry
    base = Path() if transfer is not None and directory is None else directory
    records = {e: members for e, members in contents.records.items() if e not in skip_dimensions}
    try:
        with registry.database.transaction():
            for dataset_type in contents.dataset_types:
                registry.registerDatasetType(dataset_type)
            _register_collections(registry, contents)
            n_new_records, differing = take_in_records(registry, records)
            arrivals = [
                arrival
                for file in contents.files
                for arrival in _arrivals(
                    registry, file, without_datastore, None if transfer is None else base
                )
            ]
            n_new_datasets = take_in_datasets(writer, arrivals, transfer)
            registry.quanta.insert_missing(contents.quanta)
            _associate(registry, contents, {arrival.ref.id: arrival.ref for arrival in arrivals})
            # Last, as nobody else can edit chains from here to the end.
            for chain, children in contents.chains.items():
                registry.collections.redefine_chain(chain, children)
    except ButlerError as error:
        error.add_note(f"while importing {contents.source}; nothing was changed")
        raise
    n_records = sum(map(len, records.values()))
    return ImportReport(n_records, n_new_records, len(arrivals), n_new_datasets, tuple(differing))


def _register_collections(registry: Registry, contents: ExportContents) -> None:
    for name, (kind, doc) in contents.collections.items():
        registry.collections.register(name, kind, doc)
    for run in sorted({file.run for file in contents.files}):
        registry.registerRun(run)


def _arrivals(
    registry: Registry, file: ExportedFile, without_datastore: bool, base: Path | None
) -> Iterator[Arrival]:
    """Yield the datasets of one file."""
    dataset_type = registry.datasets.get_type(file.dataset_type).type
    try:
        refs = [
            DatasetRef(dataset_type, data_id, file.run, dataset_id)
            for dataset_id, data_id in file.datasets.items()
        ]
    except (DimensionNameError, DataIdValueError) as error:
        raise FileFormatError(f"{file.place}: {error}") from error
    if without_datastore:
        yield from map(Arrival, refs)
        return
    if file.path is None:
        raise FileFormatError(f"{file.place} has no path; import it with without_datastore=True")
    path = file.path
    if ".." in Path(path).parts:
        raise FileFormatError(f"{file.place}: the path {path!r} leaves the directory")
    formatter = formatter_named(file.formatter, dataset_type.storageClass)
    place = path if base is None or is_outside(path) else str(base / path)
    yield from (Arrival(ref, place, formatter) for ref in refs)


def _associate(registry: Registry, contents: ExportContents, refs: dict[uuid.UUID, DatasetRef]) -> None:
    """Fill the TAGGED and CALIBRATION collections; what a collection holds already stays."""
    for collection, ids in contents.tags.items():
        registry.associate(collection, _named(contents, collection, ids, refs))
    for collection, ranges in contents.validity.items():
        for timespan, ids in ranges:
            wanted = _named(contents, collection, ids, refs)
            known = {
                held.ref.id
                for name in {ref.datasetType.name for ref in wanted}
                for held in registry.queryDatasetAssociations(name, collection)
                if held.timespan == timespan
            }
            registry.certify(collection, [ref for ref in wanted if ref.id not in known], timespan)


def _named(
    contents: ExportContents, collection: str, ids: Sequence[uuid.UUID], refs: dict[uuid.UUID, DatasetRef]
) -> list[DatasetRef]:
    if unknown := [i for i in ids if i not in refs]:
        raise FileFormatError(
            f"{contents.source}: {collection!r} holds {unknown[0]}, which is no dataset of the file"
        )
    return [refs[i] for i in ids]
