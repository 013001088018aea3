"""Formatters: what is written comes back, in whole or in part, and astropy can read it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import healsparse
import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import DTypeLike
from small_repository import SKY_MAP, make_coadd, make_exposure, make_masked_image, make_wcs
from stored_files import read, read_camera, write

from butler.errors import BoxError, StorageClassError
from butler.formatters import FORMATTERS, get_formatter, write_plain_fits
from butler.images import (
    Box2I,
    Exposure,
    Extent2I,
    FilterLabel,
    Image,
    KernelPsf,
    Mask,
    MaskedImage,
    PhotoCalib,
    Point2I,
    SkyWcs,
    VisitInfo,
)
from butler.skymaps import RingsSkyMap, RingsSkyMapConfig

pytestmark = pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")

ORIGINS = [(0, 0), (-37, -5), (19_900, 15_900), (-2_000_000_000, 2_000_000_000)]


def assert_same_planes(found: MaskedImage, expected: MaskedImage) -> None:
    """Compare bit by bit; NaN equals NaN."""
    assert found.bbox == expected.bbox
    np.testing.assert_array_equal(found.image.array, expected.image.array)
    np.testing.assert_array_equal(found.mask.array, expected.mask.array)
    np.testing.assert_array_equal(found.variance.array, expected.variance.array)
    assert found.mask.planes == expected.mask.planes
    assert (found.image.unit, found.variance.unit) == (expected.image.unit, expected.variance.unit)
    for plane, dtype in ((found.image, np.float32), (found.mask, np.int32), (found.variance, np.float32)):
        assert plane.array.dtype == dtype
        assert plane.array.dtype.isnative
        assert plane.array.flags.writeable


# Round trips.


@pytest.mark.parametrize("xy0", ORIGINS)
def test_exposure_round_trip(tmp_path: Path, xy0: tuple[int, int]) -> None:
    """Pixels, NaN, infinities, mask bit 31 and every component come back, at any origin."""
    exposure = make_exposure(xy0)
    found = read(write(exposure, tmp_path / "e.fits", "ExposureF"), "ExposureF")
    assert isinstance(found, Exposure)
    assert_same_planes(found.maskedImage, exposure.maskedImage)
    assert found.wcs == exposure.wcs
    assert found.psf == exposure.psf
    assert found.filter == FilterLabel("g", "CAM-g")
    assert found.metadata == exposure.metadata
    assert found.coaddInputs is None
    assert found.photoCalib is not None
    assert exposure.photoCalib is not None
    assert found.photoCalib.calibrationMean == pytest.approx(exposure.photoCalib.calibrationMean, rel=1e-15)
    assert found.photoCalib.calibrationErr == pytest.approx(exposure.photoCalib.calibrationErr, rel=1e-12)
    visit = found.visitInfo
    assert visit is not None
    assert exposure.visitInfo is not None
    assert (visit.id, visit.exposure_time, visit.instrument) == (1, 30.0, "CAM")
    assert visit.date is not None
    assert abs((visit.date - exposure.visitInfo.date).sec) < 1e-8


def test_times_of_a_wcs_do_not_contradict_the_visit(tmp_path: Path) -> None:
    """The date survives a WCS that was read from a header in UTC, and no image plane speaks of times."""
    exposure = make_exposure((0, 0))
    assert exposure.wcs is not None
    assert exposure.visitInfo is not None
    times = {"TIMESYS": "UTC", "DATE-OBS": "2024-01-01T00:00:00", "MJD-OBS": 60310.0}
    exposure.wcs = SkyWcs({**exposure.wcs.to_header(), **times})
    path = write(exposure, tmp_path / "e.fits", "ExposureF")
    with fits.open(path) as hdus:
        assert not any(card in hdu.header for hdu in hdus[1:] for card in (*times, "MJDREF", "DATE-AVG"))
    found = read(path, "ExposureF")
    assert found.visitInfo.date is not None
    assert abs((found.visitInfo.date - exposure.visitInfo.date).sec) < 1e-8


def test_coadd_round_trip(tmp_path: Path) -> None:
    """The tables of inputs, and the PSF that follows from them, come back."""
    coadd = make_coadd()
    found = read(write(coadd, tmp_path / "c.fits", "ExposureF"), "ExposureF")
    assert coadd.coaddInputs is not None
    assert found.coaddInputs.visits[0] == coadd.coaddInputs.visits[0]
    assert math.isnan(found.coaddInputs.visits[1].weight)
    assert found.coaddInputs.visits[1].filter == "a longer filter name"
    for got, expected in zip(found.coaddInputs.ccds, coadd.coaddInputs.ccds, strict=True):
        assert (got.visit, got.ccd, got.bbox, got.goodpix) == (
            expected.visit,
            expected.ccd,
            expected.bbox,
            expected.goodpix,
        )
        assert (got.weight, got.filter, got.wcs) == (expected.weight, expected.filter, expected.wcs)
        assert tuple(got.validPolygon) == tuple(expected.validPolygon)
        kernels = [c.psf.computeKernelImage(x=0, y=0) for c in (got, expected)]
        np.testing.assert_allclose(*kernels, rtol=1e-15)
    assert (found.filter, found.psf.wcs) == (FilterLabel("g"), coadd.wcs)
    assert len(found.psf.ccds) == 3


def test_bare_exposure_round_trip(tmp_path: Path) -> None:
    """What is not known stays unknown."""
    bare = Exposure(make_masked_image())
    found = read(write(bare, tmp_path / "e.fits", "ExposureF"), "ExposureF")
    components = (found.wcs, found.psf, found.photoCalib, found.filter, found.visitInfo, found.coaddInputs)
    assert components == (None,) * 6
    assert found.metadata == {}


def test_measured_psf_round_trip(tmp_path: Path) -> None:
    """A PSF image keeps every pixel."""
    exposure = make_exposure()
    exposure.psf = KernelPsf(np.random.default_rng(1).random((7, 5)))
    assert read(write(exposure, tmp_path / "e.fits", "ExposureF"), "ExposureF", "psf") == exposure.psf


@pytest.mark.parametrize("xy0", ORIGINS)
def test_masked_image_and_mask_round_trip(tmp_path: Path, xy0: tuple[int, int]) -> None:
    """Three planes alone, and a mask alone, come back with their dictionary."""
    planes = make_masked_image(xy0)
    assert_same_planes(read(write(planes, tmp_path / "m.fits", "MaskedImageF"), "MaskedImageF"), planes)
    mask = read(write(planes.mask, tmp_path / "k.fits", "MaskX"), "MaskX")
    np.testing.assert_array_equal(mask.array, planes.mask.array)
    assert (mask.planes, mask.bbox, mask.array.dtype) == (planes.mask.planes, planes.bbox, np.int32)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_image_round_trip_keeps_the_type(tmp_path: Path, dtype: DTypeLike) -> None:
    """Every kind of pixel that FITS can hold comes back as it was, the largest and smallest too."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        values = [np.nan, -np.inf, np.finfo(kind).max, np.finfo(kind).tiny, -0.0, 1 / 3]
    else:
        info = np.iinfo(kind)
        values = [info.min, info.max, 0, 1, info.max // 2, info.max // 2 + 1]
    image = Image(np.array(values, dtype=kind).reshape(2, 3), Point2I(-4, 5), "adu")
    found = read(write(image, tmp_path / "i.fits", "Image"), "Image")
    assert found.array.dtype == kind
    np.testing.assert_array_equal(found.array, image.array)
    assert (found.xy0, found.unit) == (image.xy0, "adu")
    with fits.open(tmp_path / "i.fits") as hdus:
        np.testing.assert_array_equal(hdus[0].data, image.array)
    box = Box2I(Point2I(-3, 6), Extent2I(2, 1))
    np.testing.assert_array_equal(read(tmp_path / "i.fits", "Image", bbox=box).array, image.array[1:, 1:])


def test_dictionary_round_trip(tmp_path: Path) -> None:
    """Plain values come back; NaN and infinities, too."""
    values = {"a": 1, "b": [1.5, None, True, "é\n\ud7ff"], "c": {"d": math.inf, "e": ""}, "f": 2**70}
    assert read(write(values, tmp_path / "d.json", "StructuredDataDict"), "StructuredDataDict") == values


def test_sky_map_round_trip(tmp_path: Path) -> None:
    """Both kinds of sky map come back as the same tracts."""
    for sky_map in (SKY_MAP, RingsSkyMap(RingsSkyMapConfig(numRings=3, raStart=0.1, pixelScale=20.0))):
        found = read(write(sky_map, tmp_path / "s.json", "SkyMap"), "SkyMap")
        assert type(found) is type(sky_map)
        assert found == sky_map


def test_table_round_trip(tmp_path: Path) -> None:
    """Types, units, masked values, vectors and metadata of a table come back."""
    table = Table({"id": np.array([1, 2**62]), "flux": [1.5, np.nan] * units.nJy, "name": ["a b", ""]})
    table["seen"] = MaskedColumn([True, False], mask=[False, True])
    table["xy"] = np.array([[1.0, 2.0], [3.0, 4.0]])
    table.meta["origin"] = {"visits": [1, 2]}
    found = read(write(table, tmp_path / "t.ecsv", "AstropyTable"), "AstropyTable")
    assert found.colnames == table.colnames
    assert found["flux"].unit == units.nJy
    assert found.meta["origin"] == {"visits": [1, 2]}
    assert [found[name].dtype for name in found.colnames] == [table[name].dtype for name in table.colnames]
    for name in ("id", "flux", "name", "xy"):
        np.testing.assert_array_equal(found[name], table[name])
    assert list(found["seen"].mask) == [False, True]


def test_healsparse_round_trip(tmp_path: Path) -> None:
    """A wide mask comes back with its pixels and metadata."""
    wide = healsparse.HealSparseMap.make_empty(32, 1024, healsparse.WIDE_MASK, wide_mask_maxbits=20)
    wide.set_bits_pix(np.array([5, 77_777]), [3, 17])
    wide.metadata = {"B0000CCD": 3}
    found = read(write(wide, tmp_path / "h.hs", "HealSparseMap"), "HealSparseMap")
    np.testing.assert_array_equal(found.valid_pixels, wide.valid_pixels)
    assert found.check_bits_pix(np.array([5, 6]), [17]).tolist() == [True, False]
    assert found.metadata["B0000CCD"] == 3


# The layout that LSST and others read.


def test_layout_is_that_of_lsst(tmp_path: Path) -> None:
    """Units, cards and their values are those of the description of LSST's layout, version 0."""
    cd = 4.66666666666666e-5
    wcs = SkyWcs.make_tan(
        crval=(150.2479338842975, 2.2314049586776834), crpix=(17_999, 17_999), cd=[[-cd, 0], [0, cd]]
    )
    exposure = make_exposure((19_900, 15_900))
    exposure.wcs, exposure.filter = wcs, FilterLabel("i", "HSC-I")
    exposure.photoCalib, exposure.metadata = PhotoCalib(1.0), {}
    path = write(exposure, tmp_path / "coadd.fits", "ExposureF")
    with fits.open(path) as hdus:
        hdus.verify("exception")
        primary = hdus[0].header
        assert hdus[0].data is None
        assert (primary["FILTER"], primary["BAND"]) == ("HSC-I", "i")
        assert primary["FLUXMAG0"] == pytest.approx(3630780547701.0, rel=1e-12)
        assert primary["FLUXMAG0ERR"] == 0.0
        assert (primary["TIMESYS"], primary["DATE-AVG"][:19]) == ("TAI", "2024-01-01T01:00:00")
        for absent in ("EXTNAME", "CTYPE1", "BUNIT", "EXPINFO_V", "AR_HDU"):
            assert absent not in primary
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "IMAGE", "MASK", "VARIANCE", "PSF"]
        assert [hdu.data.dtype.str for hdu in hdus[1:4]] == [">f4", ">i4", ">f4"]
        for hdu, unit in zip(hdus[1:4], ("nJy", None, "nJy**2"), strict=True):
            cards = {key: hdu.header[key] for key in LAYOUT_CARDS}
            assert cards == LAYOUT_CARDS
            assert (hdu.header["CD1_1"], hdu.header["CD2_2"]) == (-cd, cd)
            assert hdu.header["EXTTYPE"] == hdu.header["EXTNAME"] == hdu.name
            assert hdu.header.get("BUNIT") == unit
        planes = {key: value for key, value in hdus[2].header.items() if key.startswith("MP_")}
        assert planes == {f"MP_{name}": bit for name, bit in exposure.mask.planes.items()}
        assert list(planes) == sorted(planes)
        sky = WCS(hdus[1].header)
        assert sky.wcs_pix2world(0, 0, 0) == pytest.approx((150.15915922, 2.13344916), abs=1e-8)
        parent = WCS(hdus[3].header, key="A").wcs_pix2world(1, 2, 0)
        assert [float(v) for v in parent] == [19_901, 15_902]
        np.testing.assert_array_equal(hdus[1].data, exposure.image.array)


