"""SafeClip: decisions, footprints, records, and a coadd without the trail."""

import itertools
import logging
import math

import numpy as np
import pytest
from astropy.table import Table
from coadd_warps import BBOX, SKY_INFO, LiveBytes, WatchedHandle, make_handles, make_warp

from butler.images import Box2I, Footprint, SpanSet
from connections.errors import ConfigError
from tasks.coadd import (
    AssembleCoaddConfig,
    AssembleCoaddTask,
    ClipRule,
    SafeClipAssembleCoaddConfig,
    SafeClipAssembleCoaddTask,
    box_tiling,
    decide_clip,
    overlap_fractions,
    spans_of_row,
)
from tasks.detection import SourceDetectionConfig, SourceDetectionTask
from tasks.errors import TaskError, WarpGeometryError, WarpWeightError
from tasks.struct import Struct

THRESHOLDS = SafeClipAssembleCoaddConfig().thresholds
BAD_PLANES = ("NO_DATA", "BAD", "SAT", "EDGE")

# --- decisions ----------------------------------------------------------------------------------------


def oracle_overlaps(area, bad, detected):
    """Sort visits out one by one, as the rules are written."""
    overlaps = {}
    for i in range(len(bad)):
        usable = area - bad[i]
        if bad[i] > detected[i] or usable <= 0.5 * area or detected[i] == 0:
            continue
        overlaps[i] = detected[i] / usable
    return overlaps


def oracle_decision(overlaps):
    """Decide as the rules are written, with explicit loops."""
    values = list(overlaps.items())
    if len(values) == 0:
        return None, set()
    if len(values) == 1:
        i, overlap = values[0]
        return ("single", {i}) if overlap > 0.5 else (None, set())
    outcome = (None, set())
    above = set()
    for i, overlap in values:
        if overlap > 0.6:
            above.add(i)
    if len(above) == 1:
        outcome = ("dominant", above)
    above = set()
    largest_other = 0.0
    for i, overlap in values:
        if overlap > 0.45:
            above.add(i)
        else:
            largest_other = max(largest_other, overlap)
    if len(above) == 2 and len(values) > 3 and largest_other <= 0.15:
        outcome = ("double", above)
    return outcome


GRID = (0.05, 0.15, 0.16, 0.45, 0.46, 0.5, 0.51, 0.6, 0.61, 1.0)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5])
def test_decision_equals_the_rules_for_all_overlaps(n):
    """For every combination of overlaps around the limits, rule and visits are those of the oracle."""
    grid = GRID if n < 5 else (*GRID[::2], 0.15)
    rules = set()
    for values in itertools.product(grid, repeat=n):
        # Visits that cannot tell leave gaps in the numbers.
        overlaps = {2 * i + 1: value for i, value in enumerate(values)}
        decision = decide_clip(overlaps, THRESHOLDS)
        rule, chosen = oracle_decision(overlaps)
        assert (decision.rule, set(decision.chosen)) == (rule, chosen), values
        others = [value for i, value in overlaps.items() if i not in chosen]
        assert decision.runner_up == max(others, default=0.0)
        rules.add(decision.rule)
    expected = {0: set(), 1: {"single"}, 2: {"dominant"}, 3: {"dominant"}}.get(n, {"dominant", "double"})
    assert rules == expected | {None}


def test_overlaps_equal_the_rules_for_all_counts():
    """For every area up to 9 and all counts of bad and detected pixels, the overlaps are the oracle's."""
    for area in range(1, 10):
        pairs = [(g, d) for g in range(area + 1) for d in range(area + 1 - g)]
        bad, detected = zip(*pairs, strict=True)
        assert overlap_fractions(area, bad, detected) == oracle_overlaps(area, bad, detected)


def test_overlaps_of_large_footprints_do_not_wrap():
    """Counts above 65535 are as good as small ones."""
    assert overlap_fractions(200_000, [65_536, 0], [134_000, 70_000]) == pytest.approx(
        {0: 134_000 / 134_464, 1: 0.35}
    )


# --- scenes -------------------------------------------------------------------------------------------

