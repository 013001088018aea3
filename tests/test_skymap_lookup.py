"""Sky maps: many positions, boxes and polygons at once, against trying every tract and patch."""

import math

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.sphgeom import LonLat
from skymap_cases import CI_HSC, HSC, small_map

from butler.regions import SkyRegion
from butler.skymaps import RingsSkyMap, RingsSkyMapConfig

RINGS = RingsSkyMap(
    RingsSkyMapConfig(
        numRings=4, raStart=17, tractOverlap=1, pixelScale=900, patchInnerDimensions=(60, 80), patchBorder=5
    )
)
CELLS = RingsSkyMap(
    RingsSkyMapConfig(
        numRings=3,
        tractOverlap=0,
        pixelScale=1800,
        projection="TAN",
        tractBuilder="cells",
        cellInnerDimensions=(10, 10),
        cellBorder=2,
        numCellsPerPatchInner=4,
    )
)
DISCRETE = small_map()
MAPS = (RINGS, CELLS, DISCRETE)
EVERY_PATCH = {
    sky_map: [(tract.tract_id, patch.sequential_index, patch.region) for tract in sky_map for patch in tract]
    for sky_map in MAPS
}

ras, decs = st.floats(0, 360), st.floats(-90, 90)
circles = st.builds(SkyRegion.from_circle, ras, decs, st.floats(0.0, 20.0))


@st.composite
def polygons(draw):
    """Draw a polygon with three to six corners on a circle."""
    ra, dec, radius = draw(ras), draw(decs), draw(st.floats(0.01, 30.0))
    angles = draw(st.lists(st.integers(0, 359), min_size=3, max_size=6, unique=True))
    center = SkyCoord(ra, dec, unit="deg")
    corners = center.directional_offset_by(np.array(angles) * center.ra.unit, radius * center.ra.unit)
    return SkyRegion.from_polygon(corners.ra.deg, corners.dec.deg)


areas = st.one_of(circles, polygons())


def slow_overlaps(sky_map, region):
    """Find the patches that a region overlaps by trying all."""
    return [(t, p) for t, p, patch_region in EVERY_PATCH[sky_map] if patch_region.overlaps(region)]


@given(st.lists(areas, min_size=1, max_size=3))
@settings(deadline=None, max_examples=30)
def test_areas_find_every_patch_that_they_overlap(regions):
    """One by one and all together, in rings, cells and a discrete map, as trying every patch does."""
    for sky_map in MAPS:
        expected = [slow_overlaps(sky_map, region) for region in regions]
        for region, pairs in zip(regions, expected, strict=True):
            found = sky_map.findTractPatchList(region)
            assert [(t.tract_id, p.sequential_index) for t, patches in found for p in patches] == pairs
        i, tracts, patches = sky_map.find_overlaps(regions)
        together = [(n, t, p) for n, pairs in enumerate(expected) for t, p in pairs]
        assert list(zip(i.tolist(), tracts.tolist(), patches.tolist(), strict=True)) == together


def test_patches_that_reach_beyond_their_tract_are_found():
    """The outermost pixel of a patch of cells lies off its tract, and is found all the same."""
    for tract in CELLS:
        box = tract.getPatchInfo(0).outer_bbox
        assert not tract.bbox.contains(box.minimum)
        corner = SkyRegion.from_point(*map(float, tract.wcs.pixelToSky(*box.minimum)))
        _, tract_ids, patch_ids = CELLS.find_overlaps([corner])
        assert (tract.tract_id, 0) in zip(tract_ids.tolist(), patch_ids.tolist(), strict=True)


def test_a_wide_area_misses_no_tract():
    """Of an area whose corners lie far apart the tracts in the middle are found too."""
    region = SkyRegion.from_polygon([145, 160, 160, 145], [-4, -4, 4, 4])
    found = {tract.tract_id for tract, _ in HSC.findTractPatchList(region)}
    inside = HSC.findTractIdArray(*(grid.ravel() for grid in np.mgrid[146:159:0.5, -3:3:0.5]))
    assert found > set(inside.tolist())
    corners = HSC.findTractPatchList(*np.transpose(region.vertices()))
    assert len(corners) < 20 < len(found)


def test_boxes_and_nothing():
    """A box of right ascension and declination finds at least what it overlaps; an empty area nothing."""
    region = SkyRegion.from_box(359.9, 2.2, 0.3, 0.2)
    found = {
        t.tract_id: [p.sequential_index for p in patches] for t, patches in HSC.findTractPatchList(region)
    }
    for ra, dec in ((359.76, 2.11), (0.04, 2.29), (359.9, 2.2)):
        for tract in HSC.findAllTracts(ra, dec):
            assert tract.findPatch(ra, dec).sequential_index in found[tract.tract_id]
    nothing = SkyRegion.from_circle(1, 1, -1)
    assert HSC.findTractPatchList(nothing) == []
    assert [part.size for part in HSC.find_overlaps([nothing])] == [0, 0, 0]
    assert [part.size for part in HSC.find_overlaps([])] == [0, 0, 0]


