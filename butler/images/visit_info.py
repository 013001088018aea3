"""VisitInfo: when and how an exposure was taken."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from ..tai import ns_to_time, time_to_ns

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["VisitInfo"]


class _TaiTime:
    """A field of a time, which becomes one of astropy's only when it is asked for."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._key = f"{name}_ns"

    @overload
    def __get__(self, instance: None, owner: type) -> None: ...

    @overload
    def __get__(self, instance: VisitInfo, owner: type) -> Time | None: ...

    def __get__(self, instance: VisitInfo | None, owner: type) -> Time | None:
        # Without an instance it is asked for the default.
        ns: int | None = None if instance is None else vars(instance)[self._key]
        return None if ns is None else ns_to_time(ns)

    def __set__(self, instance: VisitInfo, value: Time | int | None) -> None:
        vars(instance)[self._key] = value if value is None or isinstance(value, int) else time_to_ns(value)


@dataclass(frozen=True)
class VisitInfo:
    """Facts about an exposure that its file carries along; NaN or empty where they are not known.

    Parameters
    ----------
    id
        Visit number.
    date
        Middle of the exposure: an astropy time of any scale, or TAI nanoseconds since 1970-01-01T00:00:00
        TAI; as an attribute always an astropy time (TAI).
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
    date: _TaiTime = _TaiTime()
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

    @property
    def date_ns(self) -> int | None:
        """Middle of the exposure, TAI nanoseconds since 1970-01-01T00:00:00 TAI."""
        ns: int | None = vars(self)["date_ns"]
        return ns
