"""Tests of single steps of processCcd: background, cosmic rays, defects and repair."""

from __future__ import annotations

import numpy as np
import pytest
from ccd_frames import (
    SATURATION,
    add_gaussian_star,
    counts_variance,
    make_frame,
    masked,
)
from scipy import ndimage

from butler.images import (
    KernelPsf,
)
from tasks.background import SubtractBackgroundConfig, SubtractBackgroundTask
from tasks.errors import TooManyMaskedPixelsError
from tasks.process_ccd import (
    FindCosmicRaysConfig,
    FindCosmicRaysTask,
    MaskDefectsConfig,
    MaskDefectsTask,
    RepairTask,
)


def test_background_with_a_gradient_is_removed() -> None:
    """What is left of a sloping sky is far below the noise of a pixel."""
    frame = make_frame(2, shape=(512, 512), slope=0.2)
    image = masked(frame.image, counts_variance(frame.image))
    result = SubtractBackgroundTask().run(image)
    x = np.arange(512) / 512
    error = result.background - frame.sky * (1 + 0.2 * (x - 0.5))
    sigma = np.sqrt(counts_variance(np.array(frame.sky)))
    # Splines through box centres do not know the slope beyond the last one.
    assert abs(np.median(error)) < 0.05 * sigma
    assert np.abs(error[:, 64:-64]).max() < 0.3 * sigma
    np.testing.assert_allclose(image.image.array, frame.image - result.background, rtol=1e-6)


def test_masking_sources_lowers_the_bias_in_a_crowded_field() -> None:
    """Where stars cover everything, the background keeps finite and comes nearer to the truth."""
    frame = make_frame(6, shape=(300, 300), n_stars=1500, fwhm=5.0, fluxes=(1e3, 1e5))
    sigma = np.sqrt(counts_variance(np.array(frame.sky)))
    bias = {}
    for iterations in (0, 2):
        image = masked(frame.image, counts_variance(frame.image))
        config = SubtractBackgroundConfig(iterations=iterations)
        background = SubtractBackgroundTask(config).run(image).background
        assert np.isfinite(background).all()
        bias[iterations] = np.median(background - frame.sky) / sigma
    assert 0 < bias[2] < 0.9 * bias[0]


def test_background_of_a_mostly_masked_image_is_a_constant() -> None:
    """Where no box of sep has enough pixels, the median of the good ones is taken."""
    rng = np.random.default_rng(0)
    image = masked(rng.normal(1000.0, 10.0, (64, 64)), 100.0)
    image.mask.set_where("BAD", rng.random((64, 64)) < 0.8)
    result = SubtractBackgroundTask().run(image)
    assert np.ptp(result.background) == 0.0
    assert result.level == pytest.approx(1000.0, abs=2.0)
    assert result.noise == pytest.approx(10.0, rel=0.15)


def test_background_needs_a_pixel() -> None:
    """Where every pixel is masked there is none to measure; nothing is changed then, nor by a mere look."""
    image = masked(np.full((64, 64), 7.0), 1.0)
    found = SubtractBackgroundTask().fitBackground(image)
    np.testing.assert_allclose(found.background, 7.0)
    image.mask.set_where("NO_DATA", np.ones((64, 64), dtype=bool))
    with pytest.raises(TooManyMaskedPixelsError, match="all 4096 pixels are BAD, SAT, NO_DATA or not finite"):
        SubtractBackgroundTask().run(image)
    assert (image.image.array == 7.0).all()


@pytest.mark.parametrize("fwhm", [2.0, 2.5, 4.0, 8.0])
def test_stars_are_no_cosmic_rays(fwhm: float) -> None:
    """Not one pixel is flagged on an image without hits, however sharp its stars are."""
    frame = make_frame(9, n_stars=80, fwhm=fwhm, fluxes=(3e3, 4e5 * fwhm**2 / 16))
    image = masked(frame.image - frame.sky, counts_variance(frame.image))
    image.mask.set_where("SAT", frame.image >= SATURATION)
    psf = np.zeros((41, 41))
    add_gaussian_star(psf, 20, 20, 1.0, fwhm)
    assert FindCosmicRaysTask().run(image, KernelPsf(psf)) == 0
    assert not image.mask.isSet("CR").any()


def test_faint_flanks_of_a_hit_are_flagged_with_it() -> None:
    """Pixels that a track only grazes are not sharp by themselves, but they are flagged beside it."""
    frame = make_frame(14, n_stars=0)
    image = frame.image - frame.sky
    image[95:106, 100] += 8000.0
    image[95:106, 101] += 1500.0
    counts = masked(image, counts_variance(image + frame.sky))
    psf = np.zeros((41, 41))
    add_gaussian_star(psf, 20, 20, 1.0, 5.0)
    assert FindCosmicRaysTask().run(counts, KernelPsf(psf)) == 1
    assert counts.mask.isSet("CR")[96:105, 100:102].all()


