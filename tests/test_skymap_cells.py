"""Sky maps of cells, rings maps of before 2018, packed data IDs, and LSST's names."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skymap_cases import CELLS_V1, CELLS_V2, CI_HSC, HSC, OLD_HSC, box, small_map

from butler.images import Box2I, Extent2I
from butler.regions import SkyRegion
from butler.skymaps import (
    DiscreteSkyMap,
    DiscreteSkyMapConfig,
    PatchInfo,
    RingsSkyMap,
    RingsSkyMapConfig,
    SkyMapDimensionPacker,
    TractInfo,
)

# Cells


@pytest.mark.parametrize(
    ("sky_map", "sha1", "corner", "middle"),
    [
        (CELLS_V1, "e2736e41244df00bbdb93aecac0ae4b2d19dda91", (-200, 3199), (11800, 15199)),
        (CELLS_V2, "a5f11e561505dc6b24ec8f4ef547bc592e8299da", (-150, 3149), (11850, 15149)),
    ],
    ids=["lsst_cells_v1", "lsst_cells_v2"],
)
def test_lsst_cells(sky_map, sha1, corner, middle):
    """Hash, patches and outer boxes of LSST's maps; a patch at the edge reaches beyond its tract."""
    assert sky_map.getSha1().hex() == sha1
    tract = sky_map[5063]
    assert tract.getNumPatches() == (10, 10)
    assert tract.bbox == box(0, 29999, 0, 29999)
    assert tract.wcs.to_header()["CRPIX1"] == 15000
    assert tract.getPatchInfo(0).outer_bbox == box(*corner, *corner)
    patch = tract.getPatchInfo((4, 4))
    assert patch.sequential_index == 44
    assert patch.inner_bbox == box(12000, 14999, 12000, 14999)
    assert patch.outer_bbox == box(*middle, *middle)
    assert patch.getNumCells() == (22, 22)
    assert patch.getCellInnerDimensions() == (150, 150)


def test_a_position_in_cells():
    """A position of the Chandra Deep Field South in lsst_cells_v1."""
    tract = CELLS_V1.findTract(53.13, -28.10)
    x, y = tract.wcs.skyToPixel(53.13, -28.10)
    assert (float(x), float(y)) == pytest.approx((14325.053, 4570.428), abs=1e-3)
    patch = tract.findPatch(53.13, -28.10)
    assert (tract.tract_id, patch.index, patch.sequential_index) == (5063, (4, 1), 14)