LAYOUT_CARDS = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": -1900.0, "CRPIX2": 2100.0,
    "CRVAL1": 150.2479338842975, "CRVAL2": 2.2314049586776834, "CUNIT1": "deg", "CUNIT2": "deg",
    "CD1_2": 0.0, "CD2_1": 0.0, "RADESYS": "ICRS", "LTV1": -19_900.0, "LTV2": -15_900.0, "INHERIT": True,
    "CTYPE1A": "LINEAR", "CTYPE2A": "LINEAR", "CRPIX1A": 1.0, "CRPIX2A": 1.0,
    "CRVAL1A": 19_900.0, "CRVAL2A": 15_900.0, "CUNIT1A": "PIXEL", "CUNIT2A": "PIXEL",
}  # fmt: skip


def test_planes_of_other_files_are_mapped_by_name(tmp_path: Path) -> None:
    """A file with its own bit numbers, as LSST writes it, keeps them; pixels of other types are read."""
    cards = {"MP_DETECTED": 1, "MP_NO_DATA": 9, "CTYPE1A": "LINEAR", "CRPIX1A": 1.0, "CRVAL1A": 7.0}
    planes = [np.full((3, 4), 1.5, dtype=np.float64), np.full((3, 4), 514, dtype=np.uint16), np.ones((3, 4))]
    hdus = [fits.ImageHDU(plane) for plane in planes]
    for hdu in hdus:
        hdu.header.update({**cards, "CTYPE2A": "LINEAR", "CRPIX2A": 1.0, "CRVAL2A": -2.0})
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "lsst.fits")
    found = read(tmp_path / "lsst.fits", "ExposureF")
    assert found.bbox.minimum == (7, -2)
    assert found.mask.isSet("NO_DATA").all()
    assert found.mask.isSet("DETECTED").all()
    assert (found.image.array == np.float32(1.5)).all()


