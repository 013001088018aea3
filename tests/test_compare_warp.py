"""Tests of the coadd that compares PSF-matched warps with the static sky."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from coadd_warps import BBOX, SKY_INFO, make_handle, make_handles, make_warp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from butler.images import CoaddInputs, GaussianPsf, Image, Mask, SpanSet
from connections.errors import ConfigError, NoWorkFound
from tasks.coadd import (
    ArtifactRule,
    CompareWarpAssembleCoaddConfig,
    CompareWarpAssembleCoaddTask,
    EpochLimits,
    Sign,
    judge_candidate,
    spans_of_row,
)
from tasks.coadd.data_box import data_box
from tasks.errors import TaskError, TooManyMaskedPixelsError
from tasks.struct import Struct

SIGMA = 3.27
ROWS, COLUMNS = np.mgrid[: BBOX.height, : BBOX.width]
DEFAULTS = EpochLimits(2, 0.4, 0.03)


def blob(x: float, y: float, peak: float, sigma: float = SIGMA) -> NDArray[np.float64]:
    """Draw a Gaussian on the patch."""
    return peak * np.exp(-((COLUMNS - x) ** 2 + (ROWS - y) ** 2) / (2 * sigma**2))


def visits(n: int, *, seed: int = 1) -> list[NDArray[np.float64]]:
    """Draw noise of variance 1 for each visit."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=BBOX.shape) for _ in range(n)]


def matched_handles(images: list[Any], **changes: Any) -> list[Any]:
    """Wrap images into handles of PSF-matched warps."""
    return make_handles(
        [
            replace(make_warp(visit, image, **changes), psf=GaussianPsf(SIGMA))
            for visit, image in enumerate(images, start=1)
        ]
    )


def coadd(
    direct: list[Any], matched: list[Any], **overrides: Any
) -> tuple[CompareWarpAssembleCoaddTask, Struct]:
    """Assemble a coadd without interpolation."""
    settings = {"doInterp": False, "doNImage": True, "doScaleWarpVariance": False, **overrides}
    task = CompareWarpAssembleCoaddTask(CompareWarpAssembleCoaddConfig().updated(settings))
    prepared = task.prepareInputs(direct, BBOX)
    result = task.run(
        SKY_INFO,
        prepared.tempExpRefList,
        prepared.imageScalerList,
        prepared.weightList,
        supplementaryData=task.makeStaticSkyModel(SKY_INFO, matched),
    )
    return task, result


def coadd_of(images: list[Any], **overrides: Any) -> Struct:
    """Assemble a coadd of visits whose direct and PSF-matched warps are the same."""
    return coadd(
        make_handles([make_warp(i, image) for i, image in enumerate(images, 1)]),
        matched_handles(images),
        **overrides,
    )[1]


def clipped_on(result: Struct, visit: int) -> NDArray[np.bool_]:
    """Return which pixels were clipped on a visit."""
    clipped = np.zeros(BBOX.shape, dtype=bool)
    for row in result.clipRecord:
        if row["visit"] == visit:
            clipped |= spans_of_row(row).asArray(BBOX)
    return clipped


def test_artifact_of_one_visit_is_left_out() -> None:
    """What one of six visits shows is clipped there and nowhere else, and the coadd is that of the others."""
    images = visits(6)
    artifact = blob(50, 60, 100.0)
    images[2] = images[2] + artifact
    result = coadd_of(images)
    clipped = clipped_on(result, 3)
    assert clipped[artifact > 9].all()
    assert not clipped[artifact < 0.1].any()
    assert {int(visit) for visit in result.clipRecord["visit"]} == {3}
    mean = result.coaddExposure
    rest = np.mean([image for i, image in enumerate(images) if i != 2], axis=0)
    np.testing.assert_allclose(mean.image.array[clipped], rest[clipped], atol=1e-5)
    np.testing.assert_allclose(mean.image.array[~clipped], np.mean(images, axis=0)[~clipped], atol=1e-4)
    np.testing.assert_array_equal(mean.mask.isSet("CLIPPED"), clipped)
    np.testing.assert_array_equal(mean.mask.isSet("INEXACT_PSF"), clipped)
    np.testing.assert_array_equal(result.nImage.array, np.where(clipped, 5, 6))


