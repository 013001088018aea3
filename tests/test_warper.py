"""Tests of the resampling of whole images: fluxes, places, noise and edges."""

from __future__ import annotations

import numpy as np
import pytest
from calexps import has_data, make_calexp, make_warp, patch
from ccd_frames import box, make_wcs
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.images import (
    Box2I,
)
from connections.errors import ConfigError
from tasks.warp import MakeDirectWarpConfig
from tasks.warp.covered_box import covered_box


def test_fluxes_of_larger_pixels() -> None:
    """A constant sky is multiplied by the area of the new pixels, its variance by the square."""
    scene = np.full((200, 200), 10.0)
    warp = make_warp(
        [make_calexp(scene, make_wcs(), variance=4.0)], patch(make_wcs(scale=0.84), box(150, 150))
    )
    there = has_data(warp)
    np.testing.assert_allclose(warp.image.array[there], 7.056, rtol=1e-4)
    assert warp.variance.array[there].max() <= 4.0 * 0.7056**2 * (1 + 1e-3)


def test_edges_of_the_image_are_lost() -> None:
    """Where the kernel leaves the image there are no data: of an unmoved image, 2 and 3 pixels a side."""
    exposure = make_calexp(np.ones((60, 50)), make_wcs())
    warp = make_warp([exposure], patch(make_wcs(), box(70, 80, -10, -10)))
    there = has_data(warp)
    rows, columns = np.nonzero(there)
    # A position that rounding puts a hair below a pixel needs one pixel more on that side.
    assert columns.min() - 10 in (2, 3)
    assert columns.max() - 10 in (46, 47)
    assert rows.min() - 10 in (2, 3)
    assert rows.max() - 10 in (56, 57)
    assert there[12:66, 13:56].all()


def test_edge_reaches_as_far_as_the_kernel() -> None:
    """A bad pixel marks the pixels next to it; EDGE marks all that the Lanczos kernel mixes it into."""
    exposure = make_calexp(np.ones((60, 60)), make_wcs())
    spot = np.zeros((60, 60), dtype=bool)
    spot[30, 30] = True
    exposure.mask.set_where(["BAD", "EDGE"], spot)
    warp = make_warp([exposure], patch(make_wcs(crpix=(100.4, 100.3)), box(60, 60)))
    assert warp.mask.isSet("BAD").sum() == 4
    assert warp.mask.isSet("EDGE").sum() == 36


def test_sparse_nodes_are_as_good_as_dense_ones() -> None:
    """With a node every 64 pixels the warp is that with a node at every pixel."""
    scene = np.random.default_rng(4).normal(size=(400, 400))
    exposure = make_calexp(scene, make_wcs(crpix=(200.0, 200.0), rotation=0.7))
    skyInfo = patch(make_wcs(crpix=(3000.0, -2000.0), crval=(150.3, 2.2)), box(300, 300, 6500, 200))
    skyInfo.bbox = covered_box(
        exposure.bbox, exposure.wcs, skyInfo.wcs, margin=0, limits=box(10**5, 10**5, -50_000, -50_000)
    )
    sparse = make_warp([exposure], skyInfo)
    dense = make_warp([exposure], skyInfo, {"warper.interpLength": 1})
    there = has_data(sparse)
    assert there.sum() > 100_000
    assert (there != has_data(dense)).sum() < 10
    both = there & has_data(dense)
    np.testing.assert_allclose(sparse.image.array[both], dense.image.array[both], atol=1e-4)


def test_kernel_is_configurable() -> None:
    """A bilinear warp of a smooth image loses half a pixel at the edge only; nonsense is refused."""
    exposure = make_calexp(np.ones((50, 50)), make_wcs())
    skyInfo = patch(make_wcs(crpix=(100.5, 100.5)), box(60, 60))
    assert has_data(make_warp([exposure], skyInfo, {"warper.warpingKernelName": "bilinear"})).sum() == 49**2
    assert has_data(make_warp([exposure], skyInfo, {"warper.warpingKernelName": "lanczos5"})).sum() == 41**2
    with pytest.raises(ConfigError, match="warpingKernelName"):
        MakeDirectWarpConfig().updated({"warper.warpingKernelName": "sinc"})


@settings(deadline=None, max_examples=25)
@given(
    rotation=st.floats(-3.1, 3.1),
    scale=st.floats(0.5, 2.0),
    x=st.integers(-300, 300),
    y=st.integers(-300, 300),
    margin=st.integers(0, 4),
)
def test_covered_box_holds_every_pixel(rotation: float, scale: float, x: int, y: int, margin: int) -> None:
    """The box is the smallest one that holds all pixels of the image in the other frame, clipped."""
    bbox = box(60, 40, x, y)
    wcs, other = make_wcs(), make_wcs(crpix=(130.0, 70.0), rotation=rotation, scale=scale)
    limits = box(200, 150)
    found = covered_box(bbox, wcs, other, margin=margin, limits=limits)
    rows, columns = np.mgrid[bbox.minY - 0.5 : bbox.maxY + 0.6 : 0.5, bbox.minX - 0.5 : bbox.maxX + 0.6 : 0.5]
    other_x, other_y = other.skyToPixel(*wcs.pixelToSky(columns.ravel(), rows.ravel()))
    low = np.floor([other_x.min() - margin, other_y.min() - margin]).astype(int)
    high = np.ceil([other_x.max() + margin, other_y.max() + margin]).astype(int)
    expected = Box2I.from_corners((low[0], low[1]), (high[0], high[1]))
    if found is None:
        assert not expected.dilatedBy(-1).overlaps(limits)
    else:
        near = expected.clippedTo(limits)
        assert (
            max(
                abs(found.minX - near.minX),
                abs(found.maxX - near.maxX),
                abs(found.minY - near.minY),
                abs(found.maxY - near.maxY),
            )
            <= 1
        )