def test_date_without_time_scale_is_not_trusted(tmp_path: Path) -> None:
    """DATE-AVG counts only with TIMESYS = 'TAI'; the rest of the visit is read."""
    path = write(make_exposure(), tmp_path / "e.fits", "ExposureF")
    fits.delval(path, "TIMESYS")
    assert read(path, "ExposureF", "visitInfo") == VisitInfo(1, None, 30.0, "CAM")


def test_calibration_of_old_files(tmp_path: Path) -> None:
    """FLUXMAG0 and its error give nJy per count; 0 means that there is no calibration."""
    path = write(Exposure(make_masked_image()), tmp_path / "e.fits", "ExposureF")
    fits.setval(path, "FLUXMAG0", value=1e6)
    fits.setval(path, "FLUXMAG0ERR", value=2e4)
    calib = read(path, "ExposureF", "photoCalib")
    assert calib.calibrationMean == pytest.approx(3630780.5477)
    assert calib.calibrationErr == pytest.approx(72615.6110)
    fits.setval(path, "FLUXMAG0", value=0.0)
    assert read(path, "ExposureF", "photoCalib") is None


# Parts.

COMPONENTS = "image mask variance bbox maskedImage wcs psf photoCalib filter visitInfo coaddInputs metadata"


@pytest.mark.parametrize("component", COMPONENTS.split())
def test_components_alone_are_those_of_the_whole(tmp_path: Path, component: str) -> None:
    """Each component read alone equals the attribute of the whole exposure."""
    path = write(make_coadd(), tmp_path / "c.fits", "ExposureF")
    whole = getattr(read(path, "ExposureF"), component)
    alone = read(path, "ExposureF", component)
    assert type(alone) is type(whole)
    if isinstance(whole, Image | Mask):
        np.testing.assert_array_equal(alone.array, whole.array)
    elif isinstance(whole, MaskedImage):
        assert_same_planes(alone, whole)
    elif component == "psf":
        assert [c.visit for c in alone.ccds] == [c.visit for c in whole.ccds]
    elif component == "coaddInputs":
        assert alone.visits[0] == whole.visits[0]
    else:
        assert alone == whole


