"""Dataset types, storage classes and dataset refs: frozen values."""

from .dataset_id import DATASET_NAMESPACE, DatasetIdGenEnum, derive_dataset_id, make_dataset_id
from .dataset_ref import DatasetRef
from .dataset_type import DatasetType
from .file_dataset import FileDataset
from .same_dataset import require_same
from .storage_class import StorageClass
from .storage_classes import STORAGE_CLASSES, get_storage_class, register_storage_class

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
    "register_storage_class",
    "require_same",
]
