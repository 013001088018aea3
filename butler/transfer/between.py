"""Between repositories: datasets of one into another, with their UUIDs."""

from __future__ import annotations

from collections.abc import Iterable

from ..datasets import DatasetRef
from ..datastore import FileDatastore
from ..dimensions import DataCoordinate
from ..errors import ButlerUserError, DatasetNotFoundError
from ..formatters import get_formatter
from ..registry import Registry
from ..writer import DatasetWriter
from .arrivals import Arrival, take_in_datasets, take_in_records
from .record_closure import RecordClosure

__all__ = ["departures", "settle"]


def departures(
    registry: Registry, datastore: FileDatastore, refs: Iterable[DatasetRef], *, skip_missing: bool
) -> list[Arrival]:
    """Return what leaves a repository, each dataset once; a component stands for the whole.

    Parameters
    ----------
    registry, datastore
        Of the repository.
    refs
        Datasets in it.
    skip_missing
        Whether datasets without a file stay behind; if not, they go without one.

    Raises
    ------
    DatasetNotFoundError
        Raised if a dataset is not registered.
    """
    unique = {ref.id: ref for ref in refs}
    known = registry.datasets.numbers(list(unique))
    files = registry.files.get(list(unique))
    leaving = []
    for ref in unique.values():
        if ref.id not in known:
            raise DatasetNotFoundError(f"{ref} with the UUID {ref.id} is not in the source repository")
        whole = registry.datasets.get_type(ref.datasetType.nameAndComponent()[0]).type
        # The records of the source are not those of the target.
        data_id = DataCoordinate(ref.dataId.dimensions, ref.dataId.required_values)
        own = DatasetRef(whole, data_id, ref.run, ref.id)
        record = files.get(ref.id)
        if record is not None and datastore.size(record.path) is not None:
            place = datastore.locate(record.path)
            leaving.append(Arrival(own, place, get_formatter(record.formatter)))
        elif not skip_missing:
            leaving.append(Arrival(own))
    return leaving


def settle(
    writer: DatasetWriter,
    source: Registry,
    arrivals: list[Arrival],
    *,
    transfer: str,
    register_dataset_types: bool,
    transfer_dimensions: bool,
    dry_run: bool = False,
) -> None:
    """Bring datasets of another repository in, in one transaction; RUNs are made as needed.

    Parameters
    ----------
    writer
        Of the repository that they come into.
    source
        Registry that they come from.
    arrivals
        The datasets.
    transfer
        As of `butler.datastore.stage_file`.
    register_dataset_types, transfer_dimensions
        Whether dataset types, and dimension records, come too.
    dry_run
        Whether only to check the dataset types.

    Raises
    ------
    MissingDatasetTypeError
        Raised if a dataset type is missing and may not be registered.
    DataIdValueError
        Raised if a dimension record is missing and may not come.
    ConflictingDefinitionError
        Raised if something exists with another definition.
    ButlerUserError
        Raised if files were to be moved: the other repository would keep rows without files.
    """
    if transfer == "move":
        raise ButlerUserError("transfer='move' would leave datasets without files in the other repository")
    refs = [arrival.ref for arrival in arrivals]
    registry = writer.registry
    if not register_dataset_types:
        for name in {ref.datasetType.name for ref in refs}:
            registry.datasets.get_type(name)
    if dry_run:
        return
    with registry.database.transaction():
        if register_dataset_types:
            for dataset_type in dict.fromkeys(ref.datasetType for ref in refs):
                registry.registerDatasetType(dataset_type)
        for run in sorted({ref.run for ref in refs}):
            registry.registerRun(run, source.collections.get_info(run).doc)
        if transfer_dimensions:
            closure = RecordClosure(source)
            closure.add_refs(refs)
            take_in_records(registry, closure.records)
        take_in_datasets(writer, arrivals, transfer)
        registry.quanta.insert_missing(source.quanta.ancestry([ref.id for ref in refs]))
