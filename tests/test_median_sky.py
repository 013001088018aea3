"""Tests of the median that visits are compared with, and of what is told by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from coadd_warps import BBOX, SKY_INFO, make_handles, make_warp
from numpy.typing import NDArray

from butler.images import Box2I, Exposure, Extent2I, GaussianPsf
from tasks.coadd import CompareWarpAssembleCoaddConfig, CompareWarpAssembleCoaddTask, spans_of_row
from tasks.coadd.median_sky import median_sky
from tasks.struct import Struct

SIGMA = 3.27
ROWS, COLUMNS = np.mgrid[: BBOX.height, : BBOX.width]
PIPELINE = {
    "doInterp": False,
    "doFitDifferences": True,
    "doScaleWarpVariance": False,
    "doPreserveContainedBySource": False,
    "detect.thresholdValue": 5.0,
    "epochRule": "pixel",
    "doCountBySign": True,
    "doKeepVarying": True,
    "maxNumEpochs": 4,
}


def blob(x: float, y: float, peak: float) -> NDArray[np.float64]:
    """Draw a Gaussian on the patch."""
    return peak * np.exp(-((COLUMNS - x) ** 2 + (ROWS - y) ** 2) / (2 * SIGMA**2))


def visits(n: int) -> list[NDArray[np.float64]]:
    """Draw noise of variance 1 for each visit, and a few stars."""
    rng = np.random.default_rng(4)
    stars = sum(blob(*rng.uniform(0, BBOX.width, 2), rng.uniform(20, 300)) for _ in range(15))
    return [stars + rng.normal(size=BBOX.shape) for _ in range(n)]


def handles(images: list[Any]) -> list[Any]:
    """Wrap images into handles of warps."""
    warps = [make_warp(visit, image) for visit, image in enumerate(images, start=1)]
    return make_handles([replace(warp, psf=GaussianPsf(SIGMA)) for warp in warps])


def coadd_of(images: list[Any], *, median: bool) -> Struct:
    """Assemble a coadd of visits whose direct and PSF-matched warps are the same."""
    config = CompareWarpAssembleCoaddConfig().updated({**PIPELINE, "doCompareMedian": median})
    task = CompareWarpAssembleCoaddTask(config)
    prepared = task.prepareInputs(handles(images), BBOX)
    lists = prepared.tempExpRefList, prepared.imageScalerList, prepared.weightList
    return task.run(SKY_INFO, *lists, supplementaryData=task.makeStaticSkyModel(SKY_INFO, handles(images)))


def clipped(result: Struct, visit: int, where: NDArray[np.bool_]) -> float:
    """Return the share of some pixels that was clipped on a visit."""
    found = np.zeros(BBOX.shape, dtype=bool)
    for row in result.clipRecord:
        if row["visit"] == visit:
            found |= spans_of_row(row).asArray(BBOX)
    return float(found[where].mean())


def test_trails_that_meet_are_clipped() -> None:
    """Trails of two of five visits, brighter than all stars, are clipped where they meet."""
    images = [np.random.default_rng(visit).normal(size=BBOX.shape) for visit in range(5)]
    for visit, slope in ((1, 0.2), (3, 0.35)):
        distance = ROWS - 40 - slope * (COLUMNS - 50)
        images[visit] = images[visit] + (60.0 - 20 * (visit == 1)) * np.exp(-(distance**2) / (2 * SIGMA**2))
    both = np.abs(ROWS - 40) + np.abs(COLUMNS - 50) / 4 < 3
    assert min(clipped(coadd_of(images, median=True), visit, both) for visit in (2, 4)) > 0.5
    assert min(clipped(coadd_of(images, median=False), visit, both) for visit in (2, 4)) == 0.0


def test_a_shadow_under_an_artifact_of_another_visit_is_clipped() -> None:
    """Neither of two visits of six that differ in opposite ways explains the other."""
    images = visits(6)
    images[1] = images[1] - blob(50, 60, 120.0)
    images[4] = images[4] + blob(53, 60, 120.0)
    result = coadd_of(images, median=True)
    core = blob(50, 60, 1.0) > 0.5
    assert clipped(result, 2, core) == clipped(result, 5, core) == 1.0
    assert {int(visit) for visit in result.clipRecord["visit"]} == {2, 5}
    assert clipped(coadd_of(images, median=False), 2, core) == 0.0


def test_a_source_that_differs_both_ways_is_kept() -> None:
    """Where some visits are brighter and some fainter a source varies, whatever its shape."""
    images = visits(5)
    for visit, height in enumerate((0.0, 30.0, -30.0, 25.0, -25.0)):
        images[visit] = images[visit] + blob(50, 60, 200.0 + height) + blob(56, 66, height)
    assert len(coadd_of(images, median=True).clipRecord) == 0
    assert len(coadd_of(images, median=False).clipRecord) > 0


def test_half_of_the_visits_explain_the_others() -> None:
    """Of four visits with two artifacts at one place those that have them are clipped, and not the others."""
    images = visits(4)
    for visit in (0, 2):
        images[visit] = images[visit] + blob(50, 60, 150.0)
    assert {int(visit) for visit in coadd_of(images, median=True).clipRecord["visit"]} == {1, 3}


@pytest.mark.parametrize("n_visits", [3, 6, 15])
def test_median_sky_is_the_median_and_knows_its_error(n_visits: int) -> None:
    """Values are medians of what is known, once the skies agree; the error is that of the scatter."""
    rng = np.random.default_rng(8)
    noise = rng.uniform(0.7, 1.5, n_visits)
    warps = [
        make_warp(visit, 30 * visit + sigma * rng.normal(size=BBOX.shape), variance=sigma**2)
        for visit, sigma in enumerate(noise, 1)
    ]
    for visit, warp in enumerate(warps, 1):
        warp.image.array[8 * visit : 8 * visit + 3, :40] = np.nan
        warp.image.array[:, -1] = np.nan
    sky: Exposure = make_warp(99, np.full(BBOX.shape, 7.0))
    found = median_sky(sky, make_handles(warps), [None] * n_visits)
    levels = [np.nanmedian(warp.image.array[::4, ::4]) for warp in warps]
    values = np.array([warp.image.array - level + 7.0 for warp, level in zip(warps, levels, strict=True)])
    enough = np.isfinite(values).sum(axis=0) >= 3
    assert not enough.all()
    expected = np.nanmedian(values[:, enough], axis=0)
    np.testing.assert_allclose(found.image.array[enough], expected, atol=1e-3)
    assert (found.image.array[~enough] == 7.0).all()
    assert (found.variance.array[~enough] == sky.variance.array[~enough]).all()
    full = np.isfinite(values).all(axis=0)
    # Of few values a median is a little better than of many.
    ratio = found.image.array[full].std() / np.sqrt(found.variance.array[full].mean())
    assert 0.85 < ratio < 1.03
    assert (sky.image.array == 7.0).all()


def test_visits_whose_skies_differ_are_compared() -> None:
    """An uneven sky of each visit, far above the noise, makes no artifact and hides none."""
    rng = np.random.default_rng(3)
    big = Box2I(BBOX.minimum, Extent2I(320, 320))
    y, x = np.mgrid[:320, :320] / 320
    artifact = np.exp(-((160 - 320 * x) ** 2 + (100 - 320 * y) ** 2) / (2 * SIGMA**2)) * 30
    warps = []
    for visit in range(1, 6):
        image = rng.normal(size=big.shape) + 20 * rng.normal() * np.sin(3 * x) + 20 * rng.normal() * y
        warps.append(make_warp(visit, image + artifact * (visit == 2), bbox=big))
    sky = make_warp(9, np.mean([warp.image.array for warp in warps], axis=0), bbox=big)
    found = median_sky(sky, make_handles(warps), [None] * 5)
    share = np.abs(found.image.array - sky.image.array + artifact / 5)
    assert share[artifact > 3].mean() < 1.0
    assert np.median(share) < 0.5
