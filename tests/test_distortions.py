"""TAN-SIP and TPV projections: the same as astropy's and wcslib's, back and forth, and where they end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_images import SIP, TAN, TPV, header

from butler.images import SkyWcs
from butler.images.plane_map import PlaneMap
from butler.images.projection_cards import projection_cards
from butler.images.wcslib_projection import WcslibProjection
from butler.images.zenithal_projection import ZenithalProjection

X, Y = np.meshgrid(np.linspace(-20, 2100, 9), np.linspace(-20, 4200, 9))
REACH = 8000.0
"""Pixels that these places may be away from the reference position."""
DECAM = {
    "CRVAL1": 110.2256709975, "CRVAL2": 23.78771501452, "CRPIX1": 1855.2, "CRPIX2": -1023.0,
    "CD1_1": 1.323472799228e-08, "CD1_2": 7.285385758247e-05, "CD2_1": -7.287830809077e-05, "CD2_2": -1.6e-10,
    "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "CUNIT1": "deg", "CUNIT2": "deg", "WCSAXES": 2,
    "PV1_0": 0.0002951872069982, "PV1_1": 1.005716717629, "PV1_2": -0.0003191294095156, "PV1_3": 0.0,
    "PV1_4": -3.527920695691e-05, "PV1_5": -7.923186024893e-05, "PV1_6": 0.0001728714559574,
    "PV1_7": -0.004081017175335, "PV1_8": 0.001102143514958, "PV1_9": -0.003405682695759,
    "PV1_10": -0.0003683912329586, "PV2_0": -5.799353969542e-05, "PV2_1": 1.005826049675,
    "PV2_2": 0.0002796804729737, "PV2_3": 0.0, "PV2_4": -0.001580816848516, "PV2_5": 0.0003767443821601,
    "PV2_6": -0.0001623923818571, "PV2_7": 0.003422839244749, "PV2_8": -0.001706287194465,
    "PV2_9": -0.002374877466853, "PV2_10": 0.000295657796705,
    "WAT0_001": "system=image", "WAT1_001": "wtype=tpv axtype=ra", "WAT2_001": "wtype=tpv axtype=dec",
}  # fmt: skip
"""Cards of a detector of DECam."""


def both_ways(cards: dict[str, Any], xy0: tuple[int, int] = (0, 0)) -> tuple[Any, WcslibProjection]:
    """Return the projection of cards as it is done here, and as wcslib and astropy do it."""
    found = projection_cards(cards)
    ours = ZenithalProjection.from_cards(found, xy0)
    assert ours is not None
    return ours, WcslibProjection.from_cards(found, xy0)


def separation(a: Any, b: Any) -> float:
    """Return the largest distance between places on the sky, degrees."""
    along = (a[0] - b[0] + 180.0) % 360.0 - 180.0
    return float(np.max(np.hypot(along * np.cos(np.radians(b[1])), a[1] - b[1])))


def same_cards(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Compare cards; wcslib writes 14 digits of a term of TPV."""
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        assert ours[key] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-12))


