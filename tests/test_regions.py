"""SkyRegion: constructors, encoding, and overlap against a slow oracle that samples the sky."""

import math
import pickle
import struct

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from butler.images import Box2I, Extent2I, Point2I, SkyWcs
from butler.regions import SkyRegion

PATCH = ([10, 11, 11, 10], [0, 0, 1, 1])


# The oracle. A region is a function that gives, for unit vectors (n, 3), a signed margin in radians that is
# positive inside and changes by no more than the distance moved. Two regions overlap if somewhere both are.


def unit(ra, dec):
    """Return unit vectors (n, 3) of positions in degrees."""
    ra, dec = np.radians(np.atleast_1d(ra)), np.radians(np.atleast_1d(dec))
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def sky(vectors):
    """Return right ascension and declination, degrees, of unit vectors (n, 3)."""
    x, y, z = vectors.T
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))


def around(ra, dec, offsets):
    """Return unit vectors at tangent-plane offsets (n, 2), degrees east and north, from a position."""
    r = unit(ra, dec)[0]
    east = np.array([-math.sin(math.radians(ra)), math.cos(math.radians(ra)), 0.0])
    offsets = np.tan(np.radians(offsets))
    points = r + offsets[:, :1] * east + offsets[:, 1:] * np.cross(r, east)
    return points / np.linalg.norm(points, axis=1)[:, None]


def polygon_margin(region):
    """Margin of a polygon: distance to the nearest of its great circles."""
    v = unit(*np.transpose(region.vertices()))
    normals = np.cross(v, np.roll(v, -1, axis=0))
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    return lambda p: np.arcsin(np.clip(p @ normals.T, -1, 1)).min(axis=1)


def circle_margin(ra, dec, radius):
    """Margin of a circle: radius less distance from the centre."""
    c = unit(ra, dec)[0]
    return lambda p: math.radians(radius) - 2 * np.arcsin(np.linalg.norm(p - c, axis=1) / 2)


def box_margin(ra, dec, width, height):
    """Margin of a box narrower than half the sky: distance to its meridians and parallels."""
    west, east = np.radians(ra - width / 2), np.radians(ra + width / 2)
    normals = np.array([[-np.sin(west), np.cos(west), 0.0], [np.sin(east), -np.cos(east), 0.0]])

    def margin(p):
        lat = np.arcsin(np.clip(p[:, 2], -1, 1))
        sides = np.arcsin(np.clip(p @ normals.T, -1, 1)).min(axis=1)
        return np.minimum(sides, np.radians(height / 2) - np.abs(lat - np.radians(dec)))

    return margin


GRID = np.stack(np.meshgrid(np.linspace(-9, 9, 121), np.linspace(-9, 9, 121)), axis=-1).reshape(-1, 2)
GRID_REACH = math.radians(0.15 / math.sqrt(2) * 1.03)
"""No position among the grid is further from a grid point than this."""


def oracle(first, second, ra, dec):
    """Whether two (region, margin) near a position overlap: True, False, or None if too close to say."""
    centers = [unit(*region.bounding_circle()[:2]) for region, _ in (first, second)]
    p = np.concatenate([around(ra, dec, GRID), *centers])
    best = np.max(np.minimum(first[1](p), second[1](p)))
    # The centre of a point is itself, but for rounding.
    return True if best >= -1e-12 else False if best < -GRID_REACH else None


positions = st.tuples(st.floats(0, 360), st.floats(-90, 90))
offset = st.tuples(st.floats(-4, 4), st.floats(-4, 4))


@st.composite
def shapes(draw, center, *, boxes=False):
    """Draw a region near a position, with its margin: polygon, circle, point, or box."""
    kinds = ["circle", "point", "box"] if boxes else ["polygon", "circle", "point"]
    kind = draw(st.sampled_from(kinds))
    middle = around(*center, np.array([draw(offset)]))
    ra, dec = (float(v[0]) for v in sky(middle))
    if kind == "polygon":
        size = draw(st.floats(0.2, 3))
        angles = (
            2
            * np.pi
            * (np.arange(5) + np.array(draw(st.lists(st.floats(0, 0.9), min_size=5, max_size=5))))
            / 5
        )
        corners = around(ra, dec, size * np.stack([np.cos(angles), np.sin(angles)], axis=-1))
        region = SkyRegion.from_polygon(*sky(corners))
        return region, polygon_margin(region)
    if kind == "box":
        width, height = draw(st.floats(0.1, 5)), draw(st.floats(0.1, 4))
        return SkyRegion.from_box(ra, dec, width, height), box_margin(ra, dec, width, height)
    radius = draw(st.floats(0.01, 4)) if kind == "circle" else 0.0
    region = SkyRegion.from_circle(ra, dec, radius) if kind == "circle" else SkyRegion.from_point(ra, dec)
    return region, circle_margin(ra, dec, radius)


