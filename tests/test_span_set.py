"""SpanSet and Footprint against boolean arrays."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from butler.errors import BoxError
from butler.images import Box2I, Footprint, Mask, Peak, Point2I, Span, SpanSet

FRAME = Box2I.from_corners((-40, -40), (40, 40))
"""Box in which sets are compared; large enough for every operation below."""

XY0 = Point2I(-4, 3)
OTHER_XY0 = Point2I(-2, 1)

quick = settings(deadline=None, max_examples=60)
arrays = hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def placed(array, xy0):
    """Return a boolean array on FRAME with ``array`` at ``xy0``."""
    frame = np.zeros(FRAME.shape, dtype=bool)
    y, x = xy0[1] - FRAME.minY, xy0[0] - FRAME.minX
    frame[y : y + array.shape[0], x : x + array.shape[1]] = array
    return frame


def pixels(frame):
    """Return the parent pixels (x, y) that are set in an array on FRAME."""
    return {(int(x) + FRAME.minX, int(y) + FRAME.minY) for y, x in np.argwhere(frame)}


def flood(points):
    """Return the 8-connected pieces of a set of pixels, by flood fill."""
    left, pieces = set(points), []
    while left:
        piece, queue = set(), [left.pop()]
        while queue:
            x, y = queue.pop()
            piece.add((x, y))
            near = {(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)} & left
            left -= near
            queue.extend(near)
        pieces.append(piece)
    return pieces


def assert_canonical(spans):
    """Assert that runs are ordered, not empty, and never touch in a row."""
    runs = list(spans)
    assert all(run.x0 <= run.x1 for run in runs)
    for one, following in itertools.pairwise(runs):
        assert (one.y, one.x1 + 1) < (following.y, following.x0)


@quick
@given(arrays, arrays)
def test_algebra_is_that_of_arrays(a, b):
    """Union, intersection and difference, and the questions about them, agree with boolean arrays."""
    one, two = SpanSet.fromMask(a, xy0=XY0), SpanSet.fromMask(b, xy0=OTHER_XY0)
    frame_a, frame_b = placed(a, XY0), placed(b, OTHER_XY0)
    for result, expected in (
        (one.union(two), frame_a | frame_b),
        (one.intersect(two), frame_a & frame_b),
        (one.intersectNot(two), frame_a & ~frame_b),
    ):
        assert_canonical(result)
        np.testing.assert_array_equal(result.asArray(FRAME), expected)
        assert result.area == result.getArea() == np.count_nonzero(expected)
        assert result == SpanSet.fromMask(expected, xy0=FRAME.minimum)
    assert one.overlaps(two) == bool((frame_a & frame_b).any())
    assert one.contains(two) == bool((frame_a | ~frame_b).all())


@quick
@given(arrays, arrays, st.integers(0, 4))
def test_dilation_is_every_sum_of_pixels(a, b, radius):
    """Dilation holds exactly the sums of a pixel of the set and one of the kernel; a radius is a disc."""
    spans, kernel = SpanSet.fromMask(a, xy0=XY0), SpanSet.fromMask(b, xy0=OTHER_XY0)
    disc = {
        (x, y)
        for x in range(-radius, radius + 1)
        for y in range(-radius, radius + 1)
        if x * x + y * y <= radius * radius
    }
    for argument, offsets in ((kernel, pixels(placed(b, OTHER_XY0))), (radius, disc)):
        expected = {(x + u, y + v) for x, y in pixels(placed(a, XY0)) for u, v in offsets}
        grown = spans.dilated(argument)
        assert_canonical(grown)
        assert pixels(grown.asArray(FRAME)) == expected


@quick
@given(arrays, arrays.filter(np.any), st.integers(0, 3))
def test_erosion_is_where_the_kernel_fits(a, b, radius):
    """Erosion holds exactly the positions at which every pixel of the kernel falls into the set."""
    spans, kernel = SpanSet.fromMask(a, xy0=XY0), SpanSet.fromMask(b, xy0=OTHER_XY0)
    inside = pixels(placed(a, XY0))
    for argument, shape in ((kernel, kernel), (radius, SpanSet.fromShape(radius))):
        offsets = pixels(shape.asArray(FRAME))
        expected = {
            (x, y)
            for x in range(-25, 26)
            for y in range(-25, 26)
            if all((x + u, y + v) in inside for u, v in offsets)
        }
        fits = spans.eroded(argument)
        assert_canonical(fits)
        assert pixels(fits.asArray(FRAME)) == expected


def test_large_kernels_are_worked_off_in_parts(monkeypatch):
    """Dilation and erosion do not depend on the parts into which memory divides the kernel."""
    rng = np.random.default_rng(8)
    spans = SpanSet.fromMask(rng.random((30, 30)) < 0.9)
    grown, shrunk = spans.dilated(3), spans.eroded(1)
    monkeypatch.setattr("butler.images.span_set._MAX_PRODUCT", 1)
    assert spans.dilated(3) == grown
    assert spans.eroded(1) == shrunk
    assert shrunk


@quick
@given(arrays)
def test_split_gives_the_pieces_of_a_flood_fill(a):
    """The pieces are those of a flood fill over 8 neighbours, in the order of their first pixels."""
    spans = SpanSet.fromMask(a, xy0=XY0)
    pieces = spans.split()
    for piece in pieces:
        assert_canonical(piece)
    expected = sorted(flood(pixels(placed(a, XY0))), key=lambda p: min((y, x) for x, y in p))
    assert [pixels(piece.asArray(FRAME)) for piece in pieces] == expected
    assert spans.isContiguous() == (len(expected) <= 1)


def test_split_follows_a_winding_piece():
    """A spiral of one pixel's width is one piece, and its background another."""
    spiral = np.zeros((81, 81), dtype=bool)
    y, x, dy, dx = 0, 0, 0, 1
    for length in [80, *(n for n in range(80, 1, -2) for _ in range(2))]:
        for _ in range(length):
            spiral[y, x] = True
            y, x = y + dy, x + dx
        dy, dx = dx, -dy
    assert SpanSet.fromMask(spiral).isContiguous()
    spiral[0, 40] = False
    halves = SpanSet.fromMask(spiral).split()
    assert [half.area for half in halves] == [40, np.count_nonzero(spiral) - 40]


