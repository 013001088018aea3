"""Warps of one patch with known artifacts, and the same warps without them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from astropy.time import Time
from numpy.typing import NDArray

from butler.handles import InMemoryDatasetHandle
from butler.images import (
    Box2I,
    CcdInput,
    CoaddInputs,
    CoaddPsf,
    Exposure,
    Extent2I,
    FilterLabel,
    Image,
    KernelPsf,
    Mask,
    MaskedImage,
    PhotoCalib,
    Point2I,
    SkyWcs,
    VisitInfo,
    VisitInput,
)
from tasks.demo.artifacts import cosmic_ray_charge, streak_profile
from tasks.detection import SourceDetectionTask
from tasks.process_ccd import FindCosmicRaysTask

__all__ = ["BORDER", "BOX", "NOISE", "SCENES", "WCS", "Scene", "SceneKind", "Visit", "make_scene"]

BORDER = 32
_SIZE = 500
BOX = Box2I(Point2I(BORDER, BORDER), Extent2I(_SIZE, _SIZE))
_WHOLE = BOX.dilatedBy(BORDER)
_SHAPE = _WHOLE.shape
WCS = SkyWcs.make_tan(crval=(150.0, 2.0), crpix=(300.0, 300.0), cd=[[-5e-5, 0.0], [0.0, 5e-5]])
NOISE = 10.0


@dataclass(frozen=True)
class SceneKind:
    """What a scene is like.

    Parameters
    ----------
    fwhm
        Least and greatest FWHM of the visits, pixels.
    worse_share, worse_factor
        Share of the visits whose seeing is worse, and by what factor.
    n_stars, peaks
        Number of stars, and their least and greatest peak.
    trail
        Least and greatest brightness of a trail, in units of the noise.
    sky
        Scatter of a smooth background that was not subtracted, in units of the noise.
    shift, scale, psf_error
        Scatter of what is wrong with positions (pixels), flux scales and the FWHM of the known PSFs.
    """

    fwhm: tuple[float, float] = (3.6, 4.6)
    worse_share: float = 0.0
    worse_factor: float = 1.6
    n_stars: int = 150
    peaks: tuple[float, float] = (20.0, 30_000.0)
    trail: tuple[float, float] = (4.0, 20.0)
    sky: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    psf_error: float = 0.0


SCENES = {
    "uniform": SceneKind(),
    "outliers": SceneKind(worse_share=0.2),
    "crowded": SceneKind(worse_share=0.2, n_stars=3000, peaks=(20.0, 10_000.0)),
    "wide": SceneKind(fwhm=(2.5, 8.0), trail=(1.5, 40.0)),
    "rough": SceneKind(worse_share=0.2, sky=0.3, shift=0.1, scale=0.02, psf_error=0.03),
}
"""Kinds of scenes by name."""


@dataclass
class Visit:
    """One visit.

    Parameters
    ----------
    warp, twin
        The warp with artifacts and without, of the same noise.
    artifacts
        Signal of the artifacts by kind, on the patch.
    """

    warp: Exposure
    twin: Exposure
    artifacts: dict[str, NDArray[np.float64]]

    @property
    def signal(self) -> NDArray[np.float64]:
        """Signal of all artifacts, on the patch."""
        total: NDArray[np.float64] = np.sum(list(self.artifacts.values()), axis=0)
        return total


@dataclass
class Scene:
    """Visits of one field, and where its stars are."""

    visits: list[Visit]
    star_x: NDArray[np.float64]
    star_y: NDArray[np.float64]
    star_peak: NDArray[np.float64]


def make_scene(kind: str, n_visits: int, seed: int, *, flag_cosmic_rays: bool) -> Scene:
    """Make a scene.

    Stars, of which 3 vary by a third, in changing seeing; cosmic rays on all visits; a trail on every fourth;
    a moving object, at another place on each visit; and on one visit a ghost, a faint disc.

    Parameters
    ----------
    kind
        Key of `SCENES`.
    n_visits, seed
        Number of visits, and the seed of all random numbers.
    flag_cosmic_rays
        Whether cosmic rays are looked for in each warp, and masked.
    """
    rng = np.random.default_rng(seed)
    like = SCENES[kind]
    x, y = rng.uniform(0, _SHAPE[1], like.n_stars), rng.uniform(0, _SHAPE[0], like.n_stars)
    peak = np.exp(rng.uniform(*np.log(like.peaks), like.n_stars))
    fwhm = rng.uniform(*like.fwhm, n_visits)
    fwhm[: round(like.worse_share * n_visits)] *= like.worse_factor
    # What is wrong is drawn apart, so that scenes without errors do not depend on it.
    wrong = np.random.default_rng([seed, 1])
    visits = []
    for number in range(n_visits):
        psf = _moffat(fwhm[number] * (1.0 + like.psf_error * wrong.standard_normal()))
        scale = peak * (like.fwhm[0] / fwhm[number]) ** 2 * (1.0 + like.scale * wrong.standard_normal())
        shift_x, shift_y = like.shift * wrong.standard_normal(2)
        # The first three stars vary.
        scale[:3] *= 1.0 + 0.33 * rng.standard_normal(3).clip(-1, 1)
        clean = _stars(x + shift_x, y + shift_y, scale, fwhm[number])
        artifacts = _artifacts(rng, number, n_visits, fwhm[number], like.trail)
        variance = NOISE**2 + clean / 4.0
        clean += like.sky * NOISE * _smooth_sky(wrong)
        noise = rng.normal(size=_SHAPE) * np.sqrt(variance)
        signal = np.sum(list(artifacts.values()), axis=0)
        warp, twin = (
            _exposure(number + 1, clean + noise + extra, variance + extra / 4.0, psf)
            for extra in (signal, np.zeros(_SHAPE))
        )
        for exposure in (warp, twin):
            SourceDetectionTask().detectFootprints(exposure)
            exposure.mask.clear("EDGE")
        if flag_cosmic_rays:
            FindCosmicRaysTask().run(warp.maskedImage, psf)
        inside = BOX.slices_in(_WHOLE)
        visits.append(Visit(warp, twin, {kind: image[inside] for kind, image in artifacts.items()}))
    return Scene(visits, x - BORDER, y - BORDER, peak)


def handle(exposure: Exposure, visit: int) -> InMemoryDatasetHandle:
    """Wrap a warp as the tasks read it."""
    data_id = {"instrument": "Cam", "visit": visit, "band": "i", "skymap": "bench", "tract": 0, "patch": 0}
    return InMemoryDatasetHandle(exposure, data_id, "ExposureF")


def _moffat(fwhm: float) -> KernelPsf:
    y, x = np.mgrid[-22:23, -22:23]
    return KernelPsf(_profile(x**2 + y**2, fwhm))


def _profile(r2: NDArray[np.float64], fwhm: float) -> NDArray[np.float64]:
    """Return a Moffat profile (beta 3) of peak 1."""
    scale2 = fwhm**2 / (4.0 * (2.0 ** (1 / 3) - 1.0))
    values: NDArray[np.float64] = (1.0 + r2 / scale2) ** -3.0
    return values


def _stars(
    x: NDArray[np.float64], y: NDArray[np.float64], peak: NDArray[np.float64], fwhm: float
) -> NDArray[np.float64]:
    scene = np.zeros(_SHAPE)
    rows, columns = np.mgrid[: _SHAPE[0], : _SHAPE[1]]
    for px, py, height in zip(x, y, peak, strict=True):
        cut = np.s_[max(int(py) - 40, 0) : int(py) + 41, max(int(px) - 40, 0) : int(px) + 41]
        scene[cut] += height * _profile((columns[cut] - px) ** 2 + (rows[cut] - py) ** 2, fwhm)
    return scene


def _smooth_sky(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a random background of scatter 1 with wavelengths from half the field upwards."""
    rows, columns = np.meshgrid(*(np.linspace(0, 2 * math.pi, n) for n in _SHAPE), indexing="ij")
    waves = [(0.5, 0.0), (0.0, 0.5), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0), (2.0, 0.0), (0.0, 2.0)]
    phases = rng.uniform(0, 2 * math.pi, len(waves))
    total = np.zeros(_SHAPE)
    for (along_x, along_y), phase in zip(waves, phases, strict=True):
        total += np.cos(along_x * columns + along_y * rows + phase)
    result: NDArray[np.float64] = total / math.sqrt(len(waves) / 2)
    return result