def test_record_says_why() -> None:
    """Each row has rule, numbers of visits and pixels, and the table what holds for all."""
    images = visits(5)
    images[4] = images[4] + blob(30, 30, 80.0)
    record = coadd_of(images).clipRecord
    assert len(record) == 1
    row = record[0]
    assert (row["visit"], row["rule"], row["instrument"]) == (5, "temporal", "Cam")
    assert (row["n_epochs"], row["max_epochs"]) == (5.0, 2)
    assert row["rare_fraction"] > 0.99
    assert row["area"] == spans_of_row(row).area > 50
    assert record.meta["n_visits"] == 5
    assert record.meta["spatialThreshold"] == 0.5
    assert record.meta["n_candidates"] >= 1


def test_clipping_is_a_mask_and_nothing_else() -> None:
    """The mean of warps whose masks were changed by hand is the same coadd."""
    images = visits(6, seed=8)
    images[0] = images[0] + blob(70, 40, 200.0)
    images[3] = images[3] + blob(20, 80, 200.0)
    result = coadd_of(images)
    values = np.array(images)
    for visit in (1, 4):
        assert clipped_on(result, visit).any()
    for visit in range(1, 7):
        values[visit - 1][clipped_on(result, visit)] = np.nan
    np.testing.assert_allclose(result.coaddExposure.image.array, np.nanmean(values, axis=0), atol=1e-4)


def test_sources_and_lasting_changes_stay() -> None:
    """What all visits show is no artifact, nor what many of them do."""
    images = [image + blob(60, 50, 500.0) for image in visits(10)]
    for visit in range(4):
        images[visit] = images[visit] + blob(30, 80, 60.0)
    result = coadd_of(images)
    assert not any(clipped_on(result, visit).any() for visit in range(1, 11))


BY_SIGN = {
    "doCountBySign": True,
    "epochRule": "pixel",
    "doPreserveContainedBySource": False,
    "doAddMatchResidual": True,
}


def test_two_visits_show_nothing_unless_told() -> None:
    """With two visits nothing is clipped, as both differ; counted by sign, the brighter one is clipped."""
    images = [image + blob(30, 80, 1000.0) for image in visits(2)]
    images[1] = images[1] + blob(50, 60, 200.0) + blob(30, 80, 10.0)
    assert len(coadd_of(images).clipRecord) == 0
    result = coadd_of(images, **BY_SIGN)
    assert {(int(row["visit"]), row["rule"]) for row in result.clipRecord} == {(2, "temporal")}
    assert clipped_on(result, 2)[60, 50]
    assert result.coaddExposure.image.array[60, 50] == pytest.approx(images[0][60, 50], abs=1e-5)
    one = coadd_of(visits(1), **BY_SIGN)
    assert len(one.clipRecord) == 0


def test_artifact_that_draws_the_static_sky_is_clipped_by_sign() -> None:
    """Two of five visits share a trail, so that the mean has it and the other three are fainter."""
    images = visits(5)
    for visit in (1, 3):
        images[visit] = images[visit] + 40.0 * (np.abs(ROWS - 30 - 0.3 * COLUMNS) < 4)
    trail = np.abs(ROWS - 30 - 0.3 * COLUMNS) < 3
    mean = {"assembleStaticSkyModel.statistic": "MEAN"}
    together = coadd_of(images, **{**BY_SIGN, "doCountBySign": False}, **mean)
    assert not clipped_on(together, 2)[trail].any()
    result = coadd_of(images, **BY_SIGN, **mean)
    for visit in range(1, 6):
        share = clipped_on(result, visit)[trail].mean()
        assert share > 0.95 if visit in (2, 4) else share == 0


def test_a_shadow_is_clipped_by_sign() -> None:
    """Where one of five visits is fainter, it is clipped and no other."""
    images = visits(5)
    images[2] = images[2] - blob(50, 60, 100.0)
    result = coadd_of(images, **BY_SIGN)
    assert clipped_on(result, 3)[60, 50]
    assert {int(visit) for visit in result.clipRecord["visit"]} == {3}