@given(st.lists(st.tuples(ras, decs), min_size=1, max_size=20))
@settings(deadline=None, max_examples=60)
def test_positions_find_their_patches(positions):
    """Tract and patch of many positions are those that one at a time finds, none where there is none."""
    ra, dec = np.transpose(positions)
    for sky_map in (RINGS, DISCRETE):
        tract_ids, patch_ids = sky_map.find_patch_ids(ra, dec)
        for a, b, tract_id, patch_id in zip(ra, dec, tract_ids, patch_ids, strict=True):
            tract = sky_map.findTract(a, b)
            assert tract.tract_id == tract_id
            if tract.contains(a, b):
                patch = tract.findPatch(a, b)
                assert patch.sequential_index == patch_id
                x, y = tract.wcs.skyToPixel(a, b)
                assert patch.inner_bbox.contains((float(x), float(y)))
            else:
                assert patch_id == -1
                with pytest.raises(LookupError):
                    tract.findPatch(a, b)


def test_positions_keep_their_shape():
    """An array of two axes gives two of the same, a single position two numbers without axes."""
    ra, dec = np.meshgrid([149.9, 150.1163, 152.0], [2.2009, 2.6])
    tract_ids, patch_ids = HSC.find_patch_ids(ra, dec)
    assert tract_ids.shape == patch_ids.shape == (2, 3)
    assert (tract_ids[0, 1], patch_ids[0, 1]) == (9813, 41)
    assert [numbers.shape for numbers in HSC.find_patch_ids([], [])] == [(0,), (0,)]
    tract_id, patch_id = HSC.find_patch_ids(150.1163, 2.2009)
    assert (int(tract_id), int(patch_id)) == (9813, 41)


@given(st.lists(st.tuples(ras, decs), min_size=1, max_size=5))
@settings(deadline=None, max_examples=40)
def test_closest_tracts(positions):
    """Only the tract in charge of each position is listed, once, in order."""
    ra, dec = np.transpose(positions)
    found = RINGS.findClosestTractPatchList(ra, dec)
    expected = sorted({RINGS.findTract(a, b).tract_id for a, b in positions})
    assert [tract.tract_id for tract, _ in found] == expected
    assert all(patches == tract.findPatchList(ra, dec) for tract, patches in found)


@given(ras, decs, st.sampled_from(["TAN", "STG"]), st.floats(0, 360))
@settings(deadline=None, max_examples=40)
def test_there_and_back(ra, dec, projection, rotation):
    """A position becomes a pixel and the pixel the position again, in whichever tract is in charge."""
    config = RINGS.config.model_copy(update={"projection": projection, "rotation": rotation})
    tract = RingsSkyMap(config).findTract(ra, dec)
    back = tract.wcs.pixelToSky(*tract.wcs.skyToPixel(ra, dec))
    assert float(back[1]) == pytest.approx(dec, abs=1e-9)
    gap = (float(back[0]) - ra + 180) % 360 - 180
    assert gap * math.cos(math.radians(dec)) == pytest.approx(0, abs=1e-9)
    assert tract.getPatchIndexPair(tract.getSequentialPatchIndexFromPair((0, 0))) == (0, 0)


class SpherePoint:
    """A position with the methods of lsst.geom's."""

    def __init__(self, ra, dec):
        self._lonlat = LonLat.fromDegrees(ra, dec)

    def getRa(self):
        return self._lonlat.getLon()

    def getDec(self):
        return self._lonlat.getLat()


@pytest.mark.parametrize(
    "coord",
    [
        SkyCoord(150.1163, 2.2009, unit="deg"),
        LonLat.fromDegrees(150.1163, 2.2009),
        SpherePoint(150.1163, 2.2009),
    ],
    ids=["SkyCoord", "LonLat", "SpherePoint"],
)
def test_positions_of_other_libraries(coord):
    """Where LSST's methods take positions, ours take them too, one or a list."""
    tract = HSC.findTract(coord)
    assert tract.tract_id == 9813
    assert tract.contains(coord)
    assert tract.findPatch(coord).sequential_index == 41
    assert [t.tract_id for t in HSC.findAllTracts(coord)] == [9813]
    if not isinstance(coord, SkyCoord):
        coord = [coord, coord]
    assert [p.sequential_index for p in tract.findPatchList(coord)] == [41]
    for find in (HSC.findTractPatchList, HSC.findClosestTractPatchList):
        assert [(t.tract_id, [p.sequential_index for p in patches]) for t, patches in find(coord)] == [
            (9813, [41])
        ]
    assert HSC.findTractIdArray(math.radians(150.1163), math.radians(2.2009), degrees=False) == 9813


@pytest.mark.parametrize("wrong", ["150 2", 150.0, [], None])
def test_no_positions(wrong):
    """Something else is refused in words."""
    with pytest.raises(TypeError, match="give ra and dec in degrees, a SkyCoord"):
        CI_HSC.findTract(wrong)
