"""RepositoryExport: datasets, records and collections into a directory that another butler imports."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ..datasets import DatasetRef, DatasetType
from ..datastore import LINK_MODES, FileDatastore, is_outside
from ..dimensions import UNIVERSE, DataCoordinate, DataId, DimensionRecord, Timespan
from ..errors import ButlerUserError, DatasetNotFoundError
from ..formatters import get_formatter
from ..provenance import records_to_simple
from ..registry import CollectionInfo, CollectionType, FileRecord, Registry
from .formatter_names import exported_name
from .record_closure import RecordClosure
from .times import split_timespan
from .yaml_codec import dump_export

__all__ = ["DEFAULT_NAME", "RepositoryExport"]

DEFAULT_NAME: Final = "export.yaml"
_TRANSFERS: Final = (None, *LINK_MODES, "direct")


class RepositoryExport:
    """Collects what is to be exported; `write` makes the file.

    Parameters
    ----------
    registry, datastore
        Of the repository.
    directory
        Where files go; not needed if they stay.
    transfer
        One of `LINK_MODES` into the directory; ``direct``: files stay and the export has their absolute
        paths; None: it has their paths relative to the repository.

    Raises
    ------
    ButlerUserError
        Raised for another transfer mode, for one without directory, or if the directory is the repository.
    """

    # Methods of LSST's exports keep its spelling.

    def __init__(
        self, registry: Registry, datastore: FileDatastore, directory: Path | None, transfer: str | None
    ) -> None:
        if transfer not in _TRANSFERS:
            allowed = ", ".join(mode for mode in _TRANSFERS if mode)
            raise ButlerUserError(f"an export's transfer is None or one of {allowed}, not {transfer!r}")
        if transfer in LINK_MODES:
            if directory is None:
                raise ButlerUserError(f"transfer={transfer!r} needs a directory")
            if str(directory.resolve()) == os.path.realpath(datastore.store.locate("")):
                raise ButlerUserError(f"the directory {directory} is the repository itself")
        self._registry = registry
        self._datastore = datastore
        self._directory = directory
        self._transfer = transfer
        self._records = RecordClosure(registry)
        self._refs: dict[uuid.UUID, DatasetRef] = {}
        self._collections: dict[str, CollectionInfo] = {}

    def saveDatasets(self, refs: DatasetRef | Iterable[DatasetRef]) -> None:
        """Add datasets with their dataset types, RUNs and dimension records; a component adds the whole.

        Raises
        ------
        DatasetNotFoundError
            Raised if one is not in the repository.
        """
        given = [refs] if isinstance(refs, DatasetRef) else list(refs)
        known = self._registry.datasets.numbers([ref.id for ref in given])
        for ref in given:
            if ref.id in self._refs:
                continue
            if ref.id not in known:
                raise DatasetNotFoundError(f"{ref} with the UUID {ref.id} is not in the repository")
            whole = self._registry.datasets.get_type(ref.datasetType.nameAndComponent()[0]).type
            data_id = self._records.add_data_id(ref.dataId)
            self._refs[ref.id] = DatasetRef(whole, data_id, ref.run, ref.id)
            if ref.run not in self._collections:
                self.saveCollection(ref.run)

    def saveDataIds(self, dataIds: Iterable[DataCoordinate]) -> None:
        """Add the dimension records of data IDs, and all that those refer to."""
        for data_id in dataIds:
            self._records.add_data_id(data_id)

    def saveDimensionData(self, element: str, records: Iterable[DataId | DimensionRecord]) -> None:
        """Add dimension records, and only these.

        Raises
        ------
        DimensionNameError
            Raised if a record does not fit the element.
        """
        for record in records:
            values = record.toDict() if isinstance(record, DimensionRecord) else record
            self._records.add(DimensionRecord(element, values))

    def saveCollection(self, name: str) -> None:
        """Add a collection, but not the children of a chain; of a TAGGED one, what is exported, too.

        Raises
        ------
        MissingCollectionError
            Raised if there is none.
        """
        self._collections[name] = self._registry.collections.get_info(name)

    def write(self, path: Path) -> None:
        """Bring out the files, then write the export, whole or not at all.

        Raises
        ------
        ArtifactMissingError
            Raised if the file of a dataset is gone.
        ButlerUserError
            Raised if something cannot be written.
        """
        files = self._registry.files.get(list(self._refs))
        document = {
            "description": "Butler Data Repository Export",
            "version": "1.0.2",
            "universe_version": UNIVERSE.version,
            "universe_namespace": "daf_butler",
            "data": [
                *self._dimension_entries(),
                *self._collection_entries(),
                *self._dataset_entries(files),
                *self._association_entries(),
            ],
            **self._provenance(),
        }
        temporary = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as stream:
                dump_export(document, stream)
            temporary.replace(path)
        except OSError as error:
            raise ButlerUserError(f"cannot write {path}: {error.strerror}") from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _dimension_entries(self) -> Iterator[dict[str, Any]]:
        for element, records in self._records.records.items():
            yield {"type": "dimension", "element": element, "records": [_row(r) for r in records]}

    def _collection_entries(self) -> Iterator[dict[str, Any]]:
        for info in _children_first(self._collections):
            entry = {"type": "collection", "collection_type": info.type.value, "name": info.name}
            doc = {"doc": info.doc} if info.doc else {}
            if info.type is CollectionType.RUN:
                yield {**entry, **doc, "host": None, "timespan_begin": None, "timespan_end": None}
            elif info.type is CollectionType.CHAINED:
                yield {**entry, **doc, "children": list(info.children)}
            else:
                yield {**entry, **doc}

    def _dataset_entries(self, files: dict[uuid.UUID, FileRecord]) -> Iterator[dict[str, Any]]:
        for dataset_type, refs in self._by_type():
            yield {
                "type": "dataset_type",
                "name": dataset_type.name,
                "dimensions": list(dataset_type.dimensions.names),
                "storage_class": dataset_type.storageClass_name,
                "is_calibration": dataset_type.isCalibration,
            }
            for run in sorted({ref.run for ref in refs}):
                yield {
                    "type": "dataset",
                    "dataset_type": dataset_type.name,
                    "run": run,
                    "records": [self._file(ref, files.get(ref.id)) for ref in refs if ref.run == run],
                }

    def _provenance(self) -> dict[str, dict[str, list[str]]]:
        """Return the quanta behind the datasets, if there are any."""
        quanta = self._registry.quanta.ancestry(list(self._refs))
        told = records_to_simple(quanta)
        return {"provenance": {key: [json.dumps(v) for v in told[key]] for key in told}} if quanta else {}

    def _by_type(self) -> list[tuple[DatasetType, list[DatasetRef]]]:
        types: dict[str, list[DatasetRef]] = {}
        for ref in self._refs.values():
            types.setdefault(ref.datasetType.name, []).append(ref)
        return [(refs[0].datasetType, refs) for _, refs in sorted(types.items())]

    def _file(self, ref: DatasetRef, record: FileRecord | None) -> dict[str, Any]:
        """Bring out one file, and return its entry; a dataset that is only registered has no path."""
        entry: dict[str, Any] = {"dataset_id": [ref.id], "data_id": [ref.dataId.required]}
        if record is None:
            return entry
        path = record.path
        if self._transfer == "direct":
            path = self._datastore.locate(path)
        elif self._transfer is not None:
            assert self._directory is not None
            if is_outside(path):
                path = self._datastore.path_for(ref, get_formatter(record.formatter))
            self._datastore.send(record, self._directory / path, self._transfer)
        formatter = exported_name(record.formatter, ref.datasetType.storageClass)
        return {**entry, "path": path, **({"formatter": formatter} if formatter else {})}

    def _association_entries(self) -> Iterator[dict[str, Any]]:
        for info in _children_first(self._collections):
            entry = {
                "type": "associations",
                "collection": info.name,
                "collection_type": info.type.value,
            }
            if info.type is CollectionType.TAGGED:
                ids = [ref.id for _, refs in self._by_type() for ref in self._tagged(info, refs)]
                if ids:
                    yield {**entry, "dataset_ids": ids}
            elif info.type is CollectionType.CALIBRATION and (ranges := self._validity(info)):
                told = [{"timespan": span, "dataset_ids": ids} for span, ids in ranges.items()]
                yield {**entry, "validity_ranges": told}

    def _validity(self, collection: CollectionInfo) -> dict[Timespan, list[uuid.UUID]]:
        """Return, by time, the exported datasets that are valid in a collection."""
        ranges: dict[Timespan, list[uuid.UUID]] = {}
        for dataset_type, _ in self._by_type():
            for held in self._registry.queryDatasetAssociations(dataset_type, collection.name):
                if held.timespan is not None and held.ref.id in self._refs:
                    ranges.setdefault(held.timespan, []).append(held.ref.id)
        return ranges

    def _tagged(self, collection: CollectionInfo, refs: Sequence[DatasetRef]) -> list[DatasetRef]:
        """Return the datasets, all of one type, that a collection holds."""
        registered = self._registry.datasets.get_type(refs[0].datasetType.name)
        keys = [ref.dataId.required_values for ref in refs]
        held = {dataset.id for dataset in self._registry.datasets.held(registered, collection, keys).values()}
        return [ref for ref in refs if ref.id in held]


def _row(record: DimensionRecord) -> dict[str, Any]:
    """Return a record as an export has it; what is not known is left out."""
    row = record.toDict()
    if record.definition.name == "skymap" and row["hash"] is not None:
        row["hash"] = _hash_bytes(row["hash"])
    split_timespan(row)
    return {name: value for name, value in row.items() if value is not None}


def _hash_bytes(text: str) -> bytes | str:
    """Return the bytes that hexadecimal digits stand for; another text stays as it is."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return text
    return value if value.hex() == text else text


def _children_first(collections: dict[str, CollectionInfo]) -> list[CollectionInfo]:
    """Return collections by name, chains last and after the chains that they search."""
    plain = sorted(name for name, info in collections.items() if info.type is not CollectionType.CHAINED)
    ordered: dict[str, None] = dict.fromkeys(plain)
    waiting = sorted((name for name in collections if name not in ordered), reverse=True)
    while waiting:
        name = waiting[-1]
        first = [c for c in collections[name].children if c in collections and c not in ordered]
        if first:
            waiting += first
        else:
            ordered[waiting.pop()] = None
    return [collections[name] for name in ordered]
