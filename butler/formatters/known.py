"""The formatters that are known, and the one that each storage class uses."""

from __future__ import annotations

from typing import Final

from ..datasets import StorageClass
from ..errors import StorageClassError, did_you_mean
from .fits_exposure import ExposureFormatter, MaskedImageFormatter
from .fits_image import CameraImageFormatter, ImageFormatter, MaskFormatter
from .formatter import Formatter
from .healsparse_map import HealSparseFormatter
from .json_model import JsonFormatter, SkyMapFormatter
from .table import TableFormatter

__all__ = ["FORMATTERS", "formatter_for", "get_formatter"]

FORMATTERS: Final[dict[str, Formatter]] = {
    formatter.name: formatter
    for formatter in (
        ExposureFormatter(),
        MaskedImageFormatter(),
        ImageFormatter(),
        MaskFormatter(),
        CameraImageFormatter(),
        JsonFormatter(),
        SkyMapFormatter(),
        TableFormatter(),
        HealSparseFormatter(),
    )
}
"""Formatters by name; a repository can only name these."""

_BY_STORAGE_CLASS: Final[dict[str, str]] = {
    "Exposure": "ExposureFits",
    "ExposureF": "ExposureFits",
    "MaskedImage": "MaskedImageFits",
    "MaskedImageF": "MaskedImageFits",
    "Image": "ImageFits",
    "ImageF": "ImageFits",
    "ImageU": "ImageFits",
    "Mask": "MaskFits",
    "MaskX": "MaskFits",
    "SkyMap": "SkyMapJson",
    "HealSparseMap": "HealSparse",
    "ArrowAstropy": "TableEcsv",
    "SourceCatalog": "TableEcsv",
    "StructuredDataDict": "Json",
    "Config": "Json",
    "TaskMetadata": "Json",
}


def get_formatter(name: str) -> Formatter:
    """Return a formatter by name.

    Raises
    ------
    StorageClassError
        Raised if there is none.
    """
    try:
        return FORMATTERS[name]
    except KeyError:
        raise StorageClassError(f"no formatter {name!r}{did_you_mean(name, FORMATTERS)}") from None


def formatter_for(storage_class: StorageClass) -> Formatter:
    """Return the formatter that writes a storage class.

    Raises
    ------
    StorageClassError
        Raised if datasets of this storage class are not stored on their own.
    """
    try:
        return FORMATTERS[_BY_STORAGE_CLASS[storage_class.name]]
    except KeyError:
        raise StorageClassError(f"{storage_class.name} cannot be stored on its own") from None
