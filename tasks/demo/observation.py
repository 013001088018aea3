"""Observation: where and how one visit of a simulated survey is taken."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from butler.images import PhotoCalib, SkyWcs

from .survey_config import FIRST_VISIT, Stream, SurveyConfig

__all__ = ["Observation", "field_wcs", "plan_observations"]

FIRST_NIGHT: Final = datetime(2026, 1, 12, 1, 0, 0)


@dataclass(frozen=True)
class Observation:
    """The circumstances of one visit."""

    visit: int
    """Visit number."""

    wcs: SkyWcs
    """Gnomonic projection of the sky on the detector, without distortion."""

    seeing: float
    """Full width at half maximum of the PSF, pixels."""

    sky: float
    """Level of the sky, ADU per pixel."""

    zero_point: float
    """AB magnitude of 1 ADU."""

    airmass: float
    """Airmass at the middle of the exposure."""

    begin: datetime
    """Start of the exposure, UTC."""

    has_trail: bool
    """Whether a satellite crosses this visit."""

    has_moving_object: bool
    """Whether a moving object leaves a short streak on this visit."""

    @property
    def photo_calib(self) -> PhotoCalib:
        """From ADU to nJy."""
        return PhotoCalib.from_magnitude_zero_point(self.zero_point)

    def cards(self, config: SurveyConfig) -> dict[str, Any]:
        """Return the FITS cards of the exposure: instrument, circumstances and WCS."""
        return {
            "INSTRUME": "SIMCAM",
            "DETECTOR": 0,
            "EXPNUM": self.visit,
            "OBJECT": "SIMFIELD",
            "FILTER": config.band,
            "DATE-OBS": self.begin.isoformat(timespec="milliseconds"),
            "TIMESYS": "UTC",
            "EXPTIME": config.exposure_time,
            "AIRMASS": self.airmass,
            "GAIN": config.gain,
            "RDNOISE": config.read_noise,
            "SATURATE": config.saturation,
            "MAGZERO": self.zero_point,
            "SEEING": self.seeing,
            **self.wcs.to_header(),
        }


def field_wcs(
    config: SurveyConfig, center: tuple[float, float] | None = None, rotation: float = 0.0
) -> SkyWcs:
    """Return the WCS of a detector, north up and east to the left but for a rotation.

    Parameters
    ----------
    config
        Gives the size of the detector and its pixels.
    center
        Right ascension and declination of the detector's centre, ICRS degrees; the field's if not given.
    rotation
        Angle by which the sky turns counterclockwise on the detector, radians.
    """
    scale = config.pixel_scale / 3600.0
    cos, sin = scale * math.cos(rotation), scale * math.sin(rotation)
    return SkyWcs.make_tan(
        crval=config.field_center if center is None else center,
        crpix=((config.n_x - 1) / 2.0, (config.n_y - 1) / 2.0),
        cd=[[-cos, -sin], [-sin, cos]],
    )


def plan_observations(config: SurveyConfig) -> list[Observation]:
    """Return the circumstances of all visits, in order of visit number and time."""
    rng = config.generator(Stream.OBSERVING)
    n = config.n_visits
    seeing = rng.permutation(np.geomspace(*config.seeing, n)) / config.pixel_scale
    sky = rng.permutation(np.geomspace(*config.sky, n))
    zero_point = rng.permutation(np.linspace(*config.zero_points, n))
    x, y = rng.uniform(-config.dither, config.dither, (2, n))
    rotation = np.radians(rng.uniform(-config.rotation, config.rotation, n))
    ra, dec = field_wcs(config).pixelToSky(x + (config.n_x - 1) / 2.0, y + (config.n_y - 1) / 2.0)
    minutes, airmass = rng.uniform(0.0, 360.0, n), rng.uniform(1.0, 1.6, n)
    order = rng.permutation(n)
    return [
        Observation(
            visit=FIRST_VISIT + i,
            wcs=field_wcs(config, (float(ra[i]), float(dec[i])), float(rotation[i])),
            seeing=float(seeing[i]),
            sky=float(sky[i]),
            zero_point=float(zero_point[i]),
            airmass=round(float(airmass[i]), 3),
            begin=FIRST_NIGHT + timedelta(days=i, minutes=float(minutes[i])),
            has_trail=config.trail and bool(i == order[0]),
            has_moving_object=config.moving_object and bool(i == order[-1]),
        )
        for i in range(n)
    ]