boxes = st.builds(
    lambda x0, y0, x1, y1: Box2I.from_corners((min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))),
    *[st.integers(0, 16), st.integers(0, 11)] * 2,
)


@given(box=boxes, xy0=st.sampled_from(ORIGINS))
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_boxes_are_slices(tmp_path: Path, box: Box2I, xy0: tuple[int, int]) -> None:
    """A box in parent or local coordinates is the slice of the whole, for every kind of dataset."""
    exposure = make_exposure(xy0)
    parent = box.shiftedBy(xy0)
    objects = {
        "ExposureF": exposure,
        "MaskedImageF": exposure.maskedImage,
        "ImageF": exposure.image,
        "MaskX": exposure.mask,
    }
    for kind, obj in objects.items():
        path = tmp_path / f"{kind}{xy0[0]}.fits"
        if not path.exists():
            write(obj, path, kind)
        for part in (read(path, kind, bbox=parent), read(path, kind, bbox=box, origin="LOCAL")):
            assert part.bbox == parent
            got = part if isinstance(part, Image | Mask) else part.image
            expected = (obj if isinstance(obj, Image | Mask) else obj.image)[parent]
            np.testing.assert_array_equal(got.array, expected.array)
        outside = parent.shiftedBy((17 - box.minX, 0))
        with pytest.raises(BoxError, match="not inside"):
            read(path, kind, bbox=outside)
    mask = read(tmp_path / f"ExposureF{xy0[0]}.fits", "ExposureF", "mask", bbox=parent)
    np.testing.assert_array_equal(mask.array, exposure.mask[parent].array)


