"""Exposures that LSST wrote are read: three versions of its layout, its archive, its rules."""

from __future__ import annotations

import logging
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst_files import XY0, LsstArchive, box_columns, write_lsst
from small_repository import make_exposure, make_wcs
from stored_files import CountedBytes, read, write

from butler.datasets import get_storage_class
from butler.errors import BoxError, FileFormatError
from butler.formatters import FileLayout, LocalFile, ReadRequest, get_formatter
from butler.images import (
    ApCorrMap,
    Box2I,
    CcdInput,
    ChebyshevBoundedField,
    CoaddInputs,
    Exposure,
    Extent2I,
    FilterLabel,
    GaussianPsf,
    PhotoCalib,
    Point2I,
    Polygon,
    SkyWcs,
    VisitInfo,
)

pytestmark = pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")

BOX = Box2I(Point2I(*XY0), Extent2I(50, 30))
SQUARE = [(100.0, -40.0), (140.0, -40.0), (140.0, -15.0), (100.0, -15.0)]


def assert_same_sky(wcs: SkyWcs) -> None:
    """Compare with the WCS of the files, whose cards have fewer digits."""
    x, y = np.array([0.0, 150.0]), np.array([-40.0, 700.0])
    np.testing.assert_allclose(wcs.pixelToSky(x, y), make_wcs().pixelToSky(x, y), atol=1e-9)


# Versions.


def test_version_without_number_has_cards(tmp_path: Path) -> None:
    """Filter and calibration are cards where no version is named."""
    path = write_lsst(tmp_path / "e.fits", {"FILTER": "ha", "FLUXMAG0": 1e6, "FLUXMAG0ERR": 2e4})
    found = read(path, "ExposureF")
    assert found.filter == FilterLabel("", "ha")
    assert found.photoCalib.calibrationMean == pytest.approx(3630780.5477)
    assert found.photoCalib.calibrationErr == pytest.approx(72615.6110)
    assert_same_sky(found.wcs)
    assert found.bbox == BOX
    assert found.metadata == {}


def test_version_1_has_its_calibration_in_the_archive(tmp_path: Path) -> None:
    """A FLUXMAG0 card no longer counts; the filter is still a card."""
    archive = LsstArchive()
    cards = {
        "EXPINFO_V": 1,
        "FILTER": "N656",
        "FLUXMAG0": 7.0,
        "PHOTOCALIB_ID": archive.photo_calib(4, 1e6, 2e4),
    }
    path = write_lsst(tmp_path / "e.fits", cards, archive)
    assert read(path, "ExposureF", "photoCalib") == PhotoCalib(1e6, 2e4)
    assert read(path, "ExposureF", "filter") == FilterLabel("N656")


@pytest.mark.parametrize(("band", "physical"), [("N656", "ha"), (None, "ha"), ("r", None)])
def test_version_2_has_its_filter_in_the_archive(
    tmp_path: Path, band: str | None, physical: str | None
) -> None:
    """A FILTER card no longer counts; what does not exist is not taken from the columns."""
    archive = LsstArchive()
    ids = {"ARCHIVE_ID_FILTER": archive.filter_label(2, band, physical), "FILTER_ID": 2}
    path = write_lsst(tmp_path / "e.fits", {"EXPINFO_V": 2, "FILTER": "wrong", **ids}, archive)
    found = read(path, "ExposureF")
    assert found.filter == FilterLabel(band or "", physical)
    assert found.photoCalib is None
    assert found.metadata == {}


