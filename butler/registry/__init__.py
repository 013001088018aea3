"""What exists: collections, dataset types, dimension records, datasets, and queries over them."""

from typing import TYPE_CHECKING

from ..late import late_names

if TYPE_CHECKING:
    from .attributes import has_registry
    from .collecting import without_collection
    from .collections import CollectionInfo, CollectionStore, CollectionType
    from .conditions import Column
    from .database import Database, Transaction
    from .dataset_store import FoundDataset
    from .defaults import RegistryDefaults
    from .engines import check_postgres_url
    from .file_store import FileRecord, FileRecordStore
    from .migrations import MigrationStep, migrate
    from .queries import DatasetSearch, Query, QuerySpec
    from .registry import Registry
    from .repeating import repeated
    from .where import Where
else:
    __getattr__ = late_names(
        __name__,
        {
            "attributes": ["has_registry"],
            "collecting": ["without_collection"],
            "collections": ["CollectionInfo", "CollectionStore", "CollectionType"],
            "conditions": ["Column"],
            "database": ["Database", "Transaction"],
            "dataset_store": ["FoundDataset"],
            "defaults": ["RegistryDefaults"],
            "engines": ["check_postgres_url"],
            "file_store": ["FileRecord", "FileRecordStore"],
            "migrations": ["MigrationStep", "migrate"],
            "queries": ["DatasetSearch", "Query", "QuerySpec"],
            "registry": ["Registry"],
            "repeating": ["repeated"],
            "where": ["Where"],
        },
    )

__all__ = [
    "CollectionInfo",
    "CollectionStore",
    "CollectionType",
    "Column",
    "Database",
    "DatasetSearch",
    "FileRecord",
    "FileRecordStore",
    "FoundDataset",
    "MigrationStep",
    "Query",
    "QuerySpec",
    "Registry",
    "RegistryDefaults",
    "Transaction",
    "Where",
    "check_postgres_url",
    "has_registry",
    "migrate",
    "repeated",
    "without_collection",
]