@pytest.mark.parametrize("n_visits", [2, 5, 8])
def test_stars_that_vary_are_kept_and_artifacts_on_them_are_not(n_visits: int) -> None:
    """A star of another brightness is kept; a mark of another shape or place on a star is clipped."""
    images = [image + blob(60.3, 49.8, 400.0) + blob(25, 80, 400.0) for image in visits(n_visits)]
    images[0] = images[0] + blob(60.3, 49.8, 150.0) + blob(27, 81, 150.0) + blob(95, 30, 200.0)
    images[1] = images[1] + blob(95, 85, 200.0, 0.7 * SIGMA)
    options = {**BY_SIGN, "doAddMatchResidual": False}
    kept = coadd_of(images, **options, doKeepVarying=True)
    assert not clipped_on(kept, 1)[45:55, 55:65].any()
    assert clipped_on(kept, 1)[81, 27]
    assert clipped_on(kept, 1)[30, 95]
    assert clipped_on(kept, 2)[85, 95]
    assert clipped_on(coadd_of(images, **options), 1)[50, 60]


def test_a_star_that_is_fainter_once_is_kept() -> None:
    """An eclipse is a multiple of the PSF too, and a negative one."""
    images = [image + blob(60, 50, 400.0) for image in visits(6)]
    images[4] = images[4] - blob(60, 50, 250.0)
    options = {**BY_SIGN, "doAddMatchResidual": False}
    assert clipped_on(coadd_of(images, **options), 5)[50, 60]
    assert len(coadd_of(images, **options, doKeepVarying=True).clipRecord) == 0


def test_artifact_inside_a_bright_source_is_spared_unless_told() -> None:
    """A candidate wholly inside a protected source stays; without protection it is clipped."""
    images = [image + blob(60, 50, 8000.0, 6.0) for image in visits(6)]
    images[1] = images[1] + blob(60, 50, 300.0)
    assert len(coadd_of(images).clipRecord) == 0
    result = coadd_of(images, doPreserveContainedBySource=False)
    assert clipped_on(result, 2)[50, 60]
    beside = list(images)
    beside[1] = beside[1] + blob(20, 90, 300.0)
    assert clipped_on(coadd_of(beside), 2)[90, 20]