@pytest.mark.parametrize("version", [3, -1, "two"])
def test_later_versions_are_refused(tmp_path: Path, version: Any) -> None:
    """A file of a layout that nobody knows yet is refused when it is stored."""
    path = write_lsst(tmp_path / "e.fits", {"EXPINFO_V": version})
    with pytest.raises(FileFormatError, match=r"e\.fits follows version"):
        get_formatter("ExposureFits").layout(LocalFile(path))


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("r  ", FilterLabel("r")),
        ("HSC-I", FilterLabel("", "HSC-I")),
        ("r2", FilterLabel("r", "HSC-R2")),
        ("i2", FilterLabel("i", "HSC-I2")),
        ("SOLID", FilterLabel("", "solid plate 0.0 0.0")),
        ("_unknown_", None),
        ("", None),
        ("N921", FilterLabel("N921")),
        ("I945", FilterLabel("I945")),
        ("I9", FilterLabel("", "I9")),
        ("VR", FilterLabel("VR")),
        ("white", FilterLabel("white")),
        ("ugrizy", FilterLabel("", "ugrizy")),
    ],
)
def test_filter_cards(tmp_path: Path, card: str, expected: FilterLabel | None) -> None:
    """A FILTER card names a band or a physical filter, by LSST's rules."""
    path = write_lsst(tmp_path / "e.fits", {"FILTER": card})
    assert read(path, "ExposureF", "filter") == expected


def test_inherit_decides_whether_the_primary_header_counts(tmp_path: Path) -> None:
    """Without INHERIT the primary header is ignored, with it the image's own cards win."""
    primary = {"FILTER": "r", "EXPID": 5, "MINE": 1, "BOTH": 1}
    cards = {"FILTER": "g", "BOTH": 2}
    path = write_lsst(tmp_path / "alone.fits", primary, inherit=False, image_cards=cards)
    found = read(path, "ExposureF")
    assert (found.filter, found.id, found.metadata) == (FilterLabel("g"), None, {"BOTH": 2})
    path = write_lsst(tmp_path / "both.fits", primary, image_cards=cards)
    found = read(path, "ExposureF")
    assert (found.filter, found.id, found.metadata) == (FilterLabel("g"), 5, {"BOTH": 2, "MINE": 1})


# The archive.


def full_archive() -> tuple[dict[str, Any], LsstArchive]:
    """Return an archive of everything that is read, and the cards that point to it."""
    archive = LsstArchive()
    archive.field(20, BOX, [[1.0, 0.5, -0.25], [0.125, 0.0, 2.0]])
    archive.field(21, BOX, [[3.0]])
    archive.add(6, "ApCorrMap", [
        fits.Column("name", "64A", array=["base_PsfFlux_instFlux", "base_PsfFlux_instFluxErr"]),
        fits.Column("field", "J", array=[20, 21]),
    ])  # fmt: skip
    archive.gaussian(7, 2.5)
    archive.opaque(9, "CoaddPsf")
    archive.polygon(8, SQUARE)
    links = {"wcs": [9, 9], "photoCalib": [0, 0], "apCorrMap": [0, 0], "visitInfo": [0, 0]}
    common = [
        fits.Column("goodpix", "J", array=[700, 800]),
        fits.Column("weight", "D", array=[0.5, 1.5]),
        fits.Column("filter", "PA()", array=np.array(["HSC-R", "HSC-R2"], dtype=object)),
        *(fits.Column(name, "J", array=ids) for name, ids in links.items()),
        *box_columns([BOX, BOX]),
    ]
    archive.add(10, "CoaddInputs", [
        fits.Column("id", "K", array=[1228, 1230]), *common,
        *(fits.Column(name, "J", array=[0, 0]) for name in ("psf", "validPolygon")),
    ])  # fmt: skip
    archive.add(10, "CoaddInputs", [
        fits.Column("id", "K", array=[1, 2]), *common,
        fits.Column("visit", "K", array=[1228, 1230]), fits.Column("ccd", "J", array=[40, 41]),
        fits.Column("psf", "J", array=[7, 9]), fits.Column("validPolygon", "J", array=[8, 0]),
    ], part=1)  # fmt: skip
    cards = {
        "EXPINFO_V": 2, "SKYWCS_ID": 0, "PSF_ID": 7, "AP_CORR_MAP_ID": 6, "VALID_POLYGON_ID": 8,
        "COADD_INPUTS_ID": 10, "PHOTOCALIB_ID": archive.photo_calib(5, 2.0, 0.1, field=20),
        "FILTER_ID": archive.filter_label(3, "r", "HSC-R"), "ARCHIVE_ID_THING": 0, "THING_ID": 0,
    }  # fmt: skip
    return cards, archive


