"""A light Gen3 butler: a registry of what exists, a datastore of bytes, and handles that read regions."""

from typing import TYPE_CHECKING

from .late import late_names

if TYPE_CHECKING:
    from .butler import Butler, DatasetExistence
    from .datasets import DatasetIdGenEnum, DatasetRef, DatasetType, FileDataset, StorageClass
    from .dimensions import DataCoordinate, DimensionGroup, DimensionRecord, DimensionUniverse, Timespan
    from .errors import ButlerError, ButlerUserError
    from .handles import DeferredDatasetHandle, InMemoryDatasetHandle
    from .provenance import DatasetProvenance
    from .registry import CollectionType
    from .repository import RepositoryConfig
else:
    # What is imported above for type checkers is imported for everybody else when it is first used.
    __getattr__ = late_names(
        __name__,
        {
            "butler": ["Butler", "DatasetExistence"],
            "datasets": ["DatasetIdGenEnum", "DatasetRef", "DatasetType", "FileDataset", "StorageClass"],
            "dimensions": [
                "DataCoordinate",
                "DimensionGroup",
                "DimensionRecord",
                "DimensionUniverse",
                "Timespan",
            ],
            "errors": ["ButlerError", "ButlerUserError"],
            "handles": ["DeferredDatasetHandle", "InMemoryDatasetHandle"],
            "provenance": ["DatasetProvenance"],
            "registry": ["CollectionType"],
            "repository": ["RepositoryConfig"],
        },
    )

__all__ = [
    "Butler",
    "ButlerError",
    "ButlerUserError",
    "CollectionType",
    "DataCoordinate",
    "DatasetExistence",
    "DatasetIdGenEnum",
    "DatasetProvenance",
    "DatasetRef",
    "DatasetType",
    "DeferredDatasetHandle",
    "DimensionGroup",
    "DimensionRecord",
    "DimensionUniverse",
    "FileDataset",
    "InMemoryDatasetHandle",
    "RepositoryConfig",
    "StorageClass",
    "Timespan",
]