# Position and flux; the last one lies beside the trail.
STARS = [(60, 30, 900.0), (130, 32, 500.0), (75, 112, 1500.0), (140, 115, 300.0), (90, 75, 700.0)]
SEEING = (1.6, 1.7, 2.0, 1.65, 2.6, 1.8, 1.75, 1.9)
TRAIL = 3
ROW = 62


def pixel_grid(bbox):
    """Return the rows and columns of all pixels of a box."""
    return np.mgrid[bbox.minY : bbox.maxY + 1, bbox.minX : bbox.maxX + 1]


def star_image(bbox, x, y, flux, sigma):
    """Return a Gaussian star at parent coordinates."""
    v, u = pixel_grid(bbox)
    return flux / (2 * math.pi * sigma**2) * np.exp(-0.5 * ((u - x) ** 2 + (v - y) ** 2) / sigma**2)


def trail_image(amplitude, bbox=BBOX):
    """Return a straight trail across the patch, 4 pixels wide, at a slight angle."""
    v, u = pixel_grid(bbox)
    across = (v - ROW - 0.1 * (u - 100)) * math.cos(math.atan(0.1))
    return amplitude * np.exp(-0.5 * (across / 2.0) ** 2)


def make_survey(*, trail=20.0, seed=5):
    """Make warps of stars with different seeing, noise 1, and a trail on one; sources are DETECTED.

    They are cut out of larger images, so that detection reaches their edges, as it does in patches.
    """
    large = BBOX.dilatedBy(20)
    rng = np.random.default_rng(seed)
    detection = SourceDetectionTask(SourceDetectionConfig())
    warps = []
    for visit, sigma in enumerate(SEEING, start=1):
        image = rng.normal(size=large.shape)
        for x, y, flux in STARS:
            image += star_image(large, x, y, flux, sigma)
        if visit == TRAIL:
            image += trail_image(trail, large)
        warp = make_warp(visit, image, sigma=sigma, bbox=large)
        detection.detectFootprints(warp)
        warps.append(warp[BBOX])
    return warps


@pytest.fixture(scope="module")
def survey():
    """Warps with a trail on the third visit and a few masked pixels; not to be changed."""
    warps = make_survey()
    rng = np.random.default_rng(11)
    for warp in warps:
        warp.mask.set_where("BAD", rng.random(BBOX.shape) < 0.01)
        warp.mask.array[:, 100] |= warp.mask.getPlaneBitMask("SAT")
    return warps


def make_task(**values):
    """Make the task."""
    return SafeClipAssembleCoaddTask(SafeClipAssembleCoaddConfig(**{"doNImage": True, **values}))


def run(task, warps):
    """Run on warps in memory, with weight 1."""
    return task.run(SKY_INFO, make_handles(warps), [None] * len(warps), [1.0] * len(warps))


@pytest.fixture(scope="module")
def safe_clipped(survey):
    """Assemble the coadd of the survey."""
    return run(make_task(), survey)


# --- the coadd ----------------------------------------------------------------------------------------


def excess_along_trail(coadd, twin):
    """Return the mean difference to a twin without trail, near the trail and off stars, over its error."""
    near = trail_image(1.0) > 0.05
    for x, y, _ in STARS:
        v, u = pixel_grid(BBOX)
        near &= (u - x) ** 2 + (v - y) ** 2 > 14**2
    near &= np.isfinite(coadd.image.array)
    excess = (coadd.image.array - twin.image.array)[near].mean()
    return excess / math.sqrt(coadd.variance.array[near].mean() / near.sum())


