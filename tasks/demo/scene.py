"""Stars and galaxies on a pixel grid, blurred by seeing and integrated over the pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

__all__ = ["add_galaxy", "add_star", "moffat"]

MOFFAT_BETA: Final = 3.5
"""Exponent of the Moffat profile."""

PSF_REACH: Final = 8.0
"""Half-size of a PSF stamp in Moffat core radii; 3e-5 of the flux lies farther out."""

DISK_REACH: Final = 8.0
"""Half-size of a galaxy stamp in scale lengths, before the PSF."""

# Gauss-Legendre points of one pixel, in pixels from its centre, and their weights (sum 1).
_NODES: Final = np.polynomial.legendre.leggauss(3)[0] / 2.0
_WEIGHTS: Final = np.polynomial.legendre.leggauss(3)[1] / 2.0

_Profile: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def moffat(radius_squared: NDArray[np.float64], fwhm: float) -> NDArray[np.float64]:
    """Return the surface brightness of a Moffat profile of unit flux.

    Parameters
    ----------
    radius_squared
        Squared distances from the centre, pixels squared.
    fwhm
        Full width at half maximum, pixels.

    Returns
    -------
    brightness
        Flux per square pixel, of the same shape.

    Notes
    -----
    Moffat (1969, A&A 3, 455), with exponent 3.5.
    """
    core = _core_radius(fwhm)
    peak = (MOFFAT_BETA - 1.0) / (math.pi * core**2)
    return peak * (1.0 + radius_squared / core**2) ** -MOFFAT_BETA


def add_star(scene: NDArray[np.float64], *, x: float, y: float, flux: float, fwhm: float) -> None:
    """Add a star to a scene, in place.

    Parameters
    ----------
    scene
        Image ``(n_y, n_x)``, owned by the caller; the part of the star that lies outside is left out.
    x, y
        Position of the star, pixels (centres at integers).
    flux
        Total flux, in the units of the scene.
    fwhm
        Full width at half maximum of the Moffat PSF, pixels.
    """
    column, row = round(x), round(y)

    def profile(dx: NDArray[np.float64], dy: NDArray[np.float64]) -> NDArray[np.float64]:
        return moffat(dx**2 + dy**2, fwhm)

    stamp = _integrate_pixels(profile, _psf_half_size(fwhm), x - column, y - row)
    _add_stamp(scene, flux * stamp, column, row)


def add_galaxy(
    scene: NDArray[np.float64], *, x: float, y: float, flux: float, fwhm: float, frame: NDArray[np.float64]
) -> None:
    """Add an elliptical galaxy of exponential profile to a scene, in place.

    Parameters
    ----------
    scene
        Image ``(n_y, n_x)``, owned by the caller; the part of the galaxy that lies outside is left out.
    x, y
        Position of the centre, pixels (centres at integers).
    flux
        Total flux, in the units of the scene. The disk ends where its 8 scale lengths do.
    fwhm
        Full width at half maximum of the Moffat PSF, pixels.
    frame
        Matrix ``(2, 2)`` from pixel offsets ``(dx, dy)`` to offsets along the two principal axes,
        in scale lengths.
    """
    column, row = round(x), round(y)

    def profile(dx: NDArray[np.float64], dy: NDArray[np.float64]) -> NDArray[np.float64]:
        along = frame[0, 0] * dx + frame[0, 1] * dy
        across = frame[1, 0] * dx + frame[1, 1] * dy
        radius = np.hypot(along, across)
        return np.where(radius < DISK_REACH, np.exp(-radius), 0.0)

    longest = 1.0 / np.linalg.svd(frame, compute_uv=False).min()
    disk = _integrate_pixels(profile, math.ceil(DISK_REACH * longest), x - column, y - row)
    # Seeing blurs over far more than a pixel: its point samples already sum to 1 to about 1e-6.
    half = _psf_half_size(fwhm)
    offsets = np.arange(-half, half + 1, dtype=float)
    psf = moffat(offsets[:, np.newaxis] ** 2 + offsets**2, fwhm)
    _add_stamp(scene, flux * fftconvolve(disk / disk.sum(), psf), column, row)


def _core_radius(fwhm: float) -> float:
    return fwhm / (2.0 * math.sqrt(2.0 ** (1.0 / MOFFAT_BETA) - 1.0))


def _psf_half_size(fwhm: float) -> int:
    return math.ceil(PSF_REACH * _core_radius(fwhm))


def _integrate_pixels(profile: _Profile, half: int, x: float, y: float) -> NDArray[np.float64]:
    """Return the integrals of a profile centred at ``(x, y)`` over the pixels of a stamp centred at (0, 0).

    The stamp has ``2 * half + 1`` pixels a side; each integral is a 3 x 3 Gauss-Legendre sum.
    """
    size = 2 * half + 1
    points = (np.arange(-half, half + 1, dtype=float)[:, np.newaxis] + _NODES).ravel()
    samples = profile(points[np.newaxis, :] - x, points[:, np.newaxis] - y)
    stamp: NDArray[np.float64] = np.einsum(
        "irjs,r,s->ij", samples.reshape(size, 3, size, 3), _WEIGHTS, _WEIGHTS, optimize=True
    )
    return stamp


def _add_stamp(scene: NDArray[np.float64], stamp: NDArray[np.float64], column: int, row: int) -> None:
    """Add a square stamp whose central pixel falls on ``(column, row)``, as far as it lies on the scene."""
    half = stamp.shape[0] // 2
    n_y, n_x = scene.shape
    left, right = max(column - half, 0), min(column + half + 1, n_x)
    bottom, top = max(row - half, 0), min(row + half + 1, n_y)
    if left < right and bottom < top:
        x0, y0 = column - half, row - half
        scene[bottom:top, left:right] += stamp[bottom - y0 : top - y0, left - x0 : right - x0]