def test_archive_is_read(tmp_path: Path) -> None:
    """Every component that can be read is, whole and alone."""
    path = write_lsst(tmp_path / "e.fits", *full_archive())
    found = read(path, "ExposureF")
    field = ChebyshevBoundedField(BOX, np.array([[1.0, 0.5, -0.25], [0.125, 0.0, 2.0]]))
    expected: dict[str, Any] = {
        "psf": GaussianPsf(2.5),
        "photoCalib": PhotoCalib(2.0, 0.1, field),
        "filter": FilterLabel("r", "HSC-R"),
        "validPolygon": Polygon(tuple(SQUARE)),
        "apCorrMap": ApCorrMap(
            {
                "base_PsfFlux_instFlux": field,
                "base_PsfFlux_instFluxErr": ChebyshevBoundedField(BOX, np.array([[3.0]])),
            }
        ),
    }
    for name, value in expected.items():
        assert getattr(found, name) == value, name
        assert read(path, "ExposureF", name) == value, name
    assert found.metadata == {}
    inputs = found.coaddInputs
    assert [(v.visit, v.bbox, v.goodpix, v.weight, v.filter) for v in inputs.visits] == [
        (1228, BOX, 700, 0.5, "HSC-R"),
        (1230, BOX, 800, 1.5, "HSC-R2"),
    ]
    assert inputs.ccds == (
        CcdInput(1228, 40, BOX, 700, 0.5, "HSC-R", None, GaussianPsf(2.5), tuple(SQUARE)),
        CcdInput(1230, 41, BOX, 800, 1.5, "HSC-R2", None, None, ()),
    )
    for name in ("detector", "transmissionCurve", "summaryStats"):
        assert read(path, "ExposureF", name) is None


def test_objects_of_one_class_share_a_table(tmp_path: Path) -> None:
    """An object is the rows that the index names, no others."""
    archive = LsstArchive()
    archive.add(1, "GaussianPsf", [fits.Column("sigma", "D", array=[1.0, 2.0, 3.0])])
    cards = {"EXPINFO_V": 2, "PSF_ID": archive.point(2, 1, row0=2)}
    path = write_lsst(tmp_path / "e.fits", cards, archive)
    assert read(path, "ExposureF", "psf") == GaussianPsf(3.0)


@pytest.mark.parametrize(
    ("component", "card", "name"),
    [("psf", "PSF_ID", "PiffPsf"), ("detector", "DETECTOR_ID", "Detector"), ("wcs", "SKYWCS_ID", "SkyWcs")],
)
def test_what_only_lsst_reads(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, component: str, card: str, name: str
) -> None:
    """A component of such a class is an error alone; a full read warns and goes without it."""
    archive = LsstArchive()
    path = write_lsst(
        tmp_path / "e.fits", {"EXPINFO_V": 2, card: archive.opaque(1, name)}, archive, wcs=False
    )
    with pytest.raises(FileFormatError, match="only"):
        read(path, "ExposureF", component)
    with caplog.at_level(logging.WARNING):
        found = read(path, "ExposureF")
    assert found.psf is None
    assert found.wcs is None
    assert ("left out" in caplog.text) == (component != "detector")
    np.testing.assert_array_equal(found.image.array.ravel(), np.arange(1500))


def break_index(hdus: Any) -> None:
    hdus[4].header["TTYPE1"] = "other"


def cut_rows(hdus: Any) -> None:
    hdus[4].data["nrows"] = 99


def far_table(hdus: Any) -> None:
    hdus[4].data["cat.archive"] = 77


def no_table(hdus: Any) -> None:
    hdus[0].header["AR_HDU"] = 2


def far_index(hdus: Any) -> None:
    hdus[0].header["AR_HDU"] = 1000


