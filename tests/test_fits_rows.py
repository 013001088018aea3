"""Rows of FITS tables that are read without astropy are those that astropy reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.errors import FileFormatError
from butler.formatters.byte_source import LocalFile
from butler.formatters.fits_file import walk_hdus
from butler.formatters.fits_rows import read_rows

_NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
_INTEGERS = st.integers(-(2**31), 2**31 - 1)
_ROWS = st.lists(
    st.tuples(_INTEGERS, _NUMBERS, st.text("ab '/.", max_size=5), st.lists(_NUMBERS, max_size=4)),
    min_size=1,
    max_size=4,
)


def _write(path: Path, columns: list[fits.Column]) -> None:
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path, overwrite=True)


def _columns(rows: list[tuple[int, float, str, list[float]]]) -> list[fits.Column]:
    integers, numbers, texts, lists = (list(values) for values in zip(*rows, strict=True))
    arrays = np.empty(len(rows), dtype=object)
    arrays[:] = [np.array(values, dtype=float) for values in lists]
    return [
        fits.Column("short", "J", array=np.array(integers)),
        fits.Column("long", "K", array=np.array(integers) * 2**20),
        fits.Column("single", "E", array=np.array(numbers)),
        fits.Column("double", "D", array=np.array(numbers)),
        fits.Column("pair", "2D", array=np.outer(numbers, [1, 2])),
        fits.Column("text", "5A", array=np.array(texts)),
        fits.Column("list", "PD()", array=arrays),
        fits.Column("long_list", "QD()", array=arrays),
    ]


def _read(path: Path) -> list[dict[str, Any]]:
    source = LocalFile(path)
    return read_rows(source, walk_hdus(source)[1])


def _assert_as_astropy(path: Path) -> None:
    with fits.open(path) as hdus:
        table = hdus[1].data
        for row, other in zip(_read(path), table, strict=True):
            assert list(row) == table.names
            for name, value in row.items():
                np.testing.assert_array_equal(value, other[name])


@settings(max_examples=30, deadline=None)
@given(rows=_ROWS)
def test_rows_are_those_that_astropy_reads(rows: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Numbers, texts and arrays of any length are the same by both ways."""
    path = tmp_path_factory.mktemp("rows") / "table.fits"
    _write(path, _columns(rows))
    _assert_as_astropy(path)


@pytest.mark.parametrize(
    "column",
    [
        fits.Column("a", "L", array=np.array([True, False])),
        fits.Column("a", "J", bzero=2**31, array=np.array([1, 2**32 - 1], dtype=np.uint32)),
        fits.Column("a", "4D", dim="(2,2)", array=np.arange(8.0).reshape(2, 2, 2)),
    ],
)
def test_other_columns_are_left_to_astropy(column: fits.Column, tmp_path: Path) -> None:
    """Columns whose stored numbers mean something else are read as astropy does."""
    _write(tmp_path / "table.fits", [column])
    _assert_as_astropy(tmp_path / "table.fits")


@pytest.mark.parametrize("place", [(3, 2**20), (2**20, 0), (-1, 0), (1, -8)])
def test_an_array_outside_the_table_is_refused(place: tuple[int, int], tmp_path: Path) -> None:
    """A pointer out of the table's heap makes an error that names the file, not a wrong array."""
    path = tmp_path / "table.fits"
    arrays = np.empty(1, dtype=object)
    arrays[0] = np.arange(3.0)
    _write(path, [fits.Column("list", "PD()", array=arrays)])
    begin = walk_hdus(LocalFile(path))[1].offset
    content = bytearray(path.read_bytes())
    content[begin : begin + 8] = np.array(place, dtype=">i4").tobytes()
    path.write_bytes(bytes(content))
    with pytest.raises(FileFormatError, match=r"table\.fits.*heap"):
        _read(path)
