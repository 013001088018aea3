"""Distortion: the polynomials of a TAN-SIP or TPV projection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from .plane_map import PlaneMap
from .projection_cards import Card

__all__ = ["Distortion", "is_distortion_card"]

_CARD: Final = re.compile(r"(A|B|AP|BP)_(ORDER|DMAX|\d_\d)|PV\d_\d+")
_TPV_CARD: Final = re.compile(r"PV([12])_(\d+)")
_MOST_POWERS: Final = 7
"""Degree of TPV's polynomials."""


@lru_cache(maxsize=4096)
def is_distortion_card(name: str) -> bool:
    """Tell by its name whether a card may belong to a distortion."""
    return _CARD.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Distortion:
    """Polynomials that bend the plane of a projection.

    Parameters
    ----------
    kind
        TAN-SIP, whose polynomials are of pixels, before the matrix of degrees per pixel (Shupe et al. 2005),
        or TPV, of degrees, after it (registry of FITS conventions).
    map
        From undistorted offsets from the reference position to distorted ones.
    cards
        FITS cards of the terms that are not zero; of SIP also those of the approximate inverse, which are
        only kept.
    """

    kind: str
    map: PlaneMap
    cards: Mapping[str, int | float]

    @classmethod
    def from_cards(cls, kind: str, cards: Mapping[str, Card]) -> Self | None:
        """Return the distortion that cards tell, None if they tell something else.

        Parameters
        ----------
        kind
            Kind of the projection; TAN is taken for TAN-SIP.
        cards
            Cards of the distortion alone.
        """
        numbers = {key: value for key, value in cards.items() if not isinstance(value, str)}
        try:
            if kind == "TPV":
                terms = _tpv_terms(numbers)
                return cls(kind, PlaneMap(_tpv_coefficients(terms)), terms)
            if kind in ("TAN", "TAN-SIP"):
                terms = _sip_terms(numbers)
                return cls("TAN-SIP", PlaneMap(_sip_coefficients(terms)), terms)
        except ValueError:
            return None
        return None


def _sip_terms(cards: Mapping[str, int | float]) -> dict[str, int | float]:
    """Return orders and terms; refuse what is not in pairs of polynomials, or of less than second order."""
    if any(key.startswith("PV") for key in cards):
        raise ValueError("the cards hold other polynomials as well")
    has_inverse = "AP_ORDER" in cards or "BP_ORDER" in cards
    terms: dict[str, int | float] = {}
    for name in ("A", "B", "AP", "BP") if has_inverse else ("A", "B"):
        order = int(cards.get(f"{name}_ORDER", 0))
        if order < 2:
            raise ValueError(f"{name}_ORDER is {order}")
        terms[f"{name}_ORDER"] = order
        for i, j in _powers(order):
            if value := cards.get(f"{name}_{i}_{j}", 0.0):
                terms[f"{name}_{i}_{j}"] = float(value)
    return terms


def _sip_coefficients(terms: Mapping[str, int | float]) -> NDArray[np.float64]:
    order = max(int(terms["A_ORDER"]), int(terms["B_ORDER"]))
    coefficients = np.zeros((order + 1, order + 1, 2))
    coefficients[1, 0, 0] = coefficients[0, 1, 1] = 1.0
    for axis, name in enumerate("AB"):
        for i, j in _powers(order):
            coefficients[i, j, axis] += terms.get(f"{name}_{i}_{j}", 0.0)
    return coefficients


def _tpv_terms(cards: Mapping[str, int | float]) -> dict[str, int | float]:
    """Return the terms that are not zero; refuse those of the radius, and others that TPV has not."""
    for key, value in cards.items():
        if _tpv_place(key) is None and (value or _tpv_number(key) >= len(_TPV_POWERS)):
            raise ValueError(f"{key} is no term in powers of the coordinates")
    return {key: float(value) for key, value in cards.items() if value}


def _tpv_coefficients(terms: Mapping[str, int | float]) -> NDArray[np.float64]:
    places = [place for key in terms if (place := _tpv_place(key)) is not None]
    degree = max([1, *(i + j for i, j, _ in places)])
    coefficients = np.zeros((degree + 1, degree + 1, 2))
    for place, value in zip(places, terms.values(), strict=True):
        coefficients[place] = value
    return coefficients


@lru_cache(maxsize=256)
def _tpv_place(key: str) -> tuple[int, int, int] | None:
    """Return the powers of both coordinates in a term, and its axis; None if it is no such term."""
    number = _tpv_number(key)
    powers = _TPV_POWERS[number] if number < len(_TPV_POWERS) else None
    if powers is None:
        return None
    own, other = powers
    return (own, other, 0) if key[2] == "1" else (other, own, 1)


def _tpv_number(key: str) -> int:
    """Return the number of a term of TPV, or one that there is not."""
    match = _TPV_CARD.fullmatch(key)
    return len(_TPV_POWERS) if match is None else int(match[2])


def _powers(order: int) -> Iterator[tuple[int, int]]:
    """Yield all powers of both coordinates whose sum does not exceed an order."""
    return ((i, j) for i in range(order + 1) for j in range(order + 1 - i))


def _tpv_powers() -> list[tuple[int, int] | None]:
    """Return the powers of an axis' own and of the other coordinate by the numbers of TPV's terms.

    A term of the radius, which has no such powers, follows those of each odd degree.
    """
    powers: list[tuple[int, int] | None] = []
    for degree in range(_MOST_POWERS + 1):
        powers += [(degree - j, j) for j in range(degree + 1)]
        powers += [None] * (degree % 2)
    return powers


_TPV_POWERS: Final = _tpv_powers()
