"""What warps promise, measured: fluxes and places of stars, noise, and the coordinate map."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from calexps import make_calexp
from ccd_frames import FWHM_OF_SIGMA, add_gaussian_star, box, make_wcs
from numpy.typing import NDArray
from scipy.special import erf

from butler.images import Box2I, MaskedImage, SkyWcs
from tasks.warp import Warper, WarperConfig
from tasks.warp.covered_box import covered_box
from tasks.warp.noise_correlation import aperture_noise_factor

FAR = (-3100.0, 2600.0)
"""Reference pixel of the test images, far away: they lie where the distortion is large."""
SIP = {
    "CTYPE1": "RA---TAN-SIP",
    "CTYPE2": "DEC--TAN-SIP",
    **{f"{axis}_ORDER": 3 for axis in "AB"},
    **{"A_2_0": 8e-7, "A_1_1": -5e-7, "A_3_0": 1e-10, "A_1_2": 1e-10},
    **{"B_0_2": 6e-7, "B_1_1": 4e-7, "B_0_3": 1e-10, "B_2_1": 1e-10},
}
TPV = {
    "CTYPE1": "RA---TPV",
    "CTYPE2": "DEC--TPV",
    **{"PV1_1": 1.001, "PV1_2": 0.0004, "PV1_4": 0.003, "PV1_7": 0.03, "PV1_9": 0.03},
    **{"PV2_1": 0.999, "PV2_2": -0.0003, "PV2_5": 0.002, "PV2_7": 0.03, "PV2_9": 0.03},
}
GEOMETRIES = [(0.2, 0.0), (0.263, 0.4), (0.168, 2.0)]
"""Pixel scales (arcsec) and rotations (rad) of the inputs; the warps have 0.2 arcsec, north up."""


def distorted_wcs(kind: str, scale: float, rotation: float) -> SkyWcs:
    """Make a WCS with pixels of ``scale`` arcsec; SIP and TPV move the image by several pixels."""
    cd = make_wcs(rotation=rotation, scale=scale / 0.3)
    cards = {"TAN": {}, "SIP": SIP, "TPV": TPV}[kind]
    header: dict[str, Any] = {**cd.to_header(), "CRPIX1": FAR[0], "CRPIX2": FAR[1], **cards}
    return SkyWcs(header)


def target_of(scene: MaskedImage, wcs: SkyWcs) -> tuple[SkyWcs, Box2I]:
    """Return WCS and box of pixels of 0.2 arcsec that the whole image falls on."""
    target = make_wcs(crpix=(20_000.3, 15_000.7), scale=0.2 / 0.3, crval=(150.2, 2.1))
    found = covered_box(scene.bbox, wcs, target, margin=3, limits=box(10**6, 10**6, -(10**5), -(10**5)))
    assert found is not None
    return target, found


def starry_scene(n: int, spacing: int, fwhm: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return an image of stars of flux 1000 and their positions, shape (n * n, 2)."""
    scene = np.zeros((spacing * (n + 1), spacing * (n + 1)))
    places = np.stack(np.meshgrid(*[spacing * np.arange(1.0, n + 1)] * 2), axis=-1).reshape(-1, 2)
    places += np.random.default_rng(8).uniform(-0.5, 0.5, places.shape)
    for x, y in places:
        add_gaussian_star(scene, x, y, 1000.0, fwhm)
    return scene, places


