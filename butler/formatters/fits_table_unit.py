"""Binary tables of FITS, to be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .fits_units import FitsUnit

__all__ = ["Column", "table_unit", "text_column"]

_TYPES: Final = {"B": "u1", "J": ">i4", "K": ">i8", "D": ">f8", "P": ">i4", "Q": ">i8"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name
        Its name.
    code
        FITS letter of its type: B, J, K or D for numbers, A for text.
    values
        Of each row: a number or a one-dimensional array of a fixed length; ASCII bytes for text.
    pointer
        P or Q if values are arrays that vary in length, which are stored behind the rows: the letter of the
        size of places there, 32 or 64 bits.
    """

    name: str
    code: str
    values: Sequence[Any] | NDArray[Any]
    pointer: str = ""

    @property
    def form(self) -> str:
        """Value of its TFORM card."""
        if self.pointer:
            return f"{self.pointer}{self.code}({max(map(len, self.values))})"
        if self.code == "A":
            return f"{self._length}A"
        shape = np.shape(self.values)[1:]
        return f"{shape[0]}{self.code}" if shape else self.code

    @property
    def stored_type(self) -> Any:
        """Type of a value in a row, as numpy has it."""
        if self.pointer:
            return _TYPES[self.pointer], (2,)
        return f"S{self._length}" if self.code == "A" else (_TYPES[self.code], np.shape(self.values)[1:])

    @property
    def _length(self) -> int:
        return max(1, *map(len, self.values))

    def arrays(self) -> list[NDArray[Any]]:
        """Return arrays that vary in length as they are stored."""
        return [np.asarray(array, _TYPES[self.code]) for array in self.values]


def text_column(name: str, texts: Sequence[str]) -> Column:
    """Return a column of texts; what is not ASCII is written with backslashes."""
    return Column(name, "A", [text.encode("ascii", "backslashreplace") for text in texts])


def table_unit(columns: Sequence[Column], cards: Mapping[str, Any]) -> FitsUnit:
    """Return a binary table.

    Parameters
    ----------
    columns
        Its columns, of the same number of rows.
    cards
        Cards behind those of the columns.
    """
    rows = np.zeros(len(columns[0].values), [(column.name, column.stored_type) for column in columns])
    heap = bytearray()
    forms: dict[str, str] = {}
    for number, column in enumerate(columns, start=1):
        forms |= {f"TTYPE{number}": column.name, f"TFORM{number}": column.form}
        if not column.pointer:
            rows[column.name] = column.values
            continue
        for place, array in zip(rows[column.name], column.arrays(), strict=True):
            place[:] = len(array), len(heap)
            heap += array.tobytes()
    structure = {
        **{"BITPIX": 8, "NAXIS": 2, "NAXIS1": rows.itemsize, "NAXIS2": len(rows)},
        **{"PCOUNT": len(heap), "GCOUNT": 1, "TFIELDS": len(columns), **forms},
    }
    return FitsUnit("BINTABLE", rows.view(np.uint8).reshape(len(rows), -1), structure, cards, bytes(heap))
