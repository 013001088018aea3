"""The input map: equal to a count made pixel by pixel."""

from dataclasses import replace

import healsparse
import hpgeom
import numpy as np
import pytest
from coadd_warps import BBOX, WCS, make_handles, make_warp

from butler.images import Box2I, CcdInput, GaussianPsf, Mask, SkyWcs
from tasks.coadd import AssembleCoaddConfig, AssembleCoaddTask, HealSparseInputMapConfig
from tasks.coadd.input_map import HealSparseInputMapTask
from tasks.struct import Struct

NSIDE = 131072  # 1.6 arcsec: 64 image pixels in a map pixel
ANGLE = 0.4


def rotated_wcs():
    """Return a WCS whose axes are turned against the patch's."""
    scale = 0.25 / 3600
    c, s = np.cos(ANGLE) * scale, np.sin(ANGLE) * scale
    return SkyWcs.make_tan(crval=(150.0, 2.0), crpix=(40.0, 40.0), cd=[[-c, s], [s, c]])


def make_ccds():
    """Three detectors of two visits: a whole box, half of it, and a polygon."""
    psf = GaussianPsf(2.0)
    left = Box2I.from_corners((20, 0), (100, 140))
    turned = CcdInput(
        12, 3, Box2I.from_corners((0, 0), (99, 89)), 1, 0.5, "I", rotated_wcs(), psf,
        ((10.0, 5.0), (80.0, 10.0), (70.0, 80.0), (15.0, 60.0)),
    )  # fmt: skip
    return [
        CcdInput(7, 1, left, 1, 2.0, "I", WCS, psf),
        CcdInput(7, 2, Box2I.from_corners((101, 0), (180, 140)), 1, 2.0, "I", WCS, psf),
        turned,
    ]


def inside_convex(vertices, x, y):
    """Tell whether positions lie in a convex polygon, by the sign of all cross products."""
    vertices = np.asarray(vertices, dtype=float)
    cross = [
        (bx - ax) * (y - ay) - (by - ay) * (x - ax)
        for (ax, ay), (bx, by) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True)
    ]
    return np.all(np.array(cross) > 0, axis=0) | np.all(np.array(cross) < 0, axis=0)


def brute_force(ccds, masks, bad, config):
    """Return the bits of every map pixel near the patch, by plain loops."""
    ra, dec = WCS.pixelToSky(*np.array(BBOX.dilatedBy(10).corners).T)
    candidates = hpgeom.query_polygon(config.nside, ra, dec, inclusive=True)
    ra, dec = hpgeom.pixel_to_angle(config.nside, candidates)
    in_patch = inside_convex(BBOX.corners, *WCS.skyToPixel(ra, dec))
    expected = {int(pixel): set() for pixel in candidates[in_patch]}
    for bit, ccd in enumerate(ccds):
        polygon = ccd.validPolygon or ccd.bbox.corners
        covered = inside_convex(polygon, *ccd.wcs.skyToPixel(ra, dec))
        for pixel in candidates[in_patch & covered]:
            expected[int(pixel)].add(bit)
    pixel_area = (0.2) ** 2
    limit = config.bad_mask_min_coverage * hpgeom.nside_to_pixel_area(config.nside) * 3600**2 / pixel_area
    for visit, mask in masks.items():
        counts = {}
        for y in range(BBOX.minY, BBOX.maxY + 1):
            for x in range(BBOX.minX, BBOX.maxX + 1):
                if mask.array[y - BBOX.minY, x - BBOX.minX] & bad:
                    pixel = int(hpgeom.angle_to_pixel(config.nside, *WCS.pixelToSky(x, y)))
                    counts[pixel] = counts.get(pixel, 0) + 1
        for pixel, count in counts.items():
            if pixel in expected and count > limit:
                expected[pixel] -= {bit for bit, ccd in enumerate(ccds) if ccd.visit == visit}
    return {pixel: bits for pixel, bits in expected.items() if bits}


def bits_of(input_map, n):
    """Return the bits of every pixel of a map."""
    pixels = input_map.valid_pixels
    values = np.array([input_map.check_bits_pix(pixels, [bit]) for bit in range(n)])
    return {int(p): set(np.flatnonzero(column)) for p, column in zip(pixels, values.T, strict=True)}


@pytest.fixture(scope="module")
def masks():
    """Masks of both visits with blobs, a bad column and speckles."""
    rng = np.random.default_rng(3)
    result = {}
    for visit in (7, 12):
        mask = Mask.from_bbox(BBOX)
        mask.array[rng.random(BBOX.shape) < 0.2] |= mask.getPlaneBitMask("SAT")
        y, x = rng.integers(10, 90, 2)
        mask.array[y : y + 25, x : x + 30] |= mask.getPlaneBitMask("BAD")
        mask.array[:, 55] |= mask.getPlaneBitMask("NO_DATA")
        mask.array[:, 60:70] |= mask.getPlaneBitMask("DETECTED")
        result[visit] = mask
    return result


