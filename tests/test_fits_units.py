"""Units of FITS files that are written without astropy are those that astropy reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.errors import StorageClassError
from butler.formatters import write_plain_fits
from butler.formatters.byte_source import LocalFile
from butler.formatters.fits_file import walk_hdus
from butler.formatters.fits_rows import read_rows
from butler.formatters.fits_table_unit import Column, table_unit, text_column
from butler.formatters.fits_units import AstropyUnit, image_unit, write_units

TYPES = ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", ">f4", ">i2")
_ROW = st.tuples(
    st.integers(-(2**31), 2**31 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(max_codepoint=300), max_size=6).map(str.strip),
    st.lists(st.floats(width=32, allow_nan=False), max_size=5),
)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("first", [True, False])
def test_pixels_of_every_type(kind: str, first: bool, tmp_path: Path) -> None:
    """astropy reads the same numbers of the same type, also of a view; the file passes its checks."""
    ends = [np.iinfo(kind).min, np.iinfo(kind).max] if np.dtype(kind).kind in "iu" else [-1e30, np.pi]
    array = np.array([[*ends, 0], [1, 2, 3], [4, 5, 6]], dtype=kind)[::2]
    units = [image_unit(array, {"EXTNAME": "PIXELS"})]
    write_units(tmp_path / "image.fits", units if first else [image_unit(None, {"A": 1}), *units])
    assert (tmp_path / "image.fits").stat().st_size % 2880 == 0
    with fits.open(tmp_path / "image.fits") as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == (["PIXELS"] if first else ["PRIMARY", "PIXELS"])
        np.testing.assert_array_equal(hdus[-1].data, array)
        assert hdus[-1].data.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")


@pytest.mark.parametrize("n_y", [1, 7, 3000])
def test_pixels_are_written_in_strips(n_y: int, tmp_path: Path) -> None:
    """Whatever the number of strips, all pixels are there."""
    array = np.arange(n_y * 500, dtype=np.float32).reshape(n_y, 500)
    write_plain_fits(tmp_path / "image.fits", array, {})
    np.testing.assert_array_equal(fits.getdata(tmp_path / "image.fits"), array)


def test_cards_of_the_data_come_from_the_data(tmp_path: Path) -> None:
    """Cards copied from elsewhere that would contradict the pixels, or the order of units, are left out."""
    foreign = {
        "SIMPLE": False,
        "XTENSION": "IMAGE",
        "BITPIX": 16,
        "NAXIS": 3,
        "naxis3": 9,
        "BZERO": 5.0,
        "A": 1,
    }
    write_plain_fits(tmp_path / "image.fits", np.ones((2, 3)), {**foreign, "CHECKSUM": "0", "GCOUNT": 2})
    with fits.open(tmp_path / "image.fits") as hdus:
        names = ["SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "A"]
        assert list(hdus[0].header) == names
        np.testing.assert_array_equal(hdus[0].data, np.ones((2, 3)))


def test_what_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    """The error names the type of pixels, or the card, of whichever unit."""
    with pytest.raises(StorageClassError, match="complex128"):
        write_plain_fits(tmp_path / "image.fits", np.ones((2, 3), dtype=complex), {})
    with pytest.raises(StorageClassError, match="cannot write 'KEY'"):
        write_units(tmp_path / "image.fits", [image_unit(None, {}), image_unit(None, {"KEY": [1]})])
    assert not list(tmp_path.iterdir())


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(_ROW, min_size=1, max_size=5))
def test_tables_are_read_by_astropy_and_by_us(rows: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Numbers, texts, arrays of fixed and of any length come back from both; texts with backslashes."""
    integers, numbers, texts, lists = (list(values) for values in zip(*rows, strict=True))
    columns = [
        Column("short", "J", integers),
        Column("long", "K", [2**31 * i for i in integers]),
        Column("number", "D", numbers),
        Column("pair", "D", [(x, -x) for x in numbers]),
        text_column("text", texts),
        Column("list", "D", [np.array(values) for values in lists], "P"),
        Column("bytes", "B", [np.arange(len(text), dtype="u1") for text in texts], "Q"),
    ]
    path = tmp_path_factory.mktemp("table") / "table.fits"
    write_units(path, [image_unit(None, {}), table_unit(columns, {"EXTNAME": "ROWS"})])
    source = LocalFile(path)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        found = hdus["ROWS"].data
        for i, own in enumerate(read_rows(source, walk_hdus(source)[1])):
            encoded = texts[i].encode("ascii", "backslashreplace").decode().rstrip("\0 ")
            for row in (own, {name: found[name][i] for name in found.names}):
                assert (row["short"], row["long"]) == (integers[i], 2**31 * integers[i])
                np.testing.assert_array_equal(row["number"], numbers[i])
                np.testing.assert_array_equal(row["pair"], [numbers[i], -numbers[i]])
                assert row["text"].rstrip("\0 ") == encoded
                np.testing.assert_array_equal(row["list"], lists[i])
                np.testing.assert_array_equal(row["bytes"], np.arange(len(texts[i])))


def test_units_of_astropy_stand_beside_ours(tmp_path: Path) -> None:
    """A table that astropy writes follows an image of ours."""
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column("flag", "L", array=np.array([True, False]))], name="FLAGS"
    )
    write_units(tmp_path / "file.fits", [image_unit(np.ones((2, 2)), {}), AstropyUnit(hdu)])
    with fits.open(tmp_path / "file.fits") as hdus:
        hdus.verify("exception")
        assert hdus["FLAGS"].data["flag"].tolist() == [True, False]
