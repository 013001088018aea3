"""The background of a difference image, without what stands out of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.coadd.difference_sky import SkyCells
from tasks.coadd.seeing_match import TemplateModel

SHAPE = (330, 400)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]]
WAVES = 5.0 * np.sin(COLUMNS / 45.0) * np.cos(ROWS / 50.0) + 0.02 * COLUMNS
GHOST = np.hypot(COLUMNS - 150, ROWS - 160) < 100


def surface(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the sky of an image of noise 1."""
    place = np.arange(0, values.size, 3)
    cells = SkyCells(SHAPE, place)
    noise = np.random.default_rng(4).normal(size=SHAPE)
    found, _ = cells.fit((values + noise).ravel()[place], np.ones(place.size, bool))
    image = np.concatenate([found.rows(0, 100), found.rows(100, SHAPE[0])])
    np.testing.assert_allclose(cells.at_places(found), image.ravel()[place], atol=1e-4)
    return image


def test_a_background_that_waves_is_followed() -> None:
    """What is smooth over some cells is found to a fifth of it."""
    left = (WAVES - surface(WAVES))[20:-20, 20:-20]
    assert left.std() < 0.2 * WAVES.std()


def test_a_ghost_is_not_followed() -> None:
    """A disc that covers a quarter of the image stays, and nothing is taken elsewhere."""
    image = surface(8.0 * GHOST)
    assert np.abs(image).max() < 0.5


def test_too_few_cells_have_no_surface() -> None:
    """On a small image nothing can be told from the cells."""
    place = np.arange(100 * 100)
    cells = SkyCells((100, 100), place)
    everywhere = np.ones(place.size, bool)
    found, _ = cells.fit(np.full(place.size, 3.0), everywhere)
    assert not cells.suffice(everywhere)
    assert not found.rows(0, 100).any()


@pytest.mark.parametrize("sky", [0.0, 1.0])
def test_a_wide_ghost_is_no_sky_and_no_noise(sky: float) -> None:
    """A fit to a warp with waves or a ghost takes out the one and leaves the other, and noise stays noise."""
    rng = np.random.default_rng(6)
    one = np.ones(SHAPE, np.float32)
    template = TemplateModel((0.3 * rng.normal(size=SHAPE)).astype(np.float32), 0.09 * one, 2.0)
    true = sky * WAVES + (1 - sky) * 10.0 * GHOST + 3.0
    match = template.match((true + rng.normal(size=SHAPE)).astype(np.float32), one, np.ones(SHAPE, bool))
    left = true - match.model
    assert np.median(left[GHOST]) == pytest.approx((1 - sky) * 10.0, abs=0.5)
    assert np.abs(left[~GHOST][::7]).mean() < 0.6
    assert match.noise_factor < 1.3
