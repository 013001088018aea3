"""Warps of one patch with known artifacts, and the same warps without them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from astropy.time import Time
from numpy.typing import NDArray
from rejection_kinds import SCENES, SceneKind
from rejection_sky import (
    draw_artifacts,
    draw_bleeds,
    draw_dark,
    draw_galaxy,
    draw_stars,
    known_pixels,
    moffat_psf,
    smooth_sky,
    unit_noise,
)

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
from tasks.detection import SourceDetectionTask
from tasks.process_ccd import FindCosmicRaysTask, RepairTask

__all__ = ["BORDER", "BOX", "NOISE", "WCS", "Scene", "Visit", "handle", "make_scene"]

BORDER = 32
_SIZE = 500
BOX = Box2I(Point2I(BORDER, BORDER), Extent2I(_SIZE, _SIZE))
_WHOLE = BOX.dilatedBy(BORDER)
_SHAPE = _WHOLE.shape
WCS = SkyWcs.make_tan(crval=(150.0, 2.0), crpix=(300.0, 300.0), cd=[[-5e-5, 0.0], [0.0, 5e-5]])
NOISE = 10.0


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

    @property
    def strength(self) -> NDArray[np.float64]:
        """Signal of all artifacts without its sign."""
        strength: NDArray[np.float64] = np.abs(self.signal)
        return strength


@dataclass
class Scene:
    """Visits of one field, and where its stars are; the first ones vary."""

    visits: list[Visit]
    star_x: NDArray[np.float64]
    star_y: NDArray[np.float64]
    star_peak: NDArray[np.float64]
    n_variable: int


def make_scene(kind: str, n_visits: int, seed: int, *, flag_cosmic_rays: bool) -> Scene:
    """Make a scene.

    Stars, some of which vary, in changing seeing; cosmic rays on all visits; trails; a moving object; and on
    one visit a ghost, a faint disc.

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
    if like.n_saturated:
        x, y = (
            np.append(v, wrong.uniform(0, n, like.n_saturated))
            for v, n in zip((x, y), _SHAPE[::-1], strict=True)
        )
        peak = np.append(peak, like.saturation * np.exp(wrong.uniform(0, 3, like.n_saturated)))
    inside = BOX.slices_in(_WHOLE)
    visits = []
    for number in range(n_visits):
        psf = moffat_psf(fwhm[number] * (1.0 + like.psf_error * wrong.standard_normal()))
        clean = _draw_sky(like, x, y, peak, fwhm[number], number, rng, wrong)
        artifacts = _draw_artifacts(like, number, n_visits, fwhm[number], rng)
        if like.n_dark:
            artifacts["dark"] = draw_dark(_SHAPE, like.n_dark, wrong) * NOISE
        variance = NOISE**2 + clean / 4.0
        clean += like.sky * NOISE * smooth_sky(_SHAPE, wrong)
        clean += like.offset * NOISE * (wrong.standard_normal() if like.offset else 0.0)
        noise, correlation = unit_noise(
            _SHAPE, rng, like.correlation * wrong.uniform() if like.correlation else 0
        )
        signal = np.sum(list(artifacts.values()), axis=0)
        known = known_pixels(_SHAPE, wrong) if like.dithered else np.ones(_SHAPE, bool)
        known.ravel()[wrong.integers(0, known.size, like.n_lost)] = False
        bad_columns = wrong.integers(0, _SHAPE[1], 2 if like.n_lost else 0)
        both = []
        for extra in (signal, np.zeros(_SHAPE)):
            image = clean + noise * np.sqrt(variance) + extra
            if math.isfinite(like.saturation):
                draw_bleeds(image, like.saturation, along_rows=number % 2 == 0)
            exposure = _exposure(
                number + 1, image, variance + np.maximum(extra, 0) / 4.0, psf, {"NOISECOR": correlation}
            )
            exposure.mask.set_where("SAT", image >= like.saturation)
            _cut_out(exposure, known)
            exposure.mask.array[:, bad_columns] |= exposure.mask.getPlaneBitMask("BAD")
            exposure.image.array[:, bad_columns] = 20 * NOISE
            SourceDetectionTask().detectFootprints(exposure)
            exposure.mask.clear("EDGE")
            both.append(exposure)
        if flag_cosmic_rays:
            FindCosmicRaysTask().run(both[0].maskedImage, psf)
        if like.n_saturated:
            for exposure in both:
                RepairTask().run(exposure.maskedImage)
        visits.append(Visit(both[0], both[1], {name: image[inside] for name, image in artifacts.items()}))
    return Scene(visits, x - BORDER, y - BORDER, peak, like.n_variable)


def _draw_sky(
    like: SceneKind,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    peak: NDArray[np.float64],
    fwhm: float,
    number: int,
    rng: np.random.Generator,
    wrong: np.random.Generator,
) -> NDArray[np.float64]:
    """Return what one visit sees of the sky, with its errors of place and scale."""
    odd = number == 2
    scale = 1.0 + like.scale * wrong.standard_normal() + like.odd_scale * odd
    shift_x, shift_y = like.shift * wrong.standard_normal(2) + like.odd_shift * odd * np.array([0.8, -0.6])
    brightness = peak * scale * (like.fwhm[0] / fwhm) ** 2
    # The first stars vary.
    n = like.n_variable
    brightness[:n] *= 1.0 + 0.33 * rng.standard_normal(n).clip(-1, 1)
    clean = draw_stars(_SHAPE, x + shift_x, y + shift_y, brightness, fwhm)
    if like.galaxy:
        clean += draw_galaxy(_SHAPE, scale * like.galaxy, fwhm, (shift_x, shift_y))
    return clean


def _draw_artifacts(
    like: SceneKind, number: int, n_visits: int, fwhm: float, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Return what spoils one visit."""
    trail = number in (1, 2) if like.crossing else number % 4 == 1
    place = None
    if like.step is not None:
        along = like.step * number
        place = 0.35 * _SHAPE[1] + 0.8 * along, 0.35 * _SHAPE[0] + 0.6 * along
    return draw_artifacts(
        rng,
        _SHAPE,
        fwhm,
        trail=(like.trail[0] * NOISE, like.trail[1] * NOISE) if trail else None,
        ghost=(like.ghost[0] * NOISE, *like.ghost[1:]) if number == n_visits // 2 else None,
        moving=place,
        crossing=like.crossing,
    )


def handle(exposure: Exposure, visit: int) -> InMemoryDatasetHandle:
    """Wrap a warp as the tasks read it."""
    data_id = {"instrument": "Cam", "visit": visit, "band": "i", "skymap": "bench", "tract": 0, "patch": 0}
    return InMemoryDatasetHandle(exposure, data_id, "ExposureF")


def _cut_out(exposure: Exposure, known: NDArray[np.bool_]) -> None:
    """Leave some pixels of an exposure, in place."""
    exposure.mask.set_where("NO_DATA", ~known)
    for plane in (exposure.image.array, exposure.variance.array):
        plane[~known] = np.nan


def _exposure(
    visit: int,
    image: NDArray[np.float64],
    variance: NDArray[np.float64],
    psf: KernelPsf,
    metadata: dict[str, float],
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
        metadata=metadata,
    )
