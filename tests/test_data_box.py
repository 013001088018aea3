"""The box of a warp outside which it has no data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from butler.images import Box2I, Mask, Point2I
from tasks.coadd.data_box import data_box

NO_DATA = 1 << Mask(np.zeros((1, 1), np.int32)).planes["NO_DATA"]


@given(st.data(), st.sampled_from([">i4", "<i4"]))
def test_it_holds_all_data_and_little_else(data, byte_order):
    """All pixels with another mask are inside; rows end with data, columns within 64 of some."""
    height, width = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 200)))
    places = data.draw(st.lists(st.tuples(st.integers(0, height - 1), st.integers(0, width - 1)), max_size=4))
    others = st.sampled_from([0, 1, NO_DATA | 1])
    array = np.full((height, width), NO_DATA, byte_order)
    for y, x in places:
        array[y, x] = data.draw(others)
    box = data_box(Mask(array, Point2I(-7, 30)))
    if not places:
        assert box is None
        return
    rows, columns = (np.array(own) for own in zip(*places, strict=True))
    assert (box.minY, box.maxY) == (rows.min() + 30, rows.max() + 30)
    assert columns.min() - 64 < box.minX + 7 <= columns.min()
    assert columns.max() <= box.maxX + 7 < columns.max() + 64
    assert box.maxX + 7 < width


@pytest.mark.parametrize("planes", [{"BAD": 0}, {"BAD": 0, "NO_DATA": 8}])
def test_a_warp_that_does_not_know_of_missing_data_has_it_everywhere(planes):
    """Without the plane all pixels count."""
    mask = Mask(np.zeros((3, 70), np.int32), Point2I(1, 2), planes)
    assert data_box(mask) == Box2I.from_corners((1, 2), (70, 4))
