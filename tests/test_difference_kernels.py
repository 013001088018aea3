"""Loops of the search for differences, against slow and plain ways to the same numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import interpolate, ndimage

from tasks.coadd.difference_sky import SkyCells
from tasks.coadd.template_features import features_of, reach_of_features
from tasks.kernels import (
    Expectation,
    TemplateRows,
    cell_medians,
    components_of_pixels,
    difference_rows,
    differing_pixels,
    expected_rows,
    find_components,
    gaussian_kernel,
    knot_places,
    look_up,
    slice_medians,
    template_lattice,
)

SHAPE = (23, 37)
KNOTS = np.array([0.0, 1.0, 3.0, 3.5, 20.0], np.float32)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(-3, 3), max_size=9), max_size=5))
def test_medians_of_slices_are_those_of_sorted_ones(groups: list[list[int]]) -> None:
    """Of each slice it is the middle of the sorted values, ties and empty slices included."""
    values = np.array([v for group in groups for v in group], float)
    bounds = np.cumsum([0, *map(len, groups)])
    expected = [sorted(group)[len(group) // 2] if group else np.nan for group in groups]
    np.testing.assert_array_equal(slice_medians(values, bounds), expected)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.booleans(), min_size=20, max_size=20))
def test_components_of_pixels_are_those_of_the_image(flags: list[bool]) -> None:
    """Numbers of pixels give the same components as the image, also across ends of rows."""
    image = np.array(flags).reshape(4, 5)
    found = components_of_pixels(np.flatnonzero(image), (4, 5))
    np.testing.assert_array_equal(found.label_image(), find_components(image).label_image())


def test_tables_are_interpolated() -> None:
    """Between knots a table is linear, beyond them constant, to a part in 64."""
    values = np.linspace(-5, 30, 500).astype(np.float32)
    table = np.array([1.0, 2.0, 2.5, 4.0, 9.0], np.float32)
    expected = np.interp(values, KNOTS, table)
    np.testing.assert_allclose(look_up(table, knot_places(values, KNOTS)), expected, atol=5 / 64)
    np.testing.assert_array_equal(look_up(table[:1], knot_places(values, KNOTS[:1])), 1.0)
    with pytest.raises(ValueError, match="knots, not 0"):
        knot_places(values, KNOTS[:0])


def some_rows(rng: np.random.Generator) -> tuple[TemplateRows, Expectation, dict[str, np.ndarray]]:
    """Make a template, a fit, and the measures of which the template has the places."""
    measures = {name: rng.uniform(-1, 22, SHAPE).astype(np.float32) for name in ("b", "a", "s")}
    variance = rng.uniform(1, 2, SHAPE).astype(np.float32)
    variance[4, 5] = np.nan
    rows = TemplateRows(
        rng.normal(size=(SHAPE[0] + 2, SHAPE[1] + 2)).astype(np.float32),
        variance,
        *(knot_places(plane, KNOTS) for plane in measures.values()),
        standing=np.where(rng.random(SHAPE) < 0.3, np.abs(measures["b"]), 0).astype(np.float32),
    )
    tables = (np.sort(rng.uniform(0, 2, KNOTS.size)).astype(np.float32) for _ in range(3))
    excess, share, stretch = tables
    stencil = rng.normal(size=(3, 3)).astype(np.float32)
    return rows, Expectation(stencil, 1.3, excess, share, stretch + np.float32(1)), measures


def test_expectation_is_that_of_plain_numpy() -> None:
    """Model and scatter are those written out for whole planes, also where one variance is not known."""
    rng = np.random.default_rng(1)
    rows, found, measures = some_rows(rng)
    surface, variance = rng.normal(size=(2, *SHAPE)).astype(np.float32)
    variance = np.abs(variance)
    variance[2, 3] = np.inf
    model, scatter = expected_rows(rows, found, surface, variance)
    correlated = ndimage.correlate(rows.padded, found.stencil)[1:-1, 1:-1]
    np.testing.assert_allclose(model, surface + correlated, atol=1e-5)
    noise = 1.3 * (np.where(np.isfinite(variance), variance, 0) + np.nan_to_num(rows.variance))
    excess = np.interp(measures["b"], KNOTS, found.excess)
    share = np.interp(measures["s"], KNOTS, found.share) * rows.standing
    own = np.maximum(excess, np.where(rows.standing > 0, share, 0)) ** 2
    stretch = np.interp(measures["a"], KNOTS, found.stretch) ** 2
    np.testing.assert_allclose(scatter, own + (stretch - 1) * (noise + own), rtol=0.05, atol=0.2)


def test_difference_and_error_are_0_where_nothing_is_known() -> None:
    """Elsewhere they are image minus template minus model, and noise with all that is alike."""
    rng = np.random.default_rng(2)
    rows, found, _ = some_rows(rng)
    surface, image, variance = (np.abs(p).astype(np.float32) for p in rng.normal(size=(3, *SHAPE)))
    bad = rng.random(SHAPE) < 0.1
    image[7, 8], variance[9, 9] = np.nan, np.inf
    difference, error = difference_rows(
        rows, found, surface, (image, variance, bad), level=5.0, alike=7.0, correlation=1.5
    )
    unknown = bad | ~np.isfinite(image) | ~np.isfinite(variance) | ~np.isfinite(rows.variance)
    assert not difference[unknown].any()
    assert not error[unknown].any()
    model, scatter = expected_rows(rows, found, surface, variance)
    left = image - 5.0 - rows.padded[1:-1, 1:-1] - model
    np.testing.assert_allclose(difference[~unknown], left[~unknown], atol=1e-4)
    expected = 1.5 * 1.3 * (variance + rows.variance) + 7 * scatter
    np.testing.assert_allclose(error[~unknown], expected[~unknown], rtol=1e-4)


@pytest.mark.parametrize("half", [1, 4, 7, 9])
def test_differing_pixels_are_those_of_plain_smoothing(half: int) -> None:
    """Difference and error are smoothed as if beyond the image nothing were known; signs are told."""
    rng = np.random.default_rng(3)
    difference = rng.normal(size=SHAPE).astype(np.float32)
    error = rng.uniform(0.5, 1.5, SHAPE).astype(np.float32)
    difference[:, 20:], error[:, 20:] = 0, 0
    kernel = gaussian_kernel(1.3, 2 * half + 1)
    value, size = (
        ndimage.correlate1d(ndimage.correlate1d(plane, own, 0, mode="constant"), own, 1, mode="constant")
        for plane, own in ((difference.astype(float), kernel), (error.astype(float), kernel**2))
    )
    expected = np.where((np.abs(value) >= 1.2 * np.sqrt(size)) & (size > 1e-30), np.sign(value), 0)
    found = differing_pixels(difference, error, 1.3, half, 1.2)
    assert set(np.unique(found)) == {-1, 0, 1}
    assert (found != expected).mean() < 0.002
    assert not found[:, 20 + half + 1 :].any()


def test_a_surface_is_the_natural_spline_through_the_middles() -> None:
    """Rows of a surface equal scipy's splines through the medians of the cells."""
    shape = 270, 330
    place = np.arange(shape[0] * shape[1])
    cells = SkyCells(shape, place)
    values = np.add.outer(np.sin(np.arange(shape[0]) / 60.0), np.cos(np.arange(shape[1]) / 70.0))
    found, usual = cells.fit(values.ravel(), np.ones(place.size, bool))
    assert usual.all()
    n_y, n_x = (round(size / 64) for size in shape)
    row, column = (np.arange(size) * n // size for size, n in zip(shape, (n_y, n_x), strict=True))
    heights = np.array(
        [[np.sort(values[row == i][:, column == j], axis=None) for j in range(n_x)] for i in range(n_y)],
        dtype=object,
    )
    medians = np.array([[float(own[own.size // 2]) for own in line] for line in heights])
    for axis, (size, n) in enumerate(zip(shape, (n_y, n_x), strict=True)):
        centres = (np.arange(n) + 0.5) * size / n - 0.5
        spline = interpolate.CubicSpline(centres, medians, axis=axis, bc_type="natural")
        medians = spline(np.arange(size))
    np.testing.assert_allclose(found.rows(10, 200), medians[10:200], atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 30), st.floats(0, 1))
def test_cells_have_the_medians_of_what_is_left_of_a_warp(
    step: int, n_y: int, n_x: int, share: float
) -> None:
    """What is left is image minus template minus model on whole planes, of those pixels that count."""
    rng = np.random.default_rng(n_y * 31 + n_x)
    padded = rng.normal(size=(n_y + 2, n_x + 2)).astype(np.float32)
    image, stencil = (
        rng.normal(size=(n_y, n_x)).astype(np.float32),
        rng.normal(size=(3, 3)).astype(np.float32),
    )
    use = rng.random((n_y, n_x)) < share
    image[~use] = np.nan
    every = slice(None, None, step), slice(None, None, step)
    n_columns = -(-n_x // step)
    bounds = np.array([0, n_columns // 3, n_columns])
    found = cell_medians(image[every], use[every], template_lattice(padded, step), stencil, bounds)
    left = (image - padded[1:-1, 1:-1] - ndimage.correlate(padded, stencil)[1:-1, 1:-1])[every]
    for cell, (begin, end) in enumerate(itertools.pairwise(bounds)):
        own = np.sort(left[:, begin:end][use[every][:, begin:end]])
        assert found[1][cell] == own.size
        np.testing.assert_allclose(found[0][cell], own[own.size // 2] if own.size else 0, atol=1e-5)


def test_features_are_those_of_plain_filters() -> None:
    """Brightness, surroundings and sharpness are those of scipy, and depend on nothing beyond their reach."""
    rng = np.random.default_rng(4)
    seen = rng.normal(size=(60, 70)).astype(np.float32) ** 3
    variance = np.ones_like(seen)
    found = features_of(seen, variance, 1.7)
    brightness = ndimage.maximum_filter(np.abs(seen), 3)
    detail = ndimage.maximum_filter(seen - ndimage.gaussian_filter(seen, 1.7), 3)
    np.testing.assert_array_equal(found.brightness, brightness)
    np.testing.assert_array_equal(found.surroundings, ndimage.maximum_filter(brightness, 17))
    np.testing.assert_allclose(found.sharpness, np.maximum(detail, 0) / brightness, atol=1e-5)
    np.testing.assert_array_equal(found.standing, np.where(brightness > 5, brightness, 0))
    reach = reach_of_features(1.7)
    part = features_of(seen[30 - reach : 33 + reach], variance[30 - reach : 33 + reach], 1.7)
    for whole, own in zip(found, part, strict=True):
        np.testing.assert_allclose(own[reach:-reach], whole[30:33], atol=1e-6)
