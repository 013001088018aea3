"""Kinds of scenes on which rejection is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["SCENES", "SceneKind"]


@dataclass(frozen=True)
class SceneKind:
    """What a scene is like; brightness in units of the noise, sizes in pixels.

    Parameters
    ----------
    fwhm
        Least and greatest FWHM of the visits.
    worse_share, worse_factor
        Share of the visits whose seeing is worse, and by what factor.
    n_stars, n_variable, peaks
        Number of stars, how many of them vary by a third, and their least and greatest peak (counts).
    trail, crossing
        Least and greatest brightness of a trail; whether two go through the middle of the field, and not one
        on every fourth visit anywhere.
    ghost
        Brightness, radius and width of the edge of the ghost.
    step
        How far the moving object goes from one visit to the next; None for a fast one, anywhere.
    sky, offset, shift, scale, psf_error
        Scatter of a smooth background and of a constant one that were not subtracted, and of what is wrong
        with positions, flux scales and the FWHM of the known PSFs.
    odd_shift, odd_scale
        What is wrong with position and flux scale of the third visit alone.
    dithered
        Whether visits have a part of the patch, with gaps between their detectors.
    saturation, n_saturated
        Level at which the detectors saturate, counts, and the number of stars far above it, which bleed.
    galaxy
        Peak of a large galaxy, counts.
    n_lost, n_dark
        Number of pixels of a visit that are NaN, with two bad columns if there are any; and of dark squares.
    correlation
        Greatest size of the Gaussian that smoothed the noise of a visit, as resampling does.
    """

    fwhm: tuple[float, float] = (3.6, 4.6)
    worse_share: float = 0.0
    worse_factor: float = 1.6
    n_stars: int = 150
    n_variable: int = 3
    peaks: tuple[float, float] = (20.0, 30_000.0)
    trail: tuple[float, float] = (4.0, 20.0)
    crossing: bool = False
    ghost: tuple[float, float, float] = (4.0, 40.0, 2.0)
    step: float | None = None
    sky: float = 0.0
    offset: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    psf_error: float = 0.0
    odd_shift: float = 0.0
    odd_scale: float = 0.0
    dithered: bool = False
    saturation: float = math.inf
    n_saturated: int = 0
    galaxy: float = 0.0
    n_lost: int = 0
    n_dark: int = 0
    correlation: float = 0.0


SCENES = {
    "uniform": SceneKind(),
    "outliers": SceneKind(worse_share=0.2),
    "crowded": SceneKind(worse_share=0.2, n_stars=3000, peaks=(20.0, 10_000.0)),
    "wide": SceneKind(fwhm=(2.5, 8.0), trail=(1.5, 40.0)),
    "rough": SceneKind(worse_share=0.2, sky=0.3, shift=0.1, scale=0.02, psf_error=0.03),
    "dithered": SceneKind(worse_share=0.2, dithered=True),
    "haze": SceneKind(worse_share=0.2, ghost=(1.5, 170.0, 10.0)),
    "misplaced": SceneKind(worse_share=0.2, odd_shift=0.4),
    "misscaled": SceneKind(worse_share=0.2, odd_scale=0.04),
    "slow": SceneKind(worse_share=0.2, step=4.0),
    "variable": SceneKind(worse_share=0.2, n_variable=60),
    "saturated": SceneKind(worse_share=0.2, saturation=40_000.0, n_saturated=8),
    "crossing": SceneKind(worse_share=0.2, crossing=True),
    "galaxy": SceneKind(worse_share=0.2, galaxy=20_000.0),
    "skies": SceneKind(worse_share=0.2, sky=0.5, offset=2.0),
    "defects": SceneKind(worse_share=0.2, n_lost=200, n_dark=6),
    "correlated": SceneKind(worse_share=0.2, correlation=1.0),
}
"""Kinds of scenes by name."""
