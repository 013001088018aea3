"""Rows of binary tables of plain columns, without the time that tables that can be edited take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import FileFormatError
from .byte_source import ByteSource
from .fits_archive import read_table
from .fits_file import HduInfo, broken_file, integer_card

__all__ = ["Row", "read_rows"]

Row = dict[str, Any]
"""Values by column: numbers, texts, and arrays."""

_FORM: Final = re.compile(r"(\d*)([JKEDA])|[01]?([PQ])([JKED])(?:\(\d*\))?", re.ASCII)
"""Kinds of columns that are read here: numbers, texts, and arrays whose length varies."""
_TYPES: Final = {"J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "P": ">i4", "Q": ">i8"}
_CHANGED: Final = re.compile(r"T(SCAL|ZERO|NULL|DIM)\d+", re.ASCII)
"""Cards that give stored numbers another meaning or form."""


def read_rows(source: ByteSource, hdu: HduInfo) -> list[Row]:
    """Return the rows of a binary table; only its own bytes are read.

    Raises
    ------
    FileFormatError
        Raised if the unit is no table, or a broken one.
    """
    with broken_file(source):
        cards = hdu.cards
        forms = [
            _FORM.fullmatch(str(cards[f"TFORM{i + 1}"]).strip())
            for i in range(integer_card(cards, "TFIELDS", 0))
        ]
        plain = cards.get("XTENSION") == "BINTABLE" and integer_card(cards, "BITPIX") == 8
        if not (plain and forms and hdu.data_size) or any(map(_CHANGED.fullmatch, cards)):
            return _by_astropy(source, hdu)
        found = [form for form in forms if form is not None]
        if len(found) < len(forms):
            return _by_astropy(source, hdu)
        [data] = source.read_ranges([(hdu.offset, hdu.offset + hdu.data_size)])
        return _rows(data, cards, found)


def _by_astropy(source: ByteSource, hdu: HduInfo) -> list[Row]:
    data = read_table(source, hdu).data
    return [{name: row[name] for name in data.names} for row in data]


def _rows(data: memoryview, cards: Mapping[str, Any], forms: list[re.Match[str]]) -> list[Row]:
    names = [str(cards[f"TTYPE{i + 1}"]).strip() for i in range(len(forms))]
    stored = np.dtype(list(zip(names, map(_stored_type, forms), strict=True)))
    width, n_rows = (integer_card(cards, f"NAXIS{i}") for i in (1, 2))
    if stored.itemsize != width:
        raise FileFormatError(f"the columns of a table take {stored.itemsize} bytes, but its rows {width}")
    heap = data[integer_card(cards, "THEAP", width * n_rows) :]
    readers = dict(zip(names, (_reader(form, heap) for form in forms), strict=True))
    table = np.frombuffer(data, stored, n_rows)
    return [{name: read(row[name]) for name, read in readers.items()} for row in table]


def _stored_type(form: re.Match[str]) -> Any:
    repeat, kind, pointer, _ = form.groups()
    if pointer:
        return _TYPES[pointer], (2,)
    n = int(repeat or 1)
    if kind == "A":
        return f"S{n}"
    return _TYPES[kind] if n == 1 else (_TYPES[kind], (n,))


def _reader(form: re.Match[str], heap: memoryview) -> Callable[[Any], Any]:
    """Return what makes a value of what is stored in a column."""
    _, kind, pointer, element = form.groups()
    if pointer:
        return lambda place: _from_heap(heap, np.dtype(_TYPES[element]), *map(int, place))
    if kind == "A":
        return lambda text: text.decode("ascii").rstrip()
    return lambda number: number.astype(number.dtype.newbyteorder("=")) if number.ndim else number.item()


def _from_heap(heap: memoryview, stored: np.dtype[Any], n: int, offset: int) -> NDArray[Any]:
    if n < 0 or offset < 0 or offset + n * stored.itemsize > len(heap):
        raise FileFormatError(f"an array of {n} numbers at byte {offset} is not inside the heap of its table")
    return np.frombuffer(heap, stored, n, offset).astype(stored.newbyteorder("="))