@quick
@given(arrays, st.integers(-6, 6), st.integers(-6, 6), st.integers(1, 9), st.integers(1, 9))
def test_clip_shift_and_box(a, x, y, width, height):
    """Clipping, shifting and the box agree with array slices."""
    spans = SpanSet.fromMask(a, xy0=XY0)
    inside = pixels(placed(a, XY0))
    box = Box2I.from_corners((x, y), (x + width - 1, y + height - 1))
    assert pixels(spans.clippedTo(box).asArray(FRAME)) == {p for p in inside if box.contains(p)}
    assert SpanSet.from_bbox(box).intersect(spans) == spans.clippedTo(box)
    assert pixels(spans.shiftedBy(x, y).asArray(FRAME)) == {(px + x, py + y) for px, py in inside}
    for point in [(px, py) for px in range(-6, 8) for py in range(0, 13)]:
        assert spans.contains(point) == (point in inside)
    if inside:
        xs, ys = zip(*inside, strict=True)
        assert spans.bbox == spans.getBBox() == Box2I.from_corners((min(xs), min(ys)), (max(xs), max(ys)))
        np.testing.assert_array_equal(spans.asArray(), spans.asArray(FRAME)[spans.bbox.slices_in(FRAME)])


@quick
@given(arrays)
def test_round_trips(a):
    """Arrays, runs and pickles give back an equal set with an equal hash."""
    spans = SpanSet.fromMask(a, xy0=XY0)
    for other in (SpanSet.from_arrays(*spans.to_arrays()), SpanSet(spans), pickle.loads(pickle.dumps(spans))):
        assert other == spans
        assert hash(other) == hash(spans)
    assert [v.dtype for v in spans.to_arrays()] == [np.int32] * 3
    assert len(spans) == len(list(spans))