def unknown_object(hdus: Any) -> None:
    hdus[0].header["PSF_ID"] = 12345


@pytest.mark.parametrize("damage", [break_index, cut_rows, far_table, no_table, far_index, unknown_object])
def test_broken_archive_leaves_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Any
) -> None:
    """Pixels, WCS and visit of a file with a broken archive are read; its PSF alone is one clear error."""
    archive = LsstArchive()
    cards = {"EXPINFO_V": 2, "PSF_ID": archive.gaussian(1, 2.0), "IDNUM": 77}
    path = write_lsst(tmp_path / "e.fits", cards, archive)
    with fits.open(path, mode="update") as hdus:
        damage(hdus)
    found = read(path, "ExposureF")
    assert "the psf of" in caplog.text
    assert_same_sky(found.wcs)
    assert (found.psf, found.visitInfo.id) == (None, 77)
    with pytest.raises(FileFormatError, match=r"e\.fits"):
        read(path, "ExposureF", "psf")


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_damaged_archive(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]]) -> None:
    """Whatever bytes of the archive change, a full read gives the pixels or is a FileFormatError."""
    folder = tmp_path_factory.getbasetemp()
    path = folder / "full.fits"
    if not path.exists():
        write_lsst(path, *full_archive())
    content = bytearray(path.read_bytes())
    with fits.open(path) as hdus:
        start = hdus[4].fileinfo()["hdrLoc"]
    for where, value in changes:
        content[start + int(where * (len(content) - start - 1))] = value
    damaged = folder / "damaged.fits"
    damaged.write_bytes(content)
    try:
        assert read(damaged, "ExposureF").image.array.shape == (30, 50)
    except FileFormatError as error:
        assert "damaged.fits" in str(error)  # noqa: PT017


# Visits.


def test_visit_cards(tmp_path: Path) -> None:
    """All cards of a visit are read, and none of them stays in the metadata."""
    cards = {
        "IDNUM": 1228, "EXPID": 122800, "EXPTIME": "30.5", "DARKTIME": 31.0,
        "DATE-AVG": "2015-01-21T10:00:00.500", "TIMESYS": "TAI", "BORE-RA": 150.1, "BORE-DEC": 2.2,
        "BORE-AZ": 10.0, "BORE-ALT": 60.0,
        "BORE-AIRMASS": 1.15, "BORE-ROTANG": -30.0, "ROTTYPE": "SKY", "OBS-LONG": -155.5, "OBS-LAT": 19.8,
        "OBS-ELEV": 4139.0, "AIRTEMP": 2.0, "AIRPRESS": 62000.0, "HUMIDITY": 20.0, "INSTRUMENT": "HSC",
        "FOCUSZ": 0.1, "OBSTYPE": "science", "PROGRAM": "o15", "REASON": "survey", "OBJECT": "COSMOS",
        "AVG-ERA": 200.0, "MJD-AVG-UT1": 57043.4, "HAS-SIMULATED-CONTENT": True, "FREE": 1,
    }  # fmt: skip
    found = read(write_lsst(tmp_path / "e.fits", cards), "ExposureF")
    visit = found.visitInfo
    assert (visit.id, found.id, visit.exposure_time, visit.dark_time) == (1228, 122800, 30.5, 31.0)
    assert abs((visit.date - Time("2015-01-21T10:00:00.500", scale="tai")).sec) < 1e-8
    assert (visit.boresight_ra, visit.boresight_dec, visit.boresight_az, visit.boresight_alt) == (
        150.1, 2.2, 10.0, 60.0,
    )  # fmt: skip
    assert (visit.airmass, visit.rotation_angle, visit.rotation_type) == (1.15, -30.0, "SKY")
    assert (visit.longitude, visit.latitude, visit.elevation) == (-155.5, 19.8, 4139.0)
    assert (visit.air_temperature, visit.air_pressure, visit.humidity, visit.focus_z) == (
        2.0,
        62000.0,
        20.0,
        0.1,
    )
    assert (visit.observation_type, visit.science_program, visit.observation_reason, visit.object) == (
        "science", "o15", "survey", "COSMOS",
    )  # fmt: skip
    assert (visit.era, visit.ut1, visit.instrument) == (200.0, 57043.4, "HSC")
    assert visit.has_simulated_content is True
    assert found.metadata == {"FREE": 1}
    # And ours has them all, too.
    again = read(write(found, tmp_path / "again.fits", "ExposureF"), "ExposureF")
    assert again.visitInfo.date == visit.date
    for name in (field.name for field in fields(VisitInfo)):
        assert name == "date" or getattr(again.visitInfo, name) == getattr(visit, name), name
    assert (again.id, again.metadata) == (found.id, found.metadata)


