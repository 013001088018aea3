"""What is on the frames of a scene: stars, a galaxy, skies, artifacts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from butler.images import KernelPsf
from tasks.demo.artifacts import cosmic_ray_charge, streak_profile

__all__ = [
    "draw_artifacts",
    "draw_bleeds",
    "draw_dark",
    "draw_galaxy",
    "draw_stars",
    "known_pixels",
    "moffat_psf",
    "smooth_sky",
    "unit_noise",
]

_PSF_RADIUS = 22
_STAR_RADIUS = 40
_DETECTOR, _GAP = 300, 16
"""Size of a detector and of the gap between two, pixels."""
_FIELD = 0.8
"""Size of the field of a dithered visit over that of the patch."""

Plane = NDArray[np.float64]


def moffat_psf(fwhm: float) -> KernelPsf:
    """Return a Moffat PSF (beta 3)."""
    y, x = np.mgrid[-_PSF_RADIUS : _PSF_RADIUS + 1, -_PSF_RADIUS : _PSF_RADIUS + 1]
    return KernelPsf(_profile(x**2 + y**2, fwhm))


def _profile(r2: Plane, fwhm: float) -> Plane:
    """Return a Moffat profile (beta 3) of peak 1."""
    scale2 = fwhm**2 / (4.0 * (2.0 ** (1 / 3) - 1.0))
    values: Plane = (1.0 + r2 / scale2) ** -3.0
    return values


def draw_stars(shape: tuple[int, int], x: Plane, y: Plane, peak: Plane, fwhm: float) -> Plane:
    """Draw stars, each with its own peak."""
    scene = np.zeros(shape)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    for px, py, height in zip(x, y, peak, strict=True):
        cut = np.s_[
            max(int(py) - _STAR_RADIUS, 0) : int(py) + _STAR_RADIUS + 1,
            max(int(px) - _STAR_RADIUS, 0) : int(px) + _STAR_RADIUS + 1,
        ]
        scene[cut] += height * _profile((columns[cut] - px) ** 2 + (rows[cut] - py) ** 2, fwhm)
    return scene


def draw_galaxy(shape: tuple[int, int], peak: float, fwhm: float, shift: tuple[float, float]) -> Plane:
    """Draw a large inclined galaxy, an exponential disk and a small bulge, as the seeing shows it."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    x, y = columns - 0.45 * shape[1] - shift[0], rows - 0.55 * shape[0] - shift[1]
    along, across = 0.8 * x + 0.6 * y, 2.0 * (0.8 * y - 0.6 * x)
    radius = np.hypot(along, across)
    sky = peak * (0.3 * np.exp(-radius / 45.0) + np.exp(-((radius / 3.0) ** 0.5)))
    kernel = np.zeros(shape)
    centre = np.s_[: 2 * _PSF_RADIUS + 1, : 2 * _PSF_RADIUS + 1]
    kernel[centre] = moffat_psf(fwhm).kernel
    kernel = np.roll(kernel, (-_PSF_RADIUS, -_PSF_RADIUS), (0, 1)) / kernel.sum()
    blurred: Plane = fft.irfft2(fft.rfft2(sky) * fft.rfft2(kernel), shape)
    return blurred


def draw_bleeds(image: Plane, level: float, *, along_rows: bool) -> None:
    """Cut an image off at a level, in place, and let each saturated star bleed along rows or columns."""
    labels, n = ndimage.label(image > level)
    charge = ndimage.sum_labels(image - level, labels, np.arange(1, n + 1))
    np.minimum(image, level, out=image)
    target = image if along_rows else image.T
    for (y, x), excess in zip(
        ndimage.center_of_mass(labels > 0, labels, range(1, n + 1)), charge, strict=True
    ):
        row, column = (y, x) if along_rows else (x, y)
        half = int(min(120.0, excess / level))
        target[round(row) - 1 : round(row) + 2, max(round(column) - half, 0) : round(column) + half + 1] = (
            level
        )