def test_sources_are_looked_for_with_higher_thresholds_until_some_sky_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A static sky below zero is detected everywhere: the threshold below it rises, try by try."""
    images = [image - 30.0 for image in visits(4)]
    images[1] = images[1] + blob(60, 50, 300.0)
    # Smoothed, four visits have an error of 0.05: thresholds of 5, 10, 20 and 40.
    settings = {"detectTemplate.thresholdValue": 100.0, "detectTemplateIterMultiplier": 2.0}
    result = coadd_of(images, **settings, maxDetectTemplateIter=4)
    assert clipped_on(result, 2)[50, 60]
    told = [record.getMessage() for record in caplog.records if "detectTemplate" in record.getMessage()]
    assert [text.split(":")[0] for text in told] == [
        "detectTemplate, attempt 1 of 4",
        "detectTemplate, attempt 2 of 4",
        "detectTemplate, attempt 3 of 4",
    ]
    with pytest.raises(TooManyMaskedPixelsError, match=r"failed 3 times, .* 1, below 4: .*thresholdValue"):
        coadd_of(images, **settings, maxDetectTemplateIter=3)
    plain = coadd_of(images, **settings, **{"detectTemplate.reEstimateBackground": False})
    for visit in range(1, 5):
        np.testing.assert_array_equal(clipped_on(plain, visit), clipped_on(result, visit))


def test_the_upper_threshold_rises_in_the_second_half_of_the_tries(caplog: pytest.LogCaptureFixture) -> None:
    """A static sky above zero needs it: of ten tries the sixth is the last with the first threshold."""
    images = [image + 20.0 for image in visits(4)]
    with pytest.raises(TooManyMaskedPixelsError, match=r"failed 10 times, .* times 2\.44, below 7\.45"):
        coadd_of(images, **{"detectTemplate.thresholdValue": 20.0})
    factors = [
        record.getMessage().split("thresholds times ")[1].split(",")[0]
        for record in caplog.records
        if "detectTemplate" in record.getMessage()
    ]
    assert factors == ["1"] * 6 + ["1.25", "1.56", "1.95"]


def test_looking_for_sources_leaves_the_static_sky_alone() -> None:
    """The background that detection subtracts is that of a copy."""
    result = coadd_of([image + 3.0 for image in visits(4)])
    assert abs(np.median(result.templateCoadd.image.array) - 3.0) < 0.1


def test_imperfect_match_is_no_artifact_if_it_is_known() -> None:
    """A star that a visit shows 3 % too bright is clipped, unless the variance knows of the match."""
    images = [image + blob(60, 50, 1000.0) for image in visits(6)]
    images[0] = images[0] + blob(60, 50, 30.0)
    plain = {"doPreserveContainedBySource": False}
    assert clipped_on(coadd_of(images, **plain), 1)[50, 60]
    known = {**plain, "doAddMatchResidual": True, "minMatchResidual": 0.01}
    assert not clipped_on(coadd_of(images, **known), 1).any()
    images[3] = images[3] + blob(60, 50, 500.0)
    assert clipped_on(coadd_of(images, **known), 4)[50, 60]


def test_warp_tells_how_well_it_was_matched() -> None:
    """The residual on the header of a warp counts, if it is larger than that of the config."""
    images = [image + blob(60, 50, 1000.0) for image in visits(6)]
    images[0] = images[0] + blob(60, 50, 30.0)
    direct = make_handles([make_warp(i, image) for i, image in enumerate(images, 1)])
    options = {"doPreserveContainedBySource": False, "doAddMatchResidual": True, "minMatchResidual": 0.0}
    for residual, spared in ((0.0, False), (0.02, True)):
        warps = [
            replace(make_warp(i, image), psf=GaussianPsf(SIGMA), metadata={"MATCHRES": residual})
            for i, image in enumerate(images, 1)
        ]
        _, result = coadd(direct, make_handles(warps), **options)
        assert clipped_on(result, 1).any() != spared


def test_visit_without_matched_warp_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be compared is not used, and is named; if there is nothing else, there is no work."""
    images = visits(4)
    direct = make_handles([make_warp(i, image) for i, image in enumerate(images, 1)])
    matched = [handle for handle in matched_handles(images) if handle.dataId["visit"] != 2]
    with caplog.at_level(logging.WARNING):
        task, result = coadd(direct, matched)
    assert "visit=2" in caplog.text
    assert "visit=2" in task.metadata.getArray("warpsWithoutMatch")[0]
    assert [row.visit for row in result.coaddExposure.coaddInputs.visits] == [1, 3, 4]
    expected = np.mean([images[i] for i in (0, 2, 3)], axis=0)
    np.testing.assert_allclose(result.coaddExposure.image.array, expected, atol=1e-4)
    with pytest.raises(NoWorkFound, match="none of the 1 warps"):
        coadd(direct[1:2], matched)
    with pytest.raises(NoWorkFound, match="no PSF-matched warps"):
        coadd(direct, [])


def test_order_of_the_matched_warps_does_not_matter() -> None:
    """Direct and PSF-matched warps are brought together by visit."""
    images = visits(5)
    images[1] = images[1] + blob(50, 60, 100.0)
    direct = make_handles([make_warp(i, image) for i, image in enumerate(images, 1)])
    matched = matched_handles(images)
    _, result = coadd(direct, matched)
    _, turned = coadd(direct, matched[::-1])
    assert clipped_on(turned, 2).any()
    np.testing.assert_array_equal(clipped_on(result, 2), clipped_on(turned, 2))


