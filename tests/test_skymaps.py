"""Sky maps: published survey maps as check values, and the definitions that make them."""

import base64
import copy
import json
import math
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from skymap_cases import CELLS_V1, CI_HSC, HSC, OLD_HSC, box, n_in_ring, small_map, survey

from butler.images import Box2I, Extent2I, Point2I
from butler.regions import SkyRegion
from butler.skymaps import (
    DiscreteSkyMap,
    DiscreteSkyMapConfig,
    PatchInfo,
    RingsSkyMap,
    RingsSkyMapConfig,
    SkyMapConfig,
    TractInfo,
    make_sky_map,
)


def separation(a, b):
    """Angles in arcseconds between positions (ra, dec) in degrees; good for small ones."""
    (ra1, dec1), (ra2, dec2) = np.radians(np.transpose(a)), np.radians(np.transpose(b))
    dx, dy = (ra1 - ra2) * np.cos(dec1), dec1 - dec2
    return np.degrees(np.hypot(dx, dy)) * 3600


# Published maps


@pytest.mark.parametrize(
    ("sky_map", "sha1", "n_patches", "raw_side"),
    [
        (HSC, "e29fe9f1008e359f36a3677e7d69cc439376d1e6", 9, 32595),
        (survey(0.2), "1e5fa85fe242606426528f5f7b8dbf01cbaaff9e", 7, 27379),
        (survey(0.262), "9a56689d3af8aac71ee09963dae3c2e61d8eace7", 6, 20901),
        (survey(0.185), "bd654060e38499a6aaa98c26ead7187e1fde8616", 8, 29599),
        (survey(0.2, inner=2000), "7e0052b96e9aaf2c032ba240c2fdf4d7ae6e628f", 14, 27379),
    ],
    ids=["hsc_rings_v1", "DC2", "decam_rings_v1", "CFHT", "DC2-small-patches"],
)
def test_survey_maps(sky_map, sha1, n_patches, raw_side):
    """Hash, number of tracts and patches, box and reference pixel are those of the surveys' own maps."""
    assert sky_map.getSha1().hex() == sha1
    assert len(sky_map) == 18938
    tract, side = sky_map[9813], n_patches * sky_map.config.patchInnerDimensions[0]
    assert tract.getNumPatches() == sky_map.max_num_patches == (n_patches, n_patches)
    assert tract.bbox == box(0, side - 1, 0, side - 1)
    assert tract.wcs.to_header()["CRPIX1"] == tract.wcs.to_header()["CRPIX2"] == side / 2
    assert survey(sky_map.config.pixelScale, inner=1)[9813].bbox.width == raw_side


def test_hsc_hash_is_the_published_one():
    """The hash that an HSC repository stores for hsc_rings_v1, in its base64 form."""
    assert base64.b64encode(HSC.getSha1()) == b"4p/p8QCONZ82o2d+fWnMQ5N20eY="


def test_tracts_of_all_rings_have_the_same_frame():
    """One tract of each ring and both caps: 9 x 9 patches of 4000, FITS reference pixel 18000."""
    first_ids = [1 + sum(map(n_in_ring, range(ring))) for ring in range(120)]
    for tract_id in (0, *first_ids, 18937):
        tract = HSC.generateTract(tract_id)
        assert tract.bbox == box(0, 35999, 0, 35999)
        header = tract.wcs.to_header()
        assert (header["CRPIX1"], header["CRPIX2"]) == (18000, 18000)


@pytest.mark.parametrize(
    ("ring", "first_id", "n_tracts", "dec"),
    [
        (0, 1, 10, -88.51239669421487),
        (1, 11, 16, -87.02479338842974),
        (59, 9226, 243, -0.743801652892557),
        (60, 9469, 243, 0.7438016528925696),
        (61, 9712, 242, 2.2314049586776834),
        (119, 18927, 10, 88.51239669421489),
    ],
)
def test_rings(ring, first_id, n_tracts, dec):
    """First number, number of tracts and declination of rings of a 120-ring map."""
    assert HSC.getRingIndices(first_id) == (ring, 0)
    assert HSC.getRingIndices(first_id - 1)[0] == ring - 1
    assert HSC.getRingIndices(first_id + n_tracts - 1) == (ring, n_tracts - 1)
    assert HSC.getRingIndices(first_id + n_tracts) == (ring + 1, 0)
    assert HSC[first_id].ctr_coord == pytest.approx((0, dec), abs=1e-12)


