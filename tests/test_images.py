"""Images in memory: boxes, mask planes, WCS, calibration and PSFs."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_repository import make_coadd, make_exposure, make_masked_image, make_wcs

from butler.errors import BoxError, FileFormatError
from butler.images import (
    DEFAULT_MASK_PLANES,
    Box2I,
    CcdInput,
    CoaddPsf,
    Extent2I,
    GaussianPsf,
    Image,
    KernelPsf,
    Mask,
    MaskedImage,
    PhotoCalib,
    Point2I,
    SkyWcs,
    determinant_radius,
)
from butler.images.coadd_psf import InvalidPsfError
from butler.images.projection_cards import card_images, projection_cards
from butler.images.wcslib_projection import WcslibProjection
from butler.images.zenithal_projection import ZenithalProjection

# Boxes.

corners = st.tuples(st.integers(-6, 6), st.integers(-6, 6))
sizes = st.tuples(st.integers(1, 6), st.integers(1, 6))
boxes = st.builds(lambda corner, size: Box2I(Point2I(*corner), Extent2I(*size)), corners, sizes)


def pixels_of(box: Box2I) -> set[tuple[int, int]]:
    """Return every pixel of a box."""
    return {(x, y) for x in range(box.minX, box.maxX + 1) for y in range(box.minY, box.maxY + 1)}


@given(boxes, boxes, corners)
@settings(deadline=None, max_examples=200)
def test_boxes_are_sets_of_pixels(first: Box2I, second: Box2I, offset: tuple[int, int]) -> None:
    """Area, containment, overlap, clipping and shifting mean what they mean for sets of pixels."""
    one, two = pixels_of(first), pixels_of(second)
    assert len(one) == first.area == first.width * first.height
    assert first.contains(second) == (two <= one)
    assert first.overlaps(second) == bool(one & two)
    if one & two:
        assert pixels_of(first.clippedTo(second)) == one & two
    else:
        with pytest.raises(BoxError, match="do not overlap"):
            first.clippedTo(second)
    assert one | two <= pixels_of(first.expandedTo(second))
    assert pixels_of(first.shiftedBy(offset)) == {(x + offset[0], y + offset[1]) for x, y in one}
    assert first.dilatedBy(2).dilatedBy(-2) == first
    assert all(first.contains(pixel) for pixel in one)
    assert Box2I.parse(f"{first.minX}..{first.maxX},{first.minY}..{first.maxY}") == first
    assert Box2I.parse(f"{first.minX}, {first.minY}, {first.width}, {first.height}") == first


def test_box_edges_lie_half_a_pixel_outside() -> None:
    """Positions belong to the pixel whose centre is nearest."""
    box = Box2I.from_corners((2, 3), (4, 5))
    assert box.corners == [(1.5, 2.5), (4.5, 2.5), (4.5, 5.5), (1.5, 5.5)]
    assert box.center == (3.0, 4.0)
    assert box.contains((1.5, 2.5))
    assert not box.contains((4.5, 3.0))
    assert str(box) == "[2..4, 3..5]"


@pytest.mark.parametrize(
    "text", ["", "1..2", "1..2,3..", "a..b,c..d", "1,2,3", "1.5..2,3..4", "5..1,1..2", "1,1,0,5"]
)
def test_impossible_boxes(text: str) -> None:
    """A text that is no box, or an empty one, is refused."""
    with pytest.raises(BoxError):
        Box2I.parse(text)


@given(boxes, boxes)
@settings(deadline=None, max_examples=100)
def test_subimages_share_their_pixels(outer: Box2I, inner: Box2I) -> None:
    """A part of an image has the values at the same parent positions, and writes through."""
    values = np.arange(outer.area, dtype=np.float32).reshape(outer.shape)
    image = Image(values, outer.minimum, "nJy")
    if not outer.contains(inner):
        with pytest.raises(BoxError, match="not inside"):
            _ = image[inner]
        return
    part = image[inner]
    assert (part.bbox, part.unit, part.getBBox()) == (inner, "nJy", inner)
    for x, y in pixels_of(inner):
        value = part.array[y - inner.minY, x - inner.minX]
        assert value == values[y - outer.minY, x - outer.minX]
    part.array[:] = -1
    assert np.count_nonzero(values == -1) == inner.area


def test_planes_of_a_masked_image_cover_one_box() -> None:
    """Planes of different boxes do not go together; all subimages keep their origin."""
    whole = make_masked_image((-3, 8))
    part = whole[Box2I(Point2I(0, 10), Extent2I(5, 4))]
    assert {part.image.bbox, part.mask.bbox, part.variance.bbox} == {part.bbox}
    with pytest.raises(ValueError, match="same box"):
        MaskedImage(whole.image, part.mask, whole.variance)
    with pytest.raises(ValueError, match="two axes"):
        Image(np.zeros(3))
    empty = MaskedImage.without_data(part.bbox)
    assert np.isnan(empty.image.array).all()
    assert np.isinf(empty.variance.array).all()
    assert empty.mask.isSet("NO_DATA").all()


def test_exposure_parts_share_components() -> None:
    """A part of an exposure has its own box and the whole's WCS, PSF and history."""
    exposure = make_exposure((5, 6))
    box = Box2I(Point2I(7, 8), Extent2I(3, 2))
    part = exposure[box]
    assert part.bbox == part.image.bbox == box
    assert part.getWcs() is exposure.getWcs()
    assert part.getPsf() is exposure.getPsf()
    assert part.visitInfo is exposure.visitInfo