def test_what_cannot_be_compared_is_not_used() -> None:
    """Without matched pixels the direct ones are left out as NO_DATA, not as rejected ones."""
    images = visits(4)
    matched = visits(4)
    matched[0] = images[0].copy()
    matched[0][10:20, 30:40] = np.nan
    mask = np.zeros(BBOX.shape, dtype=np.int32)
    mask[10:20, 30:40] = 1 << 1
    direct = make_handles(
        [make_warp(i, image, mask=mask if i == 1 else None) for i, image in enumerate(images, 1)]
    )
    _, result = coadd(direct, matched_handles(matched))
    hole = np.zeros(BBOX.shape, dtype=bool)
    hole[10:20, 30:40] = True
    np.testing.assert_array_equal(result.nImage.array, np.where(hole, 3, 4))
    assert not result.coaddExposure.mask.isSet("REJECTED").any()
    assert not result.coaddExposure.mask.isSet("SAT").any()


def test_edges_of_used_pixels_are_marked() -> None:
    """EDGE of a matched warp becomes SENSOR_EDGE and INEXACT_PSF where its direct warp was used."""
    images = visits(4)
    mask = np.zeros(BBOX.shape, dtype=np.int32)
    mask[:, 5:8] = 1 << 4
    images[1] = images[1].copy()
    images[1][40:50, :20] += 200.0
    direct = make_handles([make_warp(i, image) for i, image in enumerate(images, 1)])
    matched = [
        replace(make_warp(i, im, mask=mask if i == 2 else None), psf=GaussianPsf(SIGMA))
        for i, im in enumerate(images, 1)
    ]
    _, result = coadd(direct, make_handles(matched))
    clipped = clipped_on(result, 2)
    edge = np.zeros(BBOX.shape, dtype=bool)
    edge[:, 5:8] = True
    assert (edge & clipped).any()
    np.testing.assert_array_equal(result.coaddExposure.mask.isSet("SENSOR_EDGE"), edge & ~clipped)
    assert result.coaddExposure.mask.isSet("INEXACT_PSF")[edge & ~clipped].all()


def test_coadd_knows_where_detectors_were_used() -> None:
    """Polygons are those of the PSF-matched warps, and detectors that those lack are no inputs."""
    images = visits(3)
    direct = make_handles([make_warp(i, image) for i, image in enumerate(images, 1)])
    polygon = ((50.0, 30.0), (140.0, 30.0), (140.0, 110.0), (50.0, 110.0))
    matched = []
    for handle in matched_handles(images):
        warp = handle.get()
        (row,) = warp.coaddInputs.ccds
        if row.visit == 2:
            row = replace(row, ccd=99)
        warp.coaddInputs = CoaddInputs(warp.coaddInputs.visits, (replace(row, validPolygon=polygon),))
        matched.append(make_handle(handle.dataId["visit"], warp))
    _, result = coadd(direct, matched)
    inputs = result.coaddExposure.coaddInputs
    assert [row.visit for row in inputs.ccds] == [1, 3]
    assert all(row.validPolygon == polygon for row in inputs.ccds)
    assert [row.visit for row in result.coaddExposure.psf.ccds] == [1, 3]


def test_candidates_on_bad_pixels_are_dropped() -> None:
    """A candidate of which next to nothing is good does not count, nor does one that is too large."""
    images = visits(5)
    images[1] = images[1] + blob(50, 60, 100.0)
    direct = make_handles([make_warp(i, image) for i, image in enumerate(images, 1)])
    mask = np.zeros(BBOX.shape, dtype=np.int32)
    mask[40:80, 30:70] = 1
    bad = [
        replace(make_warp(i, im, mask=mask if i == 2 else None), psf=GaussianPsf(SIGMA))
        for i, im in enumerate(images, 1)
    ]
    assert len(coadd(direct, make_handles(bad))[1].clipRecord) == 0
    assert len(coadd(direct, make_handles(bad), doPrefilterArtifacts=False)[1].clipRecord) == 1
    large = {"doFilterLargeArtifacts": True, "filterLargeArtifactsFraction": 0.01}
    assert len(coadd(direct, matched_handles(images), **large)[1].clipRecord) == 0


