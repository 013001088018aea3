"""Differences as evidence: the fit of a template to a warp, and SafeClip in a field where all is detected."""

import numpy as np
import pytest
from coadd_warps import BBOX, SKY_INFO, make_handles, make_warp
from scipy import ndimage

from butler.images import SpanSet
from tasks.coadd import (
    SafeClipAssembleCoaddConfig,
    SafeClipAssembleCoaddTask,
    decide_clip,
    overlap_fractions,
    spans_of_visit,
)
from tasks.coadd.difference_candidates import DifferenceCandidates
from tasks.coadd.seeing_match import TemplateModel
from tasks.coadd.template_models import TemplateModels

SEEING = (1.7, 1.8, 1.9, 2.0, 2.1, 2.3, 2.5)
TRAIL_VISIT = 4


def crowded(sigma, shape=BBOX.shape, shift=0.0):
    """Draw 400 stars that overlap everywhere, in some seeing."""
    rng = np.random.default_rng(8)
    n_y, n_x = shape
    image = np.zeros(shape)
    rows, columns = np.mgrid[:n_y, :n_x]
    stars = zip(rng.uniform(0, n_x, 400), rng.uniform(0, n_y, 400), rng.pareto(1.2, 400) + 0.2, strict=True)
    for x, y, flux in stars:
        squared = (columns - x - shift) ** 2 + (rows - y - shift / 2) ** 2
        image += min(flux, 60) * 2000 / sigma**2 * np.exp(-squared / (2 * sigma**2))
    return image


def trail():
    """Choose the pixels of a trail."""
    y, x = np.mgrid[: BBOX.height, : BBOX.width]
    return np.abs(y - 40 - 0.25 * x) < 2


@pytest.mark.parametrize("shift", [0.0, 0.15])
def test_seeing_shift_scale_and_sky_are_fitted(shift):
    """Of the difference of two images of one field in unlike seeing, the fit leaves a small part."""
    template = crowded(2.0).astype(np.float32)
    y, x = np.mgrid[: BBOX.height, : BBOX.width]
    warp = (1.03 * crowded(2.15, shift=shift) + 50 + 0.4 * x - 0.2 * y).astype(np.float32)
    one = np.ones(BBOX.shape, np.float32)
    match = TemplateModel(template, one, 2.0).match(warp, one, np.ones(BBOX.shape, bool))
    inner = np.s_[3:-3, 3:-3]
    before, left = (np.std((warp - template - m)[inner]) for m in (0, match.model))
    assert left < 0.1 * before


def test_an_artifact_is_no_part_of_the_fit():
    """A bright trail changes the fitted model by a small part of its own brightness."""
    template, one = crowded(2.0).astype(np.float32), np.ones(BBOX.shape, np.float32)
    model, good = TemplateModel(template, one, 2.0), np.ones(BBOX.shape, bool)
    warp = crowded(2.1).astype(np.float32)
    clean = model.match(warp, one, good)
    struck = model.match(warp + np.float32(3000) * trail(), one, good)
    assert np.std(struck.model - clean.model) < 0.01 * 3000


def test_without_pixels_nothing_is_expected():
    """A warp without good pixels, and a template without any, give empty planes and no error."""
    one = np.ones(BBOX.shape, np.float32)
    for template in (crowded(2.0).astype(np.float32), np.full(BBOX.shape, np.nan, np.float32)):
        match = TemplateModel(template, one, 2.0).match(one, one, np.zeros(BBOX.shape, bool))
        assert not match.model.any()
        assert not match.scatter.any()


