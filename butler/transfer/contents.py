"""ExportContents: what an export file holds, as values of ours."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from ..datasets import DatasetType
from ..dimensions import UNIVERSE, DimensionRecord, Timespan
from ..errors import ButlerUserError, FileFormatError
from ..provenance import QuantumRecord, records_from_simple
from ..registry import CollectionType
from .entries import (
    AssociationsEntry,
    CollectionEntry,
    DatasetEntry,
    DatasetTypeEntry,
    DimensionEntry,
    ExportDocument,
    FileEntry,
    RunEntry,
    ValidityEntry,
    check_document,
)
from .old_universes import modern_dimensions, modern_rows
from .times import join_timespan, to_ns
from .yaml_codec import load_export

__all__ = ["ExportContents", "ExportedFile", "read_export"]

_LOG: Final = logging.getLogger(__name__)
_OLD_IDS: Final = uuid.UUID("4d4851f4-2890-4d41-8779-5f38a3f5062b")
"""Namespace of the UUIDs that LSST derives from integers."""


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file of an export and the datasets in it.

    Parameters
    ----------
    place
        Where in the export file it is described, for messages.
    dataset_type, run
        Names.
    datasets
        Data ID of each dataset in it, by UUID.
    path, formatter
        The file, and the name of what reads it, if the export says so.
    """

    place: str
    dataset_type: str
    run: str
    datasets: Mapping[uuid.UUID, Mapping[str, Any]]
    path: str | None
    formatter: str | None


@dataclass
class ExportContents:
    """What an export file holds.

    Parameters
    ----------
    source
        Name of the file.
    records
        Dimension records by element, in canonical order.
    collections
        Collections with type and documentation.
    chains
        Children of each chain.
    dataset_types
        Dataset types.
    files
        Files and their datasets.
    tags
        Datasets of each TAGGED collection.
    validity
        Datasets of each CALIBRATION collection, by time.
    quanta
        What made the datasets, and what made what that read.
    """

    source: str
    records: dict[str, list[DimensionRecord]] = field(default_factory=dict)
    collections: dict[str, tuple[CollectionType, str]] = field(default_factory=dict)
    chains: dict[str, list[str]] = field(default_factory=dict)
    dataset_types: list[DatasetType] = field(default_factory=list)
    files: list[ExportedFile] = field(default_factory=list)
    tags: dict[str, list[uuid.UUID]] = field(default_factory=dict)
    validity: dict[str, list[tuple[Timespan, list[uuid.UUID]]]] = field(default_factory=dict)
    quanta: list[QuantumRecord] = field(default_factory=list)


def read_export(stream: TextIO, source: str) -> ExportContents:
    """Read an export file, also of older universes.

    Parameters
    ----------
    stream
        The text.
    source
        Name of the file, for messages.

    Raises
    ------
    FileFormatError
        Raised if the file is broken or not understood, naming the entry.
    """
    document = check_document(load_export(stream, source), source)
    contents = ExportContents(source)
    rows: dict[str, list[dict[str, Any]]] = {}
    for number, entry in enumerate(document.data):
        with _reading(f"{source}: entry {number} ({entry.type})"):
            if isinstance(entry, DimensionEntry):
                rows.setdefault(UNIVERSE[entry.element].name, []).extend(entry.records)
            elif isinstance(entry, CollectionEntry | RunEntry):
                _add_collection(contents, entry)
            elif isinstance(entry, DatasetTypeEntry):
                names = modern_dimensions(entry.dimensions, document.universe_version)
                contents.dataset_types.append(
                    DatasetType(entry.name, names, entry.storage_class, isCalibration=entry.is_calibration)
                )
            elif isinstance(entry, DatasetEntry):
                contents.files += _files(entry, f"{source}: entry {number}", document)
            elif entry.collection_type == "TAGGED":
                _add_tags(contents, entry)
            else:
                _add_validity(contents, entry)
    with _reading(source):
        told = document.provenance
        contents.quanta = records_from_simple(
            map(json.loads, told.tasks), map(json.loads, told.quanta), "provenance"
        )
        modern = modern_rows(rows, document.universe_version)
    for element in UNIVERSE.elements:
        if modern.get(element):
            contents.records[element] = _records(element, modern[element], source)
    return contents