# Masks.


def test_default_planes_have_lsst_numbers() -> None:
    """The first eleven bits are LSST's."""
    names = "BAD SAT INTRP CR EDGE DETECTED DETECTED_NEGATIVE SUSPECT NO_DATA VIGNETTED STREAK"
    assert " ".join(DEFAULT_MASK_PLANES) == names
    assert list(DEFAULT_MASK_PLANES.values()) == list(range(11))


def test_planes_belong_to_their_mask() -> None:
    """A plane added to one mask is unknown to the next one."""
    box = Box2I(Point2I(0, 0), Extent2I(2, 2))
    first, second = Mask.from_bbox(box), Mask.from_bbox(box)
    assert first.addMaskPlane("CLIPPED") == 11
    assert first.addMaskPlane("CLIPPED") == 11
    assert "CLIPPED" not in second.planes
    assert first.getMaskPlaneDict() == {**DEFAULT_MASK_PLANES, "CLIPPED": 11}
    with pytest.raises(KeyError, match="did you mean 'SAT'"):
        second.getPlaneBitMask("SATT")
    assert second.known_bit_mask(["SAT", "CLIPPED"]) == 2


def test_bits_run_out() -> None:
    """A mask has 32 planes; the next one is refused."""
    mask = Mask.from_bbox(Box2I(Point2I(0, 0), Extent2I(1, 1)))
    numbers = [mask.addMaskPlane(f"P{i}") for i in range(21)]
    assert numbers == list(range(11, 32))
    with pytest.raises(ValueError, match="all 32 are taken"):
        mask.addMaskPlane("ONE_MORE")


@pytest.mark.parametrize("planes", [{"A": 0, "B": 0}, {"A": 32}, {"A": -1}])
def test_contradicting_planes_are_refused(planes: dict[str, int]) -> None:
    """Two names on one bit, or a bit that 32 do not have, cannot be."""
    with pytest.raises(ValueError, match="one bit each"):
        Mask(np.zeros((1, 1), dtype=np.int32), planes=planes)
    with pytest.raises(ValueError, match="int32"):
        Mask(np.zeros((1, 1), dtype=np.uint8))  # type: ignore[arg-type]


