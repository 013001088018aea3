"""Footprints of many images at once: against one at a time, and against the positions of their edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.formatters import CameraCards
from butler.formatters.fits_file import HduInfo
from butler.images import Box2I, Extent2I, Point2I, SkyWcs
from butler.ingest.footprints import find_footprints
from butler.regions import SkyRegion
from butler.regions.footprints import box_outline, footprints
from butler.regions.hulls import vectors_of

BOX = Box2I(Point2I(0, 0), Extent2I(100, 60))
TERMS = st.floats(-1e-3, 1e-3)


def cards(
    kind: str, ra: float, dec: float, turn: float, scale: float, terms: tuple[float, float, float] = (0, 0, 0)
) -> dict[str, Any]:
    """Return a header of a projection of some kind."""
    sine, cosine = scale * math.sin(turn), scale * math.cos(turn)
    plain = {"CRPIX1": 40.5, "CRPIX2": 20.25, "CRVAL1": ra, "CRVAL2": dec}
    plain |= {"CD1_1": -cosine, "CD1_2": sine, "CD2_1": sine, "CD2_2": cosine}
    bent: dict[str, Any] = {}
    if kind == "TPV":
        bent = {"PV1_1": 1.0, "PV2_1": 1.0, "PV1_4": terms[0], "PV2_6": terms[1]}
        bent |= {"PV1_7": terms[2]} if terms[2] > 0 else {}
    elif kind == "TAN-SIP":
        order = 3 if terms[2] > 0 else 2
        bent = {"A_ORDER": order, "B_ORDER": 2, "A_2_0": terms[0] / 10, "B_1_1": terms[1] / 10}
    return {"CTYPE1": f"RA---{kind}", "CTYPE2": f"DEC--{kind}", **plain, **bent}


HEADERS = st.builds(
    cards,
    st.sampled_from(["TAN", "STG", "TPV", "TAN-SIP", "ZEA"]),
    st.floats(0, 359.99),
    st.floats(-89, 89),
    st.floats(0, 6.28),
    st.sampled_from([1e-5, 7e-5, 1e-2]),
    st.tuples(TERMS, TERMS, TERMS),
)


@settings(deadline=None, max_examples=80)
@given(st.lists(HEADERS, min_size=1, max_size=12))
def test_many_are_as_one_by_one(headers: list[dict[str, Any]]) -> None:
    """In any mixture of projections each has the positions, bit for bit, and the region that it has alone."""
    wcss = [SkyWcs(header) for header in headers]
    x, y = box_outline(BOX)
    together = np.stack(SkyWcs.pixels_to_sky(wcss, x, y), axis=1)
    for positions, wcs in zip(together, wcss, strict=True):
        np.testing.assert_array_equal(positions, wcs.pixelToSky(x, y))
    for found, wcs in zip(SkyRegion.from_wcss(wcss, BOX), wcss, strict=True):
        if isinstance(found, ValueError):
            with pytest.raises(ValueError) as caught:  # noqa: PT011
                SkyRegion.from_wcs(wcs, BOX)
            assert str(caught.value) == str(found)
        else:
            assert found == SkyRegion.from_wcs(wcs, BOX)


@settings(deadline=None, max_examples=80)
@given(HEADERS)
def test_the_edge_lies_inside(header: dict[str, Any]) -> None:
    """No place of the edge is more than a tenth of a pixel outside, and the polygon has its corners."""
    wcs = SkyWcs(header)
    x, y = box_outline(BOX)
    edge = vectors_of(*wcs.pixelToSky(x, y))
    [region] = SkyRegion.from_wcss([wcs], BOX)
    assert isinstance(region, SkyRegion)
    vertices = vectors_of(*np.array(region.vertices()).T)
    inwards = np.cross(vertices, np.roll(vertices, -1, axis=0))
    inwards /= np.linalg.norm(inwards, axis=1)[:, np.newaxis]
    pixel = math.dist(edge[0], edge[1]) * 16 / BOX.width
    assert float((edge @ inwards.T).min()) > -0.1001 * pixel
    nearest = np.linalg.norm(edge[::16, np.newaxis] - vertices, axis=2).min(axis=1)
    assert float(nearest.max()) < 1e-9


def test_an_edge_that_bulges_has_more_corners() -> None:
    """A parallel near a pole is no great circle; of the two boxes of a call one is bent alone."""
    straight = SkyWcs(cards("TAN", 10.0, 20.0, 0.0, 1e-4))
    bent = SkyWcs(cards("CAR", 0.0, 0.0, 0.0, 0.5) | {"CRPIX2": -55.0})
    regions = SkyRegion.from_wcss([straight, bent], BOX)
    numbers = [len(region.vertices()) for region in regions if isinstance(region, SkyRegion)]
    assert numbers[0] == 4
    assert numbers[1] > 10


def test_what_is_no_area_is_told_of_its_own_row() -> None:
    """Corners in the order of a bow tie have a hull; on one line, in one place or nowhere, an error."""
    n = len(box_outline(BOX)[0])
    along, corner = np.arange(n) / n, np.arange(n) // (n // 4)
    square = [np.array([0.0, 1.0, 1.0, 0.0])[corner], np.array([0.0, 0.0, 1.0, 1.0])[corner]]
    bow_tie = [np.array([0.0, 1.0, 0.0, 1.0])[corner], square[1]]
    rows = [square, bow_tie, [along, 0 * along], [0 * along, 0 * along], [along + np.nan, along]]
    ra, dec = np.stack(rows, axis=1)
    found = list(footprints(ra, dec, BOX))
    assert [isinstance(each, ValueError) for each in found] == [False, False, True, True, True]
    assert "corners lie on one line" in str(found[2])
    assert "without a sky position" in str(found[4])
    assert SkyRegion.from_wcss([], BOX) == []


def test_headers_are_refused_one_by_one() -> None:
    """A projection that is none, and one whose box leaves the sky, spoil nothing for the others."""
    good = cards("TAN", 10.0, 20.0, 0.0, 1e-4)
    headers = [good, {**good, "CD1_1": 0.0, "CD1_2": 0.0}, {**good, "NAXIS1": 30}]
    headers += [cards("SIN", 10.0, 20.0, 0.0, 2.0), {**good, "CRVAL2": 21.0}]
    found = find_footprints([image({"NAXIS1": 100, "NAXIS2": 60, **header}) for header in headers])
    assert [isinstance(each, SkyRegion) for each in found] == [True, False, True, False, True]
    assert "determinant 0" in str(found[1])
    assert "the image has no region on the sky" in str(found[3])
    assert found[0] == SkyRegion.from_wcs(SkyWcs(good), BOX)
    assert found[2] == SkyRegion.from_wcs(SkyWcs(good), Box2I(Point2I(0, 0), Extent2I(30, 60)))


def image(values: dict[str, Any]) -> CameraCards:
    """Return the cards of an image unit."""
    texts = {key: repr(value) for key, value in values.items()}
    told = [f"{key:<8}= {text:>20}".ljust(80) for key, text in texts.items()]
    return CameraCards(HduInfo("".join([*told, "END".ljust(80)]), 0))
