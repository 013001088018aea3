"""DatasetRef: one dataset."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from ..dimensions import DataCoordinate, DataId
from .dataset_id import DatasetIdGenEnum, derive_dataset_id, make_dataset_id
from .dataset_type import DatasetType

__all__ = ["DatasetRef"]


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
