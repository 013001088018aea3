"""FITS files as bytes: a header walk, and reads of a box of one plane."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..errors import BoxError, ButlerUserError, FileFormatError, StorageClassError
from ..images import Box2I
from .byte_source import ByteSource
from .fits_header import set_cards
from .formatter import PlaneLayout

__all__ = [
    "HduInfo",
    "broken_file",
    "plane_layout",
    "read_plane",
    "read_planes",
    "walk_hdus",
    "write_hdus",
    "write_plain_fits",
]

_BLOCK: Final = 2880
_MAX_HEADER_BLOCKS: Final = 4096
_PARSING_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
    fits.VerifyError,
)
"""What astropy raises on headers and tables that break its expectations."""
_DTYPES: Final[Mapping[int, str]] = {
    8: "u1",
    16: ">i2",
    32: ">i4",
    64: ">i8",
    -32: ">f4",
    -64: ">f8",
}


class HduInfo:
    """One header-data unit: its header, and where its data lie.

    Parameters
    ----------
    header
        The cards.
    offset
        Byte at which the data begin.
    """

    __slots__ = ("header", "offset")

    def __init__(self, header: fits.Header, offset: int) -> None:
        self.header = header
        self.offset = offset

    @property
    def data_size(self) -> int:
        """Bytes of data that the header promises, without padding."""
        axes = [_integer(self.header, f"NAXIS{i + 1}") for i in range(_integer(self.header, "NAXIS"))]
        if not axes:
            return 0
        if min(axes) < 0:
            raise FileFormatError(f"a FITS axis cannot have {min(axes)} pixels")
        bitpix = _integer(self.header, "BITPIX")
        if bitpix not in _DTYPES:
            raise FileFormatError(f"FITS card BITPIX is {bitpix}, it must be one of {sorted(_DTYPES)}")
        groups = _integer(self.header, "GCOUNT", 1)
        heap = _integer(self.header, "PCOUNT", 0)
        return abs(bitpix) // 8 * groups * (heap + math.prod(axes))

    @property
    def is_image(self) -> bool:
        """Whether the data are an uncompressed image of two axes."""
        extension = str(self.header.get("XTENSION", "IMAGE")).strip()
        return extension == "IMAGE" and _integer(self.header, "NAXIS") == 2 and self.data_size > 0


def walk_hdus(source: ByteSource) -> list[HduInfo]:
    """Read all headers of a file; no data.

    Raises
    ------
    FileFormatError
        Raised if the file is no FITS file, is cut short, or promises more than it holds.
    """
    with broken_file(source), source.open() as stream:
        return list(_walk(stream, source))


def _walk(stream: BinaryIO, source: ByteSource) -> Iterator[HduInfo]:
    size = source.size()
    position = 0
    while position < size:
        stream.seek(position)
        text = _header_text(stream, source, first=position == 0)
        if text is None:
            return
        hdu = HduInfo(fits.Header.fromstring(text), stream.tell())
        end = hdu.offset + hdu.data_size
        if hdu.data_size < 0 or end > size:
            raise FileFormatError(
                f"{source} is truncated or lies about its size: a header promises data up to byte {end}, "
                f"the file has {size}"
            )
        yield hdu
        position = hdu.offset + -(-hdu.data_size // _BLOCK) * _BLOCK


def _header_text(stream: BinaryIO, source: ByteSource, *, first: bool) -> str | None:
    """Read header blocks up to END; None where what follows the last unit is no header."""
    blocks: list[bytes] = []
    for _ in range(_MAX_HEADER_BLOCKS):
        block = stream.read(_BLOCK)
        if not blocks and not block.startswith(b"SIMPLE  =" if first else b"XTENSION="):
            if first:
                raise FileFormatError(f"{source} is not a FITS file: it does not begin with SIMPLE")
            return None
        blocks.append(block)
        if len(block) < _BLOCK:
            break
        if any(block[i : i + 80].rstrip() == b"END" for i in range(0, _BLOCK, 80)):
            return b"".join(blocks).decode("ascii", "replace")
    raise FileFormatError(f"{source} has a header without END; the file is truncated or broken")


def _integer(header: fits.Header, key: str, default: int | None = None) -> int:
    value = header.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise FileFormatError(f"FITS card {key} is {value!r}, it must be an integer")
    return value


def plane_layout(
    hdu: HduInfo, *, xy0: tuple[int, int] = (0, 0), mask_planes: Mapping[str, int] | None = None
) -> PlaneLayout:
    """Return where the pixels of an image unit lie.

    Raises
    ------
    FileFormatError
        Raised if the unit is no two-dimensional image.
    """
    header = hdu.header
    bitpix = _integer(header, "BITPIX")
    if not hdu.is_image:
        raise FileFormatError(f"not a two-dimensional FITS image: NAXIS is {header.get('NAXIS')}")
    return PlaneLayout(
        offset=hdu.offset,
        n_x=_integer(header, "NAXIS1"),
        n_y=_integer(header, "NAXIS2"),
        dtype=_DTYPES[bitpix],
        x0=xy0[0],
        y0=xy0[1],
        scale=float(header.get("BSCALE", 1.0)),
        zero=float(header.get("BZERO", 0.0)),
        blank=_integer(header, "BLANK") if bitpix > 0 and "BLANK" in header else None,
        unit=str(header.get("BUNIT") or ""),
        mask_planes=dict(mask_planes or {}),
    )


def read_plane(source: ByteSource, plane: PlaneLayout, bbox: Box2I | None = None) -> NDArray[Any]:
    """Read a box of a plane; only the rows of the box are touched.

    Parameters
    ----------
    source
        The file.
    plane
        Where the pixels lie.
    bbox
        Box in parent coordinates; everything if None.

    Returns
    -------
    array
        Pixels ``(n_y, n_x)`` in native byte order, the caller's own; scaled values are float32, NaN
        where a number stands for no value, but unsigned integers stay what they are.

    Raises
    ------
    BoxError
        Raised if the box is not inside the plane.
    FileFormatError
        Raised if the file is shorter than the layout says.
    """
    return read_planes(source, [plane], bbox)[0]


def read_planes(
    source: ByteSource, planes: Sequence[PlaneLayout], bbox: Box2I | None = None
) -> list[NDArray[Any]]:
    """Read a box of several planes, as `read_plane` does, with one request for all of them."""
    boxes = [(bbox or plane.bbox).slices_in(plane.bbox) for plane in planes]
    ranges = []
    for plane, (rows, _) in zip(planes, boxes, strict=True):
        row_bytes = plane.n_x * np.dtype(plane.dtype).itemsize
        ranges.append((plane.offset + rows.start * row_bytes, plane.offset + rows.stop * row_bytes))
    return [
        _scaled(np.frombuffer(view, plane.dtype).reshape(-1, plane.n_x)[:, columns], plane)
        for view, plane, (_, columns) in zip(source.read_ranges(ranges), planes, boxes, strict=True)
    ]


def _scaled(stored: NDArray[Any], plane: PlaneLayout) -> NDArray[Any]:
    """Return a copy of stored numbers as the values that they mean, in native byte order."""
    native = stored.astype(stored.dtype.newbyteorder("="))
    if plane.scale == 1.0 and plane.blank is None:
        if plane.zero == 0.0:
            return native
        n_bytes = native.dtype.itemsize
        top_bit = 1 << (8 * n_bytes - 1)
        # FITS has unsigned bytes and signed larger integers; the others are stored with the top bit flipped.
        other, zero = ("i", -top_bit) if n_bytes == 1 else ("u", top_bit)
        if native.dtype.kind in "iu" and plane.zero == zero:
            return (native.view(f"u{n_bytes}") ^ top_bit).view(f"{other}{n_bytes}")
    values = (native * plane.scale + plane.zero).astype(np.float32)
    if plane.blank is not None:
        values[native == plane.blank] = np.nan
    return values


def write_hdus(path: Path, hdus: list[Any]) -> None:
    """Write header-data units to a new file."""
    fits.HDUList(hdus).writeto(path, output_verify="exception", overwrite=True)


def write_plain_fits(path: Path, array: NDArray[Any], cards: Mapping[str, Any]) -> None:
    """Write one image as a FITS file with its pixels in the primary unit.

    The file appears under its name only when it is complete.

    Parameters
    ----------
    path
        File to make; replaced if it exists.
    array
        Pixels ``(n_y, n_x)``.
    cards
        Header cards.
    """
    header = fits.Header()
    set_cards(header, cards)
    temporary = path.with_name(f".{path.name}.part")
    try:
        write_hdus(temporary, [fits.PrimaryHDU(array, header)])
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def broken_file(path: Path | ByteSource) -> Iterator[None]:
    """Turn what parsing a broken header or table raises into a FileFormatError that names the file."""
    try:
        yield
    except _PARSING_ERRORS as error:
        # An OSError with a number is the system's: the file is gone, or may not be read.
        if isinstance(error, BoxError | StorageClassError) or getattr(error, "errno", None) is not None:
            raise
        reason = " ".join(str(error).split())
        named = isinstance(error, ButlerUserError)
        told = reason if named else f"{type(error).__name__}: {reason}"
        raise FileFormatError(told if str(path) in told else f"cannot read {path}: {told}") from error
