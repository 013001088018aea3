"""A small simulated survey whose truth is known: the input of the demonstration and of the quality tests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from .artifacts import cosmic_ray_charge, streak_profile
from .catalog import draw_galaxies, draw_stars
from .observation import Observation, plan_observations
from .scene import add_galaxy, add_star
from .survey_config import Stream, SurveyConfig

__all__ = ["SimulatedSurvey", "SimulatedVisit", "simulate_survey"]

CONVERTER_LIMIT: Final = 65535.0
"""Greatest value of a pixel, ADU."""

STREAK_EDGE: Final = 0.1
"""A pixel belongs to a streak where more than this part of the brightness on the axis is expected."""

GAUSSIAN_FWHM: Final = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian, in standard deviations."""


@dataclass(frozen=True, eq=False)
class SimulatedVisit:
    """One exposure and the truth about its artifacts; all arrays are ``(n_y, n_x)``."""

    observation: Observation
    """Where and how it was taken."""

    image: NDArray[np.float32]
    """ADU, from 0 to 65535; whole numbers unless the survey is noise-free."""

    cards: dict[str, Any]
    """FITS cards, WCS included."""

    trail: NDArray[np.bool_]
    """Pixels where the satellite's expected brightness exceeds 0.1 of that on the trail's axis."""

    moving_object: NDArray[np.bool_]
    """The same for the short streak."""

    cosmic_rays: NDArray[np.bool_]
    """Pixels in which a cosmic ray left at least one electron."""

    @property
    def visit(self) -> int:
        """Visit number."""
        return self.observation.visit


@dataclass(frozen=True, eq=False)
class SimulatedSurvey:
    """The exposures of a survey and what is truly on the sky."""

    config: SurveyConfig
    """The settings it was made with."""

    visits: tuple[SimulatedVisit, ...]
    """The exposures, in order of visit number and time."""

    stars: Table
    """True stars: ``ra``, ``dec`` (ICRS degrees), ``flux`` (nJy), ``magnitude`` (AB)."""

    galaxies: Table
    """True galaxies: the columns of the stars, and ``scale_length``, ``axis_ratio``, ``position_angle``."""

    bad_pixels: NDArray[np.bool_]
    """Dead and hot pixels, the same on every visit, ``(n_y, n_x)``."""

    @property
    def seeing(self) -> list[float]:
        """Full width at half maximum of the PSF of each visit, pixels."""
        return [visit.observation.seeing for visit in self.visits]


class _Defects(NamedTuple):
    """What is wrong with the detector."""

    dead: NDArray[np.bool_]
    hot: NDArray[np.float64]


class _Artifacts(NamedTuple):
    """What falls on one exposure besides the sky; the charge is in electrons."""

    charge: NDArray[np.float64]
    trail: NDArray[np.bool_]
    moving_object: NDArray[np.bool_]
    cosmic_rays: NDArray[np.bool_]


def simulate_survey(config: SurveyConfig, *, with_artifacts: bool = True) -> SimulatedSurvey:
    """Take all exposures of a simulated survey.

    Parameters
    ----------
    config
        The settings; equal settings give equal pixels.
    with_artifacts
        Whether satellite, moving object and cosmic rays leave traces. The twin without them has the same
        noise: its pixels differ only where an artifact left charge. Defects of the detector are in both.

    Returns
    -------
    survey
        Exposures and truth. The masks of a twin without artifacts are empty.
    """
    stars, galaxies, defects = draw_stars(config), draw_galaxies(config), _draw_defects(config)
    visits = []
    for observation in plan_observations(config):
        scene = _draw_scene(config, observation, stars, galaxies)
        artifacts = _draw_artifacts(config, observation) if with_artifacts else _no_artifacts(config)
        visits.append(
            SimulatedVisit(
                observation=observation,
                image=_expose(config, observation.visit, scene, artifacts.charge, defects),
                cards=observation.cards(config),
                trail=artifacts.trail,
                moving_object=artifacts.moving_object,
                cosmic_rays=artifacts.cosmic_rays,
            )
        )
    return SimulatedSurvey(config, tuple(visits), stars, galaxies, defects.dead | (defects.hot > 0))


def _draw_defects(config: SurveyConfig) -> _Defects:
    """Choose dead columns and hot pixels, whose charge is the same on every visit."""
    rng = config.generator(Stream.DEFECTS)
    dead = np.zeros(config.shape, dtype=bool)
    dead[:, rng.choice(config.n_x, config.n_bad_columns, replace=False)] = True
    hot = np.zeros(config.shape)
    pixels = rng.choice(hot.size, config.n_bad_pixels, replace=False)
    hot.ravel()[pixels] = np.rint(10 ** rng.uniform(3.3, 4.7, config.n_bad_pixels))
    return _Defects(dead, hot)


