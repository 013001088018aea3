"""Quadrilateral: one of them against the arrays that make many."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.regions.hulls import quadrilaterals, vectors_of
from butler.regions.quadrilateral import Quadrilateral

OFFSETS = st.floats(-0.3, 0.3)


@settings(deadline=None, max_examples=60)
@given(
    st.floats(0, 359), st.floats(-80, 80), st.lists(OFFSETS, min_size=8, max_size=8), st.booleans(), OFFSETS
)
def test_one_is_as_many(
    ra: float, dec: float, offsets: list[float], is_mirrored: bool, beside: float
) -> None:
    """A convex one is the same region; a point is as far outside as it is beyond the worst of the edges."""
    along = np.array([-1.0, 1.0, 1.0, -1.0]) * (-1 if is_mirrored else 1) + offsets[:4]
    up = np.array([-1.0, -1.0, 1.0, 1.0]) + offsets[4:]
    lon, lat = ra + along / math.cos(math.radians(dec)), dec + up
    corners = vectors_of(lon, lat)
    found = Quadrilateral(corners)
    region = found.region()
    assert region is not None
    assert region.encode() == quadrilaterals(lon[np.newaxis], lat[np.newaxis])[0].encode()
    point = vectors_of(np.array([lon[0] + 3 * beside]), np.array([lat[0] + beside]))
    normals = np.cross(corners, np.roll(corners, -1, axis=0))
    normals /= np.linalg.norm(normals, axis=1)[:, np.newaxis]
    inwards = normals * np.sign(normals @ corners.mean(axis=0))[:, np.newaxis]
    expected = -(inwards @ point[0]).min()
    assert math.isclose(found.farthest_outside(point), expected, abs_tol=1e-13)


def test_what_is_not_convex_is_no_region() -> None:
    """Corners in the order of a bow tie, or two in one place, are told."""
    lon, lat = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0])
    assert Quadrilateral(vectors_of(lon, lat)).region() is None
    lon[1] = 0.0
    twice = Quadrilateral(vectors_of(lon, lat))
    assert math.isnan(twice.farthest_outside(vectors_of(lon, lat)))
