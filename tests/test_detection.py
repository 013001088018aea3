"""SourceDetectionTask: what it finds, marks and refuses."""

import numpy as np
import pytest

from butler.images import Box2I, CoaddPsf, Exposure, GaussianPsf, Image, Mask, MaskedImage
from tasks.detection import SourceDetectionConfig, SourceDetectionTask
from tasks.errors import DetectionError, TooManyMaskedPixelsError

BBOX = Box2I.from_corners((-7, 30), (92, 109))


def noise_exposure(sources, *, sigma=1.5, psf="gaussian", seed=1):
    """Make an exposure of noise 1 with Gaussian sources ``(x, y, peak)`` in parent pixels."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=BBOX.shape).astype(np.float32)
    y, x = np.mgrid[BBOX.minY : BBOX.maxY + 1, BBOX.minX : BBOX.maxX + 1]
    for cx, cy, peak in sources:
        image += np.float32(peak) * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / sigma**2).astype(
            np.float32
        )
    pixels = MaskedImage(Image(image, BBOX.minimum), Mask.from_bbox(BBOX), Image.from_bbox(BBOX, fill=1.0))
    return Exposure(pixels, psf=GaussianPsf(sigma) if psf == "gaussian" else psf)


def make_task(**values):
    """Make the task with some settings."""
    return SourceDetectionTask(SourceDetectionConfig(**values))


def pixels_of(footprints):
    """Return where any footprint is, as an array over BBOX."""
    found = np.zeros(BBOX.shape, dtype=bool)
    for footprint in footprints:
        found |= footprint.spans.asArray(BBOX)
    return found


def test_finds_sources_of_both_signs_where_they_are():
    """Each bright source gives one footprint of its sign, with its peak on it and in the mask."""
    exposure = noise_exposure([(20, 60, 40.0), (60, 80, 40.0), (40, 95, -40.0)])
    result = make_task(thresholdPolarity="both").detectFootprints(exposure)
    assert sorted((f.peaks[0].x, f.peaks[0].y) for f in result.positive) == [(20, 60), (60, 80)]
    assert [(f.peaks[0].x, f.peaks[0].y) for f in result.negative] == [(40, 95)]
    np.testing.assert_array_equal(exposure.mask.isSet("DETECTED"), pixels_of(result.positive))
    np.testing.assert_array_equal(exposure.mask.isSet("DETECTED_NEGATIVE"), pixels_of(result.negative))
    assert len(result.merged) == 3


def test_merged_joins_touching_footprints_of_both_signs():
    """A positive and a negative source side by side are one merged footprint with both peaks."""
    exposure = noise_exposure([(30, 60, 40.0), (39, 60, -40.0), (70, 90, 40.0)])
    result = make_task(thresholdPolarity="both").detectFootprints(exposure)
    assert len(result.positive) == 2
    assert len(result.negative) == 1
    assert sorted(len(footprint.peaks) for footprint in result.merged) == [1, 2]
    np.testing.assert_array_equal(
        pixels_of(result.merged), pixels_of(result.positive) | pixels_of(result.negative)
    )


def test_polarity_limits_what_is_looked_for():
    """A sign that is not asked for is None, and what was there is not marked."""
    exposure = noise_exposure([(20, 60, 40.0), (40, 90, -40.0)])
    result = make_task().detectFootprints(exposure)
    assert result.negative is None
    assert len(result.merged) == len(result.positive) == 1
    assert not exposure.mask.isSet("DETECTED_NEGATIVE").any()


def test_clear_mask_forgets_earlier_detections_only_if_asked():
    """Old DETECTED bits go with clearMask and stay without it."""
    exposure = noise_exposure([])
    exposure.mask.array[40, 40] = exposure.mask.getPlaneBitMask("DETECTED")
    make_task().detectFootprints(exposure, clearMask=False)
    assert exposure.mask.isSet("DETECTED")[40, 40]
    make_task().detectFootprints(exposure)
    assert not exposure.mask.isSet("DETECTED")[40, 40]


def test_border_of_the_kernel_is_edge():
    """EDGE marks what the smoothing kernel cannot search; without smoothing there is none."""
    exposure = noise_exposure([])
    result = make_task().detectFootprints(exposure, sigma=2.0)
    assert result.border == 7
    expected = np.ones(BBOX.shape, dtype=bool)
    expected[7:-7, 7:-7] = False
    np.testing.assert_array_equal(exposure.mask.isSet("EDGE"), expected)
    unsmoothed = noise_exposure([])
    make_task().detectFootprints(unsmoothed, doSmooth=False)
    assert not unsmoothed.mask.isSet("EDGE").any()


def test_thresholds_and_min_pixels():
    """Pixels at the threshold count; components of too few pixels do not."""
    exposure = noise_exposure([])
    exposure.image.array[:] = 0
    exposure.image.array[30, 30:34] = 5.0
    exposure.image.array[50, 50:53] = 5.0
    settings = {"minPixels": 4, "nSigmaToGrow": 0, "thresholdType": "value"}
    result = make_task(**settings).detectFootprints(exposure, doSmooth=False)
    assert [footprint.area for footprint in result.positive] == [4]
    above = make_task(**settings, thresholdValue=5.001).detectFootprints(exposure, doSmooth=False)
    assert not above.positive


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan, np.inf])
def test_refuses_sizes_that_are_none(sigma):
    """A PSF size that is not a positive number is an error."""
    with pytest.raises(DetectionError, match="finite and positive"):
        make_task().detectFootprints(noise_exposure([]), sigma=sigma)


def test_refuses_exposures_without_psf():
    """Without PSF and without sigma nothing can be detected; the message says what to give."""
    with pytest.raises(DetectionError, match="sigma"):
        make_task().detectFootprints(noise_exposure([], psf=None))
    make_task().detectFootprints(noise_exposure([], psf=None), sigma=1.5)


def test_refuses_a_coadd_psf_without_inputs():
    """A CoaddPsf of nothing has no size."""
    psf = CoaddPsf((), None)
    with pytest.raises(DetectionError, match="no size"):
        make_task().detectFootprints(noise_exposure([], psf=psf))


def before_a_slope():
    """Make an exposure with a bright and a dark source before a sloping sky; return it and the sky."""
    exposure = noise_exposure([(20, 60, 80.0), (60, 80, -80.0)])
    sky = np.linspace(-1.0, 1.0, BBOX.width, dtype=np.float32)[np.newaxis].repeat(BBOX.height, axis=0)
    exposure.image.array[:] += sky
    return exposure, sky


def test_background_is_measured_beside_sources_of_both_signs():
    """What is subtracted is the sky alone, though only one sign is asked for; and it is returned."""
    exposure, sky = before_a_slope()
    before = exposure.image.array.copy()
    task = SourceDetectionTask(
        SourceDetectionConfig().updated({"reEstimateBackground": True, "background.binSize": 16})
    )
    result = task.detectFootprints(exposure)
    np.testing.assert_array_equal(exposure.image.array, before - result.background)
    assert np.abs(result.background - sky)[20:-20, 20:-20].max() < 0.5
    assert result.negative is None
    assert not exposure.mask.isSet("DETECTED_NEGATIVE").any()
    plain, _ = before_a_slope()
    assert make_task().detectFootprints(plain).background is None
    np.testing.assert_array_equal(plain.image.array, before)
    np.testing.assert_array_equal(plain.mask.array, exposure.mask.array)


def test_background_without_a_pixel_is_an_error():
    """Detections everywhere leave no sky; the pixels stay as they are."""
    exposure = noise_exposure([])
    exposure.image.array[:] += 100.0
    before = exposure.image.array.copy()
    with pytest.raises(TooManyMaskedPixelsError, match="none is left to measure a background"):
        make_task(reEstimateBackground=True).detectFootprints(exposure)
    np.testing.assert_array_equal(exposure.image.array, before)
    result = make_task(reEstimateBackground=True).detectFootprints(exposure, factor=200.0)
    assert np.abs(np.median(result.background) - 100.0) < 0.1


def test_factors_move_the_thresholds():
    """The threshold below is that above unless it is told."""
    found = {}
    for factors in ((1.0, None), (40.0, None), (40.0, 1.0)):
        exposure = noise_exposure([(20, 60, 40.0), (40, 90, -40.0)])
        result = make_task(thresholdPolarity="both").detectFootprints(
            exposure, factor=factors[0], factorNeg=factors[1]
        )
        found[factors] = len(result.positive), len(result.negative)
    assert found == {(1.0, None): (1, 1), (40.0, None): (0, 0), (40.0, 1.0): (0, 1)}
    with pytest.raises(DetectionError, match=r"must be positive, not 1\.0 and, below, -1"):
        make_task().detectFootprints(noise_exposure([]), factorNeg=-1.0)
