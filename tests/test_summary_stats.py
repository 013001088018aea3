"""Quality numbers and catalogs of exposures in files."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from ccd_frames import box
from lsst_files import LsstArchive, write_lsst
from stored_files import read, write

from butler.errors import FileFormatError
from butler.images import Exposure, ExposureSummaryStats, MaskedImage

STATS = ExposureSummaryStats(
    psfSigma=1.8,
    nPsfStar=41,
    raCorners=(1.0, 2.0, 3.0, 4.0),
    decCorners=(-1.0, -2.0, -3.0, -4.0),
    zeroPointErr=0.01,
)


def same(one: Any, two: Any) -> bool:
    """Compare numbers; NaN equals NaN."""
    return all(
        np.array_equal(one.to_dict()[name], two.to_dict()[name], equal_nan=True) for name in one.names()
    )


def test_numbers_survive_the_file_of_an_exposure(tmp_path: Path) -> None:
    """All numbers are read as they were written, alone or with the exposure."""
    exposure = Exposure(MaskedImage.from_bbox(box(5, 4)), summaryStats=STATS)
    write(exposure, tmp_path / "e.fits", "ExposureF")
    assert same(read(tmp_path / "e.fits", "ExposureF").summaryStats, STATS)
    found = read(tmp_path / "e.fits", "ExposureF", "summaryStats")
    assert same(found, STATS)
    assert type(found.nPsfStar) is int
    row = fits.getdata(tmp_path / "e.fits", "SUMMARY_STATS")[0]
    np.testing.assert_array_equal(row["raCorners"], [1, 2, 3, 4])


def test_an_exposure_without_numbers_has_none(tmp_path: Path) -> None:
    """Nothing is written for what is not known."""
    write(Exposure(MaskedImage.from_bbox(box(5, 4))), tmp_path / "e.fits", "ExposureF")
    assert read(tmp_path / "e.fits", "ExposureF", "summaryStats") is None


def test_numbers_of_lsst_are_read(tmp_path: Path) -> None:
    """Of LSST's table those numbers are taken that are known; others stay unknown."""
    archive = LsstArchive()
    columns = [
        fits.Column("version", "J", array=[0]),
        fits.Column("psfSigma", "D", array=[2.5]),
        fits.Column("nPsfStar", "J", array=[30]),
        fits.Column("raCorners", "4D", array=[[1.0, 2.0, 3.0, 4.0]]),
        fits.Column("ofTheFuture", "D", array=[1.0]),
    ]
    number = archive.add(3, "ExposureSummaryStats", columns)
    path = write_lsst(tmp_path / "e.fits", {"EXPINFO_V": 2, "SUMMARYSTATS_ID": number}, archive)
    expected = ExposureSummaryStats(psfSigma=2.5, nPsfStar=30, raCorners=(1.0, 2.0, 3.0, 4.0))
    assert same(read(path, "ExposureF", "summaryStats"), expected)
    assert same(read(path, "ExposureF").summaryStats, expected)


def test_a_catalog_of_exposures_is_a_fits_table(tmp_path: Path) -> None:
    """Columns, types, NaN, text and long keys survive without a warning; columns and rows can be chosen."""
    table = Table({"id": [3, 1], "band": ["r", "i"], "psfSigma": [1.5, math.nan], "raCorners": np.eye(2, 4)})
    table.meta["LSST.BUTLER.RUN"] = "u/me"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(table, tmp_path / "v.fits", "ExposureCatalog")
    found = read(tmp_path / "v.fits", "ExposureCatalog")
    assert found.colnames == table.colnames
    assert found.meta["LSST.BUTLER.RUN"] == "u/me"
    assert list(found["band"]) == ["r", "i"]
    np.testing.assert_array_equal(found["psfSigma"], table["psfSigma"])
    np.testing.assert_array_equal(found["raCorners"], table["raCorners"])
    assert read(tmp_path / "v.fits", "ExposureCatalog", columns=["id"]).colnames == ["id"]
    assert read(tmp_path / "v.fits", "ExposureCatalog", "rowcount") == 2


def test_an_image_is_no_catalog(tmp_path: Path) -> None:
    """A file without a table is refused in one line."""
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((3, 3)))]).writeto(tmp_path / "i.fits")
    with pytest.raises(FileFormatError, match="has no table"):
        read(tmp_path / "i.fits", "ExposureCatalog")