@given(st.data(), positions)
@settings(deadline=None, max_examples=200)
def test_overlap_agrees_with_sampling(data, center):
    """Polygons, circles and points anywhere on the sky overlap exactly where a sample lies in both."""
    first, second = data.draw(shapes(center)), data.draw(shapes(center))
    expected = oracle(first, second, *center)
    assume(expected is not None)
    assert first[0].overlaps(second[0]) is expected
    assert second[0].overlaps(first[0]) is expected


@given(st.data(), st.floats(0, 360), st.floats(-60, 60))
@settings(deadline=None, max_examples=150)
def test_overlap_of_boxes_agrees_with_sampling(data, ra, dec):
    """The same for boxes, also those across RA 0, with circles, points and boxes."""
    first, second = (data.draw(shapes((ra, dec), boxes=True)) for _ in range(2))
    expected = oracle(first, second, ra, dec)
    assume(expected is not None)
    assert first[0].overlaps(second[0]) is expected


@given(st.data(), st.floats(0, 360), st.floats(-60, 60))
@settings(deadline=None, max_examples=100)
def test_box_and_polygon_that_overlap_are_never_missed(data, ra, dec):
    """A box against a polygon is generous, but never says False where a sample lies in both."""
    first, second = data.draw(shapes((ra, dec), boxes=True)), data.draw(shapes((ra, dec)))
    assume(oracle(first, second, ra, dec) is True)
    assert first[0].overlaps(second[0])
    assert second[0].overlaps(first[0])


@given(st.data(), positions)
@settings(deadline=None, max_examples=100)
def test_contains_agrees_with_the_margin(data, center):
    """A position is inside if its margin is positive, away from the edge."""
    region, margin = data.draw(shapes(center))
    points = around(*center, GRID)
    values = margin(points)
    clear = np.abs(values) > 1e-9
    assert np.array_equal(region.contains(*sky(points))[clear], (values > 0)[clear])


@given(st.data(), positions)
@settings(deadline=None, max_examples=100)
def test_bounds_hold_the_region(data, center):
    """The box of unit vectors and the bounding circle hold every sample of a region."""
    region, margin = data.draw(shapes(center))
    points = around(*center, GRID)
    inside = points[margin(points) >= 0]
    xmin, xmax, ymin, ymax, zmin, zmax = region.bounding_vectors()
    assert np.all((inside >= (xmin, ymin, zmin)) & (inside <= (xmax, ymax, zmax)))
    assert np.all(circle_margin(*region.bounding_circle())(inside) >= -1e-12)


@given(st.data(), positions)
@settings(deadline=None, max_examples=100)
def test_boxes_of_overlapping_regions_overlap(data, center):
    """The registry may throw away pairs whose boxes of unit vectors do not meet."""
    (first, _), (second, _) = data.draw(shapes(center)), data.draw(shapes(center))
    if first.overlaps(second):
        a, b = first.bounding_vectors(), second.bounding_vectors()
        assert all(a[i] <= b[i + 1] and b[i] <= a[i + 1] for i in (0, 2, 4))


@given(st.data(), positions, st.booleans())
@settings(deadline=None, max_examples=100)
def test_encoding_round_trips(data, center, boxes):
    """Decoding gives an equal region with an equal hash; so does pickling."""
    region, _ = data.draw(shapes(center, boxes=boxes))
    for copy in (SkyRegion.decode(region.encode()), pickle.loads(pickle.dumps(region))):
        assert copy == region
        assert hash(copy) == hash(region)
        assert copy.encode() == region.encode()


def test_regions_that_touch_overlap():
    """A shared edge, a shared corner and a point on a corner are overlaps; a gap is not."""
    west = SkyRegion.from_polygon(*PATCH)
    east = SkyRegion.from_polygon([11, 12, 12, 11], [0, 0, 1, 1])
    north_east = SkyRegion.from_polygon([11, 12, 12, 11], [1, 1, 2, 2])
    apart = SkyRegion.from_polygon([11.001, 12, 12, 11.001], [0, 0, 1, 1])
    assert west.overlaps(east)
    assert west.overlaps(north_east)
    assert west.overlaps(SkyRegion.from_point(11, 1))
    assert not west.overlaps(apart)