plane_dicts = st.dictionaries(st.sampled_from("ABCDEF"), st.integers(0, 31), min_size=1).filter(
    lambda planes: len(set(planes.values())) == len(planes)
)


@given(plane_dicts, plane_dicts, st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=200)
def test_conformed_masks_mean_the_same(source: dict[str, int], target: dict[str, int], seed: int) -> None:
    """Moving planes to another dictionary keeps each name's pixels, bit 31 included."""
    bits = np.random.default_rng(seed).integers(0, 2**32, (3, 4), dtype=np.uint32)
    used = sum(1 << bit for bit in source.values())
    mask = Mask((bits & np.uint32(used)).view(np.int32), planes=source)
    before = {name: mask.isSet(name) for name in source}
    moved = mask.conformed(target)
    for name in source:
        np.testing.assert_array_equal(moved.isSet(name), before[name])
    for name, bit in target.items():
        assert moved.planes[name] == bit
        if name not in source:
            assert not moved.isSet(name).any()
    for name in source:
        np.testing.assert_array_equal(mask.isSet(name), before[name])


def test_set_and_clear_bit_31() -> None:
    """The plane on the sign bit behaves like the others."""
    mask = Mask(np.zeros((2, 3), dtype=np.int32), planes={"LOW": 0, "LAST": 31})
    where = np.array([[True, False, False], [False, True, True]])
    mask.set_where(["LOW", "LAST"], where)
    np.testing.assert_array_equal(mask.isSet("LAST"), where)
    np.testing.assert_array_equal(mask.any_of(mask.getPlaneBitMask("LAST")), where)
    of_file = Mask(mask.array.astype(">i4"), mask.xy0, mask.planes)
    np.testing.assert_array_equal(of_file.any_of(mask.getPlaneBitMask("LAST")), where)
    mask.clear("LAST")
    assert not mask.isSet("LAST").any()
    np.testing.assert_array_equal(mask.isSet("LOW"), where)


# WCS.

TAN = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.2479338842975, "CRVAL2": 2.2314049586776834,
    "CRPIX1": -1900.0, "CRPIX2": 2100.0, "CD1_1": -4.66666666666666e-5, "CD1_2": 1.234567890123456e-7,
    "CD2_1": 0.0, "CD2_2": 4.66666666666666e-5,
}  # fmt: skip
SIP = {
    "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2,
    "A_2_0": 1.2345678901234567e-6, "A_1_1": -3e-7, "B_0_2": 2.1e-6,
}  # fmt: skip
TPV = {
    "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_0": 1e-7, "PV1_1": 1.00000123456789, "PV1_4": 2e-4,
    "PV2_1": 0.9999, "PV2_2": 1e-6, "PV2_6": 3.3e-4,
}  # fmt: skip
ROTATED = {
    "CD1_1": None, "CD1_2": None, "CD2_1": None, "CD2_2": None,
    "CDELT1": -1.3e-4, "CDELT2": 1.3e-4, "CROTA2": 33.0,
}  # fmt: skip
SWAPPED = {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 2.0, "CRVAL2": 150.0}
POLE = {"CRVAL2": 89.999, "LONPOLE": 90.0}
KINDS = {"TAN": {}, "SIP": SIP, "TPV": TPV, "CDELT": ROTATED, "swapped": SWAPPED, "LONPOLE": POLE}
X, Y = np.meshgrid(np.linspace(-50, 4300, 7), np.linspace(-20, 4200, 6))


def header(**changes: Any) -> dict[str, Any]:
    """Return the cards of a WCS; None leaves one out."""
    return {key: value for key, value in {**TAN, **changes}.items() if value is not None}