def test_what_a_wrong_psf_leaves_counts_as_noise():
    """Where stars differ as no fit can describe, what is left is noise; on empty sky nothing grows."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[: BBOX.height, : BBOX.width]
    template = np.zeros(BBOX.shape)
    ring = np.zeros(BBOX.shape)
    for x, y, peak in zip(
        rng.uniform(0, BBOX.width, 40), rng.uniform(0, BBOX.height, 40), rng.pareto(1.0, 40), strict=True
    ):
        distance = np.hypot(columns - x, rows - y)
        template += 300 * min(peak, 50) * np.exp(-(distance**2) / 8)
        ring += 15 * min(peak, 50) * np.exp(-((distance - 6) ** 2) / 2)
    warp = (template + ring + rng.normal(scale=10, size=BBOX.shape)).astype(np.float32)
    variance = np.full(BBOX.shape, 100, np.float32)
    model = TemplateModel(template.astype(np.float32), 0 * variance, 2.0)
    match = model.match(warp, variance, np.ones(BBOX.shape, bool))
    left = np.abs(warp - template - match.model)
    error = np.sqrt(variance * match.noise_factor + match.scatter**2)
    assert (left / 10 > 5).mean() > 0.01
    assert (left / error > 5).mean() < 0.2 * (left / 10 > 5).mean()
    dark = ndimage.maximum_filter(np.abs(template), 2 * round(5 * 2.0) + 3) < 30
    assert np.median(error[dark]) < 13


def stars_of_all_magnitudes(sigma):
    """Draw stars on a grid, from faint ones to bright ones."""
    rows, columns = np.mgrid[:210, :210]
    peaks = np.geomspace(300, 30_000, 49)
    places = np.stack(np.meshgrid(np.arange(15, 210, 30), np.arange(15, 210, 30)), -1).reshape(-1, 2)
    image = np.zeros(rows.shape)
    for (x, y), peak in zip(places, np.random.default_rng(5).permutation(peaks), strict=True):
        image += peak * (2 / sigma) ** 2 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return image, places


def test_peaks_of_stars_in_much_better_seeing_are_no_artifacts():
    """Of stars of half the size, bright or faint, no peak stands out; a cosmic ray between them does."""
    template, places = stars_of_all_magnitudes(2.6)
    warp, _ = stars_of_all_magnitudes(1.2)
    warp[30, 30:33] += 400
    warp += np.random.default_rng(3).normal(scale=10, size=warp.shape)
    variance = np.full(warp.shape, 100, np.float32)
    model = TemplateModel(template.astype(np.float32), 0.1 * variance, 2.6)
    match = model.match(warp.astype(np.float32), variance, np.ones(warp.shape, bool))
    pull = (warp - template - match.model) / np.sqrt(variance * match.noise_factor + match.scatter**2)
    peaks = pull[places[:, 1], places[:, 0]]
    assert (warp - template - match.model)[places[:, 1], places[:, 0]].min() > 100
    assert np.abs(peaks).max() < 5
    assert pull[30, 30:33].min() > 20


def test_of_two_visits_the_other_tells_what_is_bright():
    """The half of a trail that the mean of two visits has makes no bright place on the visit that has it."""
    rng = np.random.default_rng(9)
    other, struck = rng.normal(size=(2, *BBOX.shape))
    struck[trail()] += 60
    static = make_warp(0, (other + struck) / 2)
    handles = make_handles([make_warp(1, other), make_warp(2, struck)])
    models = TemplateModels(static, handles, [None, None], 2.0)
    shown = [models.of_visit(number, BBOX).rows(0, BBOX.height).standing[trail()] for number in range(2)]
    assert shown[0].min() > 50
    assert shown[1].max() < 10
    models = TemplateModels(static, handles * 2, [None] * 4, 2.0)
    assert len({id(models.of_visit(number, BBOX)) for number in range(4)}) == 1


def test_what_saturation_leaves_counts_as_noise():
    """What was cut off a saturated star makes no outliers; a saturated trail on faint sky does."""
    stars = crowded(1.0)
    level = np.quantile(stars, 0.98)
    struck = stars + 2 * level * trail()
    cut = ndimage.maximum_filter(struck > level, 9)
    template, warp = (
        ndimage.gaussian_filter(plane, 1.5).astype(np.float32) for plane in (stars, np.minimum(struck, level))
    )
    one = np.ones(BBOX.shape, np.float32)
    model = TemplateModel(template, one, 1.8)
    outliers = []
    for saturated in (None, cut):
        match = model.match(warp, one, ~cut, saturated)
        error = np.sqrt(2 * match.noise_factor + match.scatter**2)
        outliers.append(np.abs(warp - template - match.model) > 5 * error)
    on_stars = cut & ~ndimage.maximum_filter(trail(), 15)
    assert outliers[0][on_stars].mean() > 0.3
    assert outliers[1][on_stars].mean() < 0.05
    faint = trail() & (template < 0.05 * level)
    assert outliers[1][faint].mean() > 0.95


def test_background_is_fitted():
    """A bent background is taken up by the fit, and a disc with an edge is not."""
    y, x = (v / 60.0 - 1 for v in np.mgrid[: BBOX.height, : BBOX.width])
    rng = np.random.default_rng(4)
    template, one = np.zeros(BBOX.shape, np.float32), np.ones(BBOX.shape, np.float32)
    disc = 4.0 * (np.hypot(x - 0.3, y + 0.2) < 0.25)
    bent = 3 * x**2 - 2 * x * y + y**3
    warp = (bent + disc + rng.normal(size=BBOX.shape)).astype(np.float32)
    match = TemplateModel(template, one, 2.0).match(warp, one, np.ones(BBOX.shape, bool))
    assert np.std(match.model - bent) < 0.5
    assert (warp - match.model)[disc > 0].mean() > 3.0


@pytest.fixture(scope="module")
def crowded_warps():
    """Make warps of a crowded field that are detected everywhere, one with a trail."""
    rng = np.random.default_rng(2)
    warps = []
    for visit, sigma in enumerate(SEEING, start=1):
        image = crowded(sigma) + rng.normal(scale=10, size=BBOX.shape)
        image[trail() & (visit == TRAIL_VISIT)] += 400
        warp = make_warp(visit, image, variance=100.0, sigma=sigma)
        warp.mask.array[:] |= warp.mask.getPlaneBitMask("DETECTED")
        warps.append(warp)
    return warps


def safe_clip(warps, evidence):
    """Run SafeClip."""
    config = SafeClipAssembleCoaddConfig(doNImage=True, clipEvidence=evidence)
    task = SafeClipAssembleCoaddTask(config)
    return task.run(SKY_INFO, make_handles(warps), [None] * len(warps), [0.01] * len(warps))


def test_a_crowded_field_needs_differences(crowded_warps):
    """Detections everywhere clip nothing; differences clip the trail, and stars stay as in the mean."""
    assert len(safe_clip(crowded_warps, "detections").clipRecord) == 0
    result = safe_clip(crowded_warps, "differences")
    used = result.nImage.array
    inner = np.zeros(BBOX.shape, bool)
    inner[8:-8, 8:-8] = True
    assert (used[trail() & inner] < len(SEEING)).mean() > 0.9
    assert set(result.clipRecord["visit"]) == {TRAIL_VISIT}
    mean = np.mean([warp.image.array for warp in crowded_warps], axis=0, dtype=float)
    near = ndimage.binary_dilation(trail(), iterations=10)
    np.testing.assert_allclose(result.coaddExposure.image.array[~near], mean[~near], rtol=1e-5)
    clean = np.mean([w.image.array for i, w in enumerate(crowded_warps, 1) if i != TRAIL_VISIT], axis=0)
    clipped = trail() & inner & (used < len(SEEING))
    np.testing.assert_allclose(result.coaddExposure.image.array[clipped], clean[clipped], rtol=1e-5)


def test_differences_survive_missing_pixels(crowded_warps):
    """NaN and bad pixels, on one warp or on all, are neither evidence nor the end of it."""
    warps = [make_warp(i, w.image.array, variance=100.0) for i, w in enumerate(crowded_warps, start=1)]
    warps[0].image.array[20:25, 20:60] = np.nan
    warps[1].mask.array[60:64, :] |= warps[1].mask.getPlaneBitMask("SAT")
    for warp in warps:
        warp.image.array[:, -4:] = np.nan
        warp.mask.array[:, -4:] |= warp.mask.getPlaneBitMask("NO_DATA")
    record = safe_clip(warps, "differences").clipRecord
    on_trail = record["visit"] == TRAIL_VISIT
    assert record["area"][on_trail].sum() > 0.8 * trail().sum()
    assert record["area"][~on_trail].sum() < 0.04 * BBOX.area


def test_artifacts_that_cross_are_told_apart():
    """Of eight visits each has a trail across those of the others; all are clipped, each on its visit."""
    rng = np.random.default_rng(6)
    y, x = np.mgrid[: BBOX.height, : BBOX.width]
    warps, trails = [], []
    for visit in range(8):
        angle = visit * np.pi / 8
        across = (y - BBOX.height / 2) * np.cos(angle) - (x - BBOX.width / 2) * np.sin(angle)
        trails.append(np.abs(across) < 2)
        image = 60.0 * trails[-1] + rng.normal(scale=10, size=BBOX.shape)
        warps.append(make_warp(visit + 1, image, variance=100.0))
    inner = np.zeros(BBOX.shape, bool)
    inner[10:-10, 10:-10] = True
    alone = np.sum(trails, axis=0) == 1
    record = safe_clip(warps, "differences").clipRecord
    for visit, own in enumerate(trails, start=1):
        clipped = spans_of_visit(record, visit).asArray(BBOX)
        assert clipped[own & alone & inner].mean() > 0.94
        assert clipped[~ndimage.binary_dilation(own, iterations=10) & inner].mean() < 0.01


@pytest.mark.parametrize(("n_visits", "rule"), [(3, None), (4, "double")])
def test_two_of_four_may_be_left_out(n_visits, rule):
    """What two visits show is an artifact of both if at least two others see the place and do not show it."""
    thresholds = SafeClipAssembleCoaddConfig().thresholds
    assert decide_clip({0: 1.0, 2: 0.9}, thresholds, n_visits=n_visits).rule == rule


def test_overlaps_of_differences_are_counted():
    """Each visit's share of a candidate is that of a comparison pixel by pixel; bad pixels do not count."""
    rng = np.random.default_rng(7)
    shapes = ndimage.binary_dilation(rng.random((4, *BBOX.shape)) > 0.999, np.ones((1, 5, 5)))
    bad = rng.random(shapes.shape) > 0.9
    candidates = DifferenceCandidates([SpanSet.fromMask(s, xy0=BBOX.minimum) for s in shapes], BBOX)
    for visit, own in enumerate(bad):
        candidates.count(visit, own)
    assert len(candidates.spans) > 8
    for number, (spans, visit) in enumerate(zip(candidates.spans, candidates.visits, strict=True)):
        pixels = spans.asArray(BBOX)
        assert not (pixels & ~shapes[visit]).any()
        n_bad = [int((b & pixels).sum()) for b in bad]
        n_shown = [int((s & ~b & pixels).sum()) for s, b in zip(shapes, bad, strict=True)]
        assert candidates.overlaps(number) == overlap_fractions(spans.area, n_bad, n_shown)
        assert candidates.n_able(number) == sum(2 * n < spans.area for n in n_bad)