def test_points_that_pass_as_touching_have_boxes_that_touch():
    """Rounding lets points a hundredth of an arcsecond apart overlap; the registry must not lose them."""
    first, second = SkyRegion.from_point(0, 0), SkyRegion.from_point(0, 0.01 / 3600)
    assert first.overlaps(second)
    assert first.bounding_vectors()[5] >= second.bounding_vectors()[4]
    assert not first.overlaps(SkyRegion.from_point(0, 0.03 / 3600))


def test_a_region_inside_another_overlaps_it():
    """Containing counts, both ways round, with no edge crossed."""
    outer, inner = SkyRegion.from_circle(50, 60, 5), SkyRegion.from_polygon([50, 51, 50], [60, 60, 60.5])
    assert outer.overlaps(inner)
    assert inner.overlaps(outer)


def test_polygon_encoding_is_unit_vectors_counter_clockwise():
    """97 bytes for four vertices: "p" and little-endian x, y, z; neighbours turn left."""
    encoded = SkyRegion.from_polygon(*PATCH).encode()
    assert len(encoded) == 97
    assert encoded[:1] == b"p"
    v = np.frombuffer(encoded[1:], "<f8").reshape(4, 3)
    turns = [np.linalg.det([v[i], v[(i + 1) % 4], v[(i + 2) % 4]]) for i in range(4)]
    assert min(turns) > 0
    assert np.allclose(sorted(map(tuple, v)), sorted(map(tuple, unit(*PATCH))), atol=1e-15)


def test_circle_encoding():
    """A circle of 1 degree about (1, 0, 0) encodes centre, squared chord and radius."""
    encoded = SkyRegion.from_circle(0, 0, 1).encode()
    assert encoded[:1] == b"c"
    expected = (1, 0, 0, 3.0460968721752e-4, 0.017453292519943)
    assert struct.unpack("<5d", encoded[1:]) == pytest.approx(expected, rel=1e-13)


def test_box_encoding_and_wrap():
    """A box keeps its interval across RA 0: from 350 to 10 degrees."""
    box = SkyRegion.from_box(0, 0, 20, 10)
    assert box.encode()[:1] == b"b"
    assert np.degrees(struct.unpack("<4d", box.encode()[1:])) == pytest.approx([350, 10, -5, 5])
    assert box.contains([0, 351, 9, 11, 180], [0, 4, -4, 0, 0]).tolist() == [True, True, True, False, False]


def test_box_at_a_pole_and_all_around():
    """A box is cut off at the pole; 360 degrees of width are the whole circle."""
    cap = SkyRegion.from_box(123, 89, 360, 4)
    assert cap.contains([0, 90, 270], [90, 88, 86.9]).tolist() == [True, True, False]
    assert SkyRegion.from_box(0, 0, 400, 180).contains(217, -89)


def test_union_and_intersection_are_read():
    """LSST's compound regions decode, overlap and keep their bytes."""
    parts = [SkyRegion.from_circle(10, 0, 1).encode(), SkyRegion.from_box(20, 0, 2, 2).encode()]
    body = b"".join(struct.pack("<Q", len(part)) + part for part in parts)
    union, common = SkyRegion.decode(b"u" + body), SkyRegion.decode(b"i" + body)
    assert len(union.encode()) == 91
    assert union.encode() == b"u" + body
    assert union.overlaps(SkyRegion.from_point(20.5, 0.5))
    assert not union.overlaps(SkyRegion.from_point(15, 0))
    assert not common.contains(10, 0)


def test_negative_radius_and_sides_are_empty():
    """Empty regions overlap nothing, not even themselves, and survive encoding."""
    everything = SkyRegion.from_circle(0, 0, 180)
    for empty in (SkyRegion.from_circle(5, 6, -1), SkyRegion.from_box(5, 6, -1, 1)):
        assert empty.is_empty
        assert not empty.overlaps(everything)
        assert not empty.overlaps(empty)
        assert not empty.contains(5, 6)
        assert empty.bounding_vectors() == (1, 0, 1, 0, 1, 0)
        assert SkyRegion.decode(empty.encode()) == empty
        assert "empty" in repr(empty)
        with pytest.raises(ValueError, match="empty region"):
            empty.bounding_circle()
    assert not SkyRegion.from_polygon(*PATCH).is_empty
    assert everything.bounding_circle()[2] == 180


