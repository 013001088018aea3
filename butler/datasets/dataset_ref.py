"""DatasetRef: one dataset."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from ..dimensions import DataCoordinate, DataId, DimensionGroup, DimensionUniverse, RowDataIds
from ..errors import DatasetNotFoundError, DatasetTypeError
from .dataset_id import DatasetIdGenEnum, derive_dataset_id, id_from_bytes, make_dataset_id
from .dataset_type import DatasetType, KnowsDatasetTypes
from .storage_class import StorageClass

__all__ = ["DatasetRef"]


class KnowsDatasets(KnowsDatasetTypes, Protocol):
    """A registry, as far as a minimal form needs it."""

    def getDataset(self, id: uuid.UUID) -> DatasetRef | None:
        """Return a dataset by UUID."""


class _Common(NamedTuple):
    """What the refs of one answer have in common."""

    type: DatasetType
    run: str
    records: Any = None
    data_ids: RowDataIds | None = None


class DatasetRef:
    """One dataset: its type, data ID, run and identity; immutable.

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

    # Of many refs most are counted, sorted out or handed on: data ID and UUID are made when asked for.
    __slots__ = ("_common", "_data_id", "_id")

    _common: _Common
    _data_id: DataCoordinate | tuple[Any, ...]
    _id: uuid.UUID | bytes

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
        self._common = _Common(datasetType, run, datastore_records)
        self._data_id = dataId
        self._id = id or self._make_id(id_generation_mode)

    @classmethod
    def from_rows(
        cls,
        datasetType: DatasetType,
        rows: Iterable[tuple[Any, ...]],
        data_ids: RowDataIds,
        runs: str | Mapping[int, str],
    ) -> list[DatasetRef]:
        """Return the refs of a registry's rows, whose values are known to fit.

        Parameters
        ----------
        datasetType
            Their type.
        rows
            What `data_ids` needs; then, if `runs` is a mapping, the number of the run; at last the 16 bytes
            of the UUID.
        data_ids
            What makes their data IDs.
        runs
            Name of the run of all, or names of runs by number.
        """
        refs: list[DatasetRef] = []
        append, new = refs.append, cls.__new__
        if isinstance(runs, str):
            common = _Common(datasetType, runs, None, data_ids)
            for row in rows:
                ref = new(cls)
                ref._common = common
                ref._data_id = row
                ref._id = row[-1]
                append(ref)
            return refs
        of_run = {number: _Common(datasetType, name, None, data_ids) for number, name in runs.items()}
        for row in rows:
            ref = new(cls)
            ref._common = of_run[row[-2]]
            ref._data_id = row
            ref._id = row[-1]
            append(ref)
        return refs

    @classmethod
    def from_parts(
        cls,
        datasetType: DatasetType,
        data_ids: Iterable[DataCoordinate],
        runs: Iterable[str],
        ids: Iterable[uuid.UUID | bytes],
    ) -> list[DatasetRef]:
        """Return many refs of one type, made of columns whose values are known to fit.

        Parameters
        ----------
        datasetType
            Their type.
        data_ids
            Data IDs of its dimensions.
        runs
            Names of their runs.
        ids
            UUIDs, or their 16 bytes.
        """
        refs: list[DatasetRef] = []
        append, new = refs.append, cls.__new__
        of_run: dict[str, _Common] = {}
        for data_id, run, dataset_id in zip(data_ids, runs, ids, strict=True):
            ref = new(cls)
            ref._common = of_run.get(run) or of_run.setdefault(run, _Common(datasetType, run))
            ref._data_id = data_id
            ref._id = dataset_id
            append(ref)
        return refs

    @property
    def datasetType(self) -> DatasetType:
        """Dataset type."""
        return self._common.type

    @property
    def dataId(self) -> DataCoordinate:
        """Data ID."""
        data_id = self._data_id
        if isinstance(data_id, DataCoordinate):
            return data_id
        assert self._common.data_ids is not None
        self._data_id = made = self._common.data_ids.one(data_id)
        return made

    @property
    def run(self) -> str:
        """RUN collection."""
        return self._common.run

    @property
    def id(self) -> uuid.UUID:
        """UUID."""
        known = self._id
        if isinstance(known, uuid.UUID):
            return known
        self._id = made = id_from_bytes(known)
        return made

    @property
    def id_bytes(self) -> bytes:
        """UUID as 16 bytes; of a ref that came from a registry this makes no object."""
        known = self._id
        return known if isinstance(known, bytes) else known.bytes

    @property
    def datastore_records(self) -> Any:
        """What a datastore knows of the file, if that was looked up."""
        return self._common.records

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

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DatasetRef):
            return NotImplemented
        return self.id == other.id and self.dataId == other.dataId and self.datasetType == other.datasetType

    def __hash__(self) -> int:
        return hash(self.id)

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

    def __repr__(self) -> str:
        return (
            f"DatasetRef(datasetType={self.datasetType!r}, dataId={self.dataId!r}, run={self.run!r}, "
            f"id={self.id!r})"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self.datasetType, self.dataId, self.run, self.id, self.datastore_records)


def _restored(
    dataset_type: DatasetType, data_id: DataCoordinate, run: str, dataset_id: uuid.UUID, records: Any
) -> DatasetRef:
    """Return the ref that was pickled."""
    return DatasetRef(dataset_type, data_id, run, dataset_id, datastore_records=records)