@given(st.integers(1, 9), st.integers(0, 5), st.integers(1, 6), st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_cells_tile_their_patch(side, border, n_inner, n_border):
    """Inner boxes of a patch's cells cover its box once, but for the border of the outermost cells."""
    tract = small_map_of_cells(side, border, n_inner, n_border)[0]
    patch = tract.getPatchInfo((1, 0))
    count = np.zeros(patch.outer_bbox.shape, dtype=int)
    for number, cell in enumerate(patch):
        assert cell.getSequentialIndex() == number == patch.getSequentialCellIndex(cell)
        assert patch.getCellIndexPair(number) == cell.getIndex()
        assert patch[cell.index] == cell
        assert cell.getOuterBBox() == cell.getInnerBBox().dilatedBy(border)
        count[cell.inner_bbox.slices_in(patch.outer_bbox)] += 1
    assert len(patch) == (n_inner + 2 * n_border) ** 2
    assert patch.getCellBorder() == border
    inside = slice(border, count.shape[0] - border)
    assert np.all(count[inside, inside] == 1)
    assert count.sum() == count[inside, inside].sum()


def small_map_of_cells(side, border, n_inner, n_border):
    fields = {"cellInnerDimensions": (side, side), "cellBorder": border}
    fields |= {"numCellsPerPatchInner": n_inner, "numCellsInPatchBorder": n_border}
    placement = {"raList": [33], "decList": [-40], "radiusList": [2], "pixelScale": 120}
    return DiscreteSkyMap(DiscreteSkyMapConfig(tractBuilder="cells", **placement, **fields))


def test_cells_of_neighbours_coincide():
    """The cells in the border of a patch are cells of the patch beside it."""
    tract = CELLS_V1[5063]
    left, right = tract.getPatchInfo((3, 5)), tract.getPatchInfo((4, 5))
    for row in (0, 7, 21):
        assert left.getCellInfo((20, row)).inner_bbox == right.getCellInfo((0, row)).inner_bbox
        assert left.getCellInfo((21, row)).outer_bbox == right.getCellInfo((1, row)).outer_bbox
    cell = left.getCellInfo((21, 0))
    assert cell.getWcs() == tract.wcs
    assert cell.getInnerSkyPolygon() == SkyRegion.from_wcs(tract.wcs, cell.inner_bbox)
    assert cell.getOuterSkyPolygon() == SkyRegion.from_wcs(tract.wcs, cell.outer_bbox)


def test_cells_that_are_not_there():
    """Beyond the border there is none, and a patch of the other kind has none at all."""
    patch = CELLS_V1[0].getPatchInfo(0)
    with pytest.raises(IndexError, match=r"patch 0 of tract 0 has no cell \(22, 0\); x is 0\.\.21"):
        patch.getCellInfo((22, 0))
    plain = HSC[0].getPatchInfo(0)
    assert (plain.getNumCells(), plain.getCellInnerDimensions(), plain.getCellBorder()) == ((0, 0), (0, 0), 0)
    assert list(plain) == []
    assert plain
    with pytest.raises(IndexError, match="has no cell 0; there are none"):
        plain.getCellInfo(0)


# Rings of before 2018


def slow_old_tract(config, counts, tract_id):
    """Give ring and place of a tract as the old code counted: a ring is left once its number is exceeded."""
    index = tract_id - 1
    for ring, count in enumerate(counts):
        if not index > count:
            return ring, index
        index -= count
    raise AssertionError


def test_old_rings():
    """Numbers, places and finding of version 0; but for the first tract of a ring all is as in version 1."""
    config = RingsSkyMapConfig(numRings=5, raStart=30, pixelScale=60)
    old, new = RingsSkyMap(config, version=0), RingsSkyMap(config)
    assert old == new
    assert len(old) == len(new)
    counts = [new.getRingIndices(i) for i in range(1, len(new) - 1)]
    counts = [sum(ring == r for ring, _ in counts) for r in range(5)]
    for tract_id in range(1, len(old) - 1):
        assert old.getRingIndices(tract_id) == slow_old_tract(config, counts, tract_id)
    # The tract that is there twice, and the one that is missing.
    assert old[1].ctr_coord == pytest.approx(old[1 + counts[0]].ctr_coord)
    last = len(old) - 1 - counts[-1]
    assert old.getRingIndices(last + 1) == (4, 1)
    assert old.getRingIndices(last) == (3, counts[3])
    for tract_id in range(1, len(new) - 1):
        ring, place = new.getRingIndices(tract_id)
        found = old.findTract(*new[tract_id].ctr_coord)
        if place or ring == 0:
            assert found.tract_id == tract_id
            assert found.ctr_coord == pytest.approx(new[tract_id].ctr_coord)
        elif ring < 4:
            assert found.ctr_coord == pytest.approx(new[tract_id].ctr_coord)
            assert found.tract_id == tract_id + counts[ring]
        else:
            assert found.tract_id == len(old) - 1


def test_old_hsc_map():
    """hsc_rings_v1 in old repositories: only tracts at RA 0 differ."""
    assert OLD_HSC.findTract(150.1163, 2.2009).tract_id == 9813
    assert (HSC.findTract(0.1, 2.2).tract_id, OLD_HSC.findTract(0.1, 2.2).tract_id) == (9712, 9954)
    assert OLD_HSC[9954].ctr_coord == pytest.approx((0.0, 2.2314049586776834))
    assert [t.tract_id for t in OLD_HSC.findAllTracts(0.1, 2.2)] == [9954]


# Packed data IDs


@given(st.integers(0, 18937), st.integers(0, 80), st.sampled_from(SkyMapDimensionPacker.SUPPORTED_BANDS))
@settings(deadline=None, max_examples=50)
def test_packing(tract, patch, band):
    """A packed data ID is unpacked to the same, with and without a band, and fits its bits."""
    for bands, packed_band in ((None, None), (SkyMapDimensionPacker.SUPPORTED_BANDS, band)):
        packer = SkyMapDimensionPacker(18938, 9, 9, bands=bands)
        packed = packer.pack(tract, patch, packed_band)
        assert packed == patch + 81 * tract + 81 * 18938 * packer.SUPPORTED_BANDS.index(packed_band)
        assert packer.unpack(packed) == (tract, patch, packed_band)
        assert packed.bit_length() <= packer.maxBits
    assert HSC.pack_data_id(tract, patch) == (patch + 81 * tract, 21)


def test_what_cannot_be_packed():
    """No such tract, patch or band; no such number."""
    packer = SkyMapDimensionPacker(10, 2, 2)
    assert packer.maxBits == 6
    for wrong in ((10, 0), (-1, 0), (0, 4), (0, 0, "r")):
        with pytest.raises(ValueError, match="cannot be packed"):
            packer.pack(*wrong)
    with pytest.raises(ValueError, match="no packed data ID"):
        packer.unpack(40)
    assert HSC.pack_data_id(1, 2, "r") == (2 + 81 * (1 + 18938 * 3), 26)


# LSST's names


def test_getters_and_properties_agree():
    """Each getter of LSST gives what the attribute of that name has."""
    tract = CI_HSC[0]
    assert tract.getId() == tract.tract_id == 0
    assert tract.getCtrCoord() == tract.ctr_coord == (320.36749197602893, 0.3131554006070023)
    assert tract.getPatchInnerDimensions() == tract.patch_inner_dimensions == Extent2I(4000, 4000)
    assert tract.getPatchBorder() == tract.patch_border == 100
    assert tract.getNumPatches() == tract.num_patches
    assert tract.getTractOverlap() == tract.tract_overlap == 0
    assert tract.getInnerSkyRegion() == tract.inner_sky_region == tract.getInnerSkyPolygon()
    assert tract.getOuterSkyPolygon() == tract.outer_sky_polygon
    shrunk = np.transpose(tract.wcs.skyToPixel(*np.transpose(tract.getVertexList())))
    offsets = [(0.001, 0.001), (-0.001, 0.001), (-0.001, -0.001), (0.001, -0.001)]
    assert shrunk == pytest.approx(np.array(tract.bbox.corners) + offsets, abs=1e-6)
    patch = tract[69]
    assert patch.getInnerSkyPolygon() == patch.inner_sky_polygon
    assert patch.getOuterSkyPolygon() == patch.outer_sky_polygon == patch.region


NAMES = {
    RingsSkyMap: "findAllTracts findClosestTractPatchList findTract findTractIdArray findTractPatchList "
    "generateTract getRingIndices getSha1 pack_data_id config",
    TractInfo: "contains findPatch findPatchList getBBox getCtrCoord getId getInnerSkyPolygon "
    "getInnerSkyRegion getNumPatches getOuterSkyPolygon getPatchBorder getPatchIndexPair getPatchInfo "
    "getPatchInnerDimensions getSequentialPatchIndex getSequentialPatchIndexFromPair getTractOverlap "
    "getVertexList getWcs bbox ctr_coord inner_sky_polygon inner_sky_region num_patches outer_sky_polygon "
    "patch_border patch_inner_dimensions tract_id tract_overlap wcs",
    PatchInfo: "getCellIndexPair getCellInfo getCellInnerDimensions getIndex getInnerBBox getInnerSkyPolygon "
    "getNumCells getOuterBBox getOuterSkyPolygon getSequentialCellIndex getSequentialCellIndexFromPair "
    "getSequentialIndex getWcs index inner_bbox inner_sky_polygon num_cells outer_bbox outer_sky_polygon "
    "sequential_index wcs",
}


@pytest.mark.parametrize("kind", NAMES, ids=lambda kind: kind.__name__)
def test_names_of_lsst(kind):
    """A script that moves over by its imports finds what it calls."""
    value = {RingsSkyMap: HSC, TractInfo: HSC[0], PatchInfo: HSC[0][0]}[kind]
    for name in NAMES[kind].split():
        assert hasattr(value, name), name


@pytest.mark.parametrize("rotation", [0.0, 30.0, 133.0, 290.0])
def test_regions_of_many_boxes(rotation):
    """Polygons made together are the hulls made one by one, to the order of their vertices."""
    tract = small_map(rotation=rotation)[0]
    regions = tract.patch_regions()
    assert len(regions) == len(tract)
    for patch, region in zip(tract, regions, strict=True):
        assert region == patch.region
        corners = tract.wcs.pixelToSky(*np.transpose(patch.outer_bbox.corners))
        np.testing.assert_allclose(region.vertices(), SkyRegion.from_polygon(*corners).vertices(), atol=1e-9)


def test_regions_of_boxes_where_the_image_is_mirrored_or_ends():
    """An image with north down has the same polygons; a corner beyond the projection is told."""
    from butler.images import SkyWcs

    boxes = [Box2I.from_corners((0, 0), (9, 4)), Box2I.from_corners((-30, 5), (-20, 7))]
    for flip in (1, -1):
        wcs = SkyWcs.make_tan(crval=(10, 50), crpix=(0, 0), cd=[[-0.1, 0], [0, 0.1 * flip]])
        for box_, region in zip(boxes, SkyRegion.from_wcs_boxes(wcs, boxes), strict=True):
            corners = wcs.pixelToSky(*np.transpose(box_.corners))
            expected = SkyRegion.from_polygon(*corners).vertices()
            np.testing.assert_allclose(region.vertices(), expected, atol=1e-9)
    assert SkyRegion.from_wcs_boxes(wcs, []) == []
    wide = SkyWcs.make_tan(crval=(10, 50), crpix=(0, 0), cd=[[-1, 0], [0, 1]], projection="SIN")
    with pytest.raises(ValueError, match=r"pixel box .* has a corner without a sky position"):
        SkyRegion.from_wcs_boxes(wide, [boxes[0], Box2I.from_corners((60, 60), (80, 80))])