@pytest.mark.parametrize(
    ("ra", "dec", "message"),
    [
        ([1, 2], [1, 2], "at least 3 points, not 2"),
        ([1, 2, math.nan], [1, 2, 3], "nan, 3.0\\) is not a sky position"),
        ([1, math.inf, 3], [1, 2, 3], "not a sky position"),
        ([1, 2, 3], [1, 2, 91], "-90..90"),
        ([1, 2, 3], [1, 2], "one ra for each dec"),
        ([1, 2, 3], [0, 0, 0], "no convex hull"),
        ([7, 7, 7], [1, 1, 1], "no convex hull"),
        ([0, 120, 240, 0], [-10, -10, -10, 90], "no convex hull"),
        ([0, 120, 240, 0, 0], [0, 0, 0, 90, -90], "hemisphere"),
        ([0, 90, 270, 0], [0, 0, 0, 90], "hemisphere"),
    ],
)
def test_polygons_that_cannot_be_are_refused(ra, dec, message):
    """Too few points, no positions, one line, or more than a hemisphere: the message says which."""
    with pytest.raises(ValueError, match=message):
        SkyRegion.from_polygon(ra, dec)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SkyRegion.from_circle(0, 100, 1),
        lambda: SkyRegion.from_circle(0, 0, math.nan),
        lambda: SkyRegion.from_box(0, 0, math.inf, 1),
        lambda: SkyRegion.from_box(math.nan, 0, 1, 1),
        lambda: SkyRegion.from_point(0, math.nan),
    ],
)
def test_other_shapes_that_cannot_be_are_refused(make):
    """A centre off the sky or a size that is not finite is an error."""
    with pytest.raises(ValueError, match="not"):
        make()


def test_polygon_is_the_hull_of_its_points():
    """Order does not matter and inner points leave no trace."""
    square = SkyRegion.from_polygon(*PATCH)
    shuffled = SkyRegion.from_polygon([10, 11, 10.5, 11, 10], [0, 1, 0.4, 0, 1])
    assert sorted(shuffled.vertices()) == sorted(square.vertices())
    assert np.allclose(sorted(square.vertices()), sorted(zip(*PATCH, strict=True)), atol=1e-12)


def test_convex_hull_of_regions():
    """The hull of two squares has their six outer corners and holds both."""
    first = SkyRegion.from_polygon(*PATCH)
    second = SkyRegion.from_polygon([10.8, 11.6, 11.6, 10.8], [0.9, 0.9, 1.7, 1.7])
    hull = SkyRegion.convex_hull_of(iter([first, second]))
    assert len(hull.vertices()) == 6
    assert set(hull.vertices()) < set(first.vertices()) | set(second.vertices())
    with pytest.raises(ValueError, match="Circle"):
        SkyRegion.convex_hull_of([first, SkyRegion.from_circle(0, 0, 1)])
    with pytest.raises(ValueError, match="not 0"):
        SkyRegion.convex_hull_of([])


def test_bounding_circle_of_a_polygon_is_about_the_area_centroid():
    """A square beside the equator: centre in its middle, radius to the corners."""
    ra, dec, radius = SkyRegion.from_polygon([-1, 1, 1, -1], [-1, -1, 1, 1]).bounding_circle()
    assert (ra + 180) % 360 - 180 == pytest.approx(0, abs=1e-9)
    assert dec == pytest.approx(0, abs=1e-9)
    assert radius == pytest.approx(math.degrees(math.acos(math.cos(math.radians(1)) ** 2)), abs=1e-9)


def tan_wcs(scale=0.2 / 3600):
    return SkyWcs.make_tan(crval=(150, 2), crpix=(1000, 900), cd=[[-scale, 0], [0, scale]])


def test_region_of_pixels_has_their_outer_corners():
    """The polygon of a box passes half a pixel outside its corner pixels."""
    wcs, box = tan_wcs(), Box2I(Point2I(10, 20), Extent2I(300, 200))
    ra, dec = wcs.pixelToSky([9.5, 309.5, 309.5, 9.5], [19.5, 19.5, 219.5, 219.5])
    region = SkyRegion.from_wcs(wcs, box)
    expected = sorted(zip(ra.tolist(), dec.tolist(), strict=True))
    assert np.allclose(sorted(region.vertices()), expected, rtol=0, atol=1e-12)
    inside, outside = wcs.pixelToSky(9.51, 19.51), wcs.pixelToSky(9.49, 19.51)
    assert region.contains(*inside)
    assert not region.contains(*outside)