def test_a_smoothed_template_explains_much_worse_seeing() -> None:
    """Seeing that is worse by three quarters is a small part of a template and more of it smoothed."""
    template, warp = crowded(1.6).astype(np.float32), crowded(2.8).astype(np.float32)
    one = np.ones(BBOX.shape, np.float32)
    inner = np.s_[6:-6, 6:-6]
    left = []
    for broader in ((), (1.5,)):
        match = TemplateModel(template, one, 1.6, broader=broader).match(warp, one, np.ones(BBOX.shape, bool))
        left.append(np.std((warp - template - match.model)[inner]))
    assert left[1] < 0.5 * left[0]


def test_noise_that_is_alike_in_neighbours_is_no_artifact() -> None:
    """Smooth noise passes for artifacts, but not if the warp's card says by what sums are noisier."""
    rng = np.random.default_rng(11)
    n_clipped = []
    for correlation in (1.0, 4 * np.pi):
        warps = []
        for visit in range(1, 6):
            image = ndimage.gaussian_filter(rng.normal(size=BBOX.shape), 1.0) * np.sqrt(4 * np.pi)
            warps.append(make_warp(visit, image, variance=1.0))
            warps[-1].metadata = {"NOISECOR": correlation}
        n_clipped.append(len(safe_clip(warps, "differences").clipRecord))
    assert n_clipped[0] > 5
    assert n_clipped[1] == 0


@pytest.mark.parametrize(
    ("settings", "more"),
    [({"thresholdValue": 500.0}, False), ({"minPixels": 10_000}, False), ({"nSigmaToGrow": 4.0}, True)],
)
def test_what_counts_as_a_difference_is_configured(crowded_warps, settings, more):
    """A high threshold or a large least area clips nothing, more growth more of the trail's surroundings."""
    areas = []
    for given in ({}, settings):
        config = SafeClipAssembleCoaddConfig(clipEvidence="differences", differenceDetection=given)
        task = SafeClipAssembleCoaddTask(config)
        inputs = make_handles(crowded_warps), [None] * len(crowded_warps), [0.01] * len(crowded_warps)
        areas.append(task.run(SKY_INFO, *inputs).clipRecord["area"].sum())
    assert areas[1] > areas[0] if more else areas[1] == 0
