"""The formatters that are known, and the one that each storage class uses."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import Final

from ..datasets import StorageClass
from ..errors import StorageClassError, did_you_mean
from ..plugins import load_plugin, plugin_names
from .formatter import Formatter

__all__ = ["FORMATTERS", "formatter_for", "get_formatter", "is_known"]

PLUGINS: Final = "butler.formatters"
"""Group of entry points in which packages declare formatters."""
FORMATTERS: Final[dict[str, str]] = {
    "ExposureFits": "fits_exposure:ExposureFormatter",
    "MaskedImageFits": "fits_exposure:MaskedImageFormatter",
    "ImageFits": "fits_image:ImageFormatter",
    "MaskFits": "fits_image:MaskFormatter",
    "CameraImageFits": "fits_image:CameraImageFormatter",
    "Json": "text_model:JsonFormatter",
    "Yaml": "text_model:YamlFormatter",
    "SkyMapJson": "text_model:SkyMapFormatter",
    "TaskMetadataJson": "task_metadata:TaskMetadataFormatter",
    "LogRecords": "log_lines:LogRecordsFormatter",
    "TableEcsv": "table:TableFormatter",
    "TableFits": "fits_catalog:FitsCatalogFormatter",
    "PsfFits": "psf_file:PsfFormatter",
    "ObjectMask": "object_mask:ObjectMaskFormatter",
    "Parquet": "parquet:ParquetFormatter",
    "Bytes": "raw_bytes:BytesFormatter",
    "Png": "raw_bytes:PngFormatter",
    "Pdf": "raw_bytes:PdfFormatter",
    "HealSparse": "healsparse_map:HealSparseFormatter",
}
"""Where each of our formatters is defined, by its name."""
_OF_UNITS: Final = ("ImageFits", "MaskFits", "CameraImageFits")
"""Formatters that can be told which unit of a file to read."""
_OF_UNIT: Final = re.compile(r"(\w+)\[(\d{1,6})\]", re.ASCII)


@cache
def get_formatter(name: str) -> Formatter:
    """Return a formatter by name: one of ours, or one of a plug-in.

    Parameters
    ----------
    name
        The name; ``ImageFits[2]`` is the formatter of images that reads unit 2 of a FITS file.

    Raises
    ------
    StorageClassError
        Raised if there is none, or if the package that declares it is broken.
    """
    if name in FORMATTERS:
        return _imported(FORMATTERS[name])
    if (part := _OF_UNIT.fullmatch(name)) is not None and part[1] in _OF_UNITS:
        return _imported(FORMATTERS[part[1]], int(part[2]))
    if not is_known(name):
        known = [*FORMATTERS, *plugin_names(PLUGINS)]
        raise StorageClassError(f"no formatter {name!r}{did_you_mean(name, known)}")
    formatter: Formatter = load_plugin(PLUGINS, name, Formatter)
    return formatter


def is_known(name: str) -> bool:
    """Tell whether there is a formatter of a name, without an import."""
    part = _OF_UNIT.fullmatch(name)
    if part is not None:
        return part[1] in _OF_UNITS
    return name in FORMATTERS or name in plugin_names(PLUGINS)


def _imported(place: str, *arguments: int) -> Formatter:
    """Return the formatter of a class; a library that reads files is imported with the first of them."""
    module, _, name = place.partition(":")
    formatter = getattr(import_module(f".{module}", __package__), name)(*arguments)
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
