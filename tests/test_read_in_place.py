"""Pixels read in place are a view of the file; what the file does not hold as it is, is a copy as ever."""

import numpy as np
import pytest
from coadd_warps import BBOX, make_warp

from butler import Butler, DatasetType
from butler.errors import StorageClassError
from butler.images import Box2I
from tasks.coadd.warp_handle import WarpHandle

BOX = Box2I.from_corners((50, 30), (120, 100))


@pytest.fixture
def stored(tmp_path):
    """Put a warp; return a handle of it and the warp."""
    Butler.makeRepo(tmp_path / "repo")
    with Butler(tmp_path / "repo", run="run") as butler:
        kind = DatasetType("warp", (), "ExposureF")
        butler.registry.registerDatasetType(kind)
        warp = make_warp(1, np.random.default_rng(1).normal(size=BBOX.shape))
        warp.mask.array[:] = np.arange(BBOX.area).reshape(BBOX.shape) % 512
        yield butler.getDeferred(butler.put(warp, kind)), warp


@pytest.mark.parametrize("component", ["maskedImage", "image", "mask", "variance", None])
def test_in_place_is_a_view_of_the_same_pixels(stored, component):
    """Every plane has the values of the copy, in the file's byte order, and cannot be written to."""
    handle, warp = stored
    part = handle.get(component=component, parameters={"bbox": BOX, "inPlace": True})
    copy = handle.get(component=component, parameters={"bbox": BOX})
    names = [component] if component in ("image", "mask", "variance") else ["image", "mask", "variance"]
    for name in names:
        view, own = (p if component == name else getattr(p, name) for p in (part, copy))
        assert view.bbox == BOX
        np.testing.assert_array_equal(view.array, getattr(warp, name).array[BOX.slices_in(BBOX)])
        np.testing.assert_array_equal(view.array, own.array)
        assert view.array.dtype.byteorder == ">"
        assert not view.array.flags.writeable
        assert own.array.flags.writeable


def test_only_pixels_are_read_in_place(tmp_path):
    """The parameter is refused for what has no pixels."""
    Butler.makeRepo(tmp_path / "repo")
    with Butler(tmp_path / "repo", run="run") as butler:
        kind = DatasetType("note", (), "StructuredDataDict")
        butler.registry.registerDatasetType(kind)
        handle = butler.getDeferred(butler.put({"a": 1}, kind))
        with pytest.raises(StorageClassError, match="inPlace"):
            handle.get(parameters={"inPlace": True})


class CountedReads:
    """A handle that counts what is asked of it."""

    def __init__(self, handle):
        self.handle, self.dataId, self.asked = handle, handle.dataId, []

    def get(self, *, component=None, parameters=None):
        self.asked.append(component)
        return self.handle.get(component=component, parameters=parameters)


def test_a_warp_handle_parses_a_warp_once(stored):
    """Any number of parts take one read of a pixel; pixels are read as ever."""
    handle, warp = stored
    counted = CountedReads(handle)
    parts = WarpHandle(counted)
    for _ in range(2):
        assert parts.get(component="wcs") == warp.wcs
        assert parts.get(component="filter") == warp.filter
        assert parts.get(component="visitInfo").exposure_time == 30.0
        assert parts.get(component="coaddInputs").visits[0].visit == 1
        assert parts.get(component="apCorrMap") is None
    assert counted.asked == ["bbox", None]
    assert parts.get(component="mask", parameters={"bbox": BOX}).bbox == BOX
    assert parts.dataId == handle.dataId
