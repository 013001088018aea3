"""FilterLabel: band and physical filter."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FilterLabel"]


@dataclass(frozen=True, slots=True)
class FilterLabel:
    """The filter of an exposure.

    Parameters
    ----------
    band
        Name shared by similar filters of several cameras, for example ``"i"``; empty if not known.
    physical
        Name of the piece of glass, for example ``"HSC-I"``; None on coadds.
    """

    band: str
    physical: str | None = None