def test_clipped_pixels_grow_if_told() -> None:
    """growClippedFp dilates what is clipped by so many sigma of the PSF."""
    images = visits(5)
    images[1] = images[1] + blob(50, 60, 100.0)
    plain, grown = coadd_of(images), coadd_of(images, growClippedFp=1.0)
    expected = spans_of_row(plain.clipRecord[0]).dilated(3).clippedTo(BBOX)
    assert spans_of_row(grown.clipRecord[0]) == expected


def test_variance_of_correlated_noise_is_scaled() -> None:
    """Noise three times as large as the variance says makes no candidates when the variance is scaled."""
    images = [3.0 * image for image in visits(6)]
    direct = make_handles([make_warp(i, image) for i, image in enumerate(images, 1)])
    options = {"detect.thresholdValue": 4.0, "detect.minPixels": 1}
    unscaled = coadd(direct, matched_handles(images), **options)[1].clipRecord.meta["n_candidates"]
    options["doScaleWarpVariance"] = True
    scaled = coadd(direct, matched_handles(images), **options)[1].clipRecord.meta["n_candidates"]
    assert unscaled > 100
    assert scaled < 0.1 * unscaled


def test_streak_is_clipped_on_all_its_visits() -> None:
    """A trail that half of the visits share passes the count of visits, but not the search for lines."""
    pytest.importorskip("skimage")
    images = visits(6)
    distance = (COLUMNS - 60) * np.sin(0.5) - (ROWS - 55) * np.cos(0.5)
    trail = 40.0 * np.exp(-(distance**2) / (2 * 2.0**2))
    for visit in (0, 2, 4):
        images[visit] = images[visit] + trail
    plain = coadd_of(images)
    assert not clipped_on(plain, 1).any()
    found = coadd_of(images, doFilterMorphological=True, growStreakFp=1.0)
    streaks = [row for row in found.clipRecord if row["rule"] == "streak"]
    assert {int(row["visit"]) for row in streaks} >= {1, 3, 5}
    assert clipped_on(found, 1)[trail > 10].mean() > 0.9


@pytest.mark.parametrize(
    ("n", "limit"),
    [
        (1, 0),
        (2, 0),
        (3, 1),
        (4, 1),
        (4.9, 1),
        (5, 2),
        (33, 2),
        (34, 3),
        (66, 3),
        (67, 4),
        (100, 5),
        (200, 8),
    ],
)
def test_limit_of_visits_is_the_published_one(n: float, limit: int) -> None:
    """Up to how many visits count as few, for the defaults."""
    assert int(DEFAULTS.limit(n)) == limit