def test_what_a_hit_left_beside_it_is_flagged() -> None:
    """Charge beside a hit that is no hit by itself is flagged with it where the noise is exceeded."""
    image = 10 * np.random.default_rng(6).normal(size=(80, 90))
    image[20:50, 30] += 900.0
    beside = np.zeros(image.shape, dtype=bool)
    beside[20:50, 31] = True
    image[beside] += 70.0
    psf = np.zeros((41, 41))
    add_gaussian_star(psf, 20, 20, 1.0, 4.2)
    shares = []
    for limit in (3.0, 1e9):
        counts = masked(image, 100.0)
        FindCosmicRaysTask(FindCosmicRaysConfig(besideNoise=limit)).run(counts, KernelPsf(psf))
        found = counts.mask.isSet("CR")
        shares.append(found[beside].mean())
        assert not found[:, 33:].any()
    assert shares[0] > 0.9
    assert shares[0] > shares[1] + 0.2


@pytest.mark.parametrize("fwhm", [1.7, 3.0])
def test_cosmic_rays_beside_stars_leave_the_cores_alone(fwhm: float) -> None:
    """A hit on the slope of a star is found, and the star's core is not flagged with it."""
    frame = make_frame(10, n_stars=0)
    scene = np.zeros_like(frame.truth)
    positions = [(40 + 45 * i, 40 + 45 * j) for i in range(5) for j in range(5)]
    for x, y in positions:
        add_gaussian_star(scene, x + 0.3, y + 0.3, 2e5 * fwhm**2 / 9, fwhm)
    image = frame.image - frame.sky + scene
    for x, y in positions:
        image[y + 3, x - 2 : x + 3] += 6000.0
    counts = masked(image, counts_variance(image + frame.sky))
    psf = np.zeros((41, 41))
    add_gaussian_star(psf, 20, 20, 1.0, fwhm)
    FindCosmicRaysTask().run(counts, KernelPsf(psf))
    cr = counts.mask.isSet("CR")
    columns, rows = np.array(positions).T
    assert not cr[rows, columns].any()
    assert sum(cr[y + 3, x - 2 : x + 3].any() for x, y in positions) >= 23


@pytest.mark.parametrize("radius", [0, 3])
def test_saturated_regions_grow_by_discs(radius: int) -> None:
    """With another radius, SAT reaches all pixels within that distance."""
    image = np.zeros((40, 40), dtype=np.float32)
    image[20, 15:19] = 60_000.0
    image[5, 30] = np.nan
    target = masked(image, 1.0)
    MaskDefectsTask(MaskDefectsConfig(growSaturated=radius)).run(target, SATURATION)
    distance = ndimage.distance_transform_edt(~(image >= SATURATION))
    np.testing.assert_array_equal(target.mask.isSet("SAT"), distance <= radius)


def test_repair_takes_the_shorter_way() -> None:
    """A defect wider than high is filled along columns: the transpose of the image gives the transpose."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:40, :50]
    scene = np.exp(-((x - 25) ** 2 + (y - 20) ** 2) / 60.0) * 1000 + rng.normal(0, 1, (40, 50))
    bad = np.zeros(scene.shape, dtype=bool)
    bad[12, 8:40] = bad[25:33, 20] = bad[30, 30:33] = True
    spoilt = np.where(bad, 1e6, scene)
    filled = []
    for image, where in ((spoilt, bad), (spoilt.T, bad.T)):
        target = masked(image, 1.0)
        target.mask.set_where("CR", where)
        assert RepairTask().run(target) == bad.sum()
        filled.append(target.image.array)
    np.testing.assert_array_equal(filled[0], filled[1].T)
    np.testing.assert_array_equal(filled[0][~bad], scene.astype(np.float32)[~bad])
    assert np.abs(filled[0] - scene)[bad].max() < 60.0


def test_repair_does_not_take_bad_pixels_for_neighbours() -> None:
    """A high and a wide defect, one the other's second neighbour, are both filled from good pixels."""
    bad = np.zeros((20, 30), dtype=bool)
    bad[5:14, 10] = bad[9, 12:20] = True
    target = masked(np.where(bad, 1e6, 7.0), 1.0)
    target.mask.set_where("BAD", bad)
    RepairTask().run(target)
    np.testing.assert_allclose(target.image.array, 7.0, rtol=1e-5)


def test_repair_leaves_unknown_pixels_unknown() -> None:
    """NaN that no plane explains stays NaN, and no filled pixel is made from it."""
    image = np.full((9, 9), 5.0)
    image[4, 3] = np.nan
    target = masked(image, 1.0)
    target.mask.set_where("BAD", np.arange(81).reshape(9, 9) == 4 * 9 + 4)
    assert RepairTask().run(target) == 1
    assert target.image.array[4, 4] == pytest.approx(5.0)
    assert np.isnan(target.image.array[4, 3])
    assert not target.mask.isSet("INTRP")[4, 3]


def test_repair_of_an_image_without_good_pixels_does_nothing() -> None:
    """Where there is nothing to interpolate from, nothing is filled."""
    target = masked(np.ones((5, 5)), 1.0)
    target.mask.set_where("SAT", np.ones((5, 5), dtype=bool))
    assert RepairTask().run(target) == 0
    assert not target.mask.isSet("INTRP").any()