def smooth_sky(shape: tuple[int, int], rng: np.random.Generator) -> Plane:
    """Return a random background of scatter 1 with wavelengths from half the field upwards."""
    rows, columns = np.meshgrid(*(np.linspace(0, 2 * math.pi, n) for n in shape), indexing="ij")
    waves = [(0.5, 0.0), (0.0, 0.5), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0), (2.0, 0.0), (0.0, 2.0)]
    phases = rng.uniform(0, 2 * math.pi, len(waves))
    total = np.zeros(shape)
    for (along_x, along_y), phase in zip(waves, phases, strict=True):
        total += np.cos(along_x * columns + along_y * rows + phase)
    result: Plane = total / math.sqrt(len(waves) / 2)
    return result


def unit_noise(shape: tuple[int, int], rng: np.random.Generator, correlation: float) -> tuple[Plane, float]:
    """Return noise of variance 1, smoothed by a Gaussian, and by what it is more in large apertures."""
    noise: Plane = rng.normal(size=shape)
    if correlation == 0:
        return noise, 1.0
    kernel = np.zeros(shape)
    kernel[shape[0] // 2, shape[1] // 2] = 1.0
    squares = np.square(ndimage.gaussian_filter(kernel, correlation)).sum()
    return ndimage.gaussian_filter(noise, correlation, mode="wrap") / math.sqrt(squares), float(1 / squares)


def known_pixels(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return the pixels that a dithered visit has: the gaps between detectors, and its edges, are away."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    inside: NDArray[np.bool_] = np.ones(shape, bool)
    for place, size in ((rows, shape[0]), (columns, shape[1])):
        start = rng.uniform(-0.1, 1.1 - _FIELD) * size
        offset = place - start
        inside &= (offset >= 0) & (offset < _FIELD * size) & (offset % _DETECTOR >= _GAP)
    return inside


def draw_dark(shape: tuple[int, int], n: int, rng: np.random.Generator) -> Plane:
    """Return squares in which light is missing, of 5 to 30."""
    found = np.zeros(shape)
    for y, x in zip(*(rng.integers(0, size - 8, n) for size in shape), strict=True):
        found[y : y + 8, x : x + 8] = -rng.uniform(5, 30)
    return found


def draw_artifacts(
    rng: np.random.Generator,
    shape: tuple[int, int],
    fwhm: float,
    *,
    trail: tuple[float, float] | None,
    ghost: tuple[float, float, float] | None,
    moving: tuple[float, float] | None,
    crossing: bool,
) -> dict[str, Plane]:
    """Return what spoils one visit, by kind.

    Parameters
    ----------
    rng
        Source of all random numbers.
    shape
        Of the frames.
    fwhm
        Seeing of the visit.
    trail
        Least and greatest brightness of a trail; None for none.
    ghost
        Brightness, radius and width of the edge of a ghost; None for none.
    moving
        Place of a slow moving object; None for a fast one anywhere.
    crossing
        Whether the trail goes through the middle of the field.
    """
    sigma = fwhm / 2.35
    found = {"cosmic rays": cosmic_ray_charge(shape, rng, 15.0) / 20.0, "trail": np.zeros(shape)}
    found["ghost"] = np.zeros(shape)
    x, y = rng.uniform(0.2, 0.8, 2) * shape
    angle = rng.uniform(0, math.pi)
    brightness = rng.uniform(*(trail or (0.0, 1.0)))
    if trail:
        if crossing:
            x, y = shape[1] / 2, shape[0] / 2
        found["trail"] = brightness * streak_profile(shape, x=x, y=y, angle=angle, sigma=sigma)
    x, y = rng.uniform(0.2, 0.8, 2) * shape
    if ghost:
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        height, radius, edge = ghost
        found["ghost"] = height / (1.0 + np.exp((np.hypot(columns - x, rows - y) - radius) / edge))
    if moving:
        found["moving"] = 80.0 * draw_stars(shape, *np.array([*moving, 1.0])[:, np.newaxis], fwhm)
    else:
        trace = streak_profile(shape, x=x, y=y, angle=angle, sigma=sigma, length=12.0)
        found["moving"] = 80.0 * trace
    return found
