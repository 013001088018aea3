"""Tests of the task that finds straight streaks."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from butler.images import Image, Mask, MaskedImage
from tasks.coadd import Line, MaskStreaksConfig, MaskStreaksTask
from tasks.errors import TaskError

pytest.importorskip("skimage")
SHAPE = (500, 600)


def distances(line: Line) -> NDArray[np.float64]:
    """Return the distance of each pixel from a line."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] - np.array([SHAPE[0] / 2, SHAPE[1] / 2])[:, None, None]
    theta = np.radians(line.theta)
    return x * np.cos(theta) + y * np.sin(theta) - line.rho


def scene(line: Line | None, *, peak: float = 10.0, seed: int = 0) -> MaskedImage:
    """Draw a streak and 60 discs on noise of variance 1, and mark them as detected."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=SHAPE)
    detected = np.zeros(SHAPE, dtype=bool)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for _ in range(60):
        disc = np.hypot(x - rng.uniform(0, SHAPE[1]), y - rng.uniform(0, SHAPE[0])) < rng.uniform(2, 6)
        image[disc] += 8.0
        detected |= disc
    if line is not None:
        streak = peak * (1.0 + (distances(line) / line.sigma) ** 2) ** -2.5
        image += streak
        detected |= streak > 3.0
    mask = Mask(np.zeros(SHAPE, dtype=np.int32))
    mask.set_where("DETECTED", detected)
    return MaskedImage(Image(image.astype(np.float32)), mask, Image(np.ones(SHAPE, dtype=np.float32)))


@pytest.mark.parametrize(
    "line",
    [
        Line(150, 45, 3),
        Line(40, 80, 3),
        Line(30, 0, 3),
        Line(-20, 89.9, 3),
        Line(60, -60, 5),
    ],
    ids=lambda line: f"{line.theta:g}",
)
def test_streak_is_found(line: Line) -> None:
    """Place, direction and width come out, at any angle, and the mask is where the streak was detected."""
    pixels = scene(line)
    lines = MaskStreaksTask().run(pixels)
    assert len(lines) == 1
    sign = -1 if abs(lines[0].theta - line.theta) > 90 else 1
    assert sign * lines[0].rho == pytest.approx(line.rho, abs=0.5)
    assert (lines[0].theta - line.theta + 90) % 180 - 90 == pytest.approx(0, abs=0.2)
    assert lines[0].sigma == pytest.approx(line.sigma, rel=0.2)
    assert lines[0].significance > 100
    masked, detected = pixels.mask.isSet("STREAK"), pixels.mask.isSet("DETECTED")
    core = np.abs(distances(line)) < line.sigma / 2
    assert masked[core].mean() > 0.99
    assert not (masked & ~detected).any()
    assert not (masked & (np.abs(distances(line)) > 6 * line.sigma)).any()


def test_two_streaks_are_two() -> None:
    """Streaks that cross are told apart."""
    first, second = Line(100, 30, 3), Line(-50, -40, 3)
    pixels = scene(first)
    other = scene(second, seed=1)
    pixels.image.array[:] += other.image.array
    pixels.mask.array[:] |= other.mask.array
    found = sorted(MaskStreaksTask().run(pixels), key=lambda line: line.theta)
    assert [line.theta for line in found] == pytest.approx([-40, 30], abs=0.3)


def test_round_things_are_no_streaks() -> None:
    """Discs make no line, and an empty mask none either; an old mask is cleared."""
    pixels = scene(None)
    pixels.mask.set_where("STREAK", np.ones(SHAPE, dtype=bool))
    task = MaskStreaksTask()
    assert task.run(pixels) == []
    assert not pixels.mask.isSet("STREAK").any()
    assert task.metadata["nStreaks"] == 0
    pixels.mask.array[:] = 0
    assert MaskStreaksTask().run(pixels) == []


def test_mask_may_reach_beyond_what_was_detected() -> None:
    """Without onlyMaskDetected the whole band is masked, up to a largest width."""
    line = Line(150, 45, 3)
    pixels = scene(line)
    MaskStreaksTask(MaskStreaksConfig(onlyMaskDetected=False, maxStreakWidth=10.0)).run(pixels)
    masked = pixels.mask.isSet("STREAK")
    assert masked[np.abs(distances(line)) < 4].all()
    assert not masked[np.abs(distances(line)) > 6].any()


def test_bad_pixels_make_no_streak() -> None:
    """The edge of a bad column is ignored."""
    pixels = scene(None)
    column = np.zeros(SHAPE, dtype=bool)
    column[:, 200:206] = True
    pixels.image.array[column] = 1000.0
    pixels.mask.set_where(["DETECTED", "BAD"], column)
    assert MaskStreaksTask().run(pixels) == []


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scikit-image the error says what to install."""
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(TaskError, match=r"coadd-butler\[streaks\]"):
        MaskStreaksTask().run(scene(None))
