"""Tests of the task that scales a variance plane to the noise that is seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from butler.images import Image, Mask, MaskedImage
from tasks.coadd import ScaleVarianceConfig, ScaleVarianceTask
from tasks.errors import TaskError


def masked_image(image: NDArray[np.float64], variance: float = 1.0) -> MaskedImage:
    """Make a masked image of one variance."""
    return MaskedImage(
        Image(image.astype(np.float32)),
        Mask(np.zeros(image.shape, dtype=np.int32)),
        Image(np.full(image.shape, variance, dtype=np.float32)),
    )


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_factor_is_that_of_the_noise(scale: float) -> None:
    """The square of the scatter is found to 2 %, on a background that is not flat."""
    rng = np.random.default_rng(3)
    slope = np.linspace(0, 50, 600)[:, np.newaxis]
    pixels = masked_image(scale * rng.normal(size=(600, 500)) + 1000.0, 1.0)
    factor = ScaleVarianceTask().run(pixels)
    assert factor == pytest.approx(scale**2, rel=0.02)
    np.testing.assert_allclose(pixels.variance.array, factor, rtol=1e-6)
    sloping = masked_image(scale * rng.normal(size=(600, 500)) + 0.01 * slope)
    assert ScaleVarianceTask().run(sloping) == pytest.approx(scale**2, rel=0.02)


def test_correlated_noise_is_not_taken_for_background() -> None:
    """Noise that is smooth over a few pixels is measured to 5 %."""
    rng = np.random.default_rng(4)
    noise = gaussian_filter(rng.normal(size=(700, 700)), 3.3)
    pixels = masked_image(noise, float(noise.var()))
    assert ScaleVarianceTask().run(pixels) == pytest.approx(1.0, abs=0.05)


def test_large_images_are_sampled() -> None:
    """Of an image of 4 million pixels a part tells the same."""
    rng = np.random.default_rng(5)
    pixels = masked_image(1.5 * rng.normal(size=(2000, 2100)).astype(np.float32))
    assert ScaleVarianceTask().run(pixels) == pytest.approx(2.25, rel=0.02)


def test_sources_and_bad_pixels_do_not_count() -> None:
    """Masked pixels, NaN and infinite variance are left out; without good ones nothing changes."""
    rng = np.random.default_rng(6)
    pixels = masked_image(rng.normal(size=(300, 300)))
    pixels.image.array[::2] += 1e4
    pixels.mask.array[::2] = pixels.mask.getPlaneBitMask("DETECTED")
    pixels.image.array[1, :] = np.nan
    pixels.variance.array[3, :] = np.inf
    assert ScaleVarianceTask().run(pixels) == pytest.approx(1.0, rel=0.03)
    pixels.mask.array[:] = pixels.mask.getPlaneBitMask("BAD")
    assert ScaleVarianceTask().run(pixels) == 1.0


def test_outliers_of_the_variance_do_not_decide() -> None:
    """Where many variances are far too small, that of all pixels counts."""
    rng = np.random.default_rng(7)
    pixels = masked_image(rng.normal(size=(300, 300)))
    pixels.variance.array[:, :80] = 1e-6
    pixels.image.array[:, :80] *= 1.0
    factor = ScaleVarianceTask(ScaleVarianceConfig(limit=1.5)).computeScaleFactor(pixels)
    assert factor == pytest.approx(1.0, rel=0.05)


def test_unbelievable_factor_is_refused() -> None:
    """A factor above the limit is an error, and the variance stays."""
    rng = np.random.default_rng(8)
    pixels = masked_image(10.0 * rng.normal(size=(200, 200)))
    with pytest.raises(TaskError, match="beyond the limit 10"):
        ScaleVarianceTask().run(pixels)
    assert (pixels.variance.array == 1.0).all()
    flat = masked_image(np.ones((50, 50)))
    with pytest.raises(TaskError, match="scatter 0 times"):
        ScaleVarianceTask().run(flat)
