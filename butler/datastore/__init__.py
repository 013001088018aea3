"""Where the bytes are: files in a local directory, an object store, or memory."""

from .bringing import LINK_MODES
from .contract import PendingFile, Store, StoredFile
from .datastore_config import IN_MEMORY, DatastoreConfig
from .file_batch import FileBatch
from .file_cache import FileCache
from .file_datastore import UNKNOWN_SIZE, FileDatastore, StoredDataset
from .incoming import TRANSFER_MODES, IncomingFile, share_file, stage_file, stage_own_file
from .local_store import LocalStore
from .memory_store import MemoryStore
from .object_store import ObjectStore
from .paths import IN_PLACE, is_outside, is_owned, is_url
from .resource import RemoteResource, as_resource
from .retrieval import retrieve_files
from .staged_file import StagedFile, settle_files
from .template_set import TemplateSet
from .templates import DEFAULT_TEMPLATE, FileTemplate
from .verify import VerifyReport, verify_files

__all__ = [
    "DEFAULT_TEMPLATE",
    "IN_MEMORY",
    "IN_PLACE",
    "LINK_MODES",
    "TRANSFER_MODES",
    "UNKNOWN_SIZE",
    "DatastoreConfig",
    "FileBatch",
    "FileCache",
    "FileDatastore",
    "FileTemplate",
    "IncomingFile",
    "LocalStore",
    "MemoryStore",
    "ObjectStore",
    "PendingFile",
    "RemoteResource",
    "StagedFile",
    "Store",
    "StoredDataset",
    "StoredFile",
    "TemplateSet",
    "VerifyReport",
    "as_resource",
    "is_outside",
    "is_owned",
    "is_url",
    "retrieve_files",
    "settle_files",
    "share_file",
    "stage_file",
    "stage_own_file",
    "verify_files",
]