@st.composite
def distorted(draw: st.DrawFn) -> dict[str, Any]:
    """Return cards of a distorted projection, as bent as those of cameras are, and more."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale, turn = 10 ** draw(st.floats(-4.5, -3.3)), draw(st.floats(0, 6.3))
    cd = scale * np.array([[-math.cos(turn), math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    cards: dict[str, Any] = {f"CD{i + 1}_{j + 1}": cd[i, j] for i in (0, 1) for j in (0, 1)}
    cards |= {"CRVAL1": draw(st.floats(0, 359.99)), "CRVAL2": draw(st.floats(-89, 89))}
    cards |= {"CRPIX1": draw(st.floats(-3000, 3000)), "CRPIX2": draw(st.floats(-3000, 3000))}
    if draw(st.booleans()):
        cards |= {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"}
        terms = draw(
            st.sampled_from([[1, 2], [0, 1, 4, 5, 6], [*range(3), *range(4, 11)], [0, 1, 2, *range(24, 39)]])
        )
        # Of powers up to the seventh, which must not fold what images cover.
        size = 2e-3 / max(1.0, REACH * scale) ** 7
        return cards | {f"PV{i}_{m}": (m == 1) + size * rng.normal() for i in (1, 2) for m in terms}
    cards |= {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"}
    for name in "AB":
        order = draw(st.integers(2, 5))
        cards[f"{name}_ORDER"] = order
        for i, j in np.argwhere(np.add.outer(range(order + 1), range(order + 1)) > 1).tolist():
            cards[f"{name}_{i}_{j}"] = 30.0 * rng.normal() / REACH ** (i + j)
    return cards


@settings(deadline=None, max_examples=80)
@given(distorted(), st.tuples(st.integers(-9000, 9000), st.integers(-9000, 9000)))
def test_distorted_projections_are_those_of_astropy(changes: dict[str, Any], xy0: tuple[int, int]) -> None:
    """Positions agree to 1e-12 degrees, their inverse to 1e-8 pixels, from any origin."""
    ours, theirs = both_ways(header(**changes), xy0)
    x, y = X + xy0[0], Y + xy0[1]
    sky = theirs.pixel_to_sky(x, y)
    assert separation(ours.pixel_to_sky(x, y), sky) < 1e-12
    np.testing.assert_allclose(ours.sky_to_pixel(*sky), (x, y), rtol=0, atol=1e-8)
    same_cards(ours.cards(), theirs.cards())


@settings(deadline=None, max_examples=30)
@given(distorted(), st.floats(-89, 89), st.floats(0, 360))
def test_what_is_found_far_away_is_there(changes: dict[str, Any], dec: float, ra: float) -> None:
    """Anywhere on the sky there is a position that is mapped back to it by wcslib too, or none."""
    ours, theirs = both_ways(header(**changes))
    near = ra / 90.0, dec / 90.0
    sky = np.array([[ra, changes["CRVAL1"] + near[0]], [dec, np.clip(changes["CRVAL2"] + near[1], -90, 90)]])
    position = np.array(ours.sky_to_pixel(*sky))
    found = np.isfinite(position).all(axis=0)
    assert np.isfinite(position).any(axis=0).tolist() == found.tolist()
    if found.any():
        assert separation(theirs.pixel_to_sky(*position[:, found]), sky[:, found]) < 1e-7


def test_edges_are_those_of_wcslib() -> None:
    """A DECam detector has positions for the same places: not for those far off, behind, or not a number."""
    ours, theirs = both_ways(DECAM)
    ra = 110.2 + np.array([0.1, -1, 1, 3, -5, 10, -20, 40, 89, 91, -120, 180, np.nan])
    found, expected = np.array(ours.sky_to_pixel(ra, 23.7)), np.array(theirs.sky_to_pixel(ra, 23.7))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert np.isfinite(found[0]).tolist() == [True] * 5 + [False] * 8
    assert np.isnan(ours.pixel_to_sky(np.nan, 0.0)).all()
    assert [a.shape for a in ours.sky_to_pixel(ra[:, None], [23.7, 23.8])] == [(13, 2)] * 2
    assert [a.shape for a in (*ours.sky_to_pixel(110.2, 23.7), *ours.pixel_to_sky([], []))] == [
        (),
        (),
        (0,),
        (0,),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {**TPV, "PV1_3": 0.0, "PV2_39": 0.0},
        {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.0, "PV2_1": -1.0, "PV1_38": 1e-3},
        {**SIP, "A_DMAX": 3.0, "B_2_2": 1.0, "A_0_2": 0.0},
        {**SIP, "AP_ORDER": 2, "BP_ORDER": 3, "AP_2_0": -1e-6, "BP_0_3": 1e-9},
        {**SIP, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"},
        {**SIP, "EQUINOX": 2000.0, "RADESYS": "ICRS", "LONPOLE": 180.0, "LATPOLE": 17.0},
        {"WAT0_001": "system=image", "WAT1_001": "wtype=tan axtype=ra"},
        {"CDELT1": -1e-4, "CDELT2": 2e-4, **{key: None for key in TAN if key.startswith("CD")}},
        {"CDELT1": -1e-4, "CDELT2": 2e-4, "PC1_1": 0.8, "PC1_2": 0.6, "CD1_1": None, "CD1_2": None}
        | {"CD2_1": None, "CD2_2": None},
    ],
)
def test_cards_are_read_as_astropy_reads_them(changes: dict[str, Any]) -> None:
    """Terms of 0, or missing, the kept inverse, and cards that change nothing are understood, and go over."""
    ours, theirs = both_ways(header(**changes), (7, -3))
    assert separation(ours.pixel_to_sky(X, Y), theirs.pixel_to_sky(X, Y)) < 1e-12
    same_cards(ours.cards(), theirs.cards())


def test_terms_of_tpv_come_back_with_all_digits() -> None:
    """What is written for a TPV projection is the projection."""
    wcs = SkyWcs(header(**TPV))
    assert SkyWcs(wcs.to_header()) == wcs
    assert wcs.to_header()["PV1_1"] == TPV["PV1_1"]
    assert "TPV" in repr(wcs)


def test_beyond_a_fold_there_is_no_inverse() -> None:
    """x = u - u³/3 has three solutions about 0, of which one continues the origin's; past its end, none."""
    terms = np.zeros((4, 4, 2))
    terms[1, 0, 0], terms[3, 0, 0], terms[0, 1, 1], terms[0, 0, 1] = 1.0, -1.0 / 3.0, 2.0, 5.0
    bent = PlaneMap(terms)
    u, v = bent.inverse([0.0, 0.5, -0.6, 0.67, -0.7, 10.0, np.nan], [5.0, 7.0, 5.0, 5.0, 5.0, 5.0, 5.0])
    assert np.isfinite(u).tolist() == [True] * 3 + [False] * 4
    assert (np.abs(u[:3]) < 1).all()
    assert v[:3].tolist() == [0.0, 1.0, 0.0]
    np.testing.assert_allclose(bent(u, v)[0][:3], [0.0, 0.5, -0.6], atol=1e-15)
    with pytest.raises(ValueError, match="no inverse"):
        PlaneMap(np.zeros((2, 2, 2)))
