"""Ingest of headers as cameras and programs write them, each in its own way."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from toy_camera import CAMERA, write_frame

from butler import Butler
from butler.images import Box2I, Extent2I, Point2I, SkyWcs
from butler.ingest import IngestReport, expand_paths, ingest_exposures
from butler.regions import SkyRegion


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Butler]:
    """Return a butler of an empty repository."""
    Butler.makeRepo(tmp_path / "repo")
    with Butler(tmp_path / "repo", writeable=True) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty directory for files of the camera."""
    path = tmp_path / "frames"
    path.mkdir()
    return path


def ingest(butler: Butler, *paths: Path) -> IngestReport:
    return ingest_exposures(butler, paths, run="raw", camera=CAMERA)


@pytest.mark.parametrize("kind", [fits.ImageHDU, fits.CompImageHDU])
@pytest.mark.parametrize(
    "stray",
    [
        {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-3, "B_0_2": 1e-3},
        {"PV1_1": 1.1, "PV2_1": 1.1, "PV1_0": 0.01},
        {"CDELT1": -1.0, "CDELT2": 1.0, "CROTA2": 45.0},
        {"CTYPE1": "LINEAR", "CTYPE2": "LINEAR", "CRVAL1": "here", "LONPOLE": 0.0},
    ],
)
def test_a_projection_of_the_primary_unit_does_not_mix_with_that_of_an_image(
    kind: Any, stray: dict[str, Any], empty: Butler, folder: Path
) -> None:
    """What the image does not have of it does not count, but for the frame; nor in what is read later."""
    plain = write_frame(folder / "plain.fits")
    with fits.open(plain) as hdus:
        pixels, header = hdus[0].data, hdus[0].header
    wanted = SkyWcs(dict(header))
    header["EXPNUM"] = 2
    header.remove("RADESYS")
    primary = fits.Header({**stray, "RADESYS": "ICRS"})
    fits.HDUList([fits.PrimaryHDU(header=primary), kind(pixels, header)]).writeto(folder / "two.fits")
    report = ingest(empty, folder / "two.fits")
    assert not report.failed
    (ref,) = report.ingested
    exposure = empty.get(ref)
    assert exposure.wcs == wanted
    assert not set(stray) & set(exposure.metadata) - set(header)
    (record,) = empty.query_dimension_records("visit_detector_region")
    box = Box2I(Point2I(0, 0), Extent2I(*reversed(pixels.shape)))
    np.testing.assert_allclose(record.region.vertices(), SkyRegion.from_wcs(wanted, box).vertices())


def test_a_projection_that_stands_in_the_primary_unit_alone(empty: Butler, folder: Path) -> None:
    """It is that of the image."""
    plain = write_frame(folder / "plain.fits")
    with fits.open(plain) as hdus:
        primary = fits.PrimaryHDU(header=hdus[0].header)
        fits.HDUList([primary, fits.ImageHDU(hdus[0].data)]).writeto(folder / "two.fits")
        wanted = SkyWcs(dict(hdus[0].header))
    (ref,) = ingest(empty, folder / "two.fits").ingested
    assert empty.get(ref).wcs == wanted


@pytest.mark.parametrize("unit", ["degree", "degrees", "DEG", "Degrees "])
@pytest.mark.parametrize("projection", ["TAN", "SIN"])
def test_names_of_degrees(unit: str, projection: str, empty: Butler, folder: Path) -> None:
    """Headers write the unit of their angles in many ways."""
    kind = {"CTYPE1": f"RA---{projection}", "CTYPE2": f"DEC--{projection}"}
    usual = write_frame(folder / "1.fits", 1, changes=kind)
    named = write_frame(folder / "2.fits", 2, changes={**kind, "CUNIT1": unit, "CUNIT2": unit})
    report = ingest(empty, usual, named)
    assert not report.failed
    one, two = (empty.get(ref).wcs for ref in report.ingested)
    assert one == two


def test_years_without_known_leap_seconds(empty: Butler, folder: Path) -> None:
    """A simulated survey of the future comes in without warnings of the library of times."""
    path = write_frame(folder / "1.fits", changes={"DATE-OBS": "2041-03-01T02:00:00"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not ingest(empty, path).failed
    (record,) = empty.query_dimension_records("exposure")
    assert record["day_obs"] == 20410301


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"DATE-OBS": "0001-01-01T00:00:00"},
            "the date is 1-01-01T00:00:00.000, the exposure time 30 s: times",
        ),
        ({"EXPTIME": 1e12}, "the date is 2024-03-01T02:00:00, the exposure time 1e+12 s: times must lie"),
    ],
)
def test_times_that_no_repository_holds(
    changes: dict[str, Any], told: str, empty: Butler, folder: Path
) -> None:
    """The line says which, and nothing else is said."""
    path = write_frame(folder / "1.fits", changes=changes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ((_, reason),) = ingest(empty, path).failed
    assert reason.startswith(told)


def test_files_packed_by_gzip_are_told(empty: Butler, folder: Path) -> None:
    """Neither are they passed over in a directory, nor does the message leave one in the dark."""
    good = write_frame(folder / "1.fits", 1)
    packed = folder / "2.fits.gz"
    packed.write_bytes(gzip.compress(write_frame(folder / "2.fits", 2).read_bytes()))
    (folder / "2.fits").unlink()
    assert expand_paths([folder]) == [good, packed]
    ((path, reason),) = ingest(empty, good, packed).failed
    assert path == packed
    assert reason == "it is packed by gzip; unpack it with gunzip, or pack it with fpack instead"
