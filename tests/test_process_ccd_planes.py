"""processCcd with the planes that lie beside an exposure: weight, variance, and quality images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ccd_frames import SATURATION, make_camera, make_frame

from butler.images import Exposure, Image, MaskedImage, Point2I
from butler.ingest import CameraMapping, QualityRule
from tasks.errors import TaskError
from tasks.process_ccd import ProcessCcdConfig, ProcessCcdTask

SHAPE = (128, 128)
NM = 10 ** (-0.4 * (make_camera().zero_point.value - 31.4))  # type: ignore[union-attr,operator]
"""nJy of one count."""


def camera_with(**changes: object) -> CameraMapping:
    return make_camera(seeing=4.0).model_copy(update=changes)


def quick() -> ProcessCcdTask:
    """Return the task without the steps that do not matter here."""
    return ProcessCcdTask(ProcessCcdConfig(doFindCosmicRays=False, doRepair=False, doDetection=False))


@pytest.mark.parametrize("kind", ["weight", "variance"])
def test_variance_is_that_of_the_plane(kind: str) -> None:
    """Weight and variance say the same; where they say nothing there are no data. The gain is not needed."""
    frame = make_frame(3, shape=SHAPE, n_stars=0)
    variance = np.full(SHAPE, 81.0, dtype=np.float32)
    variance[5, 7] = 0.0
    plane = Image(variance if kind == "variance" else np.where(variance > 0, 1 / 81.0, 0.0))
    result = quick().run(frame.exposure(), camera_with(gain=None, saturation=None), **{kind: plane})
    calexp = result.outputExposure
    assert calexp.mask.isSet("NO_DATA").sum() == 1
    assert calexp.mask.isSet("NO_DATA")[5, 7]
    assert calexp.mask.isSet("SAT").sum() == 0
    good = ~calexp.mask.isSet("NO_DATA")
    np.testing.assert_allclose(calexp.variance.array[good], 81.0 * NM**2, rtol=1e-5)


def test_without_gain_and_planes_there_is_no_variance() -> None:
    """The error says what is missing and where it could come from."""
    frame = make_frame(3, shape=SHAPE, n_stars=0)
    with pytest.raises(TaskError, match="the gain is not known; say in the camera mapping"):
        quick().run(frame.exposure(), camera_with(gain=None))
    with pytest.raises(TaskError, match="the read noise is not known"):
        quick().run(frame.exposure(), camera_with(read_noise=None))


def test_quality_codes_become_mask_planes() -> None:
    """Planes of the table are set beside those that the pixels themselves give."""
    frame = make_frame(3, shape=SHAPE, n_stars=0)
    frame.image[60, 60] = 2 * SATURATION
    codes = np.zeros(SHAPE, dtype=np.int32)
    codes[10, 10], codes[20, 20], codes[30, 30] = 5, 8, 99
    rule = QualityRule(file="q", codes={5: ("CR",), 8: ("STREAK", "GHOST")})
    result = quick().run(frame.exposure(), camera_with(quality=rule), quality=Image(codes))
    mask = result.outputExposure.mask
    for plane, place in {"CR": (10, 10), "STREAK": (20, 20), "GHOST": (20, 20), "BAD": (30, 30)}.items():
        assert np.argwhere(mask.isSet(plane)).tolist() == [list(place)], plane
    assert mask.isSet("SAT")[60, 60]
    with pytest.raises(TaskError, match="what the values of the quality image mean"):
        quick().run(frame.exposure(), camera_with(), quality=Image(codes))


def test_planes_of_the_same_size_are_those_of_the_same_pixels() -> None:
    """An image may say from where it was cut, and its weight not."""
    frame = make_frame(3, shape=SHAPE, n_stars=0)
    exposure = frame.exposure()
    weight = np.full(SHAPE, 0.003, dtype=np.float32)
    weight[10, 20] = 0.0
    planes = (exposure.image, exposure.mask, exposure.variance)
    masked = MaskedImage(*(replace(plane, xy0=Point2I(100, 50)) for plane in planes))
    moved = Exposure(masked, wcs=exposure.wcs, metadata=exposure.metadata)
    found = quick().run(moved, camera_with(), weight=Image(weight)).outputExposure
    assert found.bbox.minimum == (100, 50)
    np.testing.assert_array_equal(np.argwhere(found.mask.isSet("NO_DATA")), [[10, 20]])