def test_dates_of_a_visit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without its time scale DATE-AVG is ignored with a warning; TIME-MID is UTC, and counts without it."""
    path = write_lsst(tmp_path / "a.fits", {"IDNUM": 1, "DATE-AVG": "2015-01-21T10:00:00"})
    assert read(path, "ExposureF", "visitInfo").date is None
    assert "TIMESYS" in caplog.text
    path = write_lsst(tmp_path / "b.fits", {"IDNUM": 1, "TIME-MID": "2015-01-21T10:00:00Z"})
    middle = read(path, "ExposureF", "visitInfo").date
    assert abs((middle - Time("2015-01-21T10:00:35", scale="tai")).sec) < 1e-6
    path = write_lsst(tmp_path / "c.fits", {"IDNUM": 1, "DATE-AVG": "soon", "TIMESYS": "TAI"})
    with pytest.raises(FileFormatError, match="DATE-AVG is no date"):
        read(path, "ExposureF", "visitInfo")
    assert read(write_lsst(tmp_path / "d.fits", {}), "ExposureF", "visitInfo") is None


# Pixels.


@pytest.mark.parametrize("compression", [None, "GZIP_2", "RICE_1"])
def test_region_of_a_calexp(tmp_path: Path, compression: str | None) -> None:
    """PARENT and LOCAL boxes of LSST's files, compressed by rows as it does, are slices; only rows travel."""
    cards, archive = full_archive()
    path = write_lsst(tmp_path / "e.fits", cards, archive, compression=compression, shape=(300, 500))
    kind, formatter = get_storage_class("ExposureF"), get_formatter("ExposureFits")
    layout = FileLayout.from_json(formatter.layout(LocalFile(path)).to_json())  # type: ignore[union-attr]
    whole = read(path, "ExposureF")
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(whole.image.array, hdus[1].data)
    local = Box2I(Point2I(7, 250), Extent2I(20, 10))
    source = CountedBytes(path.read_bytes())
    for parameters in ({"bbox": local.shiftedBy(XY0)}, {"bbox": local, "origin": "LOCAL"}):
        source.asked.clear()
        part = formatter.read(source, ReadRequest(kind, "maskedImage", parameters, layout))
        assert part.bbox == local.shiftedBy(XY0)
        np.testing.assert_array_equal(part.image.array, whole.image.array[250:260, 7:27])
        np.testing.assert_array_equal(part.mask.array, whole.mask.array[250:260, 7:27])
        assert source.n_bytes < 0.06 * len(source.content)
    with pytest.raises(BoxError, match="not inside"):
        read(path, "ExposureF", bbox=local.shiftedBy((XY0[0], 1000)))
    assert whole.mask.isSet("BAD").all()
    assert whole.mask.isSet("DETECTED").all()
    assert not whole.mask.isSet("NO_DATA").any()


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4"])
@pytest.mark.parametrize("compression", [None, "GZIP_1"])
def test_masks_of_every_type(tmp_path: Path, dtype: str, compression: str | None) -> None:
    """Masks of fewer bits, also unsigned ones with BZERO, become int32."""
    bits = np.arange(1500).reshape(30, 50).astype(dtype)
    path = write_lsst(tmp_path / "e.fits", {}, mask=bits, compression=compression)
    found = read(path, "ExposureF", "mask")
    assert found.array.dtype == np.int32
    np.testing.assert_array_equal(found.array, bits)


