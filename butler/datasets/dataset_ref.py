"""DatasetRef: one dataset."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..dimensions import DataCoordinate, DataId, DimensionGroup, DimensionUniverse
from ..errors import DatasetNotFoundError, DatasetTypeError
from .dataset_id import DatasetIdGenEnum, derive_dataset_id, make_dataset_id
from .dataset_type import DatasetType, KnowsDatasetTypes
from .storage_class import StorageClass

__all__ = ["DatasetRef"]


class KnowsDatasets(KnowsDatasetTypes, Protocol):
    """A registry, as far as a minimal form needs it."""

    def getDataset(self, id: uuid.UUID) -> DatasetRef | None:
        """Return a dataset by UUID."""


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """One dataset: its type, data ID, run and identity.

    Refs are equal if type, data ID and UUID are, and sort by type, data ID, run and UUID.

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
    conform
        Whether the data ID is brought into the form of the dataset type; for LSST's callers, it always is.
    id_generation_mode
        How the UUID is made.
    datastore_records
        What a datastore knows of its file, if that was looked up already.
    """

    datasetType: DatasetType
    dataId: DataCoordinate
    run: str = field(compare=False)
    id: uuid.UUID
    datastore_records: Any = field(compare=False, repr=False)

    def __init__(
        self,
        datasetType: DatasetType,
        dataId: DataId,
        run: str,
        id: uuid.UUID | None = None,
        conform: bool = True,
        id_generation_mode: DatasetIdGenEnum = DatasetIdGenEnum.UNIQUE,
        datastore_records: Any = None,
    ) -> None:
        if not isinstance(dataId, DataCoordinate) or dataId.dimensions != datasetType.dimensions:
            dataId = DataCoordinate.standardize(dataId, dimensions=datasetType.dimensions)
        object.__setattr__(self, "datasetType", datasetType)
        object.__setattr__(self, "dataId", dataId)
        object.__setattr__(self, "run", run)
        object.__setattr__(self, "id", id or self._make_id(id_generation_mode))
        object.__setattr__(self, "datastore_records", datastore_records)

    @classmethod
    def from_rows(
        cls, datasetType: DatasetType, rows: Iterable[tuple[Any, ...]], runs: Mapping[int, str]
    ) -> list[DatasetRef]:
        """Return the refs of a registry's rows, whose values are known to fit.

        Parameters
        ----------
        datasetType
            Their type.
        rows
            Values of all its dimensions, the 16 bytes of the UUID, and the number of the run.
        runs
            Names of the runs.
        """
        dimensions, unknown = datasetType.dimensions, uuid.SafeUUID.unknown
        refs: list[DatasetRef] = []
        # A hundred thousand times the way through two constructors and that of UUID takes half a second.
        for row in rows:
            number = _new(uuid.UUID)
            _set_integer(number, int.from_bytes(row[-2]))
            _set_safety(number, unknown)
            ref = _new(cls)
            _set_type(ref, datasetType)
            _set_data_id(ref, DataCoordinate(dimensions, row[:-2]))
            _set_run(ref, runs[row[-1]])
            _set_id(ref, number)
            _set_records(ref, None)
            refs.append(ref)
        return refs

    def _make_id(self, mode: DatasetIdGenEnum) -> uuid.UUID:
        if mode is DatasetIdGenEnum.UNIQUE:
            return make_dataset_id()
        run = self.run if mode is DatasetIdGenEnum.DATAID_TYPE_RUN else None
        return derive_dataset_id(self.datasetType.name, self.dataId, run)

    @property
    def dimensions(self) -> DimensionGroup:
        """Dimensions of the data ID."""
        return self.datasetType.dimensions

    def isComponent(self) -> bool:
        """Tell whether this is a part of something."""
        return self.datasetType.isComponent()

    def isComposite(self) -> bool:
        """Tell whether this has components."""
        return self.datasetType.isComposite()

    def expanded(self, dataId: DataCoordinate) -> DatasetRef:
        """Return this ref with a data ID that knows more.

        Raises
        ------
        DatasetTypeError
            Raised if it is another data ID.
        """
        if dataId != self.dataId:
            raise DatasetTypeError(f"{dataId} is another data ID than that of {self}")
        return self._with(self.datasetType, dataId)

    def makeComponentRef(self, name: str) -> DatasetRef:
        """Return the ref of one component; raises as `DatasetType.makeComponentDatasetType`."""
        return self._with(self.datasetType.makeComponentDatasetType(name), self.dataId)

    def makeCompositeRef(self) -> DatasetRef:
        """Return the ref of the whole; raises as `DatasetType.makeCompositeDatasetType`."""
        return self._with(self.datasetType.makeCompositeDatasetType(), self.dataId)

    def overrideStorageClass(self, storageClass: str | StorageClass) -> DatasetRef:
        """Return this ref with another storage class; raises as `DatasetType.overrideStorageClass`."""
        kind = self.datasetType.overrideStorageClass(storageClass)
        return self if kind is self.datasetType else self._with(kind, self.dataId)

    def is_compatible_with(self, other: DatasetRef) -> bool:
        """Tell whether another ref is this dataset, and can be had with this storage class."""
        same = (self.id, self.dataId, self.run) == (other.id, other.dataId, other.run)
        return same and self.datasetType.is_compatible_with(other.datasetType)

    def replace(
        self,
        *,
        id: uuid.UUID | None = None,
        run: str | None = None,
        storage_class: str | StorageClass | None = None,
        datastore_records: Any = False,
    ) -> DatasetRef:
        """Return a ref that differs in some ways.

        Parameters
        ----------
        id
            Another UUID.
        run
            Another run; the UUID is a new one then, unless it is given.
        storage_class
            Another storage class.
        datastore_records
            What a datastore knows of its file; False leaves that as it is.

        Raises
        ------
        DatasetTypeError
            Raised if a storage class cannot be converted into the other.
        """
        kind = (
            self.datasetType
            if storage_class is None
            else self.datasetType.overrideStorageClass(storage_class)
        )
        moved = run is not None and run != self.run
        return DatasetRef(
            kind,
            self.dataId,
            run or self.run,
            id=id or (None if moved else self.id),
            datastore_records=self.datastore_records if datastore_records is False else datastore_records,
        )

    def _with(self, dataset_type: DatasetType, data_id: DataCoordinate) -> DatasetRef:
        return DatasetRef(dataset_type, data_id, self.run, self.id, datastore_records=self.datastore_records)

    @staticmethod
    def groupByType(refs: Iterable[DatasetRef]) -> dict[DatasetType, list[DatasetRef]]:
        """Return refs by dataset type, in the order of their first occurrence."""
        groups: dict[DatasetType, list[DatasetRef]] = {}
        for ref in refs:
            groups.setdefault(ref.datasetType, []).append(ref)
        return groups

    @staticmethod
    def iter_by_type(refs: Iterable[DatasetRef]) -> Iterator[tuple[DatasetType, list[DatasetRef]]]:
        """Yield dataset types with the refs of each."""
        yield from DatasetRef.groupByType(refs).items()

    def to_simple(self, minimal: bool = False) -> dict[str, Any]:
        """Return plain values for JSON, as LSST has them.

        Parameters
        ----------
        minimal
            Whether the UUID (and a component's name) is enough, because a registry will know the rest.
        """
        if minimal:
            component = self.datasetType.component()
            return {"id": str(self.id), **({} if component is None else {"component": component})}
        return {
            "id": str(self.id),
            "datasetType": self.datasetType.to_simple(),
            "dataId": self.dataId.to_simple(),
            "run": self.run,
        }

    @classmethod
    def from_simple(
        cls,
        simple: Mapping[str, Any],
        universe: DimensionUniverse | None = None,
        registry: KnowsDatasets | None = None,
    ) -> DatasetRef:
        """Read what `to_simple` returned.

        Parameters
        ----------
        simple
            The values.
        universe
            The one there is; for LSST's callers.
        registry
            What knows the datasets of which only the UUID is told.

        Raises
        ------
        DatasetTypeError
            Raised if only the UUID is told, and there is no registry.
        DatasetNotFoundError
            Raised if the registry does not know it.
        """
        dataset_id = uuid.UUID(str(simple["id"]))
        if "datasetType" not in simple:
            return cls._known(dataset_id, simple.get("component"), registry)
        dataset_type = DatasetType.from_simple(simple["datasetType"], universe, registry)
        data_id = DataCoordinate.from_simple(simple["dataId"])
        return cls(dataset_type, data_id, simple["run"], dataset_id)

    @classmethod
    def _known(
        cls, dataset_id: uuid.UUID, component: str | None, registry: KnowsDatasets | None
    ) -> DatasetRef:
        if registry is None:
            raise DatasetTypeError(f"of the dataset {dataset_id} only the UUID is told: a registry is needed")
        found = registry.getDataset(dataset_id)
        if found is None:
            raise DatasetNotFoundError(f"no dataset with the UUID {dataset_id}")
        return found if component is None else found.makeComponentRef(component)

    def to_json(self, minimal: bool = False) -> str:
        """Return `to_simple` as JSON text."""
        return json.dumps(self.to_simple(minimal), separators=(",", ":"))

    @classmethod
    def from_json(
        cls, json_str: str, universe: DimensionUniverse | None = None, registry: KnowsDatasets | None = None
    ) -> DatasetRef:
        """Read what `to_json` returned; arguments and errors as `from_simple`."""
        return cls.from_simple(json.loads(json_str), universe, registry)

    def __lt__(self, other: DatasetRef) -> bool:
        return self._order < other._order

    @property
    def _order(self) -> tuple[str, Any, str, uuid.UUID]:
        return self.datasetType.name, self.dataId.required_values, self.run, self.id

    def __str__(self) -> str:
        return (
            f"{self.datasetType.name}@{self.dataId} [sc={self.datasetType.storageClass_name}] "
            f"(run={self.run} id={self.id})"
        )


# Slots of values that do not change are set once, past the refusal to set them.
_new = object.__new__
_set_integer, _set_safety = (vars(uuid.UUID)[name].__set__ for name in ("int", "is_safe"))
_set_type, _set_data_id, _set_run, _set_id, _set_records = (
    vars(DatasetRef)[name].__set__ for name in ("datasetType", "dataId", "run", "id", "datastore_records")
)
