"""Tests of PSF models that vary over the detector: when they are chosen, and that they are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ccd_frames import FWHM_OF_SIGMA, add_gaussian_star, masked

from butler.images import KernelPsf, MaskedImage, Point2I, PolynomialPsf, PsfexPsf
from tasks.process_ccd import MeasurePsfConfig, MeasurePsfTask

SIZE = 700


def ratio_at(x: float) -> float:
    """Return how much wider than high stars are at a column."""
    return 0.9 + 0.25 * x / SIZE


def field(n_side: int, *, varies: bool, seed: int = 1) -> np.ndarray:
    """Return stars on a loose grid, stretched along x more and more to the right."""
    rng = np.random.default_rng(seed)
    scene = np.zeros((SIZE, SIZE))
    places = (np.arange(n_side) + 0.5) * SIZE / n_side
    for x in places:
        for y in places:
            sx, sy = x + rng.uniform(-4, 4), y + rng.uniform(-4, 4)
            flux = 10 ** rng.uniform(4.5, 5.3)
            add_gaussian_star(scene, sx, sy, flux, 4.0, ratio=ratio_at(sx) if varies else 1.0)
    return scene + rng.normal(0, 10, scene.shape)


def truth(x: float, half: int) -> np.ndarray:
    """Return the PSF at a column."""
    stamp = np.zeros((2 * half + 1, 2 * half + 1))
    add_gaussian_star(stamp, half, half, 1.0, 4.0, ratio=ratio_at(x))
    return stamp


def test_a_varying_psf_is_followed() -> None:
    """The model varies, and is nearer to the truth everywhere than a constant one."""
    image = masked(field(11, varies=True), 100.0)
    result = MeasurePsfTask().run(image)
    constant = MeasurePsfTask(MeasurePsfConfig(maxDegree=0)).run(image)
    assert isinstance(result.psf, PolynomialPsf)
    assert result.degree >= 1
    assert isinstance(constant.psf, KernelPsf)
    for x in (30.0, 200.0, 500.0, 670.0):
        kernel, plain = (r.psf.computeKernelImage(x=x, y=300.0) for r in (result, constant))
        expected = truth(x, kernel.shape[0] // 2)
        error, plain_error = (np.abs(k - expected).max() / expected.max() for k in (kernel, plain))
        assert error < 0.015
        if abs(x - 350) > 250:
            assert error < 0.3 * plain_error
        moments = result.psf.computeMoments(x=x, y=300.0)
        sigma = 4.0 / FWHM_OF_SIGMA
        assert moments.ixx == pytest.approx((ratio_at(x) * sigma) ** 2 + 1 / 12, rel=0.02)
        assert moments.iyy == pytest.approx(sigma**2 + 1 / 12, rel=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_a_constant_psf_stays_constant(seed: int) -> None:
    """Noise alone does not make a model vary."""
    result = MeasurePsfTask().run(masked(field(9, varies=False, seed=seed), 100.0))
    assert result.n_stars > 60
    assert isinstance(result.psf, KernelPsf)
    assert result.degree == 0


def test_few_stars_make_a_constant_psf() -> None:
    """A varying PSF with fewer stars than its terms need is modelled by its mean."""
    result = MeasurePsfTask().run(masked(field(4, varies=True), 100.0))
    assert 10 < result.n_stars < 18
    assert isinstance(result.psf, KernelPsf)
    assert result.degree == 0


def test_a_psfex_model_is_taken_as_it_is() -> None:
    """Where there is a PSFEx model the PSF is that one, unless the config says otherwise."""
    image = masked(field(6, varies=False), 100.0)
    model = PsfexPsf(truth(0.0, 12)[np.newaxis], 0.0, 0.0, 1.0, 1.0, n_stars=321)
    result = MeasurePsfTask().run(image, psfexModel=model)
    assert result.psf is model
    assert (result.n_stars, result.degree) == (321, 0)
    assert result.fwhm == pytest.approx(4.0 * 0.95, rel=0.04)
    varying = PsfexPsf(np.array([truth(0.0, 12), truth(0.1, 12), truth(0.2, 12)]), 5.0, 6.0, 50.0, 50.0)
    planes = (image.image, image.mask, image.variance)
    moved = MaskedImage(*(replace(plane, xy0=Point2I(100, 30)) for plane in planes))
    found = MeasurePsfTask().run(moved, psfexModel=varying).psf
    here = found.computeKernelImage(x=100 + 20.0, y=30 + 40.0)
    np.testing.assert_allclose(here, varying.computeKernelImage(x=20.0, y=40.0))
    own = MeasurePsfTask(MeasurePsfConfig(usePsfexModel=False)).run(image, psfexModel=model)
    assert isinstance(own.psf, KernelPsf)