@contextmanager
def _reading(place: str) -> Iterator[None]:
    """Say where in a file something is wrong."""
    try:
        yield
    except (ButlerUserError, ValueError, TypeError) as error:
        raise FileFormatError(f"{place}: {error}") from error


def _records(element: str, rows: list[dict[str, Any]], source: str) -> list[DimensionRecord]:
    """Return the records of an element, each once."""
    found: dict[DimensionRecord, None] = {}
    for number, row in enumerate(rows):
        with _reading(f"{source}: {element} record {number}"):
            if UNIVERSE[element].temporal:
                join_timespan(row)
            if element == "skymap" and isinstance(row.get("hash"), bytes):
                row["hash"] = row["hash"].hex()
            found[DimensionRecord(element, row)] = None
    return list(found)


def _add_collection(contents: ExportContents, entry: CollectionEntry | RunEntry) -> None:
    if isinstance(entry, RunEntry):
        contents.collections[entry.name] = CollectionType.RUN, ""
        return
    kind = CollectionType(entry.collection_type)
    contents.collections[entry.name] = kind, entry.doc or ""
    if kind is CollectionType.CHAINED:
        contents.chains[entry.name] = [_child(child, entry.name) for child in entry.children]


def _child(child: str | list[Any], chain: str) -> str:
    """Return the name of a child; old files restrict it to some dataset types, which nothing does today."""
    if isinstance(child, str):
        return child
    if not child or not isinstance(child[0], str):
        raise FileFormatError(f"a child of the chain {chain!r} has no name")
    _LOG.warning("the chain %s searches all dataset types of %s, not only some", chain, child[0])
    return child[0]


def _files(entry: DatasetEntry, place: str, document: ExportDocument) -> Iterator[ExportedFile]:
    for number, record in enumerate(entry.records):
        where = f"{place} record {number} ({entry.dataset_type})"
        ids = [_as_uuid(i) for i in _as_list(record.dataset_id)]
        data_ids = _data_ids(record, document.universe_version)
        if len(ids) != len(data_ids) or len(set(ids)) < len(ids) or not ids:
            raise FileFormatError(f"record {number} has {len(ids)} UUIDs for {len(data_ids)} data IDs")
        datasets = dict(zip(ids, data_ids, strict=True))
        yield ExportedFile(where, entry.dataset_type, entry.run, datasets, record.path, record.formatter)


def _data_ids(record: FileEntry, version: int) -> list[dict[str, Any]]:
    """Return data IDs without the dimensions that a type of their universe no longer has."""
    return [
        {name: data_id[name] for name in modern_dimensions(list(data_id), version)}
        for data_id in _as_list(record.data_id)
    ]


def _add_tags(contents: ExportContents, entry: AssociationsEntry) -> None:
    contents.tags.setdefault(entry.collection, []).extend(_as_uuid(i) for i in entry.dataset_ids)


def _add_validity(contents: ExportContents, entry: AssociationsEntry) -> None:
    ranges = contents.validity.setdefault(entry.collection, [])
    for told in entry.validity_ranges:
        timespan = _when(told, entry.collection)
        # What is valid at no time is valid nowhere.
        if timespan is not None and not timespan.isEmpty():
            ranges.append((timespan, [_as_uuid(i) for i in told.dataset_ids]))


def _when(told: ValidityEntry, collection: str) -> Timespan | None:
    """Return the time of a validity, None if it is empty."""
    if {"begin", "end"} <= told.model_fields_set:
        return Timespan(to_ns("begin", told.begin), to_ns("end", told.end))
    if told.timespan is None and "timespan" in told.model_fields_set:
        return None
    if not isinstance(told.timespan, Timespan):
        raise FileFormatError(f"a validity in {collection!r} has neither a timespan nor begin and end")
    return told.timespan


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _as_uuid(value: uuid.UUID | int) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.uuid3(_OLD_IDS, str(value))
