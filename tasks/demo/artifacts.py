"""What spoils single exposures: straight trails and cosmic rays."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

__all__ = ["cosmic_ray_charge", "streak_profile"]


def streak_profile(
    shape: tuple[int, int], *, x: float, y: float, angle: float, sigma: float, length: float = math.inf
) -> NDArray[np.float64]:
    """Return the image of a straight line blurred by a Gaussian, with brightness 1 on its axis.

    Parameters
    ----------
    shape
        Shape ``(n_y, n_x)`` of the image.
    x, y
        Middle of the line, pixels.
    angle
        Direction of the line from the x axis towards the y axis, radians.
    sigma
        Standard deviation of the blur, pixels.
    length
        Length of the line, pixels; an infinite one crosses the image from border to border.
    """
    dx = np.arange(shape[1], dtype=float)[np.newaxis, :] - x
    dy = np.arange(shape[0], dtype=float)[:, np.newaxis] - y
    across = dy * math.cos(angle) - dx * math.sin(angle)
    profile: NDArray[np.float64] = np.exp(-0.5 * (across / sigma) ** 2)
    if math.isfinite(length):
        along = dx * math.cos(angle) + dy * math.sin(angle)
        width = math.sqrt(2.0) * sigma
        profile *= 0.5 * (erf((along + length / 2.0) / width) - erf((along - length / 2.0) / width))
    return profile


def cosmic_ray_charge(
    shape: tuple[int, int], rng: np.random.Generator, mean_number: float
) -> NDArray[np.float64]:
    """Return the charge that a random number of cosmic rays leaves in a detector.

    Parameters
    ----------
    shape
        Shape ``(n_y, n_x)`` of the detector.
    rng
        Source of all random numbers.
    mean_number
        Expected number of cosmic rays (Poisson).

    Returns
    -------
    charge
        Whole electrons, ``(n_y, n_x)``; 0 where no cosmic ray passed.

    Notes
    -----
    A track is a straight line without width, so that its edges are sharper than any PSF. Its length (1 to
    20 pixels) and the charge per pixel of length (1000 to 20 000 electrons) are uniform in the logarithm.
    """
    charge = np.zeros(shape)
    for _ in range(rng.poisson(mean_number)):
        x, y = rng.uniform(-0.5, shape[1] - 0.5), rng.uniform(-0.5, shape[0] - 0.5)
        length = math.exp(rng.uniform(0.0, math.log(20.0)))
        angle = rng.uniform(0.0, 2.0 * math.pi)
        density = math.exp(rng.uniform(math.log(1e3), math.log(2e4)))
        n_points = math.ceil(16.0 * length)
        steps = (np.arange(n_points) + 0.5) * length / n_points
        columns = np.rint(x + steps * math.cos(angle)).astype(int)
        rows = np.rint(y + steps * math.sin(angle)).astype(int)
        on_chip = (columns >= 0) & (columns < shape[1]) & (rows >= 0) & (rows < shape[0])
        np.add.at(charge, (rows[on_chip], columns[on_chip]), density * length / n_points)
    return np.rint(charge)
