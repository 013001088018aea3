"""walk_hdus: where headers end, of any length, against astropy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from butler.errors import FileFormatError
from butler.formatters import LocalFile
from butler.formatters.fits_file import walk_hdus

CARDS_AT_ONCE = 22 * 36
"""Cards that are read at once."""


def write(path: Path, numbers: list[int]) -> None:
    """Write units of an image each, with so many cards more than they need."""
    hdus = fits.HDUList()
    for unit, number in enumerate(numbers):
        header = fits.Header([(f"C{i}", i, "not the END") for i in range(number)])
        kind = fits.ImageHDU if unit else fits.PrimaryHDU
        hdus.append(kind(np.full((3, 4), unit, np.int16), header))
    hdus.writeto(path, output_verify="ignore")


@pytest.mark.parametrize("first", [0, 30, 31, CARDS_AT_ONCE - 8, CARDS_AT_ONCE - 7, CARDS_AT_ONCE - 6, 2000])
def test_headers_of_any_length(tmp_path: Path, first: int) -> None:
    """END is found in whichever block, and data begin where astropy finds them."""
    path = tmp_path / "long.fits"
    write(path, [first, 5, first])
    found = walk_hdus(LocalFile(path))
    with fits.open(path) as hdus:
        assert [hdu.offset for hdu in found] == [hdu.fileinfo()["datLoc"] for hdu in hdus]
        assert [len(hdu.cards) for hdu in found] == [len(hdu.header) for hdu in hdus]


def test_end_within_a_card_is_none(tmp_path: Path) -> None:
    """A text that looks like END where no card begins does not end the header."""
    path = tmp_path / "odd.fits"
    write(path, [40])
    content = path.read_bytes()
    looks_so = b"COMMENT  END".ljust(80) + b"".ljust(80)
    place = content.index(b"C3      =")
    path.write_bytes(content[:place] + looks_so + content[place + 160 :])
    [hdu] = walk_hdus(LocalFile(path))
    assert hdu.cards["C39"] == 39
    assert hdu.cards.get("C3") is None


@pytest.mark.parametrize("size", [2880, 2 * 2880 - 1, 22 * 2880, 22 * 2880 + 100])
def test_a_header_that_is_cut_off(tmp_path: Path, size: int) -> None:
    """Without END, or without all of its block, it is none."""
    path = tmp_path / "cut.fits"
    write(path, [40 if size < 6000 else 1000])
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(FileFormatError, match="header without END"):
        walk_hdus(LocalFile(path))
