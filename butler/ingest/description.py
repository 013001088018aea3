"""What a header says: of the exposure, for the registry, and of the detector, for tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.time import Time

from .moment import Moment

__all__ = ["DetectorProperties", "ExposureDescription"]


@dataclass(frozen=True, slots=True)
class DetectorProperties:
    """What a task needs to know about a detector image; None where the header does not say.

    Parameters
    ----------
    gain
        Electrons per count.
    read_noise
        Electrons, rms.
    saturation
        Counts at which a pixel is saturated.
    zero_point
        AB magnitude of one count in the whole exposure.
    seeing
        FWHM of a star in pixels.
    """

    gain: float | None
    read_noise: float | None
    saturation: float | None
    zero_point: float | None
    seeing: float | None


@dataclass(frozen=True, slots=True)
class ExposureDescription:
    """What the registry needs to know about an exposure.

    Parameters
    ----------
    instrument
        Name of the instrument.
    visit, detector
        Numbers.
    detector_name
        Name of the detector, which no other one of the instrument has.
    band, physical_filter
        Filter.
    exposure_time
        Seconds.
    moment
        Start of the exposure.
    target_name
        What was observed; None if not said.
    """

    instrument: str
    visit: int
    detector: int
    detector_name: str
    band: str
    physical_filter: str
    exposure_time: float
    moment: Moment
    target_name: str | None

    @property
    def begin(self) -> Time:
        """Start of the exposure, as astropy has it."""
        return self.moment.time