def test_region_of_pixels_off_the_sky_is_refused():
    """An all-sky projection has corners without a position."""
    scale = 0.5
    wcs = SkyWcs.make_tan(crval=(0, 0), crpix=(250, 250), cd=[[-scale, 0], [0, scale]], projection="SIN")
    with pytest.raises(ValueError, match="corner without a sky position"):
        SkyRegion.from_wcs(wcs, Box2I(Point2I(0, 0), Extent2I(500, 500)))


def test_contains_takes_scalars_and_arrays():
    """The result has the common shape; NaN lies nowhere, whatever the kind of region."""
    regions = [
        SkyRegion.from_polygon([-1, 11, 11, -1], [-1, -1, 1, 1]),
        SkyRegion.from_circle(5, 0, 7),
        SkyRegion.from_box(5, 0, 14, 5),
    ]
    for region in regions:
        assert region.contains(10.5, 0.5).shape == ()
        assert bool(region.contains(10.5, 0.5)) is True
        assert region.contains([[10.5], [200]], [0.5, 0.6]).tolist() == [[True, True], [False, False]]
        assert region.contains([math.nan, 10.5], [0.5, math.nan]).tolist() == [False, False]


def circle_bytes(*numbers):
    return b"c" + struct.pack("<5d", *numbers)


ENCODED = SkyRegion.from_polygon(*PATCH).encode()
VERTICES = [ENCODED[1 + 24 * i : 25 + 24 * i] for i in range(4)]


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"x",
        b"hello world",
        ENCODED[:-1],
        b"p" + bytes(72),
        b"p" + b"\xff" * 72,
        b"p" + b"".join(reversed(VERTICES)),
        b"p" + VERTICES[0] + VERTICES[2] + VERTICES[1] + VERTICES[3],
        circle_bytes(0, 0, 0, 0, 0),
        circle_bytes(1, 0, 0, math.nan, 0.1),
        circle_bytes(1, 0, 0, 0.5, 0.1),
        b"b" + struct.pack("<4d", math.inf, 1, 0, 1),
        b"e" + bytes(112),
        b"e" + b"\xff" * 112,
        b"u" + struct.pack("<Q", 2**63) + ENCODED,
        b"u" + struct.pack("<Q", 41) + circle_bytes(math.nan, 0, 0, 0, 0),
    ],
)
def test_rubbish_is_refused(rubbish):
    """Wrong letters, cut bytes, vectors not of length 1, clockwise or crossed polygons, NaN are refused."""
    with pytest.raises(ValueError, match="sky region"):
        SkyRegion.decode(rubbish)


def test_deeply_nested_bytes_are_refused():
    """A nest of unions that would exhaust the stack is turned away by its length."""
    encoded = circle_bytes(1, 0, 0, 0, 0)
    heads = [b"u" + struct.pack("<Q", len(encoded) + 9 * i) for i in reversed(range(100_000))]
    with pytest.raises(ValueError, match="too long"):
        SkyRegion.decode(b"".join(heads) + encoded)


@given(st.sampled_from([b"p", b"c", b"b", b"e", b"u", b"i", b""]), st.binary(max_size=120))
@settings(deadline=None, max_examples=300)
def test_random_bytes_decode_or_fail_cleanly(letter, body):
    """Whatever the bytes: a ValueError, or a region that works."""
    try:
        region = SkyRegion.decode(letter + body)
    except ValueError:
        return
    region.overlaps(SkyRegion.from_point(10, 10))
    assert len(region.bounding_vectors()) == 6
    assert isinstance(repr(region), str)


def test_only_polygons_have_vertices():
    """Asking a circle for vertices says so."""
    with pytest.raises(ValueError, match="Circle"):
        SkyRegion.from_circle(0, 0, 1).vertices()


def test_regions_are_frozen_and_comparable():
    """Equal by encoding, unequal to other things, and not to be changed."""
    a, b = SkyRegion.from_polygon(*PATCH), SkyRegion.from_polygon(*PATCH)
    assert a == b
    assert len({a, b}) == 1
    assert a != SkyRegion.from_point(10, 0)
    assert a != a.encode()
    with pytest.raises(AttributeError):
        a._region = None
    assert repr(a) == "SkyRegion(ConvexPolygon within 0.707107 deg of ra=10.500000, dec=0.500006)"
