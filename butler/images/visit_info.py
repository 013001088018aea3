"""VisitInfo: when and how an exposure was taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["VisitInfo"]


@dataclass(frozen=True, slots=True)
class VisitInfo:
    """Facts about an exposure that its file carries along.

    Parameters
    ----------
    id
        Visit number.
    date
        Middle of the exposure.
    exposure_time
        Seconds the shutter was open.
    instrument
        Short name of the instrument.
    """

    id: int
    date: Time | None = None
    exposure_time: float = float("nan")
    instrument: str = ""
