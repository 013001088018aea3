"""Dataset types, storage classes and dataset refs: frozen values."""

from __future__ import annotations

import json
import re
import secrets
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from .dimensions import UNIVERSE, DataCoordinate, DataId, DimensionGroup
from .errors import DatasetTypeError, StorageClassError, UnknownComponentError, did_you_mean

__all__ = [
    "DATASET_NAMESPACE",
    "STORAGE_CLASSES",
    "DatasetIdGenEnum",
    "DatasetRef",
    "DatasetType",
    "FileDataset",
    "StorageClass",
    "derive_dataset_id",
    "get_storage_class",
    "make_dataset_id",
]


@dataclass(frozen=True, slots=True)
class StorageClass:
    """What kind of object a dataset is, whatever file it is kept in.

    Parameters
    ----------
    name
        Name, as LSST has it.
    pytype
        Python type, ``"package.module:Class"``; imported only when an object is checked.
    components
        Storage class of each part that can be read alone.
    parameters
        Names of the read parameters that are understood.
    """

    name: str
    pytype: str
    components: tuple[tuple[str, str], ...] = ()
    parameters: frozenset[str] = frozenset()

    def component(self, name: str) -> StorageClass:
        """Return the storage class of a component.

        Raises
        ------
        UnknownComponentError
            Raised if there is no such component.
        """
        parts = dict(self.components)
        if name not in parts:
            hint = did_you_mean(name, parts) or "; it has none"
            raise UnknownComponentError(f"{self.name} has no component {name!r}{hint}")
        return get_storage_class(parts[name])

    def check_parameters(self, names: Iterable[str]) -> None:
        """Refuse read parameters that are not understood.

        Raises
        ------
        StorageClassError
            Raised with the ones that are.
        """
        for name in names:
            if name not in self.parameters:
                hint = did_you_mean(name, self.parameters) or "; it takes none"
                raise StorageClassError(f"{self.name} does not understand the parameter {name!r}{hint}")


_BOX: Final = frozenset({"bbox", "origin"})
_PLANES: Final = (("image", "ImageF"), ("mask", "MaskX"), ("variance", "ImageF"), ("bbox", "Box2I"))
_EXPOSURE: Final = (
    *_PLANES,
    ("maskedImage", "MaskedImageF"),
    ("wcs", "Wcs"),
    ("psf", "Psf"),
    ("photoCalib", "PhotoCalib"),
    ("filter", "FilterLabel"),
    ("visitInfo", "VisitInfo"),
    ("coaddInputs", "CoaddInputs"),
    ("metadata", "PropertyList"),
)

STORAGE_CLASSES: Final[dict[str, StorageClass]] = {
    sc.name: sc
    for sc in (
        StorageClass("Exposure", "butler.images:Exposure", _EXPOSURE, _BOX),
        StorageClass("ExposureF", "butler.images:Exposure", _EXPOSURE, _BOX),
        StorageClass("MaskedImage", "butler.images:MaskedImage", _PLANES, _BOX),
        StorageClass("MaskedImageF", "butler.images:MaskedImage", _PLANES, _BOX),
        StorageClass("Image", "butler.images:Image", (("bbox", "Box2I"),), _BOX),
        StorageClass("ImageF", "butler.images:Image", (("bbox", "Box2I"),), _BOX),
        StorageClass("ImageU", "butler.images:Image", (("bbox", "Box2I"),), _BOX),
        StorageClass("Mask", "butler.images:Mask", (("bbox", "Box2I"),), _BOX),
        StorageClass("MaskX", "butler.images:Mask", (("bbox", "Box2I"),), _BOX),
        StorageClass("Box2I", "butler.images:Box2I"),
        StorageClass("Wcs", "butler.images:SkyWcs"),
        StorageClass("Psf", "butler.images:Psf"),
        StorageClass("PhotoCalib", "butler.images:PhotoCalib"),
        StorageClass("FilterLabel", "butler.images:FilterLabel"),
        StorageClass("VisitInfo", "butler.images:VisitInfo"),
        StorageClass("CoaddInputs", "butler.images:CoaddInputs"),
        StorageClass("PropertyList", "builtins:dict"),
        StorageClass("SkyMap", "butler.skymaps:SkyMap"),
        StorageClass("HealSparseMap", "healsparse:HealSparseMap"),
        StorageClass("ArrowAstropy", "astropy.table:Table"),
        StorageClass("SourceCatalog", "astropy.table:Table"),
        StorageClass("StructuredDataDict", "builtins:dict"),
        StorageClass("Config", "builtins:dict"),
        StorageClass("TaskMetadata", "builtins:dict"),
    )
}
"""The storage classes that are known, by name."""


def get_storage_class(name: str) -> StorageClass:
    """Return a storage class by name.

    Raises
    ------
    StorageClassError
        Raised if there is none.
    """
    try:
        return STORAGE_CLASSES[name]
    except KeyError:
        hint = did_you_mean(name, STORAGE_CLASSES)
        raise StorageClassError(f"no storage class {name!r}{hint}") from None


