"""Where the bytes are: files below one root."""

from .bringing import LINK_MODES
from .file_datastore import TRANSFER_MODES, FileDatastore, StagedFile, StoredDataset
from .retrieval import retrieve_files
from .templates import DEFAULT_TEMPLATE, FileTemplate
from .verify import VerifyReport, verify_files

__all__ = [
    "DEFAULT_TEMPLATE",
    "LINK_MODES",
    "TRANSFER_MODES",
    "FileDatastore",
    "FileTemplate",
    "StagedFile",
    "StoredDataset",
    "VerifyReport",
    "retrieve_files",
    "verify_files",
]