@pytest.mark.parametrize(
    ("tract_id", "ring", "place", "center"),
    [
        (3828, 35, 31, (56.649746192893396, -36.446280991735534)),
        (4431, 38, 32, (55.65217391304348, -31.983471074380162)),
        (5063, 41, 32, (53.08755760368663, -27.520661157024797)),
        (9615, 60, 146, (216.29629629629628, 0.7438016528925696)),
        (9813, 61, 101, (150.2479338842975, 2.2314049586776834)),
        (18937, 120, 0, (0, 90)),
        (0, -1, 0, (0, -90)),
    ],
)
def test_tract_centers(tract_id, ring, place, center):
    """Ring, place in the ring and centre of known tracts; the centre finds its tract."""
    assert HSC.getRingIndices(tract_id) == (ring, place)
    assert HSC[tract_id].getId() == tract_id
    assert HSC[tract_id].ctr_coord == pytest.approx(center, abs=1e-12)
    assert HSC.findTract(*center).tract_id == tract_id


def test_tract_9813_on_the_sky():
    """Corners, inner region and pixel scale of a COSMOS tract of hsc_rings_v1."""
    tract = HSC[9813]
    corners = [
        (149.4078132592608, 1.3913389385107),
        (151.0880078439514, 1.3913389551208),
        (151.0889680521360, 3.0710378612632),
        (149.4068529977528, 3.0710378245726),
    ]
    found = tract.outer_sky_polygon.vertices()
    assert np.max(separation(found, corners)) < 2e-9
    sky = tract.getWcs().pixelToSky([0, 17999], [0, 17999])
    expected = [(151.0879845245802, 1.3913622892360), (150.2479338842975, 2.2314049586777)]
    assert np.max(separation(np.transpose(sky), expected)) < 2e-9
    assert tract.wcs.pixel_scale == pytest.approx(0.168, rel=1e-12)
    steps = np.transpose(tract.wcs.pixelToSky([0, 1, 0], [0, 0, 1]))
    area = np.prod(separation(steps[[0, 0]], steps[1:]))
    assert math.sqrt(area) == pytest.approx(0.167946, abs=2e-6)


def test_inner_region_of_tract_9813():
    """The inner region is a box of right ascension and declination, with known corners in pixels."""
    tract = HSC[9813]
    west, east, south, north = 149.504132231405, 150.991735537190, 1.487603305785, 2.975206611570
    x, y = tract.wcs.skyToPixel([west, east, east, west], [south, south, north, north])
    assert x == pytest.approx([33934.4715, 2063.5285, 2079.6441, 33918.3559], abs=1e-3)
    assert y == pytest.approx([2062.1832, 2062.1832, 33943.8661, 33943.8661], abs=1e-3)
    d = 1e-9
    region = tract.inner_sky_region
    assert region.contains([west + d, east - d, 150, 150], [2, 2, south + d, north - d]).all()
    assert not region.contains([west - d, east + d, 150, 150], [2, 2, south - d, north + d]).any()


@pytest.mark.parametrize(
    ("index", "sequential", "inner", "outer"),
    [
        ((4, 4), 40, box(16000, 19999, 16000, 19999), box(15900, 20099, 15900, 20099)),
        ((5, 4), 41, box(20000, 23999, 16000, 19999), box(19900, 24099, 15900, 20099)),
        ((0, 0), 0, box(0, 3999, 0, 3999), box(0, 4099, 0, 4099)),
        ((8, 8), 80, box(32000, 35999, 32000, 35999), box(31900, 35999, 31900, 35999)),
    ],
)
def test_patches_of_tract_9813(index, sequential, inner, outer):
    """Boxes of known patches, by pair, by number and by numpy integer."""
    tract = HSC[9813]
    patch = tract.getPatchInfo(index)
    assert patch == tract[sequential] == tract.getPatchInfo(np.int64(sequential))
    assert patch.getIndex() == index
    assert patch.getSequentialIndex() == sequential == tract.getSequentialPatchIndex(patch)
    assert patch.getInnerBBox() == inner
    assert patch.getOuterBBox() == outer
    assert patch.getWcs() == tract.wcs
    assert patch.tract_id == 9813