def test_layouts_survive_as_text() -> None:
    """What the registry keeps of a file's planes reads back as the same layout."""
    for name in FORMATTERS:
        assert get_formatter(name).name == name
        assert get_formatter(name) is get_formatter(name)
    with pytest.raises(StorageClassError, match="did you mean 'ExposureFits'"):
        get_formatter("ExposureFit")


# Files of cameras.


def camera_cards(**cards: Any) -> dict[str, Any]:
    return {**make_wcs().to_header(), **cards}


def test_camera_images_of_every_type(tmp_path: Path) -> None:
    """Unsigned and scaled integers become numbers, and the number for no value NaN."""
    pixels = np.array([[0, 1, 65_535], [5, 30_000, 7]], dtype=np.uint16)
    write_plain_fits(tmp_path / "u.fits", pixels, camera_cards(OBJECT="M31"))
    found = read_camera(tmp_path / "u.fits")
    np.testing.assert_array_equal(found.image.array, pixels.astype(np.float32))
    assert not found.mask.array.any()
    assert found.wcs == make_wcs()
    assert found.metadata["OBJECT"] == "M31"
    header = fits.Header({**camera_cards(), "BLANK": -1, "BSCALE": 0.5, "BZERO": 10.0})
    hdu = fits.PrimaryHDU(np.array([[0, -1, 4]], dtype=np.int16))
    hdu.header.update(header)
    hdu.writeto(tmp_path / "b.fits")
    with fits.open(tmp_path / "b.fits", "update", do_not_scale_image_data=True) as hdus:
        hdus[0].header.update({"BLANK": -1, "BSCALE": 0.5, "BZERO": 10.0})
    np.testing.assert_array_equal(read_camera(tmp_path / "b.fits").image.array, [[10.0, np.nan, 12.0]])


def test_camera_parts_read_no_other_pixels(tmp_path: Path) -> None:
    """The WCS, header and box of a camera's image need none of its pixels, its image only the box."""
    path = tmp_path / "c.fits"
    write_plain_fits(path, np.arange(35, dtype=np.float32).reshape(5, 7), camera_cards(LTV1=-3.0, LTV2=2.0))
    assert read_camera(path, "bbox") == Box2I(Point2I(3, -2), Extent2I(7, 5))
    assert read_camera(path, "wcs") == read_camera(path).wcs
    box = Box2I(Point2I(4, 0), Extent2I(2, 2))
    np.testing.assert_array_equal(read_camera(path, bbox=box).image.array, [[15, 16], [22, 23]])
    np.testing.assert_array_equal(read_camera(path, "variance", bbox=box).array, np.zeros((2, 2)))


def test_compressed_camera_images(tmp_path: Path) -> None:
    """A tile-compressed image is read whole, or a box of it, with its header."""
    pixels = np.arange(600, dtype=np.int16).reshape(20, 30)
    hdu = fits.CompImageHDU(pixels, fits.Header(camera_cards(OBJECT="M33")), compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "c.fits.fz")
    found = read_camera(tmp_path / "c.fits.fz")
    np.testing.assert_array_equal(found.image.array, pixels)
    assert found.metadata["OBJECT"] == "M33"
    box = Box2I(Point2I(3, 4), Extent2I(2, 1))
    np.testing.assert_array_equal(read_camera(tmp_path / "c.fits.fz", bbox=box).image.array, [[123, 124]])
