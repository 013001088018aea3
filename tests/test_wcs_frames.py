"""Frames of positions: what headers call them, in how many ways, and that they change no position."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from toy_camera import write_frame

from butler.errors import FileFormatError
from butler.formatters import read_camera_headers
from butler.images import SkyWcs, is_wcs_card
from butler.images.projection_cards import projection_cards
from butler.images.wcslib_projection import WcslibProjection
from butler.images.zenithal_projection import ZenithalProjection

TAN = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.25, "CRVAL2": 2.25, "CRPIX1": -1900.0,
    "CRPIX2": 2100.0, "CD1_1": -5e-5, "CD1_2": 1e-7, "CD2_1": 0.0, "CD2_2": 5e-5,
}  # fmt: skip
NAMES = (None, "ICRS", "FK5", "FK5     ", "FK4", "GAPPT", "fk5", "")
EQUINOXES = (None, 2000.0, 2000, 1975.0, 1950.0)
OURS = {"ICRS", "FK5", ""}


def cards_of(*frame: tuple[str, Any]) -> dict[str, Any]:
    return {**TAN, **{key: value for key, value in frame if value is not None}}


@pytest.mark.parametrize("keys", [("RADESYS", "RADECSYS"), ("RADECSYS", "RADESYS")])
def test_frames_are_those_of_wcslib(keys: tuple[str, str]) -> None:
    """Of any cards, in any order, ours is the frame that wcslib takes; none where that is refused."""
    n_ours = 0
    for name, other, equinox in itertools.product(NAMES, NAMES, EQUINOXES):
        cards = projection_cards(cards_of((keys[0], name), (keys[1], other), ("EQUINOX", equinox)))
        ours = ZenithalProjection.from_cards(cards, (0, 0))
        try:
            theirs = WcslibProjection.from_cards(cards, (0, 0)).cards()
        except FileFormatError:
            assert ours is None, cards
            continue
        if ours is not None:
            n_ours += 1
            assert ours.cards() == theirs
            assert SkyWcs(cards).to_header() == theirs
        else:
            assert theirs["RADESYS"].rstrip() not in OURS, cards
    assert n_ours > 100


def test_the_frame_is_no_part_of_a_position() -> None:
    """FK5 of 2000 is not turned into ICRS, nor by wcslib; but it is told apart, and kept."""
    icrs, fk5 = SkyWcs(cards_of()), SkyWcs(cards_of(("EQUINOX", 2000.0)))
    assert icrs != fk5
    assert SkyWcs(fk5.to_header()) == fk5
    assert icrs.pixelToSky(3.0, 4.0) == fk5.pixelToSky(3.0, 4.0)


@pytest.mark.parametrize(
    ("primary", "own", "wanted"),
    [
        ({"RADESYS": "FK5", "EQUINOX": 2000.0}, {}, "FK5"),
        ({"RADESYS": "FK5", "EQUINOX": 2000.0}, {"RADECSYS": "ICRS"}, "ICRS"),
        ({"RADECSYS": "FK5", "EPOCH": 1975.0}, {"RADESYS": "FK5", "EQUINOX": 2000.0}, "FK5"),
        ({"RADESYS": "FK5", "RADECSYS": "ICRS"}, {}, "ICRS"),
        ({"RADECSYS": "ICRS", "RADESYS": "FK5"}, {"EQUINOX": 2000.0}, "FK5"),
        ({"EQUINOX": 2000.0}, {"RADESYS": "ICRS"}, "ICRS"),
    ],
)
def test_the_frame_of_an_image_in_its_file(
    primary: dict[str, Any], own: dict[str, Any], wanted: str, tmp_path: Path
) -> None:
    """The primary header tells it for all images of a file, but for those that tell it themselves."""
    path = write_frame(tmp_path / "a.fits", changes={"RADESYS": None, "EQUINOX": None, **own})
    with fits.open(path) as hdus:
        image = fits.ImageHDU(hdus[0].data, hdus[0].header)
        fits.HDUList([fits.PrimaryHDU(header=fits.Header(primary)), image]).writeto(tmp_path / "b.fits")
    cards = read_camera_headers(tmp_path / "b.fits")[1]
    assert SkyWcs(cards.select(is_wcs_card)).to_header()["RADESYS"] == wanted
    assert SkyWcs(cards.plain()).to_header()["RADESYS"] == wanted