def test_numbers_of_patches_and_tracts_are_whole():
    """A fraction or a text is no index; nothing is rounded."""
    for index in ((5.0, 4), "5,4", (1, 2, 3)):
        with pytest.raises((TypeError, ValueError)):
            HSC[9813].getPatchInfo(index)
    with pytest.raises(TypeError):
        HSC[9813.5]


def test_region_of_patch_40():
    """The polygon of the outer box, as the registry stores it."""
    expected = [
        (150.1498427976694, 2.1334252638753),
        (150.3459782720944, 2.1334252668488),
        (150.3459913416160, 2.3294247887129),
        (150.1498297219227, 2.3294247854660),
    ]
    patch = HSC[9813].getPatchInfo(40)
    assert np.max(separation(patch.region.vertices(), expected)) < 2e-9
    assert patch.inner_sky_polygon == SkyRegion.from_wcs(patch.wcs, patch.inner_bbox)


def test_finding_tract_and_patch():
    """Known positions fall in known tracts, patches and pixels."""
    tract = HSC.findTract(150.1163, 2.2009)
    x, y = tract.wcs.skyToPixel(150.1163, 2.2009)
    assert (float(x), float(y)) == pytest.approx((20817.6506275, 17345.4465970), abs=1e-6)
    patch = tract.findPatch(150.1163, 2.2009)
    assert (tract.tract_id, patch.index, patch.sequential_index) == (9813, (5, 4), 41)

    dc2 = survey(0.2).findTract(55.745834, -32.269167)
    patch = dc2.findPatch(55.745834, -32.269167)
    assert (dc2.tract_id, patch.index, patch.sequential_index) == (4431, (3, 2), 17)

    assert HSC.findTract(53.13, -28.10).tract_id == 5063
    edge = HSC.findTract(359.9999, 2.2)
    assert (edge.tract_id, edge.findPatch(359.9999, 2.2).sequential_index) == (9712, 40)
    assert HSC.findTract(0, -90).tract_id == 0


def test_dc2_patch():
    """A patch of DC2 tract 3828 has the published centre and boxes."""
    tract = survey(0.2)[3828]
    patch = tract.getPatchInfo((3, 3))
    assert patch.sequential_index == 24
    assert patch.inner_bbox == box(12000, 15999, 12000, 15999)
    assert patch.outer_bbox == box(11900, 16099, 11900, 16099)
    assert tract.getPatchInfo((6, 6)).outer_bbox == box(23900, 27999, 23900, 27999)
    center = tract.wcs.pixelToSky(*patch.inner_bbox.center)
    assert tuple(map(float, center)) == pytest.approx((56.64971166, -36.44625321), abs=1e-8)


def test_ci_hsc():
    """The discrete map of ci_hsc: hash, size, reference pixel and a patch."""
    assert base64.b64encode(CI_HSC.getSha1()) == b"Kt7swQ9e5zUif7fo1Onj3ezH+Ts="
    tract = CI_HSC[0]
    assert tract.getNumPatches() == (16, 16)
    assert tract.getBBox() == box(0, 63999, 0, 63999)
    assert tract.wcs.to_header()["CRPIX1"] == 32000
    patch = tract.getPatchInfo((5, 4))
    assert patch.sequential_index == 69
    assert patch.inner_bbox == box(20000, 23999, 16000, 19999)
    assert patch.outer_bbox == box(19900, 24099, 15900, 20099)
    center = tract.wcs.pixelToSky(*patch.outer_bbox.center)
    assert tuple(map(float, center)) == pytest.approx((320.8341028829, -0.3401150095), abs=1e-10)
    corners = patch.outer_bbox.corners
    ra, dec = tract.wcs.pixelToSky(*np.transpose([corners[0], corners[2]]))
    assert ra == pytest.approx([320.9320850, 320.7361162], abs=1e-7)
    assert dec == pytest.approx([-0.4380903, -0.2421322], abs=1e-7)
    assert np.min(separation(patch.region.vertices(), [(ra[0], dec[0])] * 4)) < 1e-9


PUBLISHED = "tests/registry_data/hsc-rc2-subset-v0.yaml"


