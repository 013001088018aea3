"""The units of a FITS file to be written, and the writing of them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import StorageClassError
from .fits_card_text import header_text

__all__ = [
    "AstropyUnit",
    "FitsUnit",
    "WritableUnit",
    "image_unit",
    "pixel_cards",
    "stored_pixels",
    "write_plain_fits",
    "write_units",
]

_BLOCK: Final = 2880
_STRIP_BYTES: Final = 1 << 20
_BITPIX: Final = {
    **{"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64},
    **{"i1": 8, "u2": 16, "u4": 32, "u8": 64},
}
"""FITS type by numpy's; those of the second line are stored with an offset."""
_STRUCTURAL: Final = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|[PG]COUNT|GROUPS|TFIELDS|BSCALE|BZERO|BLANK|CHECKSUM|DATASUM"
)
"""Cards that follow from the data."""


class WritableUnit(Protocol):
    """A header-data unit to be written."""

    def pieces(self, *, first: bool) -> Iterator[bytes | memoryview]:
        """Return what a file holds of the unit, whole blocks of 2880 bytes in all; the header first.

        Parameters
        ----------
        first
            Whether it is the primary unit.
        """
        ...


@dataclass(frozen=True, slots=True)
class FitsUnit:
    """An image, or a binary table.

    Parameters
    ----------
    kind
        Value of XTENSION.
    array
        Pixels ``(n_y, n_x)`` as they are stored but for the order of bytes, or rows as they are stored; None
        if there are none.
    structure
        Cards that say how the data lie.
    cards
        Other cards.
    heap
        Arrays of variable length, behind the rows.
    """

    kind: str
    array: NDArray[Any] | None
    structure: Mapping[str, Any]
    cards: Mapping[str, Any]
    heap: bytes = b""

    def pieces(self, *, first: bool) -> Iterator[bytes | memoryview]:
        """Return header, data and filling; pixels strip by strip, without a second copy of all."""
        yield header_text(self._header(first)).encode("ascii")
        if self.array is None:
            return
        rows = max(1, _STRIP_BYTES // max(1, self.array[0].nbytes))
        for y in range(0, len(self.array), rows):
            yield stored_pixels(self.array[y : y + rows]).data
        yield self.heap
        yield bytes(-(self.array.nbytes + len(self.heap)) % _BLOCK)

    def _header(self, first: bool) -> dict[str, Any]:
        cards = {key: value for key, value in self.cards.items() if not _STRUCTURAL.fullmatch(key.upper())}
        if not first:
            return {"XTENSION": self.kind, **self.structure, **cards}
        primary = {key: value for key, value in self.structure.items() if key not in ("PCOUNT", "GCOUNT")}
        return {"SIMPLE": True, **primary, "EXTEND": True, **cards}


@dataclass(frozen=True, slots=True)
class AstropyUnit:
    """A unit that astropy writes.

    Parameters
    ----------
    hdu
        An extension of astropy's.
    """

    hdu: Any

    def pieces(self, *, first: bool) -> Iterator[bytes | memoryview]:
        """Return all bytes."""
        from astropy.io import fits

        content = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), self.hdu]).writeto(content, output_verify="exception")
        yield content.getbuffer()[_BLOCK:]


def image_unit(array: NDArray[Any] | None, cards: Mapping[str, Any]) -> FitsUnit:
    """Return a unit of plain pixels, or without any if None.

    Raises
    ------
    StorageClassError
        Raised for pixels of a type that FITS does not have.
    """
    if array is None:
        return FitsUnit("IMAGE", None, {"BITPIX": 8, "NAXIS": 0}, cards)
    shape = {f"NAXIS{i + 1}": n for i, n in enumerate(reversed(array.shape))}
    bitpix, scaling = pixel_cards(array.dtype)
    structure = {"BITPIX": bitpix, "NAXIS": array.ndim, **shape, "PCOUNT": 0, "GCOUNT": 1, **scaling}
    return FitsUnit("IMAGE", array, structure, cards)


def pixel_cards(kind: np.dtype[Any]) -> tuple[int, dict[str, int]]:
    """Return the value of BITPIX for pixels of a type, and the cards of the offset that they are stored with.

    Raises
    ------
    StorageClassError
        Raised for a type that FITS does not have.
    """
    name = f"{kind.kind}{kind.itemsize}"
    if name not in _BITPIX:
        raise StorageClassError(f"FITS has no pixels of type {kind}")
    if not _has_offset(kind):
        return _BITPIX[name], {}
    half = 1 << (8 * kind.itemsize - 1)
    return _BITPIX[name], {"BSCALE": 1, "BZERO": half if kind.kind == "u" else -half}


def stored_pixels(array: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as FITS has them: big-endian; bytes unsigned and other integers signed, by BZERO."""
    if _has_offset(array.dtype):
        size = array.dtype.itemsize
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        return np.ascontiguousarray(native.view(f"u{size}") ^ (1 << (8 * size - 1)), f">u{size}")
    return np.ascontiguousarray(array, array.dtype.newbyteorder(">"))


def _has_offset(kind: np.dtype[Any]) -> bool:
    return (kind.kind, kind.itemsize == 1) in (("u", False), ("i", True))


def write_units(path: Path, units: Sequence[WritableUnit]) -> None:
    """Write units to a new file, in order.

    Raises
    ------
    StorageClassError
        Raised for a card that cannot be written, before there is a file.
    """
    contents = [unit.pieces(first=number == 0) for number, unit in enumerate(units)]
    headers = [next(pieces) for pieces in contents]
    with path.open("wb") as stream:
        for header, pieces in zip(headers, contents, strict=True):
            stream.write(header)
            for piece in pieces:
                stream.write(piece)


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
    temporary = path.with_name(f".{path.name}.part")
    try:
        write_units(temporary, [image_unit(array, cards)])
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