def test_runs_are_merged_in_any_order():
    """Runs that overlap, touch or come in disorder give the one form of the set."""
    spans = SpanSet([(1, 5, 6), (0, 3, 4), (0, -1, 2), (1, 5, 5), (1, 0, 0), (0, -1, 0)])
    assert list(spans) == [Span(0, -1, 4), Span(1, 0, 0), Span(1, 5, 6)]
    assert SpanSet([(0, 0, 1), (0, 2, 3)]) == SpanSet([(0, 0, 3)])
    assert spans != SpanSet([(0, -1, 4)])
    assert spans != "spans"
    assert repr(spans) == "SpanSet(9 pixels in [-1..6, 0..1])"


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 0, 1), (2, 5, 4)], "span 1 in row 2 has 5 and 4"),
        ([(0, 0, 1 << 30)], "x1 of a span is an integer within"),
        ([(0.5, 0, 1)], "y of a span is an integer"),
    ],
)
def test_impossible_runs_are_refused(spans, message):
    """Reversed, far or fractional runs are a ValueError that names them."""
    with pytest.raises(ValueError, match=message):
        SpanSet(spans)


def test_arrays_of_different_lengths_are_refused():
    """The three arrays must have one length."""
    with pytest.raises(ValueError, match="need one length"):
        SpanSet.from_arrays([0, 1], [0, 0], [1])


@pytest.mark.parametrize(("radius", "area"), [(0, 1), (1, 5), (2, 13), (3, 29), (5, 81)])
def test_disc(radius, area):
    """A disc holds the pixels with dx² + dy² <= r²; these are the numbers of Gauss's circle problem."""
    disc = SpanSet.fromShape(radius, offset=(10, -7))
    assert disc.area == area
    assert disc.bbox == Box2I.from_corners((10 - radius, -7 - radius), (10 + radius, -7 + radius))


def test_negative_radius_is_refused():
    """Neither a disc nor a dilation has a negative radius."""
    with pytest.raises(ValueError, match="not -1"):
        SpanSet.fromShape(-1)
    with pytest.raises(ValueError, match="not -2"):
        SpanSet([(0, 0, 0)]).dilated(-2)


def test_empty_set():
    """The empty set behaves like a set; only its box does not exist."""
    empty, some = SpanSet(), SpanSet([(0, 0, 3)])
    assert not empty
    assert empty.area == 0
    assert empty == SpanSet.fromMask(np.zeros((3, 3), dtype=bool)) == some.intersectNot(some)
    assert empty.union(some) == some
    assert empty.intersect(some) == empty.intersectNot(some) == empty.dilated(2) == empty.eroded(2) == empty
    assert some.dilated(empty) == empty
    assert some.contains(empty)
    assert not empty.contains(some)
    assert not empty.contains((0, 0))
    assert empty.split() == []
    assert empty.isContiguous()
    assert empty.shiftedBy(2, 3) == empty
    assert list(empty) == []
    assert empty.count_where(np.ones((2, 2))) == 0
    assert repr(empty) == "SpanSet()"
    with pytest.raises(BoxError, match="no box"):
        empty.getBBox()
    with pytest.raises(ValueError, match="empty SpanSet"):
        some.eroded(empty)


def test_from_mask_chooses_bits():
    """Of a mask, any value counts unless bits are given; its origin is used unless another is given."""
    mask = Mask(np.array([[0, 1, 2, 3], [4, 0, 0, 1]], dtype=np.int32), Point2I(10, 20))
    assert SpanSet.fromMask(mask) == SpanSet([(20, 11, 13), (21, 10, 10), (21, 13, 13)])
    assert SpanSet.fromMask(mask, 2) == SpanSet([(20, 12, 13)])
    assert SpanSet.fromMask(mask, 2, xy0=(0, 0)) == SpanSet([(0, 2, 3)])
    assert SpanSet.fromMask(mask.array, 4) == SpanSet([(1, 0, 0)])
    mask.array[0, 0] = np.int32(-(2**31))
    assert SpanSet.fromMask(mask, 1 << 31) == SpanSet([(20, 10, 10)])