def _draw_scene(
    config: SurveyConfig, observation: Observation, stars: Table, galaxies: Table
) -> NDArray[np.float64]:
    """Return the expected image of the sky, ADU."""
    scene = np.full(config.shape, observation.sky)
    adu = 1.0 / observation.photo_calib.calibrationMean
    x, y = observation.wcs.skyToPixel(stars["ra"], stars["dec"])
    for i, star in enumerate(stars):
        add_star(scene, x=x[i], y=y[i], flux=adu * star["flux"], fwhm=observation.seeing)
    x, y = observation.wcs.skyToPixel(galaxies["ra"], galaxies["dec"])
    for i, galaxy in enumerate(galaxies):
        add_galaxy(
            scene,
            x=x[i],
            y=y[i],
            flux=adu * galaxy["flux"],
            fwhm=observation.seeing,
            frame=_galaxy_frame(galaxy, observation),
        )
    return scene


def _galaxy_frame(galaxy: Table.Row, observation: Observation) -> NDArray[np.float64]:
    """Return the matrix from pixel offsets to scale lengths along the major and the minor axis."""
    cards = observation.wcs.to_header()
    to_sky = 3600.0 * np.array([[cards[f"CD{i}_{j}"] for j in (1, 2)] for i in (1, 2)])
    angle = math.radians(galaxy["position_angle"])
    to_axes = np.array([[math.sin(angle), math.cos(angle)], [math.cos(angle), -math.sin(angle)]])
    lengths = galaxy["scale_length"] * np.array([1.0, galaxy["axis_ratio"]])
    frame: NDArray[np.float64] = (to_axes / lengths[:, np.newaxis]) @ to_sky
    return frame


def _no_artifacts(config: SurveyConfig) -> _Artifacts:
    empty = np.zeros(config.shape, dtype=bool)
    return _Artifacts(np.zeros(config.shape), empty, empty.copy(), empty.copy())


def _draw_artifacts(config: SurveyConfig, observation: Observation) -> _Artifacts:
    """Draw the artifacts of one visit, with the photon noise of the streaks."""
    rays = cosmic_ray_charge(
        config.shape, config.generator(Stream.COSMIC_RAYS, observation.visit), config.n_cosmic_rays
    )
    artifacts = _no_artifacts(config)._replace(charge=rays, cosmic_rays=rays > 0)
    rng = config.generator(Stream.STREAK, observation.visit)
    if observation.has_trail:
        charge, trail = _draw_streak(config, observation, rng, math.inf)
        artifacts = artifacts._replace(charge=rays + charge, trail=trail)
    if observation.has_moving_object:
        charge, streak = _draw_streak(config, observation, rng, config.streak_length)
        artifacts = artifacts._replace(charge=rays + charge, moving_object=streak)
    return artifacts


def _draw_streak(
    config: SurveyConfig, observation: Observation, rng: np.random.Generator, length: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the charge (electrons) and the pixels of an oblique streak through the middle of the frame."""
    profile = streak_profile(
        config.shape,
        x=rng.uniform(0.25, 0.75) * config.n_x,
        y=rng.uniform(0.25, 0.75) * config.n_y,
        angle=math.radians(rng.uniform(15.0, 75.0)) * rng.choice((-1.0, 1.0)),
        sigma=observation.seeing / GAUSSIAN_FWHM,
        length=length,
    )
    sky_noise = math.sqrt(observation.sky * config.gain + config.read_noise**2)
    expected = config.streak_brightness * sky_noise * profile
    charge = rng.poisson(expected).astype(float) if config.noise else expected
    return charge, profile > STREAK_EDGE


def _expose(
    config: SurveyConfig,
    visit: int,
    scene: NDArray[np.float64],
    extra_charge: NDArray[np.float64],
    defects: _Defects,
) -> NDArray[np.float32]:
    """Collect, spoil and read the charge of one exposure; return ADU.

    The noise of sky and readout is drawn before artifacts come in, so that it is the same without them.
    """
    charge = config.gain * scene
    readout = np.zeros(config.shape)
    if config.noise:
        rng = config.generator(Stream.NOISE, visit)
        charge = rng.poisson(charge).astype(float)
        readout = rng.normal(0.0, config.read_noise, config.shape)
    charge = np.where(defects.dead, 0.0, charge + extra_charge) + defects.hot
    adu = np.clip((charge + readout) / config.gain, 0.0, CONVERTER_LIMIT)
    return (np.rint(adu) if config.noise else adu).astype(np.float32)