def test_trail_is_gone_and_stars_stay(survey, safe_clipped):
    """The trail, over 10 sigma in a plain mean, is below 1 sigma, and stars are those of the mean."""
    mean = run_mean(survey)
    twin = run_mean(make_survey(trail=0.0)).coaddExposure
    assert excess_along_trail(mean.coaddExposure, twin) > 10
    coadd = safe_clipped.coaddExposure
    assert abs(excess_along_trail(coadd, twin)) < 1
    for x, y, _ in STARS:
        # Seeing costs no visit a star; the trail may take one that touches it along, on its own visit.
        core = Box2I.from_corners((x - 2, y - 2), (x + 2, y + 2))
        for visit in range(1, len(survey) + 1):
            lost = clipped_pixels(safe_clipped.clipRecord, visit)[core.slices_in(BBOX)].any()
            assert not lost or (visit == TRAIL and abs(y - ROW) < 20)
        if abs(y - ROW) >= 20:
            np.testing.assert_array_equal(coadd.image[core].array, mean.coaddExposure.image[core].array)


def run_mean(warps):
    """Run a plain mean on the same warps."""
    task = AssembleCoaddTask(AssembleCoaddConfig(statistic="MEAN", doNImage=True))
    return run(task, warps)


def clipped_pixels(table, visit):
    """Return where a visit was clipped, from the record alone."""
    clipped = np.zeros(BBOX.shape, dtype=bool)
    for row in table:
        if row["visit"] == visit:
            clipped |= spans_of_row(row).asArray(BBOX)
    return clipped


def test_trail_is_clipped_on_its_visit_only(safe_clipped):
    """Nearly all pixels of the trail are clipped on its visit, and next to nothing on others."""
    on_trail = trail_image(1.0) > 0.3
    record = safe_clipped.clipRecord
    assert (clipped_pixels(record, TRAIL) & on_trail).sum() > 0.95 * on_trail.sum()
    others = sum(clipped_pixels(record, v).sum() for v in range(1, len(SEEING) + 1) if v != TRAIL)
    assert others < 0.01 * BBOX.area


def test_n_image_is_warps_less_masked_and_clipped(survey, safe_clipped):
    """Pixel by pixel, nImage is the number of warps without a bad plane and not in the clip record."""
    used = [
        ~warp.mask.isSet(BAD_PLANES) & ~clipped_pixels(safe_clipped.clipRecord, visit)
        for visit, warp in enumerate(survey, start=1)
    ]
    np.testing.assert_array_equal(safe_clipped.nImage.array, np.sum(used, axis=0))
    assert (safe_clipped.nImage.array < len(survey)).any()


