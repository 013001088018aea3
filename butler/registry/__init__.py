"""What exists: collections, dataset types, dimension records, datasets, and queries over them."""

from .attributes import has_registry
from .collections import CollectionInfo, CollectionStore, CollectionType
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

__all__ = [
    "CollectionInfo",
    "CollectionStore",
    "CollectionType",
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
]