def test_regions_that_lsst_published():
    """Regions of two tracts and of a patch in each, as LSST stores them: the same to 1e-12 radians."""
    package = pytest.importorskip("lsst.daf.butler").__path__[0]
    text = (Path(package) / PUBLISHED).read_text()
    encoded = [bytes.fromhex(digits) for digits in re.findall(r"encoded: (70[0-9a-f]{192})\b", text)[:4]]
    ours = [
        HSC[9615].outer_sky_polygon,
        HSC[9813].outer_sky_polygon,
        HSC[9615].getPatchInfo((5, 1)).region,
        HSC[9813].getPatchInfo(72).region,
    ]
    assert HSC[9615].getSequentialPatchIndexFromPair((5, 1)) == 14
    assert HSC[9813].getPatchInfo(72).index == (0, 8)
    for theirs, region in zip(encoded, ours, strict=True):
        difference = np.frombuffer(theirs[1:]) - np.frombuffer(region.encode()[1:])
        assert np.abs(difference).max() < 1e-12


# Definitions


def test_defaults_are_those_of_lsst():
    """Field names and defaults."""
    base = {
        "tractBuilder": "legacy",
        "tractOverlap": 1.0,
        "pixelScale": 0.333,
        "projection": "STG",
        "rotation": 0.0,
        "patchInnerDimensions": (4000, 4000),
        "patchBorder": 100,
    }
    assert SkyMapConfig().model_dump() == base
    assert DiscreteSkyMapConfig().model_dump() == {**base, "raList": (), "decList": (), "radiusList": ()}
    assert RingsSkyMapConfig(numRings=1).model_dump() == {**base, "numRings": 1, "raStart": 0.0}
    of_cells = SkyMapConfig(tractBuilder="cells").model_dump()
    assert {name: of_cells[name] for name in of_cells if name not in base} == {
        "cellInnerDimensions": (150, 150),
        "cellBorder": 50,
        "numCellsPerPatchInner": 20,
        "numCellsInPatchBorder": 1,
    }
    assert base.keys() - of_cells.keys() == {"patchInnerDimensions", "patchBorder"}


@pytest.mark.parametrize(
    "sky_map", [HSC, CI_HSC, small_map(), CELLS_V1, OLD_HSC], ids=["hsc", "ci_hsc", "small", "cells", "old"]
)
def test_definition_survives_json_and_pickling(sky_map):
    """What JSON and pickle bring back is the same map, number for number."""
    read = make_sky_map(json.loads(json.dumps(sky_map.to_simple())))
    for other in (read, pickle.loads(pickle.dumps(sky_map)), copy.deepcopy(sky_map)):
        assert other == sky_map
        assert type(other) is type(sky_map)
        assert other.config == sky_map.config
        assert hash(other) == hash(sky_map)
        assert other[0] == sky_map[0]
        assert other.to_simple() == sky_map.to_simple()
    assert sky_map.to_simple()["name"] == sky_map.name
    assert sky_map != sky_map.to_simple()


@pytest.mark.parametrize(
    "change",
    [
        {"tractOverlap": 0.2},
        {"pixelScale": 121},
        {"projection": "STG"},
        {"rotation": 1},
        {"patchInnerDimensions": (11, 13)},
        {"patchBorder": 5},
        {"raList": [10, 12.5, 201]},
        {"decList": [20, 20, -61]},
        {"radiusList": [1, 1.5, 0.8]},
    ],
)
def test_every_field_enters_the_hash(change):
    """Maps that differ in one field are different."""
    assert small_map(**change) != small_map()
    assert len(small_map(**change).getSha1()) == 20