def _artifacts(
    rng: np.random.Generator, number: int, n_visits: int, fwhm: float, trail: tuple[float, float]
) -> dict[str, NDArray[np.float64]]:
    """Return what spoils one visit, by kind."""
    sigma = fwhm / 2.35
    found = {
        "cosmic rays": cosmic_ray_charge(_SHAPE, rng, 15.0) / 20.0,
        "trail": np.zeros(_SHAPE),
        "ghost": np.zeros(_SHAPE),
    }
    x, y = rng.uniform(0.2, 0.8, 2) * _SHAPE
    angle = rng.uniform(0, math.pi)
    brightness = rng.uniform(*trail) * NOISE
    if number % 4 == 1:
        found["trail"] = brightness * streak_profile(_SHAPE, x=x, y=y, angle=angle, sigma=sigma)
    x, y = rng.uniform(0.2, 0.8, 2) * _SHAPE
    found["moving"] = 8.0 * NOISE * streak_profile(_SHAPE, x=x, y=y, angle=angle, sigma=sigma, length=12.0)
    if number == n_visits // 2:
        rows, columns = np.mgrid[: _SHAPE[0], : _SHAPE[1]]
        found["ghost"] = 4.0 * NOISE / (1.0 + np.exp((np.hypot(columns - x, rows - y) - 40.0) / 2.0))
    return found


def _exposure(
    visit: int, image: NDArray[np.float64], variance: NDArray[np.float64], psf: KernelPsf
) -> Exposure:
    pixels = MaskedImage(
        Image(image.astype(np.float32), _WHOLE.minimum, "nJy"),
        Mask.from_bbox(_WHOLE),
        Image(variance.astype(np.float32), _WHOLE.minimum, "nJy**2"),
    )
    ccd = CcdInput(visit, 1, _WHOLE, _WHOLE.area, 1.0, "", WCS, psf)
    inputs = CoaddInputs((VisitInput(visit, _WHOLE, _WHOLE.area, math.nan, ""),), (ccd,))
    return Exposure(
        pixels,
        wcs=WCS,
        psf=CoaddPsf(inputs.ccds, WCS),
        photoCalib=PhotoCalib(1.0),
        filter=FilterLabel("i", "Cam-I"),
        visitInfo=VisitInfo(visit, Time(60000.0 + visit, format="mjd", scale="tai"), 30.0, "Cam"),
        coaddInputs=inputs,
    )
