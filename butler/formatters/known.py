"""The formatters that are known, and the one that each storage class uses."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Final

from ..datasets import StorageClass
from ..errors import StorageClassError, did_you_mean
from .formatter import Formatter

__all__ = ["FORMATTERS", "formatter_for", "get_formatter"]

FORMATTERS: Final[dict[str, str]] = {
    "ExposureFits": "fits_exposure:ExposureFormatter",
    "MaskedImageFits": "fits_exposure:MaskedImageFormatter",
    "ImageFits": "fits_image:ImageFormatter",
    "MaskFits": "fits_image:MaskFormatter",
    "CameraImageFits": "fits_image:CameraImageFormatter",
    "Json": "text_model:JsonFormatter",
    "Yaml": "text_model:YamlFormatter",
    "SkyMapJson": "text_model:SkyMapFormatter",
    "LogRecords": "log_lines:LogRecordsFormatter",
    "TableEcsv": "table:TableFormatter",
    "Parquet": "parquet:ParquetFormatter",
    "Bytes": "raw_bytes:BytesFormatter",
    "Png": "raw_bytes:PngFormatter",
    "Pdf": "raw_bytes:PdfFormatter",
    "HealSparse": "healsparse_map:HealSparseFormatter",
}
"""Where each formatter is defined, by its name; a repository can only name these."""


def get_formatter(name: str) -> Formatter:
    """Return a formatter by name.

    Raises
    ------
    StorageClassError
        Raised if there is none.
    """
    if name not in FORMATTERS:
        raise StorageClassError(f"no formatter {name!r}{did_you_mean(name, FORMATTERS)}")
    return _imported(FORMATTERS[name])


@cache
def _imported(place: str) -> Formatter:
    """Return the formatter of a class; a library that reads files is imported with the first of them."""
    module, _, name = place.partition(":")
    formatter = getattr(import_module(f".{module}", __package__), name)()
    assert isinstance(formatter, Formatter)
    return formatter


def formatter_for(storage_class: StorageClass) -> Formatter:
    """Return the formatter that writes a storage class.

    Raises
    ------
    StorageClassError
        Raised if datasets of this storage class are not stored on their own.
    """
    if not storage_class.formatter:
        raise StorageClassError(f"{storage_class.name} cannot be stored on its own")
    return get_formatter(storage_class.formatter)
