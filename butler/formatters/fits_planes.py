"""The pixels of FITS images: where they lie, and how a box of them is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FileFormatError, StorageClassError
from ..images import Box2I, converted_pixels
from .byte_source import ByteRange, ByteSource
from .fits_file import DTYPES, HduInfo, broken_file, integer_card, number_card
from .fits_header import origin_from_header, planes_from_cards
from .fits_tiles import TileBox, tile_layout
from .formatter import FileLayout, PlaneLayout

__all__ = [
    "PlainBox",
    "as_pixels",
    "image_layout",
    "plane_layout",
    "read_pixels",
    "read_plane",
    "read_planes",
]


def plane_layout(
    hdu: HduInfo, *, xy0: tuple[int, int] = (0, 0), mask_planes: Mapping[str, int] | None = None
) -> PlaneLayout:
    """Return where the pixels of an image unit lie.

    Raises
    ------
    FileFormatError
        Raised if the unit is no two-dimensional image, or one whose tiles contradict the rest.
    """
    if not hdu.is_image:
        raise FileFormatError(f"not a two-dimensional FITS image: NAXIS is {hdu.cards.get('NAXIS')}")
    header = hdu.cards
    bitpix = integer_card(header, "ZBITPIX" if hdu.is_compressed else "BITPIX")
    if bitpix not in DTYPES:
        raise FileFormatError(f"FITS card ZBITPIX is {bitpix}, it must be one of {sorted(DTYPES)}")
    n_x, n_y = hdu.axes
    blank = next((key for key in ("BLANK", "ZBLANK") if bitpix > 0 and key in header), None)
    return PlaneLayout(
        offset=hdu.offset,
        n_x=n_x,
        n_y=n_y,
        dtype=DTYPES[bitpix],
        x0=xy0[0],
        y0=xy0[1],
        scale=number_card(header, "BSCALE", 1.0),
        zero=number_card(header, "BZERO", 0.0),
        blank=None if blank is None else integer_card(header, blank),
        unit=str(header.get("BUNIT") or ""),
        mask_planes=dict(mask_planes or {}),
        tiles=tile_layout(hdu) if hdu.is_compressed else None,
    )


def image_layout(hdu: HduInfo) -> FileLayout:
    """Return where the pixels of a file lie of which an image unit counts alone.

    Raises
    ------
    FileFormatError
        As `plane_layout`; or if the mask planes contradict each other.
    """
    planes = planes_from_cards(hdu.named("MP_")) if hdu.cards.may_have(_is_plane_card) else {}
    return FileLayout({"image": plane_layout(hdu, xy0=origin_from_header(hdu.cards), mask_planes=planes)})


def _is_plane_card(name: str) -> bool:
    return name.startswith("MP_")


def read_plane(source: ByteSource, plane: PlaneLayout, bbox: Box2I | None = None) -> NDArray[Any]:
    """Read a box of a plane; only its rows, or the tiles that it touches, are fetched.

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
        Raised if the file is shorter than the layout says, or if its tiles are broken.
    """
    return read_planes(source, [plane], bbox)[0]


def read_pixels(source: ByteSource, plane: PlaneLayout, bbox: Box2I | None, pixel_type: str) -> NDArray[Any]:
    """Read a box of a plane as `read_plane` does, as pixels of a type; of any if that is empty.

    Raises
    ------
    FileFormatError
        Raised if the stored pixels cannot be had in that type.
    """
    return as_pixels(read_plane(source, plane, bbox), pixel_type, source)


def as_pixels(pixels: NDArray[Any], pixel_type: str, source: ByteSource) -> NDArray[Any]:
    """Return pixels of a file in a type; of any if that is empty.

    Raises
    ------
    FileFormatError
        Raised if the stored pixels cannot be had in that type.
    """
    if not pixel_type or pixels.dtype.newbyteorder("=") == np.dtype(pixel_type):
        return pixels
    try:
        return converted_pixels(pixels, pixel_type)
    except StorageClassError as error:
        raise FileFormatError(f"{source}: {error}") from error


def read_planes(
    source: ByteSource,
    planes: Sequence[PlaneLayout],
    bbox: Box2I | None = None,
    *,
    in_place: bool = False,
) -> list[NDArray[Any]]:
    """Read a box of several planes, as `read_plane` does, with one request for all of them.

    Compressed planes take one request before it: where their tiles lie. With ``in_place``, planes whose
    stored numbers are the values are read-only views of the file's bytes, in the file's byte order.
    """
    with broken_file(source):
        boxes = [
            PlainBox(plane, bbox) if plane.tiles is None else TileBox(plane, plane.tiles, bbox)
            for plane in planes
        ]
        tables = _read_lists(source, [box.table_ranges() for box in boxes])
        wanted = [box.pixel_ranges(table) for box, table in zip(boxes, tables, strict=True)]
        data = _read_lists(source, wanted)
        return [
            box.pixels(views) if in_place and _is_plain(plane) else _scaled(box.pixels(views), plane)
            for box, views, plane in zip(boxes, data, planes, strict=True)
        ]


class PlainBox:
    """A box of a plane that is not compressed: the whole rows that it touches.

    Parameters
    ----------
    plane
        The plane.
    bbox
        Box in parent coordinates; everything if None.
    """

    def __init__(self, plane: PlaneLayout, bbox: Box2I | None) -> None:
        self._plane = plane
        self._rows, self._columns = (bbox or plane.bbox).slices_in(plane.bbox)

    def table_ranges(self) -> list[ByteRange]:
        """Return nothing: the layout says where the pixels lie."""
        return []

    def pixel_ranges(self, table: Sequence[memoryview]) -> list[ByteRange]:
        """Return the part of the file that holds the rows."""
        plane = self._plane
        row_bytes = plane.n_x * np.dtype(plane.dtype).itemsize
        return [(plane.offset + self._rows.start * row_bytes, plane.offset + self._rows.stop * row_bytes)]

    def pixels(self, data: Sequence[memoryview]) -> NDArray[Any]:
        """Return a view of the stored numbers of the box, ``(n_y, n_x)``."""
        return np.frombuffer(data[0], self._plane.dtype).reshape(-1, self._plane.n_x)[:, self._columns]


def _read_lists(source: ByteSource, lists: Sequence[Sequence[ByteRange]]) -> list[list[memoryview]]:
    """Read lists of ranges with one request."""
    ranges = [place for places in lists for place in places]
    views = iter(source.read_ranges(ranges) if ranges else [])
    return [[next(views) for _ in places] for places in lists]


def _is_plain(plane: PlaneLayout) -> bool:
    """Tell whether the stored numbers of a plane are its values."""
    return plane.tiles is None and (plane.scale, plane.zero, plane.blank) == (1.0, 0.0, None)


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
