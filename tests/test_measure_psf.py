"""Tests of the PSF measurement: shapes of stars, their choice, and the image made of them."""

from __future__ import annotations

import numpy as np
import pytest
from ccd_frames import (
    FWHM_OF_SIGMA,
    add_gaussian_star,
    counts_variance,
    make_frame,
    masked,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.images import (
    KernelPsf,
)
from tasks.errors import TaskError
from tasks.process_ccd import (
    MeasurePsfConfig,
    MeasurePsfTask,
    PsfStarConfig,
)
from tasks.process_ccd.psf_kernel import full_width_half_maximum
from tasks.process_ccd.psf_stars import find_psf_stars
from tasks.process_ccd.star_shapes import measure_shapes


@settings(deadline=None, max_examples=30)
@given(
    dx=st.floats(-0.5, 0.5),
    dy=st.floats(-0.5, 0.5),
    fwhm=st.floats(4.0, 9.0),
    ratio=st.floats(0.75, 1.3),
)
def test_adaptive_moments_of_gaussians(dx: float, dy: float, fwhm: float, ratio: float) -> None:
    """Centre, size, ellipticity and flux of a Gaussian come back; a pixel adds 1/12 to each moment."""
    stamp = np.zeros((61, 61))
    add_gaussian_star(stamp, 30 + dx, 30 + dy, 1000.0, fwhm, ratio=ratio)
    shape = measure_shapes(stamp[np.newaxis])
    qyy = (fwhm / FWHM_OF_SIGMA) ** 2 + 1 / 12
    qxx = (ratio * fwhm / FWHM_OF_SIGMA) ** 2 + 1 / 12
    assert (shape.dx[0], shape.dy[0]) == pytest.approx((dx, dy), abs=2e-3)
    assert shape.sigma[0] == pytest.approx((qxx * qyy) ** 0.25, rel=2e-3)
    assert shape.e1[0] == pytest.approx((qxx - qyy) / (qxx + qyy), abs=2e-3)
    assert shape.e2[0] == pytest.approx(0.0, abs=2e-3)
    assert shape.flux[0] == pytest.approx(1000.0, rel=2e-3)


def test_moments_of_nothing_are_nan() -> None:
    """Stamps without a source, or without anything finite, have no shape and do no harm to others."""
    star = np.zeros((31, 31))
    add_gaussian_star(star, 15, 15, 1.0, 4.0)
    shapes = measure_shapes(np.stack([np.zeros((31, 31)), star, np.full((31, 31), np.nan), -star]))
    np.testing.assert_array_equal(np.isfinite(shapes.sigma), [False, True, False, False])


@pytest.mark.parametrize("fwhm", [2.5, 4.0, 8.0])
def test_psf_image_is_that_of_the_stars(fwhm: float) -> None:
    """The measured PSF equals a pixel-integrated star in the middle of a pixel."""
    frame = make_frame(3, shape=(500, 500), n_stars=50, fwhm=fwhm, fluxes=(2e3 * fwhm**2, 4e4 * fwhm**2))
    image = frame.image - frame.sky
    result = MeasurePsfTask().run(masked(image, counts_variance(frame.image)))
    kernel = result.psf.computeKernelImage(x=200, y=200)
    half = kernel.shape[0] // 2
    true = np.zeros((4 * half + 1, 4 * half + 1))
    add_gaussian_star(true, 2 * half, 2 * half, 1.0, fwhm)
    assert result.fwhm == pytest.approx(full_width_half_maximum(true), rel=0.02)
    difference = kernel - true[half:-half, half:-half]
    assert np.abs(difference).max() < 0.02 * true.max()
    sigma = np.hypot(fwhm / FWHM_OF_SIGMA, np.sqrt(1 / 12))
    assert result.psf.computeShape(x=200, y=200) == pytest.approx(sigma, rel=0.01)


def test_galaxies_and_cosmic_rays_do_not_widen_the_psf() -> None:
    """Only the sources of one size make the PSF, even if they are the minority."""
    frame = make_frame(4, shape=(400, 400), n_stars=30, fluxes=(3e4, 3e5))
    rng = np.random.default_rng(5)
    image = frame.image.astype(float) - frame.sky
    for _ in range(40):
        size = rng.uniform(1.5, 3.0) * frame.fwhm
        add_gaussian_star(image, *rng.uniform(20, 380, 2), 10 ** rng.uniform(4.5, 5.5), size, ratio=1.2)
    for x, y in rng.integers(5, 395, (40, 2)):
        image[y, x : x + 2] += 1e4
    result = MeasurePsfTask().run(masked(image, counts_variance(image + frame.sky)))
    assert result.n_stars >= 8
    assert result.fwhm == pytest.approx(frame.fwhm, rel=0.05)


def test_stars_with_neighbours_do_not_show_the_psf() -> None:
    """Of stars on a grid, those with a companion of a third of their brightness are left out."""
    scene = np.zeros((300, 300))
    lone, paired = [(40 + 50 * i, 60) for i in range(5)], [(40 + 50 * i, 180) for i in range(5)]
    for x, y in [*lone, *paired]:
        add_gaussian_star(scene, x, y, 2e5, 4.0)
    for x, y in paired:
        add_gaussian_star(scene, x + 7, y, 6e4, 4.0)
    rng = np.random.default_rng(0)
    image = (scene + rng.normal(0, 10, scene.shape)).astype(np.float32)
    variance = np.full(scene.shape, 100.0, dtype=np.float32)
    stars = find_psf_stars(image, variance, np.zeros(scene.shape, dtype=bool), PsfStarConfig())
    assert sorted(zip(stars.x.tolist(), stars.y.tolist(), strict=True)) == lone


def test_minimum_number_of_stars_is_respected() -> None:
    """A field with enough stars for a lower minimum is measured."""
    frame = make_frame(1, n_stars=3, fluxes=(2e5, 3e5))
    image = masked(frame.image - frame.sky, counts_variance(frame.image))
    with pytest.raises(TaskError, match="no PSF"):
        MeasurePsfTask().run(image)
    assert isinstance(MeasurePsfTask(MeasurePsfConfig(minStars=2)).run(image).psf, KernelPsf)


def test_half_maximum_of_a_gaussian() -> None:
    """The width of an elongated PSF is that of the circle with the same area."""
    kernel = np.zeros((61, 61))
    add_gaussian_star(kernel, 30, 30, 1.0, 6.0, ratio=1.5)
    assert full_width_half_maximum(kernel) == pytest.approx(6.0 * np.sqrt(1.5), rel=0.02)
