"""Tile-compressed FITS images: only the tiles that a box touches are fetched and decoded."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import FileFormatError
from ..images import Box2I
from .byte_source import ByteRange
from .fits_file import HduInfo, integer_card, number_card
from .formatter import PlaneLayout
from .tile_codecs import CODECS, decode_gzip, decode_raw, decode_tiles, dequantized
from .tile_layout import TileLayout

__all__ = ["TileBox", "tile_layout"]

_SIZES: Final = {
    "L": 1, "B": 1, "A": 1, "I": 2, "J": 4, "E": 4, "K": 8, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16,
}  # fmt: skip
"""Bytes of one number of each FITS code; P and Q are descriptors."""
_PURPOSES: Final = {
    "COMPRESSED_DATA": "data",
    "GZIP_COMPRESSED_DATA": "gzip",
    "UNCOMPRESSED_DATA": "raw",
    "ZSCALE": "scale",
    "ZZERO": "zero",
    "ZBLANK": "blank",
}
_OPTIONS: Final = {"BLOCKSIZE": range(1, 4097), "BYTEPIX": (1, 2, 4, 8), "SCALE": None, "SMOOTH": None}
_QUANTIZERS: Final = ("NO_DITHER", "SUBTRACTIVE_DITHER_1", "SUBTRACTIVE_DITHER_2")
_FREE_BYTES: Final = 2**26
_MAX_RATIO: Final = 1032
"""No deflate stream unpacks to more than so many times its length."""
_GAP: Final = 4096
"""To read so many bytes that nobody asked for costs less than another request."""


def tile_layout(hdu: HduInfo) -> TileLayout:
    """Return where the tiles of a compressed image lie.

    Raises
    ------
    FileFormatError
        Raised if table, tiles and image contradict each other, or promise more pixels than the file's
        bytes can hold.
    """
    header = hdu.cards
    codec = str(header.get("ZCMPTYPE", "")).strip()
    if codec not in CODECS:
        raise FileFormatError(f"no way to unpack tiles of ZCMPTYPE {codec!r}; known: {', '.join(CODECS)}")
    sides = [integer_card(header, f"ZTILE{i + 1}", hdu.axes[0] if i == 0 else 1) for i in range(2)]
    n_x, n_y = (min(side, axis) for side, axis in zip(sides, hdu.axes, strict=True))
    row_size, n_rows = integer_card(header, "NAXIS1"), integer_card(header, "NAXIS2")
    if min(n_x, n_y) < 1 or n_rows != _n_tiles(hdu.axes[0], n_x) * _n_tiles(hdu.axes[1], n_y):
        raise FileFormatError(
            f"an image of {hdu.axes[0]} x {hdu.axes[1]} pixels in tiles of {sides[0]} x {sides[1]} "
            f"does not fit a table of {n_rows} rows"
        )
    heap = integer_card(header, "THEAP", row_size * n_rows)
    heap_size = hdu.data_size - heap
    n_bytes = hdu.axes[0] * hdu.axes[1] * abs(integer_card(header, "ZBITPIX")) // 8
    if heap < row_size * n_rows or n_bytes > _FREE_BYTES + _MAX_RATIO * heap_size:
        raise FileFormatError(f"{heap_size} compressed bytes cannot hold an image of {n_bytes} bytes")
    columns = _columns(hdu)
    told = [key for key in ("ZSCALE", "ZZERO", "ZBLANK") if key in header]
    constants = {_PURPOSES[key]: number_card(header, key, 0.0) for key in told}
    is_quantized = integer_card(header, "ZBITPIX") < 0 and {"scale"} <= {*columns, *constants}
    return TileLayout(
        row_size=row_size,
        heap=hdu.offset + heap,
        heap_size=heap_size,
        n_x=n_x,
        n_y=n_y,
        codec=codec,
        columns=columns,
        constants=constants,
        quantizer=_quantizer(hdu) if is_quantized else "",
        seed=integer_card(header, "ZDITHER0", 1),
        options=_options(hdu),
    )


def _n_tiles(n_pixels: int, n_tile: int) -> int:
    return -(-n_pixels // n_tile)


def _columns(hdu: HduInfo) -> dict[str, tuple[int, str]]:
    """Return place and code of the columns that matter."""
    found: dict[str, tuple[int, str]] = {}
    position = 0
    for number in range(1, integer_card(hdu.cards, "TFIELDS") + 1):
        form = re.match(r"(\d*)([LBAIJEKDCMPQX])(\w?)", str(hdu.cards.get(f"TFORM{number}", "")).strip())
        if form is None:
            raise FileFormatError(f"TFORM{number} of a compressed image is no form of a FITS column")
        count, code, element = int(form[1] or 1), form[2], form[3]
        purpose = _PURPOSES.get(str(hdu.cards.get(f"TTYPE{number}", "")).strip().upper())
        if purpose is not None:
            if (
                count != 1
                or (code in "PQ") != (purpose in ("data", "gzip", "raw"))
                or (code in "PQ" and element not in tuple("BIJKED"))
            ):
                raise FileFormatError(f"the column {purpose!r} of a compressed image is of form {form[0]!r}")
            found[purpose] = position, code + element if code in "PQ" else code
        position += -(-count // 8) if code == "X" else count * _SIZES[code]
    if position > integer_card(hdu.cards, "NAXIS1") or not {"data", "gzip", "raw"} & set(found):
        raise FileFormatError("the table of a compressed image lacks the columns of one")
    return found


def _quantizer(hdu: HduInfo) -> str:
    value = str(hdu.cards.get("ZQUANTIZ", "NO_DITHER")).strip()
    if value not in _QUANTIZERS:
        raise FileFormatError(f"ZQUANTIZ is {value!r}, it must be one of {', '.join(_QUANTIZERS)}")
    return value


def _options(hdu: HduInfo) -> dict[str, float]:
    options: dict[str, float] = {}
    for key, text in hdu.named("ZNAME"):
        name, value = str(text).strip(), hdu.cards.get(f"ZVAL{key.removeprefix('ZNAME')}")
        allowed = _OPTIONS.get(name, ())
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise FileFormatError(f"the parameter {name} of the tiles is {value!r}, it must be a number")
        if name in _OPTIONS and allowed is not None and value not in allowed:
            raise FileFormatError(f"the parameter {name} of the tiles cannot be {value!r}")
        if name in _OPTIONS:
            options[name] = value
    return options


class TileBox:
    """A box of a compressed plane, from rows of the table to tiles to pixels.

    Parameters
    ----------
    plane
        The plane; it has tiles.
    tiles
        Its tiles.
    bbox
        Box in parent coordinates; everything if None.

    Raises
    ------
    BoxError
        Raised if the box is not inside the plane.
    """

    def __init__(self, plane: PlaneLayout, tiles: TileLayout, bbox: Box2I | None) -> None:
        self._plane = plane
        self._tiles = tiles
        self._rows, self._columns = (bbox or plane.bbox).slices_in(plane.bbox)
        self._across = range(self._columns.start // tiles.n_x, (self._columns.stop - 1) // tiles.n_x + 1)
        up = range(self._rows.start // tiles.n_y, (self._rows.stop - 1) // tiles.n_y + 1)
        self._per_row = _n_tiles(plane.n_x, tiles.n_x)
        self._numbers = [row * self._per_row + column for row in up for column in self._across]
        self._table: dict[int, memoryview] = {}
        self._places: dict[int, tuple[str, ByteRange]] = {}

    def table_ranges(self) -> list[ByteRange]:
        """Return the parts of the file that say where the tiles lie."""
        size, first = self._tiles.row_size, self._plane.offset
        return _merged((first + number * size, first + (number + 1) * size) for number in self._numbers)

    def pixel_ranges(self, table: Sequence[memoryview]) -> list[ByteRange]:
        """Return the parts of the file that hold the tiles.

        Parameters
        ----------
        table
            The parts that `table_ranges` names.

        Raises
        ------
        FileFormatError
            Raised if a tile lies outside the heap.
        """
        size, first = self._tiles.row_size, self._plane.offset
        pieces = list(zip(self.table_ranges(), table, strict=True))
        for number in self._numbers:
            place = first + number * size, first + (number + 1) * size
            self._table[number] = _piece(pieces, place)
            self._places[number] = self._place(self._table[number])
        return _merged(place for _, place in self._places.values())

    def pixels(self, data: Sequence[memoryview]) -> NDArray[Any]:
        """Return the stored numbers of the box, ``(n_y, n_x)``, in native byte order; the caller's own.

        Parameters
        ----------
        data
            The parts that `pixel_ranges` names.

        Raises
        ------
        FileFormatError
            Raised if a tile is broken.
        """
        shape = (self._rows.stop - self._rows.start, self._columns.stop - self._columns.start)
        pixels = np.empty(shape, np.dtype(self._plane.dtype).newbyteorder("="))
        pieces = list(zip(_merged(place for _, place in self._places.values()), data, strict=True))
        groups: dict[tuple[str, tuple[int, int]], list[int]] = {}
        for number, (purpose, _) in self._places.items():
            groups.setdefault((purpose, self._shape(number)), []).append(number)
        for (purpose, tile_shape), numbers in groups.items():
            tiles = [_piece(pieces, self._places[number][1]) for number in numbers]
            decoded = self._decoded(purpose, tile_shape, tiles)
            for number, values in zip(numbers, decoded, strict=True):
                self._paste(pixels, number, self._floats(number, values) if purpose == "data" else values)
        return pixels

    def _place(self, row: memoryview) -> tuple[str, ByteRange]:
        """Return which column holds a tile, and where in the file."""
        for purpose in ("data", "raw", "gzip"):
            if purpose not in self._tiles.columns:
                continue
            position, code = self._tiles.columns[purpose]
            count, offset = np.frombuffer(row, ">i4" if code[0] == "P" else ">i8", 2, position).tolist()
            length = count * _SIZES[code[1]]
            if min(count, offset) < 0 or offset + length > self._tiles.heap_size:
                raise FileFormatError(f"a tile of {length} bytes at {offset} lies outside its heap")
            if length:
                return purpose, (self._tiles.heap + offset, self._tiles.heap + offset + length)
        raise FileFormatError("a tile of a compressed image has no bytes")

    def _shape(self, number: int) -> tuple[int, int]:
        """Return the size of a tile; those at the right and upper edge are smaller."""
        row, column = divmod(number, self._per_row)
        tiles, plane = self._tiles, self._plane
        return min(tiles.n_y, plane.n_y - row * tiles.n_y), min(tiles.n_x, plane.n_x - column * tiles.n_x)

    def _decoded(self, purpose: str, shape: tuple[int, int], tiles: list[memoryview]) -> NDArray[Any]:
        dtype = np.dtype(self._plane.dtype)
        is_float, n_pixels = dtype.kind == "f", shape[0] * shape[1]
        if purpose == "data":
            # The numbers of rounded floats are 32-bit integers.
            bitpix = 32 if self._tiles.quantizer else 8 * dtype.itemsize * (-1 if is_float else 1)
            return decode_tiles(tiles, shape, self._tiles.codec, bitpix=bitpix, options=self._tiles.options)
        decode = decode_gzip if purpose == "gzip" else decode_raw
        return np.stack([decode(tile, n_pixels, is_float=is_float).reshape(shape) for tile in tiles])

    def _floats(self, number: int, values: NDArray[Any]) -> NDArray[Any]:
        """Return the floats of a tile that was rounded; others as they are."""
        if not self._tiles.quantizer:
            return values
        row = self._table[number]
        constants = dict(self._tiles.constants)
        for purpose in ("scale", "zero", "blank"):
            if purpose in self._tiles.columns:
                position, code = self._tiles.columns[purpose]
                kind = "f" if code in "ED" else "i"
                constants[purpose] = float(np.frombuffer(row, f">{kind}{_SIZES[code]}", 1, position)[0])
        return dequantized(
            values,
            scale=constants.get("scale", 1.0),
            zero=constants.get("zero", 0.0),
            blank=constants.get("blank"),
            quantizer=self._tiles.quantizer,
            seed=self._tiles.seed + number,
        )

    def _paste(self, pixels: NDArray[Any], number: int, values: NDArray[Any]) -> None:
        """Put the part of a tile that lies in the box where it belongs."""
        row, column = divmod(number, self._per_row)
        y0, x0 = row * self._tiles.n_y - self._rows.start, column * self._tiles.n_x - self._columns.start
        top = min(y0 + values.shape[0], pixels.shape[0])
        right = min(x0 + values.shape[1], pixels.shape[1])
        bottom, left = max(y0, 0), max(x0, 0)
        pixels[bottom:top, left:right] = values[bottom - y0 : top - y0, left - x0 : right - x0]


def _merged(ranges: Iterator[ByteRange]) -> list[ByteRange]:
    """Return ranges in order, those that lie close together as one."""
    merged: list[ByteRange] = []
    for begin, end in sorted(ranges):
        if merged and begin <= merged[-1][1] + _GAP:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def _piece(pieces: Sequence[tuple[ByteRange, memoryview]], place: ByteRange) -> memoryview:
    """Return a part of the file that lies in one of the pieces that were read."""
    (begin, _), view = pieces[bisect_right(pieces, place[0], key=lambda piece: piece[0][0]) - 1]
    return view[place[0] - begin : place[1] - begin]
