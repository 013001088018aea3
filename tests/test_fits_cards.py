"""Values of FITS cards: what the fast reader says is what astropy says."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.formatters.fits_cards import CardValues, card_values
from butler.formatters.fits_header import header_values

SHARED = Path(__file__).parents[1] / ".." / "shared" / "data"
CARDS = [
    "SIMPLE  =                    T / conforms",
    "EXTEND  =                    F",
    "NAXIS   =                    2",
    "BIG     =  9007199254740993 / more than a double holds",
    "SIGNED  =                   -7 / below zero",
    "PLUS    =                  +12",
    "REAL    =   1.3234727992280E-08 / linear",
    "DOUBLE  =              1.5D+03 / of Fortran",
    "POINT   =                   5.",
    "SHORT   =                  .25",
    "WHOLE   =                 3E10",
    "EMPTY   = ''",
    "BLANKS  = '   padded  '           / text",
    "QUOTED  = 'O''Hara'",
    "SLASH   = 'a / b'              / comment",
    "UNDEF   =",
    "UNDEF2  =                      / nothing",
    "LEFT    = 42 / not in column 30",
    "NOSPACE =5",
    "WORD    = unquoted",
    "COMPLEX = (1.0, 2.0)",
    "DP1     = 'NAXES: 2'",
    "TIME    = '12:30:00'",
    "NOTE    = 'Note: 5 of them'",
    "HIERARCH ESO DET CHIP = 'CCD-44' / long name",
    "COMMENT  = 5 is no card",
    "HISTORY a card = 7",
    "",
    "REAL    =                  9.0 / repeated",
    "lower   =                    1",
    "BAD     = 'no end",
    "PV1_7   =   -0.004081017175335 / Projection distortion parameter",
    "INFINITY=                  INF",
]


def text_of(cards: list[str]) -> str:
    return "".join(card.ljust(80)[:80] for card in [*cards, "END"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("card", CARDS)
def test_each_kind_of_card(card: str) -> None:
    """A card by itself has the value, and the type of it, that astropy gives it; or none."""
    expected = header_values(fits.Header.fromstring(text_of([card])))
    found = card_values(text_of([card]))
    assert found == expected
    assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]


@pytest.mark.filterwarnings("ignore")
@given(st.lists(st.sampled_from(CARDS), max_size=20))
@settings(max_examples=50, deadline=None)
def test_headers_of_such_cards(cards: list[str]) -> None:
    """In any order and number; of a repeated card the first value counts."""
    assert card_values(text_of(cards)) == header_values(fits.Header.fromstring(text_of(cards)))


def test_long_texts() -> None:
    """A text over several cards is one value."""
    header = fits.Header()
    header["LONG"] = "x" * 200
    header["NEXT"] = 1
    assert card_values(header.tostring()) == {"LONG": "x" * 200, "NEXT": 1}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not SHARED.exists(), reason="needs the exposures of ../shared/data")
def test_headers_of_real_cameras() -> None:
    """Every header of the real files, of all units."""
    paths = [*sorted(SHARED.glob("decam_cp/images/*.fits"))[:4], *sorted(SHARED.glob("saao*/images/*"))[:2]]
    for path in paths:
        with fits.open(path) as hdus:
            for hdu in hdus:
                text = hdu.header.tostring()
                assert card_values(text) == header_values(fits.Header.fromstring(text))


@pytest.mark.filterwarnings("ignore")
@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([*CARDS, " SHIFT  =                    3"]), max_size=12))
def test_values_read_one_by_one(cards: list[str]) -> None:
    """A card asked for by its name has the value that reading all of them gives it, or none."""
    text = text_of(cards)
    expected = card_values(text)
    names = {*expected, "SIMPLE", "LOWER", "lower", "UNDEF", "REAL", "DP1", "DP1.NAXES", "SHIFT", "NOSUCH"}
    found = {name: CardValues(text).get(name) for name in names}
    assert found == {name: expected.get(name) for name in names}
    assert dict(CardValues(text)) == expected
    assert len(CardValues(text)) == len(expected)


@pytest.mark.parametrize(("text", "expected"), [("NaN", "nan"), ("+inf", "inf"), ("-INFINITY", "-inf")])
def test_numbers_that_fits_does_not_know(text: str, expected: str) -> None:
    """A card that says NaN or infinity has that value; it does not pass as absent."""
    cards = text_of([f"CRVAL1  = {text:>20} / not a number"])
    assert repr(card_values(cards)["CRVAL1"]) == repr(CardValues(cards)["CRVAL1"]) == expected
