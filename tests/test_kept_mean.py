"""KeptMean: stacking only what clipping changes gives the coadd that stacking everything gives."""

import copy

import numpy as np
import pytest
from coadd_warps import BBOX, SKY_INFO, make_handles, make_warp
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.images import Box2I, MaskedImage, SpanSet
from tasks.coadd import (
    AssembleCoaddTask,
    SafeClipAssembleCoaddConfig,
    SafeClipAssembleCoaddTask,
    box_tiling,
    spans_of_row,
)
from tasks.coadd.kept_mean import KeptMean
from tasks.coadd.stack_warps import stack_all, stack_some
from tasks.detection import SourceDetectionConfig, SourceDetectionTask

PLANES = ("image", "variance", "mask")
N_VISITS = 8


@pytest.fixture(scope="module")
def warps():
    """Noise with a trail on one visit, and CLIPPED, BAD and NaN pixels on some, alone and together."""
    rng = np.random.default_rng(3)
    detection = SourceDetectionTask(SourceDetectionConfig())
    large, made = BBOX.dilatedBy(20), []
    for visit in range(1, N_VISITS + 1):
        image = rng.normal(size=large.shape)
        if visit == 3:
            image[70:75] += 12.0
        warp = make_warp(visit, image, bbox=large, variance=rng.uniform(0.8, 1.2, large.shape))
        detection.detectFootprints(warp)
        warp = copy.deepcopy(warp[BBOX])
        warp.mask.addMaskPlane("CLIPPED")
        for plane, share in (("BAD", 0.02), ("SAT", 0.02), ("CLIPPED", 0.02)):
            warp.mask.set_where(plane, rng.random(BBOX.shape) < share)
        warp.image.array[rng.random(BBOX.shape) < 0.02] = np.nan
        made.append(warp)
    for warp in made:
        # Of one place nothing is known, and another is left to nobody but by a plane that clipping sets.
        warp.mask.array[5, :30] |= warp.mask.getPlaneBitMask("NO_DATA")
        warp.mask.array[6, :30] |= warp.mask.getPlaneBitMask("CLIPPED")
    return made


@pytest.mark.parametrize(
    "settings_",
    [
        {},
        {"subregionSize": (50, 37)},
        {"removeMaskPlanes": ["SAT"]},
        {"removeMaskPlanes": ["CLIPPED"]},
        {"badMaskPlanes": ["NO_DATA", "SAT", "CLIPPED"]},
        {"maskPropagationThresholds": {"SAT": 0.02, "CLIPPED": 0.02}},
        {"calcErrorFromInputVariance": False},
        {"doNImage": False, "doInputMap": False},
    ],
    ids=str,
)
def test_equals_a_full_stack(warps, monkeypatch, settings_):
    """With what clipping changes stacked again, every plane is that of a stack of everything, bit for bit."""
    task = SafeClipAssembleCoaddTask(SafeClipAssembleCoaddConfig(**{"doNImage": True, **settings_}))
    assemble, calls = AssembleCoaddTask.run, []
    monkeypatch.setattr(
        AssembleCoaddTask, "run", lambda self, *given: calls.append(given) or assemble(self, *given)
    )
    weights = np.linspace(0.5, 1.5, N_VISITS).tolist()
    found = task.run(SKY_INFO, make_handles(warps), [None] * N_VISITS, weights)
    [[*arguments, extra]] = calls
    assert extra.mean.pixels is found.coaddExposure.maskedImage
    assert any(arguments[4]), "nothing is clipped"
    whole = assemble(task, *arguments)
    for plane in PLANES:
        np.testing.assert_array_equal(
            getattr(found.coaddExposure, plane).array.view(np.int32),
            getattr(whole.coaddExposure, plane).array.view(np.int32),
        )
    if found.nImage is None:
        assert whole.nImage is None
    else:
        np.testing.assert_array_equal(found.nImage.array, whole.nImage.array)
    if found.inputMap is not None:
        pixels = whole.inputMap.valid_pixels
        np.testing.assert_array_equal(found.inputMap.valid_pixels, pixels)
        np.testing.assert_array_equal(found.inputMap[pixels], whole.inputMap[pixels])


def test_most_pixels_are_kept(warps, monkeypatch):
    """Only what is clipped, or CLIPPED before, is stacked again."""
    stale, kept = [], KeptMean.stale
    monkeypatch.setattr(KeptMean, "stale", lambda self, masks: stale.append(kept(self, masks)) or stale[-1])
    task = SafeClipAssembleCoaddTask(SafeClipAssembleCoaddConfig())
    result = task.run(SKY_INFO, make_handles(warps), [None] * N_VISITS, [1.0] * N_VISITS)
    where = np.zeros(BBOX.shape, bool)
    for warp in warps:
        where |= warp.mask.isSet("CLIPPED")
    for row in result.clipRecord:
        where |= spans_of_row(row).asArray(BBOX)
    assert (stale[0].asArray(BBOX) == where).all()
    assert stale[0].area < 0.5 * BBOX.area


def test_online_means_are_not_kept(warps, monkeypatch):
    """Running sums are rounded otherwise than a stack, so that nothing of it may stay."""
    task = SafeClipAssembleCoaddTask(SafeClipAssembleCoaddConfig(doOnlineForMean=True))
    assemble, calls = AssembleCoaddTask.run, []
    monkeypatch.setattr(
        AssembleCoaddTask, "run", lambda self, *given: calls.append(given) or assemble(self, *given)
    )
    task.run(SKY_INFO, make_handles(warps), [None] * N_VISITS, [1.0] * N_VISITS)
    assert calls[0][-1].mean is None


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_some_pixels_are_those_of_a_full_stack(data):
    """Pixels stacked as one row, a few at a time, have the bits that they have in their place."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n, box = data.draw(st.integers(1, 5)), Box2I.from_corners((-3, 7), (9, 16))
    inputs = []
    for _ in range(n):
        warp = MaskedImage.from_bbox(box)
        warp.image.array[:] = rng.normal(size=box.shape)
        warp.variance.array[:] = rng.uniform(0.5, 2, box.shape)
        warp.mask.array[:] = rng.integers(0, 4, box.shape)
        inputs.append(warp)
    where = SpanSet.fromMask(rng.random((14, 15)) < data.draw(st.floats(0, 1)), xy0=(-4, 5))
    options = {"statistic": data.draw(st.sampled_from(["MEAN", "MEANCLIP", "MEDIAN"])), "and_mask": 1}
    weights = rng.uniform(0.5, 2, n)
    whole, some = MaskedImage.from_bbox(box), MaskedImage.from_bbox(box)
    n_whole, n_some = (np.zeros(box.shape, np.uint16) for _ in range(2))
    stack_all(whole, n_whole, inputs, weights, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(box_tiling, "MAX_STRIP_BYTES", 12 * n * data.draw(st.integers(1, 200)))
        stack_some(some, n_some, inputs, weights, where, **options)
    inside = where.clippedTo(box).asArray(box)
    for plane in PLANES:
        expected = getattr(whole, plane).array.view(np.int32)
        np.testing.assert_array_equal(
            getattr(some, plane).array.view(np.int32), np.where(inside, expected, 0)
        )
    np.testing.assert_array_equal(n_some, np.where(inside, n_whole, 0))
