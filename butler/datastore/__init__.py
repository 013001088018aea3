"""Where the bytes are: files below one root."""

from .file_datastore import TRANSFER_MODES, FileDatastore, StagedFile, StoredDataset
from .templates import DEFAULT_TEMPLATE, FileTemplate
from .verify import VerifyReport, verify_files

__all__ = [
    "DEFAULT_TEMPLATE",
    "TRANSFER_MODES",
    "FileDatastore",
    "FileTemplate",
    "StagedFile",
    "StoredDataset",
    "VerifyReport",
    "verify_files",
]