def test_coadd_is_the_mean_of_what_is_left(survey, safe_clipped):
    """Values and the CLIPPED and INEXACT_PSF planes follow from the record and the masks by plain numpy."""
    clipped = np.array([clipped_pixels(safe_clipped.clipRecord, v) for v in range(1, len(survey) + 1)])
    masked = np.array([warp.mask.isSet(BAD_PLANES) for warp in survey])
    images = np.ma.array([warp.image.array for warp in survey], mask=clipped | masked, dtype=float)
    coadd = safe_clipped.coaddExposure
    np.testing.assert_allclose(coadd.image.array, images.mean(axis=0).filled(np.nan), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(coadd.mask.isSet("CLIPPED"), clipped.any(axis=0))
    assert np.all(coadd.mask.isSet("INEXACT_PSF")[clipped.any(axis=0)])
    np.testing.assert_array_equal(coadd.mask.isSet("INEXACT_PSF"), clipped.any(axis=0) | masked.any(axis=0))
    assert coadd.metadata["COADTASK"] == "SafeClipAssembleCoaddTask"
    assert coadd.metadata["OVLMANY"] == 0.6


def test_equals_the_mean_where_nothing_is_wrong():
    """Without artifacts, SafeClip of stars with the same seeing is the plain mean nearly everywhere."""
    warps = make_survey(trail=0.0)
    coadd = run(make_task(), warps).coaddExposure
    mean = run_mean(warps).coaddExposure
    same = coadd.image.array == mean.image.array
    np.testing.assert_array_equal(~same & ~coadd.mask.isSet("CLIPPED"), False)
    assert coadd.mask.isSet("CLIPPED").mean() < 0.01


def test_blocks_and_strips_do_not_matter(survey, safe_clipped, monkeypatch):
    """Blocks and low strips give the same coadd and record, bit for bit."""
    monkeypatch.setattr(box_tiling, "MAX_STRIP_BYTES", 12 * len(SEEING) * 50 * 7)
    result = run(make_task(subregionSize=(50, 37)), survey)
    for plane in ("image", "variance", "mask"):
        np.testing.assert_array_equal(
            getattr(result.coaddExposure, plane).array, getattr(safe_clipped.coaddExposure, plane).array
        )
    np.testing.assert_array_equal(result.nImage.array, safe_clipped.nImage.array)
    assert str(result.clipRecord) == str(safe_clipped.clipRecord)


def test_memory_is_one_strip_or_one_mask(survey, monkeypatch):
    """Besides the strip being stacked, only one warp's mask is in memory at a time."""
    budget = 12 * len(SEEING) * BBOX.width * 8
    monkeypatch.setattr(box_tiling, "MAX_STRIP_BYTES", budget)
    live = LiveBytes()
    handles = [WatchedHandle(handle, live) for handle in make_handles(survey)]
    make_task().run(SKY_INFO, handles, [None] * len(survey), [1.0] * len(survey))
    assert 0 < live.peak <= max(2 * budget, 2 * 4 * BBOX.area)


# --- the record ---------------------------------------------------------------------------------------


def test_record_says_why(safe_clipped):
    """The trail's footprint is there with its rule, overlap and the numbers of the whole patch."""
    record = safe_clipped.clipRecord
    trail = record[(record["visit"] == TRAIL) & (record["rule"] != "big")]
    best = trail[np.argmax(trail["area"])]
    assert best["rule"] in ("single", "dominant")
    assert best["overlap"] > 0.5
    assert best["runner_up"] <= 0.6
    assert best["instrument"] == "Cam"
    assert best["area"] == spans_of_row(best).area
    assert record.meta["n_visits"] == len(SEEING)
    assert record.meta["minBigOverlap"] == 100
    assert 0 < record.meta["footprint_fraction"] < 1


def test_record_survives_ecsv(safe_clipped, tmp_path):
    """Every row, its pixels and the thresholds read back from text; so does a record of nothing."""
    path = tmp_path / "clipped.ecsv"
    for table in (safe_clipped.clipRecord, safe_clipped.clipRecord[:1], safe_clipped.clipRecord[:0]):
        table.write(path, format="ascii.ecsv", overwrite=True)
        back = Table.read(path, format="ascii.ecsv")
        assert back.meta == table.meta
        assert back.colnames == table.colnames
        assert len(back) == len(table)
        for ours, theirs in zip(table, back, strict=True):
            assert spans_of_row(ours) == spans_of_row(theirs)
            for name in ("instrument", "visit", "rule", "footprint", "area", "overlap", "runner_up"):
                assert ours[name] == theirs[name]


# --- the steps ----------------------------------------------------------------------------------------


def test_difference_is_mean_minus_clipped_mean(survey):
    """The one-pass difference equals that of two coadds; variances add up and masks are joined."""
    task = make_task()
    handles = make_handles(survey)
    scalers, weights = [None] * len(survey), [1.0] * len(survey)
    difference = task.buildDifferenceImage(SKY_INFO, handles, scalers, weights)
    coadds = []
    for statistic in ("MEAN", "MEANCLIP"):
        config = AssembleCoaddConfig(statistic=statistic, sigmaClip=1.5, clipIter=3)
        coadds.append(AssembleCoaddTask(config).run(SKY_INFO, handles, scalers, weights).coaddExposure)
    mean, clip = coadds
    np.testing.assert_array_equal(difference.image.array, mean.image.array - clip.image.array)
    np.testing.assert_array_equal(difference.variance.array, mean.variance.array + clip.variance.array)
    planes = ["REJECTED", "CLIPPED", "SENSOR_EDGE", "DETECTED", "NO_DATA"]
    for plane in planes:
        np.testing.assert_array_equal(
            difference.mask.isSet(plane), mean.mask.isSet(plane) | clip.mask.isSet(plane)
        )
    assert difference.psf == mean.psf


def block_footprint(x0, y0, x1, y1):
    """Return the footprint of a block."""
    return Footprint(SpanSet.from_bbox(Box2I.from_corners((x0, y0), (x1, y1))))


class FixedDetectionTask(SourceDetectionTask):
    """A detection task that knows what it will find."""

    footprints = ()

    def detectFootprints(self, exposure, **kwargs):
        return Struct(merged=list(self.footprints))


def detect_with(footprints, warps):
    """Run detectClip on given footprints, through a retargeted subtask."""
    config = SafeClipAssembleCoaddConfig().updated({"clipDetection.target": f"{__name__}:FixedDetectionTask"})
    task = SafeClipAssembleCoaddTask(config)
    assert type(task.clipDetection).__name__ == "FixedDetectionTask"
    task.clipDetection.footprints = footprints
    exposure = make_warp(0)
    return task, task.detectClip(exposure, make_handles(warps))


def mark(warp, plane, x0, y0, x1, y1):
    """Set a plane in a block."""
    block_footprint(x0, y0, x1, y1).spans.setMask(warp.mask, warp.mask.getPlaneBitMask(plane))


def test_detect_clip_counts_in_the_masks():
    """Footprints go to the visits that detect them, one, two or none; bad pixels do not count."""
    footprints = [
        block_footprint(50, 30, 59, 39),  # one visit
        block_footprint(80, 30, 89, 39),  # all visits: a star
        block_footprint(110, 30, 119, 39),  # two of four
        block_footprint(50, 80, 59, 89),  # nobody
        block_footprint(80, 80, 89, 89),  # bad on the only visit that sees it
    ]
    warps = [make_warp(visit) for visit in range(1, 5)]
    mark(warps[1], "DETECTED_NEGATIVE", 48, 30, 55, 39)
    for warp in warps:
        mark(warp, "DETECTED", 80, 30, 88, 39)
    for warp, last in zip(warps, (119, 110, 118, 110), strict=True):
        mark(warp, "DETECTED", 110, 30, last, 39)
    mark(warps[0], "DETECTED", 80, 80, 89, 89)
    mark(warps[0], "BAD", 80, 80, 84, 89)
    _, result = detect_with(footprints, warps)
    assert result.clipFootprints == [footprints[0], footprints[2]]
    assert result.clipIndices == [[1], [0, 2]]
    assert [decision.rule for decision in result.decisions] == ["single", None, "double", None, None]
    assert result.overlaps[0] == {1: 0.6}
    assert result.overlaps[4] == {}
    spans = [[s.area for s in clips["CLIPPED"]] for clips in result.clipSpans]
    assert spans == [[100], [100], [100], []]
    assert [len(detections) for detections in result.detectionFootprints] == [3, 3, 2, 2]


def test_detect_clip_refuses_overlapping_footprints():
    """A detection task whose footprints overlap would be counted wrongly, so it is refused."""
    footprints = [block_footprint(50, 30, 59, 39), block_footprint(55, 30, 64, 39)]
    with pytest.raises(TaskError, match="overlap"):
        detect_with(footprints, [make_warp(1), make_warp(2)])


def test_detect_clip_warns_if_nobody_detected_anything(caplog):
    """Warps without detections clip nothing, and the log says so."""
    _, result = detect_with([block_footprint(50, 30, 59, 39)], [make_warp(1), make_warp(2)])
    assert result.clipFootprints == []
    assert "no warp has anything" in caplog.text


@pytest.mark.parametrize(("width", "clipped"), [(10, False), (11, True)])
def test_detect_clip_big_takes_the_whole_detection(width, clipped):
    """A detection is clipped whole if more than 100 of its pixels are clipped, on that visit only."""
    footprints = [block_footprint(50, 30, 49 + width, 39)]
    warps = [make_warp(1), make_warp(2)]
    mark(warps[0], "DETECTED", 45, 25, 100, 39)
    mark(warps[0], "DETECTED", 120, 100, 130, 110)
    mark(warps[1], "DETECTED", 45, 100, 100, 110)
    task, result = detect_with(footprints, warps)
    big = task.detectClipBig(
        result.clipSpans, result.clipFootprints, result.clipIndices, result.detectionFootprints, 1, 2, BBOX
    )
    whole = SpanSet.from_bbox(Box2I.from_corners((45, 25), (100, 39)))
    assert [footprint.spans for footprint in big] == ([whole] if clipped else [])
    assert result.clipSpans[0]["CLIPPED"][1:] == ([whole] if clipped else [])
    assert result.clipSpans[1]["CLIPPED"] == []


def test_big_detections_are_in_the_record():
    """A big detection reaches the coadd's CLIPPED plane and the record, with the fraction that was seen."""
    warps = [make_warp(visit, 10.0) for visit in (1, 2, 3)]
    mark(warps[0], "DETECTED", 45, 25, 100, 39)
    config = SafeClipAssembleCoaddConfig().updated({"clipDetection.target": f"{__name__}:FixedDetectionTask"})
    task = SafeClipAssembleCoaddTask(config)
    task.clipDetection.footprints = [block_footprint(50, 30, 69, 39)]
    result = run(task, warps)
    assert list(result.clipRecord["rule"]) == ["single", "big"]
    assert list(result.clipRecord["visit"]) == [1, 1]
    big = result.clipRecord[1]
    assert (big["area"], big["footprint"]) == (56 * 15, -1)
    assert big["overlap"] == pytest.approx(200 / (56 * 15))
    np.testing.assert_array_equal(result.coaddExposure.mask.isSet("CLIPPED"), spans_of_row(big).asArray(BBOX))


# --- settings and refusals ----------------------------------------------------------------------------


def test_defaults_are_those_of_safe_clip():
    """A mean at last, 1.5 sigma and 3 passes for the comparison, and faint detections of both signs."""
    config = SafeClipAssembleCoaddConfig()
    assert (config.statistic, config.sigmaClip, config.clipIter) == ("MEAN", 1.5, 3)
    detection = config.clipDetection.value
    assert (detection.thresholdValue, detection.thresholdType) == (2.0, "pixel_stdev")
    assert (detection.thresholdPolarity, detection.minPixels) == ("both", 4)
    assert (detection.nSigmaToGrow, detection.isotropicGrow) == (2.0, True)
    changed = config.updated({"clipDetection.thresholdValue": 3})
    assert changed.clipDetection.value.thresholdValue == 3
    assert changed.clipDetection.value.minPixels == 4
    assert SafeClipAssembleCoaddConfig(**config.to_simple()) == config


def test_connections_add_the_record():
    """The record is an output of the patch, named like the coadd."""
    connections = SafeClipAssembleCoaddConfig(doNImage=True).resolved_connections()
    assert set(connections.outputs) == {"coaddExposure", "nImage", "clipRecord"}
    assert connections.outputs["clipRecord"].name == "deepCoadd_clipped"
    assert connections.dimensions == ("tract", "patch", "skymap", "band")


def test_only_a_mean(caplog):
    """Another statistic is an error; the deprecated doSigmaClip is ignored with a warning."""
    with pytest.raises(ConfigError, match="MEAN"):
        SafeClipAssembleCoaddConfig(statistic="MEANCLIP")
    task = make_task(doSigmaClip=True)
    assert task.config.statistic == "MEAN"
    assert "ignored" in caplog.text


def test_refuses_before_it_stacks(survey):
    """Weights and boxes are checked before the difference image is made."""
    with pytest.raises(WarpWeightError, match=r"visit=2,.*nan"):
        make_task().run(SKY_INFO, make_handles(survey[:2]), [None, None], [1.0, math.nan])
    moved = make_warp(2, bbox=BBOX.shiftedBy((3, 0)))
    with pytest.raises(WarpGeometryError, match=r"visit=2,"):
        run(make_task(), [survey[0], moved])


def test_rules_have_names_for_the_record():
    """The record's rules are plain words."""
    assert [str(rule) for rule in ClipRule] == ["single", "dominant", "double", "big"]


def test_log_says_how_many_footprints(survey, caplog):
    """A run reports how many footprints were artifacts."""
    with caplog.at_level(logging.INFO):
        run(make_task(), survey[:4])
    assert "footprints are artifacts" in caplog.text
