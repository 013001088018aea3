"""A light Gen3 butler: a registry of what exists, a datastore of bytes, and handles that read regions."""

from .butler import Butler, DatasetExistence
from .datasets import DatasetIdGenEnum, DatasetRef, DatasetType, FileDataset, StorageClass
from .dimensions import DataCoordinate, DimensionRecord, Timespan
from .errors import ButlerError, ButlerUserError
from .handles import DeferredDatasetHandle, InMemoryDatasetHandle
from .registry import CollectionType
from .repository import RepositoryConfig

__all__ = [
    "Butler",
    "ButlerError",
    "ButlerUserError",
    "CollectionType",
    "DataCoordinate",
    "DatasetExistence",
    "DatasetIdGenEnum",
    "DatasetRef",
    "DatasetType",
    "DeferredDatasetHandle",
    "DimensionRecord",
    "FileDataset",
    "InMemoryDatasetHandle",
    "RepositoryConfig",
    "StorageClass",
    "Timespan",
]
