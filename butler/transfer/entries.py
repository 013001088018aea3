"""The entries of an export file, checked: what kinds there are and which keys they have."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import FileFormatError

__all__ = [
    "AssociationsEntry",
    "CollectionEntry",
    "DatasetEntry",
    "DatasetTypeEntry",
    "DimensionEntry",
    "ExportDocument",
    "FileEntry",
    "RunEntry",
    "ValidityEntry",
    "check_document",
]


class _Strict(BaseModel):
    """Values of exactly the declared types, and no other keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DimensionEntry(_Strict):
    """Records of one dimension element."""

    type: Literal["dimension"]
    element: str
    records: list[dict[str, Any]]


class CollectionEntry(_Strict):
    """A collection; host and times of a RUN are read, but nothing is done with them."""

    type: Literal["collection"]
    collection_type: Literal["RUN", "TAGGED", "CHAINED", "CALIBRATION"]
    name: str
    doc: str | None = None
    host: str | None = None
    timespan_begin: Any = None
    timespan_end: Any = None
    children: list[str | list[Any]] = []


class RunEntry(_Strict):
    """Old short form of a RUN collection."""

    type: Literal["run"]
    name: str
    host: str | None = None
    timespan_begin: Any = None
    timespan_end: Any = None


class DatasetTypeEntry(_Strict):
    """A dataset type."""

    type: Literal["dataset_type"]
    name: str
    dimensions: list[str]
    storage_class: str
    is_calibration: bool = False


class FileEntry(_Strict):
    """A file and the datasets in it; an integer identified a dataset before there were UUIDs."""

    dataset_id: uuid.UUID | int | list[uuid.UUID | int]
    data_id: dict[str, Any] | list[dict[str, Any]]
    path: str | None = None
    formatter: str | None = None


class DatasetEntry(_Strict):
    """Datasets of one type in one RUN."""

    type: Literal["dataset"]
    dataset_type: str
    run: str
    records: list[FileEntry]


class ValidityEntry(_Strict):
    """Datasets that are valid at one time; old files tell begin and end apart."""

    timespan: Any = None
    begin: Any = None
    end: Any = None
    dataset_ids: list[uuid.UUID | int] = []


class AssociationsEntry(_Strict):
    """Which datasets a TAGGED or CALIBRATION collection holds."""

    type: Literal["associations"]
    collection: str
    collection_type: Literal["TAGGED", "CALIBRATION"]
    dataset_ids: list[uuid.UUID | int] = []
    validity_ranges: list[ValidityEntry] = []


Entry = Annotated[
    DimensionEntry | CollectionEntry | RunEntry | DatasetTypeEntry | DatasetEntry | AssociationsEntry,
    Field(discriminator="type"),
]


class ProvenanceEntry(_Strict):
    """The quanta behind the datasets, as JSON texts, which are faster to read; LSST passes over them."""

    tasks: list[str] = []
    quanta: list[str] = []


class ExportDocument(_Strict):
    """An export file."""

    description: Literal["Butler Data Repository Export"] = "Butler Data Repository Export"
    version: int | str
    universe_version: int = Field(default=0, ge=0)
    universe_namespace: Literal["daf_butler"] = "daf_butler"
    data: list[Entry]
    provenance: ProvenanceEntry = ProvenanceEntry()


def check_document(document: Any, source: str) -> ExportDocument:
    """Return a loaded file as checked entries.

    Parameters
    ----------
    document
        What YAML made of it.
    source
        Name of the file, for messages.

    Raises
    ------
    FileFormatError
        Raised for a document of another kind or version, naming the entry that is wrong.
    """
    try:
        checked = ExportDocument.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise FileFormatError(f"{source}: {_place(fault['loc'])}: {fault['msg']}") from error
    version = "1.0.0" if checked.version == 0 else str(checked.version)
    major, _, rest = version.partition(".")
    if (major, rest.partition(".")[0]) != ("1", "0"):
        raise FileFormatError(f"{source} has version {version} of the export format; 1.0 is read")
    return checked


def _place(location: tuple[int | str, ...]) -> str:
    """Return words for a place in a document."""
    if location[:1] == ("data",) and len(location) > 1:
        return " ".join(["entry", *map(str, location[1:])])
    return ".".join(map(str, location)) or "content"
