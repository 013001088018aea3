"""Regions of pixel boxes: every pixel's sky position lies inside, whatever the projection."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from butler.images import Box2I, Extent2I, Point2I, SkyWcs
from butler.regions import SkyRegion

SIZE = Extent2I(400, 300)
BOX = Box2I(Point2I(0, 0), SIZE)


def cards(projection: str, scale: float, **others: Any) -> dict[str, Any]:
    """Return the cards of a WCS with its reference in the middle of the box."""
    return {
        "CTYPE1": f"RA---{projection}",
        "CTYPE2": f"DEC--{projection}",
        "CRVAL1": 40.0,
        "CRVAL2": -65.0,
        "CRPIX1": 200.5,
        "CRPIX2": 150.5,
        "CD1_1": -scale,
        "CD1_2": 0.1 * scale,
        "CD2_1": 0.1 * scale,
        "CD2_2": scale,
        **others,
    }


SIP = {"A_ORDER": 3, "B_ORDER": 3, "A_1_2": -4e-7, "A_3_0": -4e-7, "B_2_1": -4e-7, "B_0_3": -4e-7}
TPV = {"PV1_1": 1.0, "PV1_7": -0.08, "PV1_9": -0.08, "PV2_1": 1.0, "PV2_7": -0.08, "PV2_9": -0.08}
CASES = {
    "TAN": cards("TAN", 0.01),
    "TAN at the pole": cards("TAN", 0.01, CRVAL2=-89.9),
    "TAN across 0 h": cards("TAN", 0.01, CRVAL1=0.0),
    "SIP, barrel": cards("TAN-SIP", 1e-4, **SIP),
    "SIP, cushion": cards("TAN-SIP", 1e-4, **{k: -v if "ORDER" not in k else v for k, v in SIP.items()}),
    "TPV": cards("TPV", 0.004, **TPV),
    "ZPN": cards("ZPN", 0.01, PV2_1=1.0, PV2_3=-12.0),
    "STG": cards("STG", 0.05),
    "ARC": cards("ARC", 0.05),
    "SIN": cards("SIN", 0.05),
    "CAR": cards("CAR", 0.05, CRVAL2=0.0),
    "ZEA": cards("ZEA", 0.05),
}


def grid() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return positions that cover the box up to a twentieth of a pixel from its edges."""
    x, y = np.meshgrid(np.linspace(-0.45, 399.45, 81), np.linspace(-0.45, 299.45, 61))
    return x.ravel(), y.ravel()


@pytest.mark.parametrize("name", CASES)
def test_all_pixels_are_inside(name: str) -> None:
    """No position in the image lies further than a tenth of a pixel outside its region."""
    wcs = SkyWcs(CASES[name])
    region = SkyRegion.from_wcs(wcs, BOX)
    x, y = grid()
    # A hair smaller about the middle: what is inside a convex region stays there.
    x, y = 199.5 + (x - 199.5) * 0.9995, 149.5 + (y - 149.5) * 0.9995
    assert region.contains(*wcs.pixelToSky(x, y)).all()


@pytest.mark.parametrize("name", CASES)
def test_what_is_well_outside_is_not_in_it(name: str) -> None:
    """Positions beyond a corner are not in the region."""
    wcs = SkyWcs(CASES[name])
    region = SkyRegion.from_wcs(wcs, BOX)
    x, y = np.array([-6.0, 405.0, -6.0, 405.0]), np.array([-6.0, -6.0, 305.0, 305.0])
    ra, dec = wcs.pixelToSky(x, y)
    assert not region.contains(ra[np.isfinite(ra)], dec[np.isfinite(dec)]).any()


def test_straight_edges_need_four_vertices() -> None:
    """Edges of a gnomonic image are great circles; edges that bulge out have more vertices."""
    assert len(SkyRegion.from_wcs(SkyWcs(CASES["TAN"]), BOX).vertices()) == 4
    assert len(SkyRegion.from_wcs(SkyWcs(CASES["SIP, barrel"]), BOX).vertices()) > 4


def test_corners_alone_would_lose_pixels() -> None:
    """With barrel distortion the middle of an edge lies outside the polygon of the corners."""
    wcs = SkyWcs(CASES["SIP, barrel"])
    corners = SkyRegion.from_polygon(*wcs.pixelToSky(*zip(*BOX.corners, strict=True)))
    middle = wcs.pixelToSky([199.5], [0.0])
    assert not corners.contains(*middle).any()
    assert SkyRegion.from_wcs(wcs, BOX).contains(*middle).all()


def test_an_edge_without_sky_is_refused() -> None:
    """An image whose corner lies beyond the sphere has no region."""
    with pytest.raises(ValueError, match="edge or corner without a sky position"):
        SkyRegion.from_wcs(SkyWcs(cards("SIN", 0.5)), BOX)


def test_an_image_without_a_breadth_is_refused() -> None:
    """A distortion that puts all columns onto one meridian leaves no area."""
    with pytest.raises(ValueError, match="no area on the sky"):
        SkyRegion.from_wcs(SkyWcs({**cards("TPV", 0.001), "PV1_1": 0.0, "PV2_1": 1.0}), BOX)
