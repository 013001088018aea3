"""Sky maps: searches, patches and frames against slow oracles."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skymap_cases import CI_HSC, HSC, n_in_ring, small_map

from butler.images import Box2I, SkyWcs
from butler.regions import SkyRegion
from butler.skymaps import (
    RingsSkyMap,
    RingsSkyMapConfig,
    SkyMap,
    discrete_sky_map_around,
)

# Searches against slow oracles


def slow_find(config, ra, dec):
    """Find the tract in charge by trying every ring's edges and every tract's centre."""
    height = 180.0 / (config.numRings + 1)
    first = 1
    if dec < height / 2 - 90:
        return 0
    for ring in range(config.numRings):
        n = n_in_ring(ring, config.numRings)
        if dec < height * (ring + 1.5) - 90:
            gaps = [abs((ra - config.raStart - 360 * k / n + 180) % 360 - 180) for k in range(n)]
            return first + gaps.index(min(gaps))
        first += n
    return first


rings_maps = st.builds(
    lambda n, start, overlap: RingsSkyMap(
        RingsSkyMapConfig(
            numRings=n, raStart=start, tractOverlap=overlap, pixelScale=30, patchInnerDimensions=(100, 90)
        )
    ),
    st.integers(1, 40),
    st.floats(0, 359),
    st.floats(0.5, 2),
)
ras, decs = st.floats(0, 360), st.floats(-90, 90)


@given(rings_maps, st.lists(st.tuples(ras, decs), min_size=1, max_size=8))
@settings(deadline=None, max_examples=150)
def test_find_agrees_with_trying_all(sky_map, positions):
    """The array search gives what trying every tract gives, and the tract in charge holds the position."""
    ra, dec = np.transpose(positions)
    ids = sky_map.findTractIdArray(ra, dec)
    for a, b, tract_id in zip(ra, dec, ids, strict=True):
        assert int(sky_map.findTractIdArray(a, b)) == tract_id
        if slow_find(sky_map.config, a, b) != tract_id:
            # On an edge, up to rounding: both sides will do.
            steps = [(da, db) for da in (-1e-9, 1e-9) for db in (-1e-9, 1e-9)]
            nudged = [slow_find(sky_map.config, a + da, b + db) for da, db in steps]
            assert tract_id in nudged


@given(st.integers(20, 60), st.floats(0, 359), ras, decs)
@settings(deadline=None, max_examples=100)
def test_find_always_contains(n_rings, ra_start, ra, dec):
    """The tract in charge, with LSST's default overlap, has the position among its pixels and in a patch."""
    sky_map = RingsSkyMap(
        RingsSkyMapConfig(numRings=n_rings, raStart=ra_start, pixelScale=60, patchInnerDimensions=(30, 30))
    )
    tract = sky_map.findTract(ra, dec)
    assert tract.contains(ra, dec)
    x, y = tract.wcs.skyToPixel(ra, dec)
    assert tract.findPatch(ra, dec).inner_bbox.contains((float(x), float(y)))


def test_hsc_find_always_contains():
    """The same for hsc_rings_v1, at random places."""
    rng = np.random.default_rng(8)
    for ra, dec in zip(rng.uniform(0, 360, 100), np.degrees(np.arcsin(rng.uniform(-1, 1, 100))), strict=True):
        assert HSC.findTract(ra, dec).contains(ra, dec)


def test_inner_regions_cut_up_the_sky():
    """Each random position lies in the inner region of one tract, the one that is found."""
    sky_map = RingsSkyMap(RingsSkyMapConfig(numRings=7, raStart=12, pixelScale=60))
    rng = np.random.default_rng(5)
    ra, dec = rng.uniform(0, 360, 3000), np.degrees(np.arcsin(rng.uniform(-1, 1, 3000)))
    inside = np.array([tract.inner_sky_region.contains(ra, dec) for tract in sky_map])
    assert np.all(inside.sum(axis=0) == 1)
    assert np.array_equal(inside.argmax(axis=0), sky_map.findTractIdArray(ra, dec))
    assert np.all(inside.any(axis=1))


