"""SurveyConfig: what a simulated survey looks like, down to its seed."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final, Self

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, model_validator

__all__ = ["FIRST_VISIT", "Stream", "SurveyConfig"]

FIRST_VISIT: Final = 101
"""Number of the first visit."""


class Stream(IntEnum):
    """What random numbers are drawn for; each stream is independent of every other."""

    STARS = 0
    GALAXIES = 1
    DEFECTS = 2
    OBSERVING = 3
    NOISE = 4
    STREAK = 5
    COSMIC_RAYS = 6


def _ascending(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the limits must ascend, not {limits}")
    return limits


_Range = Annotated[tuple[float, float], AfterValidator(_ascending)]
_PositiveRange = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_ascending)]


class SurveyConfig(BaseModel):
    """Settings of a simulated survey: one field, one band, one detector.

    Seeing, sky and zero point each run through their whole range in equal (seeing, sky: geometric) steps,
    in an order of their own, so that even a small survey has its sharpest and its broadest visit.

    Raises
    ------
    pydantic.ValidationError
        Raised (a `ValueError`) if a setting is unknown or out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    seed: int = Field(1, ge=0)
    """Start of all random numbers."""

    n_visits: int = Field(10, ge=1, le=999)
    """Number of exposures."""

    n_x: int = Field(512, ge=64)
    """Width of the detector, pixels."""

    n_y: int = Field(512, ge=64)
    """Height of the detector, pixels."""

    pixel_scale: PositiveFloat = 0.3
    """Arcseconds per pixel."""

    field_center: tuple[Annotated[float, Field(ge=0, lt=360)], Annotated[float, Field(ge=-90, le=90)]] = (
        150.1,
        2.2,
    )
    """Right ascension and declination about which the visits are dithered, ICRS degrees."""

    band: str = "i"
    """Name of the filter."""

    exposure_time: PositiveFloat = 120.0
    """Seconds."""

    gain: PositiveFloat = 1.8
    """Electrons per ADU."""

    read_noise: float = Field(6.0, ge=0)
    """Standard deviation per pixel, electrons."""

    saturation: float = Field(60000.0, gt=0, le=65535)
    """Level from which the header calls a pixel saturated, ADU; the converter itself ends at 65535."""

    n_stars: int = Field(150, ge=0)
    """Number of stars on the dithered field."""

    star_magnitudes: _Range = (17.0, 24.0)
    """Brightest and faintest star, AB; counts grow tenfold in 5 magnitudes."""

    n_galaxies: int = Field(20, ge=0)
    """Number of galaxies on the dithered field."""

    galaxy_magnitudes: _Range = (18.5, 22.5)
    """Brightest and faintest galaxy, AB; counts grow tenfold in 5 magnitudes."""

    seeing: _PositiveRange = (0.75, 1.35)
    """Sharpest and broadest PSF, FWHM in arcseconds; at least one pixel."""

    sky: _PositiveRange = (500.0, 2000.0)
    """Darkest and brightest sky, ADU per pixel."""

    zero_points: _Range = (29.0, 29.75)
    """Least and greatest AB magnitude of 1 ADU (of the whole exposure)."""

    dither: float = Field(40.0, ge=0)
    """Farthest offset of a pointing from the field's centre along each axis, pixels."""

    rotation: float = Field(1.0, ge=0, le=45)
    """Largest rotation of a visit to either side, degrees."""

    n_bad_columns: int = Field(1, ge=0)
    """Dead columns of the detector."""

    n_bad_pixels: int = Field(40, ge=0)
    """Hot pixels of the detector."""

    n_cosmic_rays: float = Field(20.0, ge=0)
    """Expected number of cosmic rays per exposure."""

    trail: bool = True
    """Whether a satellite crosses one of the visits."""

    moving_object: bool = False
    """Whether a short streak lies on one other visit."""

    streak_brightness: PositiveFloat = 15.0
    """Brightness on the axis of trail and streak, in standard deviations of one sky pixel of their visit."""

    streak_length: PositiveFloat = 30.0
    """Length of the moving object's streak, pixels."""

    noise: bool = True
    """Whether pixels have photon noise, read noise and whole numbers of ADU."""

    @model_validator(mode="after")
    def _check_fit(self) -> Self:
        if self.seeing[0] < self.pixel_scale:
            raise ValueError(
                f"a seeing of {self.seeing[0]} arcsec is finer than a pixel ({self.pixel_scale})"
            )
        if self.n_bad_columns > self.n_x:
            raise ValueError(f"{self.n_bad_columns} bad columns do not fit on {self.n_x} columns")
        if self.n_bad_pixels > self.n_x * self.n_y:
            raise ValueError(f"{self.n_bad_pixels} bad pixels do not fit on {self.n_x * self.n_y} pixels")
        if self.trail + self.moving_object > self.n_visits:
            raise ValueError("a trail and a moving object need 2 visits, not 1; leave one of them out")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of an exposure, ``(n_y, n_x)``."""
        return (self.n_y, self.n_x)

    def generator(self, stream: Stream, visit: int = 0) -> np.random.Generator:
        """Return a new generator that depends on the seed, the stream and the visit only."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(stream, visit)))
