"""Between files and objects: one formatter per kind of file."""

from .byte_source import ByteRange, ByteSource, LocalFile
from .fits_file import write_plain_fits
from .fits_image import read_camera_header
from .formatter import FileLayout, Formatter, PlaneLayout
from .known import FORMATTERS, formatter_for, get_formatter

__all__ = [
    "FORMATTERS",
    "ByteRange",
    "ByteSource",
    "FileLayout",
    "Formatter",
    "LocalFile",
    "PlaneLayout",
    "formatter_for",
    "get_formatter",
    "read_camera_header",
    "write_plain_fits",
]