@given(ras, decs, st.sampled_from([0.0, 0.5, 3.0]))
@settings(deadline=None, max_examples=60)
def test_find_all_agrees_with_trying_all(ra, dec, overlap):
    """The rings map's quick search finds every tract that holds a position, also with a wide overlap."""
    sky_map = FEW_RINGS[overlap]
    found = [tract.tract_id for tract in sky_map.findAllTracts(ra, dec)]
    assert found == [tract.tract_id for tract in SkyMap.findAllTracts(sky_map, ra, dec)]


FEW_RINGS = {
    overlap: RingsSkyMap(
        RingsSkyMapConfig(numRings=8, tractOverlap=overlap, pixelScale=60, patchInnerDimensions=(300, 300))
    )
    for overlap in (0.0, 0.5, 3.0)
}


def test_find_just_below_the_northern_edge():
    """Where rounding puts a position beyond the last ring, the polar tract is in charge."""
    sky_map = RingsSkyMap(RingsSkyMapConfig(numRings=3))
    below, rounded, above = sky_map.findTractIdArray(0, [67.49, 67.49999999999999, 67.51])
    assert sky_map.getRingIndices(int(below)) == (2, 0)
    assert rounded == above == len(sky_map) - 1


def test_find_all_at_a_tract_corner():
    """Four hsc tracts hold a position near the corner of one's inner region."""
    assert [tract.tract_id for tract in HSC.findAllTracts(150.98, 2.97)] == [9813, 9814, 10055, 10056]


def test_find_patch_list_of_tracts():
    """An exposure across a tract corner is found in four tracts, each with the patches near it."""
    ra, dec = [150.9, 151.1, 151.1, 150.9], [2.9, 2.9, 3.1, 3.1]
    found = HSC.findTractPatchList(ra, dec)
    assert [tract.tract_id for tract, _ in found] == [9813, 9814, 10055, 10056]
    for tract, patches in found:
        assert patches == tract.findPatchList(ra, dec) != []


def test_discrete_find_is_the_nearest_centre():
    """Nearest by angle, also far outside; of two as near the lower number; base search for patches."""
    sky_map = small_map(raList=[359, 1, 180, 359], decList=[0, 0, 89, 0], radiusList=[1, 1, 1, 1])
    ids = sky_map.findTractIdArray([359.5, 0.5, 10, 180], [0, 0, 89, -60])
    assert ids.tolist() == [0, 1, 2, 0]
    assert not sky_map.findTract(90, 0).contains(90, 0)
    assert [tract.tract_id for tract in sky_map.findAllTracts(359, 0)] == [0, 3]
    found = sky_map.findTractPatchList([0.9, 1.1, 1.0], [-0.1, -0.1, 0.1])
    assert [tract.tract_id for tract, _ in found] == [1]
    assert found[0][1] == sky_map[1].findPatchList([0.9, 1.1, 1.0], [-0.1, -0.1, 0.1])


@given(st.lists(st.tuples(st.floats(7, 13), st.floats(18, 22)), min_size=1, max_size=4))
@settings(deadline=None, max_examples=100)
def test_find_patch_list_agrees_with_trying_all(positions):
    """A patch is listed if its inner box meets the positions' box grown by the border; columns come first."""
    tract = small_map()[0]
    ra, dec = np.transpose(positions)
    x, y = tract.wcs.skyToPixel(ra, dec)
    lower = [math.ceil(v.min() - 0.5) for v in (x, y)]
    upper = [math.floor(v.max() + 0.5) for v in (x, y)]
    grown = Box2I.from_corners(*zip(*zip(lower, upper, strict=True), strict=True)).dilatedBy(4)
    expected = [patch for patch in tract if patch.inner_bbox.overlaps(grown)]
    found = tract.findPatchList(ra, dec)
    assert sorted(p.sequential_index for p in found) == [p.sequential_index for p in expected]
    assert [p.index for p in found] == sorted(p.index for p in found)