@pytest.mark.parametrize("fraction", [0.5, 0.1])
def test_equals_brute_force(masks, fraction):
    """Bits and cleared visits are those of plain loops over all pixels, for a patch away from (0, 0)."""
    config = HealSparseInputMapConfig(nside=NSIDE, bad_mask_min_coverage=fraction)
    ccds = make_ccds()
    bad = masks[7].getPlaneBitMask(["BAD", "SAT", "NO_DATA"])
    built = HealSparseInputMapTask(config).build_ccd_input_map(BBOX, WCS, ccds)
    for rows in ((20, 60), (61, 129)):
        box = Box2I.from_corners((BBOX.minX, rows[0]), (BBOX.maxX, rows[1]))
        for visit, mask in masks.items():
            built.mask_warp_bbox(box, visit, mask, bad)
    built.finalize_ccd_input_map_mask()
    expected = brute_force(ccds, masks, bad, config)
    assert bits_of(built.ccd_input_map, 3) == expected
    untouched = brute_force(ccds, {}, bad, config)
    assert expected != untouched


def test_metadata_says_what_the_bits_are():
    """Each bit has its detector, visit and weight in the map's metadata, which a file keeps."""
    built = HealSparseInputMapTask().build_ccd_input_map(BBOX, WCS, make_ccds())
    metadata = built.ccd_input_map.metadata
    assert [metadata[f"B000{i}CCD"] for i in range(3)] == [1, 2, 3]
    assert [metadata[f"B000{i}VIS"] for i in range(3)] == [7, 7, 12]
    assert [metadata[f"B000{i}WT"] for i in range(3)] == [2.0, 2.0, 0.5]


def test_file_round_trip(tmp_path):
    """The map survives its own file format, bits and metadata."""
    built = HealSparseInputMapTask().build_ccd_input_map(BBOX, WCS, make_ccds()).ccd_input_map
    built.write(str(tmp_path / "map.hs"))
    back = healsparse.HealSparseMap.read(str(tmp_path / "map.hs"))
    assert bits_of(back, 3) == bits_of(built, 3)
    assert back.metadata["B0002VIS"] == 12


def test_defaults_are_those_of_the_field():
    """Map pixels of 6.4 arcsec in blocks of nside 256."""
    built = HealSparseInputMapTask().build_ccd_input_map(BBOX, WCS, make_ccds()).ccd_input_map
    assert (built.nside_sparse, built.nside_coverage) == (32768, 256)


def test_visits_without_detectors_here_are_ignored(masks):
    """A detector beyond the patch leaves no bit, and masks of its visit change nothing."""
    far = replace(make_ccds()[0], visit=99, bbox=Box2I.from_corners((5000, 5000), (5100, 5100)))
    built = HealSparseInputMapTask().build_ccd_input_map(BBOX, WCS, [far])
    built.mask_warp_bbox(BBOX, 99, masks[7], -1)
    built.mask_warp_bbox(BBOX, 5, masks[7], -1)
    built.finalize_ccd_input_map_mask()
    assert built.ccd_input_map.n_valid == 0


def test_coadd_makes_the_map_block_by_block():
    """The map of a coadd in small blocks equals that in one: positions count from the patch's corner."""
    maps = []
    for size in ((2000, 2000), (33, 27)):
        config = AssembleCoaddConfig(doInputMap=True, subregionSize=size, statistic="MEAN").updated(
            {"inputMapper.nside": NSIDE}
        )
        warps = [make_warp(visit, 1.0) for visit in (1, 2)]
        bad = warps[0].mask.getPlaneBitMask("BAD")
        warps[0].mask.array[40:70, 20:60] |= bad
        handles = make_handles(warps)
        result = AssembleCoaddTask(config).run(Struct(bbox=BBOX, wcs=WCS), handles, [None, None], [1.0, 1.0])
        maps.append(bits_of(result.inputMap, 2))
    assert maps[0] == maps[1]
    assert {frozenset(bits) for bits in maps[0].values()} == {frozenset({0, 1}), frozenset({1})}
    config = HealSparseInputMapConfig(nside=NSIDE)
    masks = {visit: warp.mask for visit, warp in zip((1, 2), warps, strict=True)}
    ccds = [warp.coaddInputs.ccds[0] for warp in warps]
    assert maps[0] == brute_force(ccds, masks, bad, config)