@pytest.mark.parametrize("dtype", ["u4", "i8", "f4"])
def test_masks_of_impossible_types(tmp_path: Path, dtype: str) -> None:
    """A mask of more bits than it can have, or of floats, is refused."""
    path = write_lsst(tmp_path / "e.fits", {}, mask=np.zeros((30, 50), dtype=dtype))
    with pytest.raises(FileFormatError, match="cannot be stored as int32"):
        read(path, "ExposureF", "mask")


# Values.


def test_chebyshev_field_is_its_sum() -> None:
    """The field equals the sum of cosines that defines Chebyshev polynomials, at points and on the grid."""
    box = Box2I(Point2I(-5, 3), Extent2I(9, 4))
    coefficients = np.random.default_rng(5).normal(size=(3, 4))
    field = ChebyshevBoundedField(box, coefficients)
    grid = field.on_grid(box)
    for y in range(box.minY, box.maxY + 1):
        for x in range(box.minX, box.maxX + 1):
            u, v = (2 * (x + 1) / 9, 2 * (y - 4.5) / 4)
            expected = sum(
                coefficients[j, i] * math.cos(i * math.acos(u)) * math.cos(j * math.acos(v))
                for j in range(3)
                for i in range(4)
            )
            assert grid[y - 3, x + 5] == pytest.approx(expected, abs=1e-12)
            assert field.evaluate(x, y) == pytest.approx(expected, abs=1e-12)
    # The outer edge of the box is where x' is 1.
    assert field.evaluate(3.5, 6.5) == pytest.approx(coefficients.sum())


def test_varying_calibration() -> None:
    """Pixels are multiplied with the field alone, the variance with its square."""
    exposure = make_exposure((10, 20))
    exposure.image.array[:] = 2.0
    exposure.variance.array[:] = 1.0
    field = ChebyshevBoundedField(exposure.bbox, np.array([[3.0, 1.0]]))
    part = exposure.maskedImage[Box2I(Point2I(12, 21), Extent2I(3, 2))]
    PhotoCalib(99.0, 0.0, field).calibrate_in_place(part)
    expected = field.on_grid(part.bbox)
    np.testing.assert_allclose(part.image.array, 2 * expected, rtol=1e-6)
    np.testing.assert_allclose(part.variance.array, expected**2, rtol=1e-6)


def test_polygon_contains_and_area() -> None:
    """A polygon knows its area and what is inside; fewer than three vertices are none."""
    polygon = Polygon(tuple(SQUARE))
    assert polygon.area == 40 * 25
    assert polygon.contains(120, -20)
    assert not polygon.contains(99, -20)
    with pytest.raises(ValueError, match="three vertices"):
        Polygon(((0.0, 0.0), (1.0, 1.0)))


def test_what_we_read_we_write(tmp_path: Path) -> None:
    """Polygon, aperture corrections, varying calibration and inputs without WCS survive our own file."""
    exposure: Exposure = read(write_lsst(tmp_path / "e.fits", *full_archive()), "ExposureF")
    path = write(exposure, tmp_path / "ours.fits", "ExposureF")
    found = read(path, "ExposureF")
    for name in ("psf", "filter", "validPolygon", "apCorrMap", "coaddInputs"):
        assert getattr(found, name) == getattr(exposure, name), name
    assert found.photoCalib.field == exposure.photoCalib.field  # type: ignore[union-attr]
    assert found.photoCalib.calibrationMean == pytest.approx(2.0, rel=1e-14)
    assert isinstance(found.coaddInputs, CoaddInputs)
    primary = fits.getheader(path, 0)
    assert "AR_HDU" not in primary
    assert not [key for key in primary if key.endswith("_ID")]
    with pytest.raises(ValueError, match="WCS of visit 1228, detector 40 is not known"):
        found.coaddInputs.ccds[0].require_wcs()