def test_positions_beyond_the_projection_are_in_no_tract():
    """Behind the tangent plane there are no pixels; such positions are left out."""
    tract = CI_HSC[0]
    assert not tract.contains(140, 0)
    assert tract.findPatchList([140, 150], [0, 1]) == []
    assert len(tract.findPatchList([140, 320.3], [0, 0.25])) == 1
    with pytest.raises(LookupError, match="not in tract 0"):
        tract.findPatch(140, 0)


# Patches


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 60), st.floats(0, 3), st.floats(0, 90))
@settings(deadline=None, max_examples=60)
def test_patches_tile_the_tract(width, height, border, radius, rotation):
    """Inner boxes cover every pixel once; outer boxes are what lies within the border of the inner."""
    sky_map = small_map(
        raList=[33],
        decList=[-40],
        radiusList=[radius],
        patchInnerDimensions=(width, height),
        patchBorder=border,
        rotation=rotation,
        pixelScale=300,
    )
    tract = sky_map[0]
    count = np.zeros(tract.bbox.shape, dtype=int)
    columns, rows = np.arange(tract.bbox.width), np.arange(tract.bbox.height)
    for number, patch in enumerate(tract):
        assert patch.sequential_index == number
        assert patch.inner_bbox.dimensions == (width, height)
        count[patch.inner_bbox.slices_in(tract.bbox)] += 1
        assert patch.outer_bbox.contains(patch.inner_bbox)
        inner, outer = patch.inner_bbox, patch.outer_bbox
        near_x = columns[(columns >= inner.minX - border) & (columns <= inner.maxX + border)]
        near_y = rows[(rows >= inner.minY - border) & (rows <= inner.maxY + border)]
        assert (outer.minX, outer.maxX) == (near_x[0], near_x[-1])
        assert (outer.minY, outer.maxY) == (near_y[0], near_y[-1])
    assert number + 1 == len(tract)
    assert np.all(count == 1)


def test_patch_numbers_run_along_rows():
    """Number and pair turn into each other; iteration has x inside y."""
    tract = small_map()[0]
    n_x, n_y = tract.getNumPatches()
    assert n_x != n_y
    pairs = [(x, y) for y in range(n_y) for x in range(n_x)]
    assert [patch.index for patch in tract] == pairs
    assert [tract.getPatchIndexPair(i) for i in range(len(tract))] == pairs
    assert [tract.getSequentialPatchIndexFromPair(pair) for pair in pairs] == list(range(len(tract)))


@pytest.mark.parametrize("index", [-1, 81, (9, 0), (0, 9), (-1, 0)])
def test_patches_that_are_not_there(index):
    """The error says which patches there are."""
    with pytest.raises(IndexError, match=r"has no patch .*(0\.\.80|0\.\.8, y)"):
        HSC[9813].getPatchInfo(index)


# Frames


