"""FITS files: a walk over their headers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ..errors import BoxError, ButlerUserError, FileFormatError, StorageClassError
from .byte_source import ByteSource
from .fits_cards import CardValues, card_items

if TYPE_CHECKING:
    from astropy.io import fits

__all__ = [
    "DTYPES",
    "HduInfo",
    "broken_file",
    "image_hdu",
    "integer_card",
    "number_card",
    "walk_hdus",
]

_BLOCK: Final = 2880
_GZIP: Final = b"\x1f\x8b"
_MAX_HEADER_BYTES: Final = 4096 * _BLOCK
_READ_AT_ONCE: Final = 22 * _BLOCK
"""Bytes; most headers end in them, and a stream has them after one access."""
_CARD: Final = 80
_END_CARD: Final = b"END".ljust(_CARD)
_PARSING_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
)
"""What broken headers and tables make others raise."""
DTYPES: Final[Mapping[int, str]] = {
    8: "u1",
    16: ">i2",
    32: ">i4",
    64: ">i8",
    -32: ">f4",
    -64: ">f8",
}
"""numpy type by BITPIX."""
_TABLE_CARD: Final = re.compile(
    r"XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|THEAP|(TTYPE|TFORM|TUNIT|TDIM|TNULL|TSCAL|TZERO)\d+"
    r"|Z(IMAGE|CMPTYPE|BITPIX|NAXIS\d*|TILE\d+|NAME\d+|VAL\d+|MASKCMP|QUANTIZ|DITHER0|SCALE|ZERO|BLANK"
    r"|SIMPLE|EXTEND|BLOCKED|TENSION|PCOUNT|GCOUNT|HECKSUM|DATASUM)|CHECKSUM|DATASUM"
)
"""Cards of the table that a compressed image is kept in."""


class HduInfo:
    """One header-data unit: its header, and where its data lie.

    Parameters
    ----------
    text
        The header, card after card.
    offset
        Byte at which the data begin.
    """

    def __init__(self, text: str, offset: int) -> None:
        self._text = text
        self.offset = offset

    @cached_property
    def header(self) -> fits.Header:
        """The header as astropy has it; to parse it takes longer than to find the values of its cards."""
        from astropy.io import fits

        return fits.Header.fromstring(self._text)

    @cached_property
    def cards(self) -> CardValues:
        """Values of the cards but comments; of a repeated card the first."""
        return CardValues(self._text)

    def named(self, beginning: str) -> list[tuple[str, Any]]:
        """Return the cards whose names begin with a text, with repeated ones; None for what is no value."""
        return [item for item in card_items(self._text) if item[0].startswith(beginning)]

    @cached_property
    def data_size(self) -> int:
        """Bytes of data that the header promises, without padding.

        Raises
        ------
        FileFormatError
            Raised if there can be no such data.
        """
        axes = [integer_card(self.cards, f"NAXIS{i + 1}") for i in range(integer_card(self.cards, "NAXIS"))]
        if not axes:
            return 0
        if min(axes) < 0:
            raise FileFormatError(f"a FITS axis cannot have {min(axes)} pixels")
        bitpix = integer_card(self.cards, "BITPIX")
        if bitpix not in DTYPES:
            raise FileFormatError(f"FITS card BITPIX is {bitpix}, it must be one of {sorted(DTYPES)}")
        groups = integer_card(self.cards, "GCOUNT", 1)
        heap = integer_card(self.cards, "PCOUNT", 0)
        return abs(bitpix) // 8 * groups * (heap + math.prod(axes))

    @cached_property
    def is_compressed(self) -> bool:
        """Whether the data are the table of a tile-compressed image."""
        return self._extension == "BINTABLE" and self.cards.get("ZIMAGE") is True

    @cached_property
    def axes(self) -> tuple[int, ...]:
        """Pixels along each axis of an image, x first; a third axis of one pixel does not count."""
        key = "ZNAXIS" if self.is_compressed else "NAXIS"
        n_axes = integer_card(self.cards, key)
        axes = tuple(integer_card(self.cards, f"{key}{i + 1}") for i in range(n_axes))
        return axes[:2] if len(axes) == 3 and axes[2] == 1 else axes

    @property
    def values(self) -> dict[str, Any]:
        """Values of the cards; those of a compressed image as if it were none."""
        values = dict(self.cards.all)
        if not self.is_compressed:
            return values
        plain = {key: value for key, value in values.items() if not _TABLE_CARD.fullmatch(key)}
        axes = {f"NAXIS{i + 1}": n for i, n in enumerate(self.axes)}
        return {**plain, "NAXIS": len(self.axes), **axes, "BITPIX": integer_card(values, "ZBITPIX")}

    @cached_property
    def is_image(self) -> bool:
        """Whether the data are an image of two axes with pixels, compressed or not."""
        if not (self.is_compressed or self._extension == "IMAGE"):
            return False
        return len(self.axes) == 2 and min(self.axes) > 0

    @cached_property
    def _extension(self) -> str:
        return str(self.cards.get("XTENSION", "IMAGE")).strip()


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
    if size == 0:
        raise FileFormatError(f"{source} is empty")
    position = 0
    while position < size:
        stream.seek(position)
        text = _header_text(stream, source, first=position == 0)
        if text is None:
            return
        hdu = HduInfo(text, position + len(text))
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
    header = b""
    while len(header) < _MAX_HEADER_BYTES:
        blocks = stream.read(_READ_AT_ONCE)
        if not header and not blocks.startswith(b"SIMPLE  =" if first else b"XTENSION="):
            if first and blocks.startswith(_GZIP):
                raise FileFormatError(
                    f"{source} is packed by gzip; unpack it with gunzip, or pack it with fpack instead"
                )
            if first:
                raise FileFormatError(f"{source} is not a FITS file: it does not begin with SIMPLE")
            return None
        size = _size_with_end(blocks)
        if size is not None:
            return (header + blocks[:size]).decode("ascii", "replace")
        if len(blocks) < _READ_AT_ONCE:
            break
        header += blocks
    raise FileFormatError(f"{source} has a header without END; the file is truncated or broken")


def _size_with_end(blocks: bytes) -> int | None:
    """Return the bytes up to the end of the block whose card is END; None if there is no such whole block."""
    place = blocks.find(_END_CARD)
    while place % _CARD and place > 0:
        place = blocks.find(_END_CARD, place + 1)
    size = (place // _BLOCK + 1) * _BLOCK
    return size if place >= 0 and size <= len(blocks) else None


def integer_card(header: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """Return the value of a card that must be an integer.

    Raises
    ------
    FileFormatError
        Raised if it is absent without a default, or is something else.
    """
    value = header.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise FileFormatError(f"FITS card {key} is {value!r}, it must be an integer")
    return value


def number_card(header: Mapping[str, Any], key: str, default: float) -> float:
    """Return the value of a card that must be a finite number, also in quotes; the default if it is absent.

    Raises
    ------
    FileFormatError
        Raised if it is something else.
    """
    value = header.get(key, default)
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise FileFormatError(f"FITS card {key} is {value!r}, it must be a finite number")
    return number


def image_hdu(hdus: list[HduInfo]) -> HduInfo | None:
    """Return the first unit with pixels of two axes, None if there is none."""
    return next((hdu for hdu in hdus if hdu.is_image), None)


@contextmanager
def broken_file(path: Path | ByteSource) -> Iterator[None]:
    """Turn what parsing a broken header or table raises into a FileFormatError that names the file."""
    try:
        yield
    except Exception as error:
        if not _is_of_parsing(error):
            raise
        # An OSError with a number is the system's: the file is gone, or may not be read.
        if isinstance(error, BoxError | StorageClassError) or getattr(error, "errno", None) is not None:
            raise
        reason = " ".join(str(error).split())
        named = isinstance(error, ButlerUserError)
        told = reason if named else f"{type(error).__name__}: {reason}"
        raise FileFormatError(told if str(path) in told else f"cannot read {path}: {told}") from error


def _is_of_parsing(error: Exception) -> bool:
    """Tell whether an error is one that a broken header or table makes readers raise."""
    if isinstance(error, _PARSING_ERRORS):
        return True
    from astropy.io.fits import VerifyError

    return isinstance(error, VerifyError)
