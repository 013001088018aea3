"""Simulated detector images with known truth, for the tests of processCcd and makeWarp."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from butler.images import Box2I, Exposure, Extent2I, Image, Mask, MaskedImage, Point2I, SkyWcs
from butler.ingest import CameraMapping

GAIN, READ_NOISE, SATURATION, ZERO_POINT = 2.0, 6.0, 50_000.0, 27.0
FWHM_OF_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
PIXEL_SCALE = 0.3 / 3600.0


def box(width: int, height: int, x0: int = 0, y0: int = 0) -> Box2I:
    """Make a box from its size and first pixel."""
    return Box2I(Point2I(x0, y0), Extent2I(width, height))


def make_wcs(
    *,
    crpix: tuple[float, float] = (100.0, 100.0),
    rotation: float = 0.0,
    scale: float = 1.0,
    crval: tuple[float, float] = (150.0, 2.0),
) -> SkyWcs:
    """Make a gnomonic WCS with north up, turned by an angle in radians."""
    cos, sin = scale * PIXEL_SCALE * math.cos(rotation), scale * PIXEL_SCALE * math.sin(rotation)
    return SkyWcs.make_tan(crval=crval, crpix=crpix, cd=[[-cos, -sin], [-sin, cos]])


def make_camera(*, seeing: float | None = None) -> CameraMapping:
    """Make the mapping of a camera whose properties are fixed."""
    rules = {
        "instrument": "TESTCAM",
        "visit": {"file": r"v(\d+)"},
        "band": "FILTER",
        "exposure_time": "EXPTIME",
        "date": "DATE-OBS",
        "gain": {"value": GAIN},
        "read_noise": {"value": READ_NOISE},
        "saturation": {"value": SATURATION},
        "zero_point": {"value": ZERO_POINT},
    }
    if seeing is not None:
        rules["seeing"] = {"value": seeing}
    return CameraMapping.parse(rules, "test")


def add_gaussian_star(
    scene: NDArray[np.float64], x: float, y: float, flux: float, fwhm: float, *, ratio: float = 1.0
) -> None:
    """Add a Gaussian star integrated over pixels; ``ratio`` stretches it along x."""
    sigma_x, sigma_y = ratio * fwhm / FWHM_OF_SIGMA, fwhm / FWHM_OF_SIGMA

    def profile(n: int, centre: float, sigma: float) -> NDArray[np.float64]:
        edges = (np.arange(n + 1) - 0.5 - centre) / (sigma * math.sqrt(2.0))
        return np.diff(erf(edges)) / 2.0

    n_y, n_x = scene.shape
    scene += flux * np.outer(profile(n_y, y, sigma_y), profile(n_x, x, sigma_x))


@dataclass
class Frame:
    """A simulated raw image and its truth; positions in pixels, fluxes in counts."""

    truth: NDArray[np.float64]
    image: NDArray[np.float32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]
    fwhm: float
    sky: float
    wcs: SkyWcs = field(default_factory=make_wcs)

    def exposure(self) -> Exposure:
        """Return the image as a camera's formatter would read it."""
        height, width = self.image.shape
        bbox = box(width, height)
        cards = {"FILTER": "r", "EXPTIME": 120.0, "DATE-OBS": "2026-03-01T04:00:00", "OBJECT": "FIELD"}
        masked_image = MaskedImage(Image(self.image), Mask.from_bbox(bbox), Image.from_bbox(bbox))
        return Exposure(masked_image, wcs=self.wcs, metadata=cards)


def make_frame(
    seed: int = 0,
    *,
    shape: tuple[int, int] = (256, 256),
    n_stars: int = 60,
    fwhm: float = 4.0,
    sky: float = 400.0,
    slope: float = 0.0,
    fluxes: tuple[float, float] = (3e3, 3e5),
) -> Frame:
    """Simulate stars (uniform in log flux) on a sky that changes by ``slope`` (relative) along x."""
    rng = np.random.default_rng(seed)
    n_y, n_x = shape
    scene = np.tile(sky * (1.0 + slope * (np.arange(n_x) / n_x - 0.5)), (n_y, 1))
    x, y = rng.uniform(8, n_x - 9, n_stars), rng.uniform(8, n_y - 9, n_stars)
    flux = np.exp(rng.uniform(*np.log(fluxes), n_stars))
    for star in zip(x, y, flux, strict=True):
        add_gaussian_star(scene, *star, fwhm)
    electrons = rng.poisson(scene * GAIN) + rng.normal(0.0, READ_NOISE, shape)
    return Frame(scene, (electrons / GAIN).astype(np.float32), x, y, flux, fwhm, sky)


def masked(image: np.ndarray, variance: np.ndarray | float) -> MaskedImage:
    """Make a masked image that owns its pixels."""
    bbox = box(image.shape[1], image.shape[0])
    variance = np.broadcast_to(np.asarray(variance, dtype=np.float32), image.shape)
    return MaskedImage(Image(image.astype(np.float32)), Mask.from_bbox(bbox), Image(variance.copy()))


def counts_variance(image: np.ndarray) -> np.ndarray:
    """Return the variance of counts in counts², pixel by pixel."""
    return np.maximum(image, 0.0) / GAIN + (READ_NOISE / GAIN) ** 2
