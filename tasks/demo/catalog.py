"""The true stars and galaxies of a simulated survey."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from butler.images import PhotoCalib

from .observation import field_wcs
from .survey_config import Stream, SurveyConfig

__all__ = ["draw_galaxies", "draw_stars"]

COUNT_SLOPE: Final = 0.2
"""Growth of the decimal logarithm of source counts per magnitude."""


def draw_stars(config: SurveyConfig) -> Table:
    """Return the true stars.

    Returns
    -------
    stars
        Columns ``ra``, ``dec`` (ICRS degrees), ``flux`` (nJy) and ``magnitude`` (AB), brightest first.
    """
    return _draw_sources(config, config.generator(Stream.STARS), config.n_stars, config.star_magnitudes)


def draw_galaxies(config: SurveyConfig) -> Table:
    """Return the true galaxies: elliptical disks of exponential profile.

    Returns
    -------
    galaxies
        Columns of `draw_stars`, and ``scale_length`` (arcsec, along the major axis), ``axis_ratio`` (minor
        to major) and ``position_angle`` (degrees, of the major axis from north through east).
    """
    rng = config.generator(Stream.GALAXIES)
    n = config.n_galaxies
    galaxies = _draw_sources(config, rng, n, config.galaxy_magnitudes)
    galaxies["scale_length"] = rng.uniform(0.3, 0.9, n)
    galaxies["axis_ratio"] = rng.uniform(0.35, 1.0, n)
    galaxies["position_angle"] = rng.uniform(0.0, 180.0, n)
    galaxies["scale_length"].unit = "arcsec"
    galaxies["position_angle"].unit = "deg"
    return galaxies


def _draw_sources(
    config: SurveyConfig, rng: np.random.Generator, n: int, magnitudes: tuple[float, float]
) -> Table:
    """Draw sources uniformly over all that the dithered detector may see."""
    turned = math.radians(config.rotation)
    margin_x = config.dither + 0.5 * config.n_y * math.sin(turned)
    margin_y = config.dither + 0.5 * config.n_x * math.sin(turned)
    x = rng.uniform(-margin_x, config.n_x - 1 + margin_x, n)
    y = rng.uniform(-margin_y, config.n_y - 1 + margin_y, n)
    ra, dec = field_wcs(config).pixelToSky(x, y)
    magnitude = np.sort(_draw_magnitudes(rng, n, magnitudes))
    flux = PhotoCalib.from_magnitude_zero_point(0.0).calibrationMean * 10 ** (-0.4 * magnitude)
    return Table(
        {"ra": ra, "dec": dec, "flux": flux, "magnitude": magnitude},
        units={"ra": "deg", "dec": "deg", "flux": "nJy", "magnitude": "mag(AB)"},
    )


def _draw_magnitudes(rng: np.random.Generator, n: int, limits: tuple[float, float]) -> NDArray[np.float64]:
    """Draw from counts that grow as ``10 ** (COUNT_SLOPE * m)``, by inverting their cumulative sum."""
    bright, faint = (10 ** (COUNT_SLOPE * (limit - limits[1])) for limit in limits)
    return limits[1] + np.log10(rng.uniform(bright, faint, n)) / COUNT_SLOPE