def test_tract_holds_radius_and_overlap():
    """Compass points at radius and overlap lie just inside the box; odd pixels go to the upper side."""
    sky_map = small_map(patchInnerDimensions=(1, 1))
    for tract, radius in zip(sky_map, sky_map.config.radiusList, strict=True):
        reach = radius + 0.1
        ra, dec = tract.ctr_coord
        _, y = tract.wcs.skyToPixel([ra, ra], [dec - reach, dec + reach])
        assert -0.5 <= y[0] < 0.5
        assert tract.bbox.maxY - 0.5 < y[1] <= tract.bbox.maxY + 0.5
        half = math.floor(math.tan(math.radians(reach)) / math.radians(120 / 3600) + 0.5)
        assert tract.bbox.dimensions == (2 * half + 1, 2 * half + 1)
    padded = small_map(raList=[10], decList=[20], radiusList=[1], patchInnerDimensions=(40, 36))[0]
    # 33 pixels on either side: 67, short of 80 by 13 and of 72 by 5.
    assert padded.bbox.dimensions == (80, 72)
    header = padded.wcs.to_header()
    assert (header["CRPIX1"], header["CRPIX2"]) == (33 + 13 // 2 + 1, 33 + 5 // 2 + 1)


def test_rotation_turns_the_pixels_only():
    """North of the centre lies 30 degrees off the y axis, and the box shrinks around the turned points."""
    tract = small_map(rotation=30, patchInnerDimensions=(1, 1))[0]
    ra, dec = tract.ctr_coord
    x0, y0 = tract.wcs.skyToPixel(ra, dec)
    x, y = tract.wcs.skyToPixel(ra, dec + 0.5)
    assert math.degrees(math.atan2(x - x0, y - y0)) == pytest.approx(30, abs=1e-6)
    h = math.tan(math.radians(1.1)) / math.radians(120 / 3600)
    half = math.floor(h * math.cos(math.radians(30)) + 0.5)
    assert tract.bbox.width == 2 * half + 1


def test_tract_too_large_for_its_projection():
    """A gnomonic tract cannot reach 90 degrees from its centre; the error says so."""
    with pytest.raises(ValueError, match="too large for the projection TAN"):
        small_map(raList=[1], decList=[1], radiusList=[89.95])[0]


def test_discrete_inner_region_is_the_whole_tract():
    """A discrete tract is in charge of its whole box, less a thousandth of a pixel."""
    tract = small_map()[0]
    edges = tract.wcs.pixelToSky([-0.49, -0.4985, -0.4995], [10, 10, 10])
    assert tract.inner_sky_region.contains(*edges).tolist() == [True, True, False]


# Around exposures


SQUARES = [
    SkyRegion.from_polygon([10, 11, 11, 10], [0, 0, 1, 1]),
    SkyRegion.from_polygon([10.8, 11.6, 11.6, 10.8], [0.9, 0.9, 1.7, 1.7]),
]


def test_discrete_map_around_two_exposures():
    """Centre, radius, patches and reference pixel of the worked example."""
    sky_map = discrete_sky_map_around(SQUARES, pixel_scale=0.333, projection="TAN")
    c = sky_map.config
    assert c.raList == pytest.approx((10.794113754822,), abs=1e-11)
    assert c.decList == pytest.approx((0.838855147268,), abs=1e-11)
    assert c.radiusList == pytest.approx((1.179276094415,), abs=2e-11)
    assert c.tractOverlap == 0
    assert sky_map[0].getNumPatches() == (7, 7)
    header = sky_map[0].wcs.to_header()
    assert (header["CRPIX1"], header["CRPIX2"]) == (14000, 14000)
    half_side = math.tan(math.radians(c.radiusList[0])) / math.radians(0.333 / 3600)
    assert half_side == pytest.approx(12750.7313, abs=1e-4)


@given(
    st.lists(st.tuples(st.floats(-6, 6), st.floats(-6, 6)), min_size=1, max_size=5),
    ras,
    st.floats(-89, 89),
    st.sampled_from(["TAN", "STG"]),
)
@settings(deadline=None, max_examples=60)
def test_discrete_map_holds_every_exposure(offsets, ra, dec, projection):
    """Every corner of every exposure, and the border around it, falls on the tract."""
    plane = SkyWcs.make_tan(crval=(ra, dec), crpix=(0, 0), cd=[[-1, 0], [0, 1]])
    regions = []
    for x, y in offsets:
        corners = plane.pixelToSky([x, x + 1, x + 1, x], [y, y, y + 1, y + 1])
        regions.append(SkyRegion.from_polygon(*corners))
    settings_ = {"pixel_scale": 60, "projection": projection, "patch_inner_dimensions": (10, 10)}
    tract = discrete_sky_map_around(regions, **settings_)[0]
    bordered = discrete_sky_map_around(regions, border_deg=0.5, **settings_)[0]
    assert bordered.bbox.width > tract.bbox.width
    for region in regions:
        assert all(tract.contains(*vertex) for vertex in region.vertices())
        assert tract.outer_sky_polygon.overlaps(region)


def test_exposures_that_fit_no_map():
    """No exposures, or exposures all over the sky, are refused."""
    with pytest.raises(ValueError, match="at least one region"):
        discrete_sky_map_around([])
    all_over = [
        SkyRegion.from_polygon([a, a + 1, a], [b, b, b + 1]) for a in (0, 120, 240) for b in (-60, 60)
    ]
    with pytest.raises(ValueError, match="hemisphere"):
        discrete_sky_map_around(all_over)