@dataclass(frozen=True, slots=True)
class DatasetType:
    """A name, the dimensions of its data IDs, and a storage class.

    Parameters
    ----------
    name
        Letters, digits and ``_``; a component is appended with a dot.
    dimensions
        Group, or names that are closed into one.
    storageClass_name
        Name of a known storage class.
    isCalibration
        Whether its datasets may be given ranges of validity.

    Raises
    ------
    DatasetTypeError
        Raised for a name with other characters.
    """

    name: str
    dimensions: DimensionGroup
    storageClass_name: str
    isCalibration: bool

    def __init__(
        self,
        name: str,
        dimensions: Iterable[str] | DimensionGroup,
        storageClass: str | StorageClass,
        isCalibration: bool = False,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?", name) or len(name) > 128:
            raise DatasetTypeError(
                f"a dataset type is named with letters, digits and _ (128 at most), not {name!r}"
            )
        storage_class = (
            storageClass if isinstance(storageClass, StorageClass) else get_storage_class(storageClass)
        )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "dimensions", UNIVERSE.conform(dimensions))
        object.__setattr__(self, "storageClass_name", storage_class.name)
        object.__setattr__(self, "isCalibration", isCalibration)

    @property
    def storageClass(self) -> StorageClass:
        """Storage class."""
        return get_storage_class(self.storageClass_name)

    def nameAndComponent(self) -> tuple[str, str | None]:
        """Return the name of the whole and the component's name, None if this is no component."""
        name, _, component = self.name.partition(".")
        return name, component or None

    def makeComponentDatasetType(self, component: str) -> DatasetType:
        """Return the dataset type of one component.

        Raises
        ------
        UnknownComponentError
            Raised if the storage class has no such component.
        """
        part = self.storageClass.component(component)
        return DatasetType(f"{self.name}.{component}", self.dimensions, part, self.isCalibration)

    def __str__(self) -> str:
        calibration = " calibration" if self.isCalibration else ""
        return f"{self.name} {self.dimensions} {self.storageClass_name}{calibration}"

    def __reduce__(self) -> tuple[object, ...]:
        return DatasetType, (self.name, self.dimensions, self.storageClass_name, self.isCalibration)


class DatasetIdGenEnum(Enum):
    """How the UUID of a dataset comes about."""

    UNIQUE = 0
    """New and ordered by time: version 7."""
    DATAID_TYPE = 1
    """From dataset type and data ID alone; the same in every run and repository."""
    DATAID_TYPE_RUN = 2
    """From run, dataset type and data ID; the same in every repository."""


DATASET_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "dataset-id.coadd-butler")
"""Namespace of the UUIDs that follow from what a dataset is."""


def derive_dataset_id(dataset_type: str, data_id: DataCoordinate, run: str | None = None) -> uuid.UUID:
    """Return the UUID of version 5 (RFC 9562) that belongs to a dataset type and data ID.

    Its name in `DATASET_NAMESPACE` is the JSON text of a list without blanks: the dataset type, the
    required dimensions with their values in the order of the universe, and the run if it counts.

    Parameters
    ----------
    dataset_type
        Name of the dataset type.
    data_id
        Data ID; implied values do not count.
    run
        RUN collection; None if it shall not count.
    """
    parts: list[Any] = [dataset_type, list(data_id.required.items())]
    name = json.dumps(parts if run is None else [*parts, run], separators=(",", ":"))
    return uuid.uuid5(DATASET_NAMESPACE, name)


def make_dataset_id() -> uuid.UUID:
    """Return a new time-ordered UUID of version 7 (RFC 9562)."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    return uuid.UUID(int=value | 0b10 << 62 | secrets.randbits(62))


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """One dataset: its type, data ID, run and identity.

    Parameters
    ----------
    datasetType
        Dataset type.
    dataId
        Data ID; standardized if it is a plain mapping, or one of other dimensions.
    run
        RUN collection.
    id
        UUID; one is made if not given.
    id_generation_mode
        How it is made.
    """

    datasetType: DatasetType
    dataId: DataCoordinate
    run: str
    id: uuid.UUID

    def __init__(
        self,
        datasetType: DatasetType,
        dataId: DataId,
        run: str,
        id: uuid.UUID | None = None,
        id_generation_mode: DatasetIdGenEnum = DatasetIdGenEnum.UNIQUE,
    ) -> None:
        if not isinstance(dataId, DataCoordinate) or dataId.dimensions != datasetType.dimensions:
            dataId = DataCoordinate.standardize(dataId, dimensions=datasetType.dimensions)
        object.__setattr__(self, "datasetType", datasetType)
        object.__setattr__(self, "dataId", dataId)
        object.__setattr__(self, "run", run)
        object.__setattr__(self, "id", id or self._make_id(id_generation_mode))

    def _make_id(self, mode: DatasetIdGenEnum) -> uuid.UUID:
        if mode is DatasetIdGenEnum.UNIQUE:
            return make_dataset_id()
        run = self.run if mode is DatasetIdGenEnum.DATAID_TYPE_RUN else None
        return derive_dataset_id(self.datasetType.name, self.dataId, run)

    def expanded(self, data_id: DataCoordinate) -> DatasetRef:
        """Return this ref with a data ID that knows more."""
        return DatasetRef(self.datasetType, data_id, self.run, self.id)

    def makeComponentRef(self, component: str) -> DatasetRef:
        """Return the ref of one component."""
        part = self.datasetType.makeComponentDatasetType(component)
        return DatasetRef(part, self.dataId, self.run, self.id)

    def __str__(self) -> str:
        return f"{self.datasetType.name}@{self.dataId} [{self.run}]"


@dataclass(frozen=True, slots=True)
class FileDataset:
    """A file to ingest and the dataset that it is.

    Parameters
    ----------
    path
        The file.
    ref
        What it holds.
    formatter
        Name of the formatter that reads it; that of the storage class if None.
    """

    path: Path
    ref: DatasetRef
    formatter: str | None = None
