"""Values of FITS cards: what the fast reader says is what astropy says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.errors import StorageClassError
from butler.formatters.fits_card_text import header_text
from butler.formatters.fits_cards import CardValues, card_items, card_values

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
    "HIERARCH MP_DETECTED = 5",
    "HIERARCH MP_DETECTED = 6 / repeated",
    "HIERARCH FLUXMAG0ERR = 1.5E-09 / a number",
    "HIERARCH  SPACED  =  T",
    "HIERARCH TIGHT=1",
    "HIERARCH small = 1",
    "HIERARCH TEXT = 'O''Hara'",
    "HIERARCH RECORD = 'NAXES: 2'",
    "HIERARCH WRONG = 'no end",
    "HIERARCH NOTHING =",
    "COMMENT  = 5 is no card",
    "HISTORY a card = 7",
    "",
    "REAL    =                  9.0 / repeated",
    "lower   =                    1",
    "BAD     = 'no end",
    "PV1_7   =   -0.004081017175335 / Projection distortion parameter",
    "INFINITY=                  INF",
]
LONG = ["LONG    = 'it goes on &' / here", "CONTINUE  ' and on &'", "CONTINUE  '' / to the end"]
"""Of cards with NaN or infinity that another continues astropy makes nothing."""


def header_values(header: fits.Header) -> dict[str, Any]:
    """Return the values of all cards but comments as astropy reads them; of a repeated card the first."""
    values: dict[str, Any] = {}
    for card in header.cards:
        if card.keyword not in ("", "COMMENT", "HISTORY", "END") and card.keyword not in values:
            try:
                if not isinstance(card.value, fits.card.Undefined):
                    values[card.keyword] = card.value
            except fits.VerifyError:
                if card.keyword == "INFINITY":
                    values[card.keyword] = math.inf
    return values


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
@given(st.lists(st.sampled_from(CARDS)) | st.lists(st.sampled_from(CARDS[:-1] + LONG)))
@settings(max_examples=100, deadline=None)
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
@given(st.lists(st.sampled_from([*CARDS, *LONG, " SHIFT  =                    3"]), max_size=12))
def test_values_read_one_by_one(cards: list[str]) -> None:
    """A card asked for by its name has the value that reading all of them gives it, or none."""
    text = text_of(cards)
    expected = card_values(text)
    names = {*expected, "SIMPLE", "LOWER", "lower", "UNDEF", "REAL", "DP1", "DP1.NAXES", "SHIFT", "NOSUCH"}
    found = {name: CardValues(text).get(name) for name in names}
    assert found == {name: expected.get(name) for name in names}
    assert dict(CardValues(text)) == expected
    assert len(CardValues(text)) == len(expected)
    assert CardValues(text).select(_is_short) == {n: v for n, v in expected.items() if _is_short(n)}


def _is_short(name: str) -> bool:
    return len(name) < 6


@pytest.mark.filterwarnings("ignore")
def test_headers_with_the_same_names_are_told_apart() -> None:
    """What two headers share are the places of their cards: values, and what follows END, are their own."""
    one, two = (text_of([f"SHIFT   = {value:20d}", "NEXT    =                    T"]) for value in (3, 4))
    assert [CardValues(text)["SHIFT"] for text in (one, two, one)] == [3, 4, 3]
    end = "END".ljust(80)
    for text in (end + one, "END".ljust(79) + "x" + one):
        assert dict(CardValues(text)) == card_values(text)
        assert CardValues(text).get("SHIFT") == card_values(text).get("SHIFT")


def test_all_cards_of_a_name() -> None:
    """Repeated cards are all there, plain or not; one without a readable value is None."""
    cards = [
        "MP_A    = 1",
        "HIERARCH MP_LONGER = 2",
        "MP_A    = 3",
        "MP_B    = unquoted",
        "HIERARCH MP_LONGER=4",
        "COMMENT MP_A",
    ]
    expected = [("MP_A", 1), ("MP_LONGER", 2), ("MP_A", 3), ("MP_B", None), ("MP_LONGER", 4)]
    assert list(card_items(text_of(cards))) == expected
    long_text = "LONG    = 'a&'".ljust(80) + "CONTINUE  'b'".ljust(80)
    assert list(card_items(long_text + text_of(cards))) == [("LONG", "ab"), *expected]


# Cards that are written.


@pytest.mark.filterwarnings("ignore")
@settings(deadline=None, max_examples=200)
@given(
    cards=st.dictionaries(
        st.one_of(
            st.from_regex(r"\A[A-Z0-9_-]{1,12}\Z"),
            st.sampled_from(
                ["MP_DETECTED_NEGATIVE", "lower", "TWO WORDS", "A" * 40, "HIERARCH ESO DET", "COMMENTS"]
            ),
        ).filter(lambda key: key not in ("END", "COMMENT", "HISTORY", "CONTINUE", "HIERARCH", "SIMPLE")),
        st.one_of(
            st.booleans(),
            st.integers(-(10**12), 10**12),
            st.floats(allow_nan=False, allow_infinity=False),
            st.floats(-1e9, 1e9).map(np.float64),
            st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=150).map(str.rstrip),
        ),
        max_size=8,
    )
)
def test_written_cards_are_read_by_astropy(cards: dict[str, Any]) -> None:
    """Each value comes back from astropy, and from our reader, with all its digits; blocks are whole."""
    if len({key.upper() for key in cards}) < len(cards):
        return
    text = header_text(cards)
    assert len(text) % 2880 == 0
    header = fits.Header.fromstring(text)
    known = card_values(text)
    for key, value in cards.items():
        if isinstance(value, str) and ": " in value:
            # It may be a record value to those who read it.
            continue
        for found in (header[key], known[key.upper().removeprefix("HIERARCH ")]):
            assert found == value
            assert isinstance(found, type(value) if not isinstance(value, np.float64) else float)


@pytest.mark.parametrize(
    ("key", "value"),
    [("KEY", 1j), ("K\xe9", 1), ("KEY", [1]), ("KEY", {}), ("END", 1), ("A" * 90, 1), ("B" * 60, 1e8)],
)
def test_what_no_card_can_hold_is_refused(key: str, value: Any) -> None:
    """The error names the card; complex numbers and the like are no exception to the rules."""
    if isinstance(value, complex):
        assert fits.Header.fromstring(header_text({key: value}))[key] == value
        return
    with pytest.raises(StorageClassError, match=f"cannot write '{key.upper()}'"):
        header_text({key: value})


def test_what_is_not_known_has_no_card() -> None:
    """None and numbers that are not finite are left out."""
    cards = {"A": None, "B": float("nan"), "C": np.float32("inf"), "D": np.int16(3)}
    assert card_values(header_text(cards)) == {"D": 3}


@pytest.mark.parametrize(("text", "expected"), [("NaN", "nan"), ("+inf", "inf"), ("-INFINITY", "-inf")])
def test_numbers_that_fits_does_not_know(text: str, expected: str) -> None:
    """A card that says NaN or infinity has that value; it does not pass as absent."""
    cards = text_of([f"CRVAL1  = {text:>20} / not a number"])
    assert repr(card_values(cards)["CRVAL1"]) == repr(CardValues(cards)["CRVAL1"]) == expected
