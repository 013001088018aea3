"""Between files and objects: one formatter per kind of file, imported when a file of the kind turns up."""

from typing import TYPE_CHECKING

from ..late import late_names

if TYPE_CHECKING:
    from .byte_source import ByteRange, ByteSource, LocalFile
    from .camera_cards import CameraCards
    from .fits_image import read_camera_header, read_camera_headers
    from .fits_units import write_plain_fits
    from .formatter import NO_COMPRESSION, ContentFormatter, FileLayout, Formatter, PlaneLayout, ReadRequest
    from .known import FORMATTERS, formatter_for, get_formatter, is_known
    from .psf_file import PsfexModel, read_psfex_models
else:
    __getattr__ = late_names(
        __name__,
        {
            "byte_source": ["ByteRange", "ByteSource", "LocalFile"],
            "fits_units": ["write_plain_fits"],
            "camera_cards": ["CameraCards"],
            "fits_image": ["read_camera_header", "read_camera_headers"],
            "formatter": [
                "NO_COMPRESSION",
                "ContentFormatter",
                "FileLayout",
                "Formatter",
                "PlaneLayout",
                "ReadRequest",
            ],
            "known": ["FORMATTERS", "formatter_for", "get_formatter", "is_known"],
            "psf_file": ["PsfexModel", "read_psfex_models"],
        },
    )

__all__ = [
    "FORMATTERS",
    "NO_COMPRESSION",
    "ByteRange",
    "ByteSource",
    "CameraCards",
    "ContentFormatter",
    "FileLayout",
    "Formatter",
    "LocalFile",
    "PlaneLayout",
    "PsfexModel",
    "ReadRequest",
    "formatter_for",
    "get_formatter",
    "is_known",
    "read_camera_header",
    "read_camera_headers",
    "read_psfex_models",
    "write_plain_fits",
]
