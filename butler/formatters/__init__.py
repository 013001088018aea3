"""Between files and objects: one formatter per kind of file."""

from .byte_source import ByteRange, ByteSource, LocalFile
from .fits_file import write_plain_fits
from .fits_image import read_camera_header
from .formatter import NO_COMPRESSION, FileLayout, Formatter, PlaneLayout, ReadRequest
from .known import FORMATTERS, formatter_for, get_formatter

__all__ = [
    "FORMATTERS",
    "NO_COMPRESSION",
    "ByteRange",
    "ByteSource",
    "FileLayout",
    "Formatter",
    "LocalFile",
    "PlaneLayout",
    "ReadRequest",
    "formatter_for",
    "get_formatter",
    "read_camera_header",
    "write_plain_fits",
]