@given(
    seed=st.integers(0, 2**32 - 1),
    per_pixel=st.booleans(),
    brighter=st.sampled_from([None, True, False]),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    is_median=st.booleans(),
    is_variation=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_judgement_is_that_of_the_rule(
    seed: int, per_pixel: bool, brighter: bool | None, threshold: float, is_median: bool, is_variation: bool
) -> None:
    """The rule written pixel by pixel gives the same answer."""
    rng = np.random.default_rng(seed)
    positive, negative = rng.integers(0, 4, (2, 6, 7))
    n = rng.integers(0, 12, (6, 7))
    inside = rng.random((6, 7)) < 0.4
    inside[2, 3] = True
    spans = SpanSet.fromMask(inside)
    mean = sum(n[y, x] for y, x in zip(*np.nonzero(inside), strict=True)) / inside.sum()
    rare = 0
    for y, x in zip(*np.nonzero(inside), strict=True):
        limit = (
            round(min(0.4 * n[y, x], 2 + 0.03 * n[y, x]))
            if per_pixel
            else int(min(0.4 * mean, 2 + 0.03 * mean))
        )
        drawn = not is_median or 2 * positive[y, x] >= n[y, x]
        if brighter is None:
            rare += 0 < positive[y, x] + negative[y, x] <= limit
        elif is_variation and not drawn and positive[y, x] * negative[y, x] > 0:
            rare += 0
        elif brighter:
            rare += 0 < positive[y, x] <= limit
        else:
            rare += 0 < negative[y, x] <= limit and not (drawn and 0 < positive[y, x] <= limit)
    test = judge_candidate(
        spans,
        Image((positive + negative).astype(np.uint32)),
        Image(n.astype(np.uint32)),
        DEFAULTS,
        threshold,
        per_pixel=per_pixel,
        sign=None
        if brighter is None
        else Sign(Image(positive.astype(np.uint32)), brighter, is_median, is_variation),
    )
    assert test.rare_fraction == pytest.approx(rare / inside.sum())
    assert (test.rule is ArtifactRule.TEMPORAL) == (rare > threshold * inside.sum())
    assert test.n_epochs == pytest.approx(mean)


def test_static_sky_is_needed() -> None:
    """Without the static sky there is nothing to compare with."""
    task = CompareWarpAssembleCoaddTask()
    handles = make_handles([make_warp(1)])
    with pytest.raises(TaskError, match="makeStaticSkyModel"):
        task.run(SKY_INFO, handles, [None], [1.0])


def test_unselected_visits_are_not_in_the_static_sky() -> None:
    """In a quantum, the static sky is made of the visits that the coadd is made of, and no others."""
    images = visits(4)
    images[3] = images[3] + 1000.0
    direct = make_handles([make_warp(i, image) for i, image in enumerate(images, 1)])
    info = SimpleNamespace(getOuterBBox=lambda: BBOX)
    tract = SimpleNamespace(getPatchInfo=lambda index: info, getWcs=lambda: SKY_INFO.wcs)
    quantum = SimpleNamespace(dataId={"tract": 0, "patch": 3})
    context = SimpleNamespace(quantum=quantum, get=lambda handles: handles)
    inputs = {
        "skyMap": {0: tract},
        "inputWarps": direct[:3],
        "psfMatchedWarps": matched_handles(images),
    }
    made = CompareWarpAssembleCoaddTask().makeSupplementaryDataGen3(context, inputs, {})
    assert [handle.dataId["visit"] for handle in made.warpRefList] == [1, 2, 3]
    assert abs(np.mean(made.templateCoadd.image.array)) < 0.1


def test_connections_have_the_published_names() -> None:
    """Dataset types follow the name of the coadd; the static sky is written if asked for."""
    config = CompareWarpAssembleCoaddConfig().updated(
        {"connections": {"coaddName": "good"}, "assembleStaticSkyModel.doWrite": True}
    )
    assert {name: c.name for name, c in config.resolved_connections().all()} == {
        "inputWarps": "goodCoadd_directWarp",
        "psfMatchedWarps": "goodCoadd_psfMatchedWarp",
        "skyMap": "skyMap",
        "coaddExposure": "goodCoadd",
        "clipRecord": "goodCoadd_clipped",
        "templateCoadd": "goodCoaddPsfMatched",
    }
    assert CompareWarpAssembleCoaddConfig().resolved_connections().templateCoadd is None


def test_impossible_settings_are_refused() -> None:
    """Fractions above 1, unknown rules and a template that counts its inputs are refused by name."""
    for field, value in (("spatialThreshold", 1.5), ("epochRule", "sometimes"), ("maxNumEpochs", -1)):
        with pytest.raises(ConfigError, match=field):
            CompareWarpAssembleCoaddConfig().updated({field: value})


def crowded(rng: np.random.Generator, sigma: float) -> NDArray[np.float64]:
    """Draw stars that overlap, as a visit whose PSF was matched a little wrong has them."""
    image = np.zeros(BBOX.shape)
    stars = np.random.default_rng(5)
    for x, y, peak in zip(
        stars.uniform(0, BBOX.width, 250),
        stars.uniform(0, BBOX.height, 250),
        stars.pareto(1.0, 250),
        strict=True,
    ):
        image += blob(x, y, 100 * min(peak, 60) * (SIGMA / sigma) ** 2, sigma)
    return image + rng.normal(size=BBOX.shape) + rng.normal() * (COLUMNS / BBOX.width - 0.5) ** 2


@pytest.mark.parametrize("n_visits", [4, 8])
def test_a_crowded_field_with_wrong_psfs_and_skies(n_visits: int) -> None:
    """A trail is clipped on its visit, and stars and sky are not, though PSFs, scales and skies are wrong."""
    rng = np.random.default_rng(11)
    images = [
        (1 + 0.02 * rng.normal()) * crowded(rng, SIGMA * (1 + 0.02 * rng.normal())) for _ in range(n_visits)
    ]
    trail = np.abs(ROWS - 30 - 0.3 * COLUMNS) < 4
    images[1] = images[1] + 25.0 * trail
    fitted = {"doFitDifferences": True, "doPreserveContainedBySource": False, "epochRule": "pixel"}
    result = coadd_of(images, **fitted, **{"detect.thresholdValue": 5.0})
    assert clipped_on(result, 2)[trail].mean() > 0.7
    others = [clipped_on(result, visit).mean() for visit in range(1, n_visits + 1) if visit != 2]
    assert np.mean(others) < 0.01


def test_a_visit_is_compared_where_it_has_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a visit of a part of the patch shows is the same as if the whole patch had been looked at."""
    rng = np.random.default_rng(8)
    images, masks = [], []
    for number in range(6):
        image, mask = rng.normal(size=BBOX.shape), np.zeros(BBOX.shape, np.int32)
        image += blob(30 if number % 2 else COLUMNS.max() - 30, 30 + 8 * number, 80.0) * (number < 3)
        columns = slice(0, 70) if number % 2 else slice(COLUMNS.max() - 69, None)
        outside = np.ones(BBOX.shape, bool)
        outside[20:75, columns] = False
        image[outside], mask[outside] = np.nan, 1 << Mask.from_bbox(BBOX).planes["NO_DATA"]
        images.append(image)
        masks.append(mask)
    direct, matched = (
        [replace(make_warp(i, image, mask=mask), psf=GaussianPsf(SIGMA)) for i, (image, mask) in numbered]
        for numbered in [list(enumerate(zip(images, masks, strict=True), start=1))] * 2
    )
    results = []
    for look in (data_box, lambda mask: mask.bbox):
        monkeypatch.setattr("tasks.coadd.artifact_search.data_box", look)
        settings = {"maxFractionEpochsLow": 0.7, "doKeepVarying": True}
        results.append(coadd(make_handles(direct), make_handles(matched), **settings)[1])
    part, whole = results
    assert len(part.clipRecord) > 1
    assert part.clipRecord.pformat() == whole.clipRecord.pformat()
    for plane in ("image", "variance", "mask"):
        ours, theirs = (getattr(one.coaddExposure, plane).array for one in (part, whole))
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(part.nImage.array, whole.nImage.array)


def test_masks_of_warps_with_their_artifacts() -> None:
    """They are those that were combined, one for each warp; a visit that was not compared has no data."""
    images = visits(5)
    images[1] = images[1] + blob(50, 60, 100.0)
    direct = make_handles([make_warp(i, image, mask=1 << 3) for i, image in enumerate(images, 1)])
    _, result = coadd(direct, matched_handles(images[:4]), doWriteArtifactMasks=True)
    masks = result.artifactMasks
    assert [handle["visit"] for handle in masks.dataIds] == [1, 2, 3, 4, 5]
    for visit, mask in enumerate(masks, start=1):
        np.testing.assert_array_equal(mask.isSet("CLIPPED"), clipped_on(result, visit))
        assert mask.isSet("NO_DATA").all() == (visit == 5)
    assert (masks[0].array & 8).all()
    assert masks[1].isSet("CLIPPED").any()
    assert "CLIPPED" not in direct[1].get(component="mask").planes
    assert len(masks[1:3]) == 2
    wanted = [SimpleNamespace(dataId={"instrument": "Cam", "visit": visit}) for visit in (4, 9, 2)]
    fourth, none, second = masks.aligned(wanted)
    assert none is None
    assert second.isSet("CLIPPED").any()
    assert not fourth.isSet("CLIPPED").any()
    with pytest.raises(AttributeError):
        _ = coadd(direct, matched_handles(images[:4]))[1].artifactMasks