def test_ring_fields_enter_the_hash():
    """So do the number of rings and their start; a discrete map is never a rings map."""
    maps = [RingsSkyMap(RingsSkyMapConfig(numRings=n, raStart=s)) for n, s in ((5, 0), (6, 0), (5, 1))]
    assert len({*maps, DiscreteSkyMap(DiscreteSkyMapConfig())}) == 4


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"name": "rings", "numRings": 3, "pixelscale": 1},
            "no field 'pixelscale'; did you mean 'pixelScale'",
        ),
        ({"name": "discrete", "raLst": []}, "did you mean 'raList'"),
        ({"name": "ring", "numRings": 3}, "'ring'; did you mean 'rings'"),
        ({"name": "healpix"}, "known: discrete, rings"),
        ({"numRings": 3}, "name None"),
        ({"name": "rings"}, "numRings"),
        ({"name": "rings", "numRings": 0}, "numRings"),
        ({"name": "rings", "numRings": 3, "raStart": 360}, "raStart"),
        ({"name": "rings", "numRings": 3, "projection": "TANGENT"}, "three letters"),
        ({"name": "rings", "numRings": 3, "projection": "XYZ"}, "XYZ"),
        ({"name": "rings", "numRings": 3, "pixelScale": 0}, "pixelScale"),
        ({"name": "rings", "numRings": 3, "rotation": math.nan}, "rotation"),
        ({"name": "rings", "numRings": 3, "patchInnerDimensions": [0, 5]}, "patchInnerDimensions"),
        ({"name": "rings", "numRings": 3, "patchBorder": -1}, "patchBorder"),
        ({"name": "rings", "numRings": 3, "tractBuilder": "cell"}, "tractBuilder"),
        ({"name": "rings", "numRings": 3, "cellBorder": 9}, "cellBorder means nothing with .* legacy"),
        ({"name": "rings", "numRings": 3, "tractBuilder": "cells", "patchBorder": 9}, "takes cellInner"),
        (
            {
                "name": "rings",
                "numRings": 3,
                "tractBuilder": "cells",
                "cellInnerDimensions": [9, 8],
            },
            "are square",
        ),
        ({"name": "rings", "numRings": 3, "tractOverlap": "1/0"}, "tractOverlap"),
        ({"name": "rings", "numRings": 3, "version": 2}, "version 0 or 1"),
        ({"name": "discrete", "raList": [1], "decList": [2]}, "1, 1 and 0 entries"),
        ({"name": "discrete", "raList": [1], "decList": [91], "radiusList": [1]}, "decList"),
        ({"name": "discrete", "raList": [1], "decList": [9], "radiusList": [-1]}, "radiusList"),
    ],
)
def test_definitions_that_cannot_be(config, message):
    """Unknown kinds and fields are refused with the nearest name, impossible values by their field."""
    with pytest.raises(ValueError, match=message):
        make_sky_map(config)


def test_configuration_is_frozen():
    """A sky map's definition does not change under it."""
    with pytest.raises(ValidationError):
        HSC.config.numRings = 3


@pytest.mark.parametrize("tract_id", [-1, 18938])
def test_tracts_that_are_not_there(tract_id):
    """Negative numbers do not count from the end, and the number of tracts is no tract."""
    for look in (HSC.__getitem__, HSC.generateTract, HSC.getRingIndices):
        with pytest.raises(IndexError, match=r"tracts are 0\.\.18937"):
            look(tract_id)


def test_map_without_tracts():
    """An empty discrete map can be, but finds nothing."""
    empty = DiscreteSkyMap(DiscreteSkyMapConfig())
    assert (len(empty), list(empty), empty.max_num_patches) == (0, [], (0, 0))
    with pytest.raises(LookupError, match="no tracts"):
        empty.findTract(0, 0)
    with pytest.raises(IndexError, match="it has none"):
        empty[0]


@pytest.mark.parametrize("position", [(math.nan, 0), (0, math.inf), (0, 90.1)])
def test_positions_off_the_sky(position):
    """What is no position is an error, not the nearest tract."""
    for sky_map in (HSC, CI_HSC):
        with pytest.raises(ValueError, match="not sky positions"):
            sky_map.findTract(*position)


def test_maxima_over_tracts_of_different_size():
    """The most columns and rows that a tract has, for the registry."""
    sky_map = small_map()
    counts = [tract.getNumPatches() for tract in sky_map]
    assert sky_map.max_num_patches == tuple(np.max(counts, axis=0))


def test_infos_are_values():
    """Tracts and patches laid out anew are equal and hash alike."""
    tract, again = HSC[9813], HSC.generateTract(9813)
    assert tract is not again
    assert {tract: 1}[again] == 1
    assert {tract[3]: 1}[again[3]] == 1
    assert tract != HSC[9814]
    assert isinstance(tract, TractInfo)
    assert isinstance(tract[0], PatchInfo)
    assert tract.bbox == Box2I(Point2I(0, 0), Extent2I(36000, 36000))
    assert repr(CI_HSC).startswith(
        "DiscreteSkyMap(DiscreteSkyMapConfig(tractBuilder='legacy', tractOverlap=0.0"
    )