def pixel_profile(offset: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return the flux of a Gaussian in a pixel at an offset from its centre, in one dimension."""
    upper, lower = ((offset + side) / (sigma * math.sqrt(2.0)) for side in (0.5, -0.5))
    profile: NDArray[np.float64] = (erf(upper) - erf(lower)) / 2.0
    return profile


def errors_of_stars(
    warp: MaskedImage, target: SkyWcs, wcs: SkyWcs, places: NDArray[np.float64], fwhm: float
) -> NDArray[np.float64]:
    """Return flux error (relative), fitted flux error and place errors in x and y (source px) of each star.

    The fitted model is the star as the source has it, at the exact positions of the output pixels.
    """
    sigma, rows = fwhm / FWHM_OF_SIGMA, []
    for x, y in places:
        centre = [round(float(v)) for v in target.skyToPixel(*wcs.pixelToSky(x, y))]
        cut = Box2I.from_corners((centre[0] - 17, centre[1] - 17), (centre[0] + 17, centre[1] + 17))
        stamp = warp[cut].image.array.astype(float)
        j, i = np.indices(stamp.shape)
        sky = target.pixelToSky(i + cut.minX, j + cut.minY)
        source_x, source_y = wcs.skyToPixel(*sky)
        area = np.abs(
            np.gradient(source_x, axis=1) * np.gradient(source_y, axis=0)
            - np.gradient(source_x, axis=0) * np.gradient(source_y, axis=1)
        )
        h = 1e-3

        def model(
            dx: float,
            dy: float,
            u: NDArray[np.float64] = source_x - x,
            v: NDArray[np.float64] = source_y - y,
            area: NDArray[np.float64] = area,
        ) -> NDArray[np.float64]:
            return (1000.0 * area * pixel_profile(u - dx, sigma) * pixel_profile(v - dy, sigma)).ravel()

        columns = [
            model(0, 0),
            (model(h, 0) - model(-h, 0)) / (2 * h),
            (model(0, h) - model(0, -h)) / (2 * h),
        ]
        flux, by_x, by_y = np.linalg.lstsq(np.stack(columns, axis=1), stamp.ravel(), rcond=None)[0]
        rows.append([stamp.sum() / 1000.0 - 1.0, flux - 1.0, by_x / flux, by_y / flux])
    return np.array(rows)


@pytest.mark.parametrize(("kernel", "place_limit"), [("lanczos3", 1e-3), ("lanczos5", 2e-4)])
@pytest.mark.parametrize("kind", ["TAN", "SIP", "TPV"])
def test_stars_keep_flux_and_place(kind: str, kernel: str, place_limit: float) -> None:
    """Fluxes are right to 1e-4 rms and fitted places to 1e-3 px (Lanczos-5: 2e-4); the sum to 1e-5."""
    scene, places = starry_scene(4, 45, 4.0)
    warper = Warper(WarperConfig(warpingKernelName=kernel))
    for scale, rotation in GEOMETRIES:
        wcs = distorted_wcs(kind, scale, rotation)
        pixels = make_calexp(scene, wcs).maskedImage
        target, bbox = target_of(pixels, wcs)
        warp = warper.warp(pixels, wcs, target, bbox)
        rms = np.sqrt(np.mean(errors_of_stars(warp, target, wcs, places, 4.0) ** 2, axis=0))
        assert rms[0] < 1e-4
        assert rms[1] < (1e-3 if kernel == "lanczos3" else 2.5e-4)
        assert rms[2:].max() < place_limit
        assert np.nansum(warp.image.array, dtype=float) == pytest.approx(scene.sum(), rel=1e-5)


@pytest.mark.parametrize("kernel", ["lanczos3", "lanczos5"])
@pytest.mark.parametrize("kind", ["TAN", "SIP", "TPV"])
def test_flux_is_right_on_pixels_of_other_sizes_however_turned(kind: str, kernel: str) -> None:
    """Rows or diagonals of output pixels along those of the source, or nearly: 1e-4 rms all the same."""
    scene, places = starry_scene(4, 45, 4.0)
    warper = Warper(WarperConfig(warpingKernelName=kernel))
    for scale in (0.168, 0.21, 0.23):
        for rotation in (0.0, 0.1, math.pi / 4, math.pi / 2):
            wcs = distorted_wcs(kind, scale, rotation)
            pixels = make_calexp(scene, wcs).maskedImage
            target, bbox = target_of(pixels, wcs)
            warp = warper.warp(pixels, wcs, target, bbox)
            errors = []
            for x, y in (
                np.transpose(target.skyToPixel(*wcs.pixelToSky(*places.T))).round().astype(int).tolist()
            ):
                stamp = warp[Box2I.from_corners((x - 17, y - 17), (x + 17, y + 17))]
                errors.append(stamp.image.array.sum(dtype=float) / 1000.0 - 1.0)
            assert math.sqrt(np.mean(np.square(errors))) < 1e-4


@pytest.mark.parametrize("kind", ["TAN", "SIP", "TPV"])
def test_map_is_exact(kind: str) -> None:
    """Nodes every 64 px place a pixel to 1e-4 px: a warped plane of source columns reads off the place."""
    rows, columns = np.indices((300, 400), dtype=float)
    wcs = distorted_wcs(kind, 0.263, 0.4)
    config = WarperConfig(warpingKernelName="bilinear")
    for axis, coordinate in enumerate((columns, rows)):
        pixels = make_calexp(coordinate, wcs).maskedImage
        target, bbox = target_of(pixels, wcs)
        warp = Warper(config).warp(pixels, wcs, target, bbox)
        j, i = np.nonzero(np.isfinite(warp.image.array))
        j, i = j[::7], i[::7]
        assert len(i) > 10_000
        source = wcs.skyToPixel(*target.pixelToSky(i + bbox.minX, j + bbox.minY))
        # A plane of ones, warped alike, is the area factor.
        ones = make_calexp(np.ones(rows.shape), wcs).maskedImage
        area = Warper(config).warp(ones, wcs, target, bbox).image.array[j, i]
        np.testing.assert_allclose(warp.image.array[j, i] / area, source[axis], atol=1e-4)


def test_far_from_a_distorted_image_positions_are_right_or_unknown() -> None:
    """Where SIP polynomials have no inverse, a position is NaN and not one inside the image."""
    strong = {**SIP, "A_3_0": -4e-7, "A_1_2": -4e-7, "B_0_3": -4e-7, "B_2_1": -4e-7}
    wcs = SkyWcs({**make_wcs().to_header(), "CRPIX1": 500.0, "CRPIX2": 500.0, **strong})
    plane = make_wcs(crpix=(499.0, 499.0))
    x, y = np.meshgrid(np.linspace(-3000, 4000, 41), np.linspace(-3000, 4000, 41))
    sky = plane.pixelToSky(x, y)
    found_x, found_y = wcs.skyToPixel(*sky)
    known = np.isfinite(found_x)
    assert known[20, 20]
    assert 20 < known.sum() < known.size
    back_x, back_y = plane.skyToPixel(*wcs.pixelToSky(found_x[known], found_y[known]))
    np.testing.assert_allclose(back_x, x[known], atol=1e-3)
    np.testing.assert_allclose(back_y, y[known], atol=1e-3)


@pytest.mark.parametrize("kernel", ["bilinear", "lanczos2", "lanczos3", "lanczos4", "lanczos5"])
def test_variance_is_that_of_many_realisations(kernel: str) -> None:
    """Over many realisations of noise, pooled over pixels, predicted and measured variances agree to 1 %."""
    rng = np.random.default_rng(2)
    n_y, n_x = 120, 110
    truth = rng.uniform(1.0, 4.0, (n_y, n_x))
    wcs = distorted_wcs("SIP", 0.263, 0.4)
    warper = Warper(WarperConfig(warpingKernelName=kernel))
    target, bbox = target_of(make_calexp(truth, wcs).maskedImage, wcs)
    measured, n = np.zeros(bbox.shape), 60
    for _ in range(n):
        noise = make_calexp(rng.normal(size=truth.shape) * np.sqrt(truth), wcs, variance=truth)
        warp = warper.warp(noise.maskedImage, wcs, target, bbox)
        measured += warp.image.array.astype(float) ** 2 / n
    there = np.isfinite(warp.image.array)
    assert measured[there].mean() == pytest.approx(float(warp.variance.array[there].mean()), rel=0.01)
    # Not only on average: the quarter of least variance has it too.
    low = warp.variance.array < np.quantile(warp.variance.array[there], 0.25)
    assert measured[low].mean() == pytest.approx(float(warp.variance.array[low].mean()), rel=0.015)


@pytest.mark.parametrize(("kernel", "scale"), [("lanczos3", 0.263), ("lanczos5", 0.168), ("lanczos3", 0.1)])
def test_aperture_noise_factor(kernel: str, scale: float) -> None:
    """The variance of large apertures is that of their pixels times the factor, also stretched."""
    rng = np.random.default_rng(5)
    wcs = distorted_wcs("TAN", scale, 0.4)
    warper = Warper(WarperConfig(warpingKernelName=kernel))
    sums, variances = [], []
    for _ in range(3):
        pixels = make_calexp(rng.normal(size=(700, 700)), wcs).maskedImage
        target, bbox = target_of(pixels, wcs)
        warp = warper.warp(pixels, wcs, target, bbox)
        for y in range(0, bbox.height - 30, 30):
            for x in range(0, bbox.width - 30, 30):
                stamp = np.s_[y : y + 30, x : x + 30]
                if np.isfinite(warp.image.array[stamp]).all():
                    sums.append(warp.image.array[stamp].sum(dtype=float))
                    variances.append(warp.variance.array[stamp].sum(dtype=float))
    factor = aperture_noise_factor(warper.kernel_for(wcs, target, bbox), wcs, target, bbox)
    error = math.sqrt(2 / len(sums))
    # The rim of the aperture, of the width of the kernel, is not yet as correlated.
    assert np.mean(np.square(sums)) / np.mean(variances) == pytest.approx(factor, rel=3 * error + 0.04)


def test_copied_pixels_are_not_correlated() -> None:
    """A shift by whole pixels has an aperture factor of 1; a place off the sky has none."""
    wcs, target = make_wcs(crpix=(100.0, 100.0)), make_wcs(crpix=(140.0, 120.0))
    warper = Warper(WarperConfig())
    kernel = warper.kernel_for(wcs, target, box(50, 50))
    assert aperture_noise_factor(kernel, wcs, target, box(50, 50)) == pytest.approx(1.0, rel=1e-6)
    behind = make_wcs(crval=(330.0, -2.0))
    assert math.isnan(aperture_noise_factor(kernel, behind, target, box(50, 50)))


def test_coarse_pixels_do_not_alias_noise() -> None:
    """Pixels twice as large average the noise of four: unstretched, it would be twice as high."""
    rng = np.random.default_rng(6)
    wcs = distorted_wcs("TAN", 0.1, 0.4)
    noise = make_calexp(rng.normal(size=(600, 600)), wcs).maskedImage
    target, bbox = target_of(noise, wcs)
    power = {}
    for stretch_above in (4 / 3, None):
        warp = Warper(WarperConfig(stretchAbove=stretch_above)).warp(noise, wcs, target, bbox)
        there = np.isfinite(warp.image.array)
        power[stretch_above] = float(np.mean(warp.image.array[there] ** 2))
    # A sum of four pixels has four times their variance; the low-pass filter is not quite as sharp.
    assert power[4 / 3] == pytest.approx(4.0 * 0.8, rel=0.1)
    assert power[None] > 2.5 * power[4 / 3]