def tan_by_hand(cards: dict[str, Any], u: NDArray[Any], v: NDArray[Any]) -> tuple[Any, Any]:
    """Return the sky positions of offsets from CRPIX in a gnomonic projection, by textbook trigonometry."""
    xi = np.radians(cards["CD1_1"] * u + cards["CD1_2"] * v)
    eta = np.radians(cards["CD2_1"] * u + cards["CD2_2"] * v)
    ra0, dec0 = math.radians(cards["CRVAL1"]), math.radians(cards["CRVAL2"])
    denominator = math.cos(dec0) - eta * math.sin(dec0)
    ra = ra0 + np.arctan2(xi, denominator)
    dec = np.arctan2(math.sin(dec0) + eta * math.cos(dec0), np.hypot(xi, denominator))
    return np.degrees(ra), np.degrees(dec)


@pytest.mark.parametrize("kind", KINDS)
def test_positions_are_those_of_astropy(kind: str) -> None:
    """Parsing by the shorter way changes no position, and no card that is written, by the last bit."""
    cards = projection_cards(header(**KINDS[kind]))
    ours = WcslibProjection.from_cards(cards, (0, 0))._wcs
    theirs = WCS(fits.Header.fromstring(card_images(cards)))
    np.testing.assert_array_equal(ours.all_pix2world(X, Y, 0), theirs.all_pix2world(X, Y, 0))
    assert str(ours.to_header(relax=True)) == str(theirs.to_header(relax=True))


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(["TAN", "STG"]),
    crval=st.tuples(st.floats(0, 359.9999), st.floats(-89.99, 89.99)),
    scale=st.floats(1e-6, 1e-2),
    turn=st.floats(0, 6.3),
    xy0=st.tuples(st.integers(-20_000, 20_000), st.integers(-20_000, 20_000)),
)
def test_plain_projections_are_those_of_wcslib(
    kind: str, crval: tuple[float, float], scale: float, turn: float, xy0: tuple[int, int]
) -> None:
    """Positions of both ways agree within rounding, up to degrees from the centre, and cards altogether."""
    cd = scale * np.array([[-math.cos(turn), math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    changes: dict[str, Any] = {f"CD{i + 1}_{j + 1}": cd[i, j] for i in (0, 1) for j in (0, 1)}
    changes |= {"CTYPE1": f"RA---{kind}", "CTYPE2": f"DEC--{kind}", "CRVAL1": crval[0], "CRVAL2": crval[1]}
    cards = projection_cards(header(**changes, CRPIX1=1200.25, CRPIX2=0.1))
    ours, theirs = ZenithalProjection.from_cards(cards, xy0), WcslibProjection.from_cards(cards, xy0)
    assert ours is not None
    assert ours.cards() == theirs.cards()
    x, y = X + xy0[0], Y + xy0[1]
    ra, dec = theirs.pixel_to_sky(x, y)
    own_ra, own_dec = ours.pixel_to_sky(x, y)
    across = (np.asarray(own_ra) - ra + 180.0) % 360.0 - 180.0
    np.testing.assert_allclose(across * np.cos(np.radians(dec)), 0.0, atol=1e-12)
    np.testing.assert_allclose(own_dec, dec, rtol=0, atol=1e-12)
    for found in (ours.sky_to_pixel(ra, dec), theirs.sky_to_pixel(own_ra, own_dec)):
        np.testing.assert_allclose(found, (x, y), rtol=0, atol=3e-12 / scale + 1e-10)


def test_where_plain_projections_are_defined() -> None:
    """Right ascensions stay in one turn; the far side of the sky, and NaN, have no position; shapes stay."""
    wcs = SkyWcs(header(CRVAL1=0.0, CRVAL2=-30.0))
    ra, _ = wcs.pixelToSky([-2000, -1900, -1800], [[2100], [2200]])
    assert ra.shape == (2, 3)
    assert ((ra >= 0) & (ra < 360)).all()
    assert (ra > 359).any()
    assert (ra < 1).any()
    x, y = wcs.skyToPixel([0.0, 180.0, 91.0, np.nan], [-30.0, 30.0, 1.0, 0.0])
    np.testing.assert_array_equal(np.isnan([x, y]), [[False, True, True, True]] * 2)
    assert np.isnan(wcs.pixelToSky(np.inf, 0.0)[0])
    stereographic = SkyWcs.make_tan(crval=(10, 20), crpix=(0, 0), cd=np.eye(2) / 100, projection="STG")
    x, y = stereographic.skyToPixel([10.0, 190.0, 190.0], [20.0, 69.9, -20.0])
    np.testing.assert_array_equal(np.isnan([x, y]), [[False, False, True]] * 2)
    assert [a.shape for a in (*wcs.pixelToSky(1, 2), *wcs.skyToPixel([], []))] == [(), (), (0,), (0,)]


@pytest.mark.parametrize(
    "changes",
    [
        {"CRVAL1": -10.0},
        {"CRVAL1": 360.0},
        {"CRVAL2": 90.0},
        {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--STG"},
        {"CUNIT1": "arcsec", "CUNIT2": "arcsec"},
        {"RADESYS": "FK4", "EQUINOX": 1950.0},
        {"PV1_1": 0.0},
        {"WCSAXES": 3},
        {"CTYPE3": "WAVE"},
        {"LONPOLE": 170.0},
        {"EPOCH": 2000.0},
        {"CDELT1": 1e-4},
        {"WAT1_001": "wtype=tnx axtype=ra lngcor = '3 4 4 2'"},
        {**TPV, "PV1_3": 1e-4},
        {**TPV, "PV1_1": 0.0},
        {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 0.0},
        {**TPV, "PV2_40": 0.0},
        {**TPV, "A_ORDER": 2},
        {**SIP, "B_ORDER": 1},
        {**SIP, "AP_ORDER": 2},
        {**SIP, "PV1_4": 0.1},
        {**SIP, "A_1_0": -1.0},
        *(KINDS[name] for name in ("CDELT", "swapped", "LONPOLE")),
    ],
)
def test_other_projections_are_left_to_wcslib(changes: dict[str, Any]) -> None:
    """Cards that say anything more than a plain projection are not taken for one."""
    assert ZenithalProjection.from_cards(projection_cards(header(**changes)), (0, 0)) is None


@pytest.mark.parametrize("sip", [False, True])
def test_positions_are_those_of_the_textbook(sip: bool) -> None:
    """TAN and TAN-SIP agree with formulas written out here, to 1e-9 degrees."""
    cards = header(**(SIP if sip else {}))
    u, v = X + 1 - cards["CRPIX1"], Y + 1 - cards["CRPIX2"]
    if sip:
        f = cards["A_2_0"] * u**2 + cards["A_1_1"] * u * v
        u, v = u + f, v + cards["B_0_2"] * v**2
    ra, dec = SkyWcs(cards).pixelToSky(X, Y)
    expected = tan_by_hand(cards, u, v)
    np.testing.assert_allclose(ra, expected[0], atol=1e-9)
    np.testing.assert_allclose(dec, expected[1], atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("xy0", [(0, 0), (-37, 12_345), (19_900, -3)])
def test_wcs_survives_header_and_pickle(kind: str, xy0: tuple[int, int]) -> None:
    """Written for any origin and read back, a WCS is equal and gives the same positions; so does pickle."""
    wcs = SkyWcs(header(**KINDS[kind]), xy0)
    ra, dec = wcs.pixelToSky(X + xy0[0], Y + xy0[1])
    assert np.isfinite(ra).all()
    for copy in (SkyWcs(wcs.to_header(xy0), xy0), SkyWcs(wcs.to_header()), pickle.loads(pickle.dumps(wcs))):
        assert copy == wcs
        again = copy.pixelToSky(X + xy0[0], Y + xy0[1])
        np.testing.assert_allclose(again[0], ra, rtol=0, atol=1e-12)
        np.testing.assert_allclose(again[1], dec, rtol=0, atol=1e-12)
    x, y = wcs.skyToPixel(ra, dec)
    np.testing.assert_allclose(x, X + xy0[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(y, Y + xy0[1], rtol=0, atol=1e-6)


def test_origin_moves_pixels_only() -> None:
    """The same header at another origin gives the same sky for pixels moved by it."""
    plain, moved = SkyWcs(header(**SIP)), SkyWcs(header(**SIP), (100, -200))
    assert plain != moved
    np.testing.assert_allclose(moved.pixelToSky(X + 100, Y - 200), plain.pixelToSky(X, Y), atol=1e-12)


def test_swapped_axes_and_explicit_poles_are_heeded() -> None:
    """Declination first in the header is still (ra, dec) here; a turned native pole turns the field."""
    ra, dec = SkyWcs(header(**SWAPPED)).pixelToSky(*_reference(SWAPPED))
    assert (float(ra), float(dec)) == pytest.approx((150.0, 2.0))
    turned, plain = SkyWcs(header(**POLE)), SkyWcs(header(CRVAL2=89.999))
    assert np.max(np.abs(turned.pixelToSky(X, Y)[1] - plain.pixelToSky(X, Y)[1])) > 1e-3
    assert SkyWcs(header(LONPOLE=180.0)) == SkyWcs(header())


def _reference(changes: dict[str, Any]) -> tuple[float, float]:
    cards = header(**changes)
    return cards["CRPIX1"] - 1, cards["CRPIX2"] - 1


def test_make_tan_and_scale() -> None:
    """make_tan counts pixels from 0, and the pixel scale is the root of the area."""
    wcs = SkyWcs.make_tan(crval=(10, 20), crpix=(5, 7), cd=[[-2e-4, 0], [0, 8e-4]])
    ra, dec = wcs.pixelToSky(5, 7)
    assert (float(ra), float(dec)) == pytest.approx((10, 20))
    assert wcs.pixel_scale == pytest.approx(4e-4 * 3600)
    assert "TAN" in repr(wcs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"CTYPE1": None, "CTYPE2": None}, "no celestial WCS: CTYPE1 and CTYPE2 are nothing and nothing"),
        ({"CTYPE1": "WAVE", "CTYPE2": "FREQ"}, "WCS"),
        ({"CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"}, "cannot read a WCS"),
        ({"CTYPE2": None}, "cannot read a WCS"),
        ({"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}, "galactic .* must be ICRS or FK5"),
        ({"RADESYS": "FK4", "EQUINOX": 1950.0}, "fk4"),
        ({"EQUINOX": 1950.0}, "fk4"),
        ({"RADESYS": "FK5", "EQUINOX": 1975.0}, "fk5"),
        ({"CTYPE1": "RA---TNX", "CTYPE2": "DEC--TNX"}, "IRAF's own"),
        ({"CRVAL1": "abc"}, "CRVAL1 is 'abc', it must be a finite number"),
        ({"CRPIX2": math.nan}, "CRPIX2 is nan"),
        ({"CD1_1": 0.0, "CD1_2": 0.0}, "singular"),
        ({**SIP, "A_ORDER": 10**6}, "A_ORDER is 1000000"),
        ({**SIP, "B_ORDER": None}, "cannot read a WCS"),
        ({"CPDIS1": "LOOKUP"}, "cannot read a WCS"),
    ],
)
def test_impossible_wcs_is_refused(changes: dict[str, Any], message: str) -> None:
    """What is no equatorial WCS of finite numbers is an error on one line that says what it is."""
    with pytest.raises(FileFormatError, match=message) as caught:
        SkyWcs(header(**changes))
    assert "\n" not in str(caught.value)


def test_numpy_numbers_are_numbers() -> None:
    """Cards computed with numpy count like Python's."""
    cards = {key: np.float64(v) if isinstance(v, float) else v for key, v in header().items()}
    assert SkyWcs({**cards, "CRPIX1": np.int32(-1900)}) == SkyWcs(header())


# Calibration.


def test_zero_points_and_fluxes() -> None:
    """ZP 27 is 57.544 nJy a count; pixels scale with it, the variance with its square."""
    calib = PhotoCalib.from_magnitude_zero_point(27.0, 0.01)
    assert calib.calibrationMean == pytest.approx(57.543993734)
    assert calib.magnitude_zero_point == pytest.approx(27.0)
    assert calib.calibrationErr == pytest.approx(calib.calibrationMean * 0.01 * math.log(10) / 2.5)
    planes = make_masked_image()
    counts = planes.image.array.copy()
    PhotoCalib(2.0).calibrate_in_place(planes)
    np.testing.assert_array_equal(planes.image.array, counts * 2)
    assert planes.variance.array[5, 5] == 16.0
    assert (planes.image.unit, planes.variance.unit) == ("nJy", "nJy**2")


@pytest.mark.parametrize("mean", [0.0, -1.0, math.nan, math.inf])
def test_impossible_calibration(mean: float) -> None:
    """A calibration is finite and positive."""
    with pytest.raises(ValueError, match="finite and positive"):
        PhotoCalib(mean)


# PSFs.


@pytest.mark.parametrize(("sigma", "tolerance"), [(0.9, 0.015), (1.7, 1e-5), (3.3, 1e-5)])
def test_gaussian_psf(sigma: float, tolerance: float) -> None:
    """The kernel is odd, centred and normalised, and its size is sigma unless pixels are too coarse."""
    kernel = GaussianPsf(sigma).computeKernelImage(x=3, y=4)
    n_y, n_x = kernel.shape
    assert n_y == n_x
    assert n_y % 2 == 1
    assert kernel.sum() == pytest.approx(1.0)
    assert kernel.argmax() == kernel.size // 2
    assert determinant_radius(kernel) == pytest.approx(sigma, rel=tolerance)
    assert GaussianPsf(sigma).computeShape(x=0, y=0) == determinant_radius(kernel)


def test_kernel_psf_is_normalised_and_owned() -> None:
    """The image given is copied and scaled to sum 1, and what is returned is the caller's own."""
    given = np.outer([1.0, 2.0, 1.0], [1.0, 3.0, 5.0, 3.0, 1.0])
    psf = KernelPsf(given)
    first = psf.computeKernelImage(x=0, y=0)
    given[:] = 0
    first[:] = 0
    kernel = psf.computeKernelImage(x=0, y=0)
    assert kernel.sum() == pytest.approx(1.0)
    assert kernel.shape == (3, 5)
    assert psf == pickle.loads(pickle.dumps(psf))
    assert psf != GaussianPsf(1.0)


@pytest.mark.parametrize("kernel", [np.ones((2, 3)), np.zeros((3, 3)), np.full((3, 3), np.nan), np.ones(3)])
def test_impossible_psfs(kernel: NDArray[Any]) -> None:
    """Even sizes, no flux, NaN and a profile are no PSF images; neither is a Gaussian of no width."""
    with pytest.raises(ValueError, match="PSF"):
        KernelPsf(kernel)
    with pytest.raises(ValueError, match="PSF"):
        GaussianPsf(0.0)


def test_determinant_radius_is_that_of_an_ellipse() -> None:
    """For an elliptical Gaussian it is the geometric mean of both sigmas; without a peak it is NaN."""
    y, x = np.mgrid[-25:26, -25:26]
    kernel = np.exp(-0.5 * ((x / 2.0) ** 2 + (y / 4.5) ** 2))
    assert determinant_radius(kernel) == pytest.approx(3.0, rel=1e-3)
    assert math.isnan(determinant_radius(np.zeros((5, 5))))


def coadd_psf(*ccds: tuple[float, float, int], scale: float = 1.0) -> CoaddPsf:
    """Make a coadd PSF of inputs (sigma, weight, x0) with boxes of 100 x 100 pixels.

    The inputs have the coadd's WCS with pixels smaller by `scale`.
    """
    cd = np.array([[-1e-4, 0.0], [0.0, 1e-4]])
    wcs = SkyWcs.make_tan(crval=(10, 0), crpix=(50, 50), cd=cd)
    own = SkyWcs.make_tan(crval=(10, 0), crpix=(50 * scale, 50 * scale), cd=cd / scale)
    inputs = [
        CcdInput(i, 0, Box2I(Point2I(x0, 0), Extent2I(100, 100)), 1, weight, "g", own, GaussianPsf(sigma))
        for i, (sigma, weight, x0) in enumerate(ccds)
    ]
    return CoaddPsf(tuple(inputs), wcs)


def test_coadd_psf_of_one_input_is_its_psf() -> None:
    """On the same pixels nothing changes; on pixels twice as large the size is half."""
    psf = coadd_psf((2.0, 0.3, 0))
    kernel = psf.computeKernelImage(x=50, y=50)
    assert kernel.sum() == pytest.approx(1.0)
    source = GaussianPsf(2.0).computeKernelImage(x=0, y=0)
    middle, half = kernel.shape[0] // 2, source.shape[0] // 2
    cut = slice(middle - half, middle + half + 1)
    np.testing.assert_allclose(kernel[cut, cut], source, atol=1e-9)
    coarse = coadd_psf((4.0, 0.3, 0), scale=2.0)
    assert coarse.computeShape(x=20, y=20) == pytest.approx(2.0, rel=0.01)


def test_coadd_psf_is_the_weighted_mean_of_those_that_cover() -> None:
    """Where two inputs overlap their PSFs mix by weight; elsewhere one counts; outside there is none."""
    psf = coadd_psf((1.5, 3.0, 0), (3.0, 1.0, 60))
    alone = {s: GaussianPsf(s).computeKernelImage(x=0, y=0).max() for s in (1.5, 3.0)}
    for x, expected in [(30, alone[1.5]), (140, alone[3.0]), (80, (3 * alone[1.5] + alone[3.0]) / 4)]:
        assert psf.computeKernelImage(x=x, y=50).max() == pytest.approx(expected, rel=1e-6)
    assert [c.visit for c in psf.contributors(x=80, y=50)] == [0, 1]
    with pytest.raises(InvalidPsfError, match="no input image covers"):
        psf.computeKernelImage(x=500, y=50)


def test_average_position_lies_in_an_input() -> None:
    """The mean of the centres, unless it falls into a gap: then inputs of low weight are left out."""
    x, y = coadd_psf((2.0, 1.0, 0), (2.0, 1.0, 60)).getAveragePosition()
    assert (x, y) == pytest.approx((79.5, 49.5), abs=1e-6)
    x, y = coadd_psf((2.0, 1.0, 0), (2.0, 5.0, 1000)).getAveragePosition()
    assert (x, y) == pytest.approx((1049.5, 49.5), abs=1e-3)
    with pytest.raises(InvalidPsfError, match="without inputs"):
        CoaddPsf((), make_wcs()).getAveragePosition()


def test_valid_polygons_limit_inputs() -> None:
    """A position outside the polygon of an input, though in its box, is not covered by it."""
    coadd = make_coadd()
    assert coadd.coaddInputs is not None
    ccd = coadd.coaddInputs.ccds[0]
    psf = CoaddPsf((ccd,), ccd.wcs)
    assert psf.contributors(x=20, y=15)
    assert not psf.contributors(x=0, y=28)


def test_coadd_inputs_are_ordered() -> None:
    """Visits and detectors come by their numbers, whatever the order given."""
    inputs = make_coadd().coaddInputs
    assert inputs is not None
    turned = type(inputs)(inputs.visits[::-1], inputs.ccds[::-1])
    assert [v.visit for v in turned.visits] == [1, 2]
    assert [(c.visit, c.ccd) for c in turned.ccds] == [(1, 0), (1, 1), (2, 0)]
