"""SkyOutline: where on the sky something was observed."""

from __future__ import annotations

from dataclasses import dataclass

from ..regions import SkyRegion

__all__ = ["SkyOutline"]


@dataclass(frozen=True, slots=True)
class SkyOutline:
    """The outline of a detector's image, or of a visit.

    Parameters
    ----------
    region
        Where it lies.
    visit
        Instrument and number of the visit; what is seen twice by one visit counts once.
    detector
        Number of the detector; None for all of the visit.
    band
        Band, if known.
    exposure_time
        Seconds, if known.
    """

    region: SkyRegion
    visit: tuple[str, int]
    detector: int | None = None
    band: str | None = None
    exposure_time: float | None = None