@pytest.mark.parametrize("byte_order", ["<i4", ">i4"])
@pytest.mark.parametrize(("width", "share"), [(9, 0.4), (900, 0.995)])
def test_mask_bits_are_set_and_cleared_in_the_set_only(width, share, byte_order):
    """Setting and clearing change just the given bits of just the set's pixels, in short runs and long."""
    rng = np.random.default_rng(3)
    before = rng.integers(0, 1 << 12, (7, width)).astype(byte_order)
    mask = Mask(before.copy(), Point2I(-2, 5))
    spans = SpanSet.fromMask(rng.random((7, width)) < share, xy0=mask.xy0)
    where = spans.asArray(mask.bbox)
    spans.setMask(mask, 0b101)
    np.testing.assert_array_equal(mask.array, np.where(where, before | 0b101, before))
    spans.clearMask(mask, 0b111)
    np.testing.assert_array_equal(mask.array, np.where(where, before & ~0b111, before))
    SpanSet().setMask(mask, 1)
    outside = SpanSet([(5, width - 3, width - 2)])
    with pytest.raises(BoxError, match="not inside"):
        outside.setMask(mask, 1)
    outside.clippedTo(mask.bbox).setMask(mask, 1)
    assert mask.array[0, -1] & 1


@quick
@given(arrays, arrays)
def test_count_where(a, b):
    """Counting in an array is counting the intersection."""
    spans = SpanSet.fromMask(a, xy0=XY0)
    expected = np.count_nonzero(placed(a, XY0) & placed(b, OTHER_XY0))
    assert spans.count_where(b, OTHER_XY0) == expected
    assert spans.count_where(np.where(b, 8, 0), OTHER_XY0) == expected


def test_footprint_orders_its_peaks():
    """A footprint knows its pixels and keeps the most extreme peak first."""
    spans = SpanSet([(3, 1, 4), (4, 2, 2)])
    footprint = Footprint(spans, ((1, 3, 5.0), (4, 3, -9.0)))
    assert footprint.peaks == (Peak(4, 3, -9.0), Peak(1, 3, 5.0))
    assert footprint.getSpans() is spans
    assert footprint.area == footprint.getArea() == 5
    assert footprint.bbox == footprint.getBBox() == Box2I.from_corners((1, 3), (4, 4))
    assert footprint.contains((2, 4))
    assert not footprint.contains((1, 4))
    assert footprint == Footprint(SpanSet(spans), footprint.peaks)


def test_footprint_refuses_a_peak_outside():
    """A peak belongs to its footprint."""
    with pytest.raises(ValueError, match=r"peak at \(9, 9\) is outside"):
        Footprint(SpanSet([(0, 0, 0)]), (Peak(9, 9, 1.0),))


@quick
@given(st.lists(arrays, max_size=4))
def test_many_sets_at_once(members):
    """Sets made together of their runs are those made one by one, empty ones and overlapping ones too."""
    sets = [SpanSet.fromMask(member, xy0=XY0) for member in members]
    empty = np.zeros(0, np.int32)
    runs = [np.concatenate([empty, *(s.to_arrays()[i] for s in sets)]) for i in range(3)]
    assert SpanSet.from_groups(*runs, np.array([len(s) for s in sets], int)) == sets


@pytest.mark.parametrize("x0", [0, 2, 3])
def test_runs_of_one_set_must_be_apart(x0):
    """Runs that touch, overlap or come back are refused within a set, and fine in two."""
    y, first, last = np.array([5, 5]), np.array([3, x0]), np.array([4, x0])
    with pytest.raises(ValueError, match="from_arrays"):
        SpanSet.from_groups(y, first, last, np.array([2]))
    assert len(SpanSet.from_groups(y, first, last, np.array([1, 1]))) == 2
    with pytest.raises(ValueError, match="3 runs"):
        SpanSet.from_groups(y, first, last, np.array([1, 2]))
