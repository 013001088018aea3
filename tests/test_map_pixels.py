"""Pixels of an image in those of a HEALPix map: equal to a look-up of every position by itself."""

import hpgeom
import numpy as np
import pytest

from butler.images import Box2I, SkyWcs
from tasks.coadd.map_pixels import MapPixels
from tasks.kernels.sky_cells import UNDECIDED, cells_of_pixels, count_flagged

BBOX = Box2I.from_corners((-31, 1007), (240, 1180))


def turned_wcs(ra, dec, scale):
    """Return a WCS whose axes are turned by half a radian, with ``scale`` arcsec in a pixel."""
    c, s = np.cos(0.5) * scale / 3600, np.sin(0.5) * scale / 3600
    return SkyWcs.make_tan(crval=(ra, dec), crpix=(105.0, 1090.0), cd=[[-c, s], [s, c]])


@pytest.mark.parametrize("scale", [0.2, 3.0])
@pytest.mark.parametrize("nside", [4096, 32768, 2**20])
@pytest.mark.parametrize(
    ("ra", "dec"),
    [(150.0, 2.0), (90.0, 0.0), (30.0, 41.8103148957786), (90.0, 41.81), (12.0, 90.0), (0.0, -45.0)],
)
def test_slots_are_those_of_each_position(ra, dec, nside, scale):
    """In the middle of a face, across two, where the projection bends, and at the pole."""
    wcs = turned_wcs(ra, dec, scale)
    y, x = np.indices(BBOX.shape)
    sky = wcs.pixelToSky(x + BBOX.minX, y + BBOX.minY)
    expected = hpgeom.angle_to_pixel(nside, *sky)
    # Every third one is not in the map.
    pixels = np.unique(expected)[np.arange(np.unique(expected).size) % 3 != 1]
    slots = MapPixels(nside, pixels, wcs).slots(BBOX)
    expected = np.where(np.isin(expected, pixels), expected, -1)
    np.testing.assert_array_equal(np.where(slots >= 0, pixels[slots], -1), expected)


def test_few_positions_are_computed(monkeypatch):
    """In an ordinary patch one position in fifty is looked up, not all."""
    n = []
    look_up = hpgeom.angle_to_pixel
    monkeypatch.setattr(hpgeom, "angle_to_pixel", lambda *a: n.append(np.size(a[1])) or look_up(*a))
    bbox = Box2I.from_corners((0, 0), (999, 999))
    MapPixels(32768, np.arange(5), turned_wcs(150.0, 2.0, 0.2)).slots(bbox)
    assert sum(n) < bbox.area / 50


def test_a_pixel_near_an_edge_is_left_open():
    """Linear positions: each pixel has the cell it lies in, but for those within the margin of an edge."""
    u, v = np.meshgrid([0.0, 4.0, 8.0], [1.0, 3.0])
    cells = np.arange(40, dtype=np.int32).reshape(10, 4)
    known = np.array([[True, False]])
    found = cells_of_pixels(u, v, known, step=8, shape=(9, 16), cells=cells, margin=0.1)
    y, x = np.indices((9, 16))
    at_u, at_v = x / 2, 1 + y / 4
    near = np.minimum(np.abs(at_u - np.rint(at_u)), np.abs(at_v - np.rint(at_v))) < 0.1
    expected = np.where(near | (x >= 8), UNDECIDED, cells[at_u.astype(int), at_v.astype(int)])
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="do not cover"):
        cells_of_pixels(u, v, known, step=8, shape=(10, 16), cells=cells, margin=0.1)


@pytest.mark.parametrize("order", ["<", ">"])
def test_flagged_pixels_are_counted(order):
    """Pixels with any of the bits, of either byte order, in the cells that there are."""
    rng = np.random.default_rng(1)
    mask = (rng.random((30, 75)) < 0.1).astype(f"{order}i4") * 0b110
    cells = rng.integers(-2, 9, (30, 75)).astype(np.int32)
    expected = [int(np.sum((cells == i) & (mask != 0))) for i in range(7)]
    assert count_flagged(mask, 0b100, cells, 7).tolist() == expected
    assert not count_flagged(mask, 0b001, cells, 7).any()
    with pytest.raises(ValueError, match="shape"):
        count_flagged(mask[1:], 1, cells, 7)
