"""VisitInfo: when and how an exposure was taken."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["VisitInfo"]


@dataclass(frozen=True, slots=True)
class VisitInfo:
    """Facts about an exposure that its file carries along; NaN or empty where they are not known.

    Parameters
    ----------
    id
        Visit number.
    date
        Middle of the exposure.
    exposure_time, dark_time
        Seconds that the shutter was open, and that charge was collected.
    instrument
        Short name of the instrument.
    ut1
        Middle of the exposure as MJD in UT1.
    era
        Earth rotation angle in degrees.
    boresight_ra, boresight_dec
        Pointing, ICRS degrees.
    boresight_az, boresight_alt
        Azimuth and altitude of the pointing, degrees.
    airmass
        Airmass of the pointing.
    rotation_angle
        Angle of the camera in degrees, as `rotation_type` says.
    rotation_type
        ``SKY``, ``HORIZON``, ``MOUNT`` or ``UNKNOWN``.
    longitude, latitude, elevation
        Place of the observatory: degrees (east is positive), degrees, metres.
    air_temperature, air_pressure, humidity
        Degrees Celsius, pascal, per cent.
    focus_z
        Offset of the focus in millimetres.
    observation_type, science_program, observation_reason, object
        What the exposure was taken as and for.
    has_simulated_content
        Whether pixels were simulated; None if not known.
    """

    id: int
    date: Time | None = None
    exposure_time: float = math.nan
    instrument: str = ""
    dark_time: float = math.nan
    ut1: float = math.nan
    era: float = math.nan
    boresight_ra: float = math.nan
    boresight_dec: float = math.nan
    boresight_az: float = math.nan
    boresight_alt: float = math.nan
    airmass: float = math.nan
    rotation_angle: float = math.nan
    rotation_type: str = ""
    longitude: float = math.nan
    latitude: float = math.nan
    elevation: float = math.nan
    air_temperature: float = math.nan
    air_pressure: float = math.nan
    humidity: float = math.nan
    focus_z: float = math.nan
    observation_type: str = ""
    science_program: str = ""
    observation_reason: str = ""
    object: str = ""
    has_simulated_content: bool | None = None
