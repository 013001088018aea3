"""Filling of bad pixels against kriging solved afresh for each pixel."""

import math

import numpy as np
import pytest

from tasks.kernels.interpolate import fallback_value, interpolate_rows, kriging_weights

NEVER = 1e6
"""A distance at which pixels know nothing of each other."""


def kriged(points, values, at):
    """Return the ordinary-kriging estimate at a position, and the weights, from points on a line."""
    points = np.asarray(points, dtype=float)
    n = len(points)
    system = np.zeros((n + 1, n + 1))
    system[:n, :n] = np.exp(-((points[:, np.newaxis] - points) ** 2) / 4)
    system[n, :n] = system[:n, n] = 1
    right = np.append(np.exp(-((points - at) ** 2) / 4), 1.0)
    weights = np.linalg.solve(system, right)[:n]
    return sum(float(w) * float(v) for w, v in zip(weights, values, strict=True)), weights


def runs_of(bad):
    """Return the maximal runs [a, b] of a row."""
    padded = [False, *bad, False]
    edges = [i for i in range(len(padded) - 1) if padded[i] != padded[i + 1]]
    return [(edges[i], edges[i + 1] - 1) for i in range(0, len(edges), 2)]


def neighbours_of(row, bad, run, part):
    """Return the pixels used on the left and right of a part of a run, nearest first, and their values."""
    (first, end), (a, b), last = run, part, len(row) - 1
    left = [p for p in (a - 1, a - 2) if p >= 0]
    right = [p for p in (b + 1, b + 2) if p <= last]
    values = {p: row[p] for p in left + right}
    if first > 0 and end < last and len(left) == 2 and bad[a - 2]:
        left.pop()
    if end < last and len(right) == 2 and bad[b + 2]:
        if first == 1:
            values[b + 2] = math.nan
        else:
            right.pop()
    return left, right, values


def moved_away(left, right, a, b, x):
    """Return positions for pixels beside a run [a, b] as seen from x: a long run hides what is far."""
    use_left = b - a + 1 < 11 or x - a < 6
    use_right = b - a + 1 < 11 or (x - a >= 6 and b - x < 6)
    return [p - (0 if use_left else NEVER) for p in left] + [p + (0 if use_right else NEVER) for p in right]


def slow_fill(row, bad, fallback):
    """Fill one row as the rules say, run by run, with kriging solved at each pixel."""
    row = [float(v) for v in row]
    last = len(row) - 1
    for run in runs_of(bad):
        a, b = run
        if run == (0, last):
            return [fallback] * len(row)
        if a == 0 and b > 5:
            row[: b - 5], a = [fallback] * (b - 5), b - 5
        elif b == last and b - a > 5:
            row[a + 6 :], b = [fallback] * (last - a - 5), a + 5
        left, right, values = neighbours_of(row, bad, run, (a, b))
        known = [values[p] for p in left + right]
        nearest = [values[side[0]] for side in (left, right) if side]
        for x in range(a, b + 1):
            estimate, _ = kriged(moved_away(left, right, a, b, x), known, x)
            if b == a + 1 and len(left) == len(right) == 1 and estimate < 0:
                estimate = 0.0
            if math.isnan(estimate) or estimate < np.finfo(np.float32).min:
                estimate = sum(nearest) / len(nearest)
            row[x] = estimate
    return row


def fill(row, bad, fallback=7.0):
    """Fill one row with the kernel."""
    image = np.array([row], dtype=np.float32)
    interpolate_rows(image, None, np.array([bad], dtype=bool), fallback)
    return image[0]


def test_edge_weights_are_the_known_ones():
    """One-sided weights, by distance from the good pixels, to 4 decimals."""
    known = [
        (1.4288, -0.4288),
        (1.0933, -0.0933),
        (0.6968, 0.3032),
        (0.5370, 0.4630),
        (0.5041, 0.4959),
        (0.5003, 0.4997),
    ]
    for i, (near, far) in enumerate(known):
        np.testing.assert_array_equal(np.round(kriging_weights(6, i, 2, 0), 4), [near, far, 0, 0])
        np.testing.assert_array_equal(np.round(kriging_weights(6, 5 - i, 0, 2), 4), [0, 0, near, far])


def test_limits_of_long_runs_are_the_known_ones():
    """Far from both sides the weights are 1/4 each, 0.4707 and 2 x 0.2646, or 1/2 each."""
    np.testing.assert_allclose(kriging_weights(31, 15, 2, 2), 0.25)
    np.testing.assert_array_equal(np.round(kriging_weights(31, 15, 1, 2), 4), [0.4707, 0, 0.2646, 0.2646])
    np.testing.assert_array_equal(np.round(kriging_weights(31, 15, 2, 1), 4), [0.2646, 0.2646, 0.4707, 0])
    np.testing.assert_allclose(kriging_weights(31, 15, 1, 1), [0.5, 0, 0.5, 0])


@pytest.mark.parametrize("n", range(1, 25))
def test_weights_are_those_of_the_kriging_system(n):
    """For every run length, pixel and neighbours: the solution of the system; sum 1; mirror symmetric."""
    for n_left, n_right in [(2, 2), (2, 1), (1, 2), (1, 1), (2, 0), (1, 0), (0, 2), (0, 1)]:
        for i in range(n):
            weights = kriging_weights(n, i, n_left, n_right)
            assert weights.sum() == pytest.approx(1.0, abs=1e-12)
            left, right = [-1.0, -2.0][:n_left], [float(n), n + 1.0][:n_right]
            if n >= 11:
                left = left if i < 6 else [p - NEVER for p in left]
                right = right if n - i <= 6 and i >= 6 else [p + NEVER for p in right]
            _, expected = kriged(left + right, [0.0] * (n_left + n_right), i)
            np.testing.assert_allclose(
                weights[[*range(n_left), *range(2, 2 + n_right)]], expected, atol=1e-12
            )
            if n != 11 or i != 5:
                mirrored = kriging_weights(n, n - 1 - i, n_right, n_left)
                np.testing.assert_allclose(weights, mirrored[[2, 3, 0, 1]], atol=1e-12)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.1, 0.4, 0.8, 0.95])
def test_rows_agree_with_kriging_pixel_by_pixel(seed, share):
    """Random rows of bad runs, with NaN under the bad pixels and elsewhere, agree with the slow version."""
    rng = np.random.default_rng([seed, int(100 * share)])
    bad = np.zeros((60, 41), dtype=bool)
    for y in range(60):
        for x in range(0, 41, 4):
            if rng.random() < share:
                bad[y, x : x + rng.integers(1, 9)] = True
    bad[:6] = rng.random((6, 41)) < share
    image = rng.normal(20.0, 40.0, bad.shape).astype(np.float32)
    image[bad & (rng.random(bad.shape) < 0.5)] = np.nan
    image[rng.random(bad.shape) < 0.01] = np.nan
    image[rng.random(bad.shape) < 0.005] = -np.inf
    before = image.copy()
    expected = [slow_fill(image[y], bad[y], 3.5) for y in range(60)]
    interpolate_rows(image, None, bad, 3.5)
    np.testing.assert_array_equal(image[~bad], before[~bad])
    np.testing.assert_allclose(image, np.array(expected, dtype=np.float32), rtol=2e-6, atol=2e-5)


@pytest.mark.parametrize("n", range(1, 26))
@pytest.mark.parametrize("start", ["first", "second", "inside", "last but one", "last"])
def test_every_run_length_and_place(n, start):
    """One run of each length, at each kind of place in the row, agrees with the slow version."""
    n_x = 30
    a = {"first": 0, "second": 1, "inside": 3, "last but one": n_x - n - 1, "last": n_x - n}[start]
    rng = np.random.default_rng(n)
    row = rng.uniform(0, 100, n_x).astype(np.float32)
    bad = np.zeros(n_x, dtype=bool)
    bad[a : a + n] = True
    np.testing.assert_allclose(fill(row, bad), slow_fill(row, bad, 7.0), rtol=2e-6, atol=2e-5)


def test_constant_and_linear_data():
    """Weights sum to 1: a constant stays constant; one bad pixel on a slope is found exactly."""
    bad = np.arange(20) % 5 == 2
    np.testing.assert_allclose(fill(np.where(bad, np.nan, 4.0), bad), 4.0, rtol=1e-6)
    np.testing.assert_allclose(fill(np.where(bad, -99.0, np.arange(20)), bad), np.arange(20), atol=1e-5)


def test_edges_take_the_fallback_far_from_good_data():
    """Beyond 6 pixels a run at an edge is the fallback value; a row of bad pixels is all fallback."""
    row = np.full(20, 50.0)
    bad = np.zeros(20, dtype=bool)
    bad[:9] = True
    left = fill(row, bad, fallback=2.0)
    np.testing.assert_array_equal(left[:3], 2.0)
    assert np.all((left[3:9] > 2.0 - 25) & (left[3:9] != 2.0))
    np.testing.assert_array_equal(left[9:], 50.0)
    np.testing.assert_allclose(fill(row, bad[::-1], fallback=2.0), left[::-1], rtol=1e-6)
    np.testing.assert_array_equal(fill(row, np.ones(20, dtype=bool), fallback=2.0), 2.0)


def test_nan_neighbour_gives_the_mean_of_the_nearest():
    """A NaN two pixels away is not used: the run becomes the mean of its nearest neighbours."""
    filled = fill([np.nan, 10.0, 0, 0, 0, 20.0, 5.0], [False, False, True, True, True, False, False])
    np.testing.assert_array_equal(filled[2:5], 15.0)
    at_edge = fill([0, 0, 30.0, np.nan, 1.0], [True, True, False, False, False])
    np.testing.assert_array_equal(at_edge[:2], 30.0)


def test_pair_between_single_neighbours_is_not_negative():
    """A run of 2 with one usable pixel on each side is clamped at 0; others may be negative."""
    bad = [False, True, False, True, True, False, True, False, False]
    assert fill([-5.0] * 9, bad)[3] == 0.0
    assert fill([-5.0] * 9, bad)[4] == 0.0
    assert fill([-5.0] * 9, [False] * 3 + [True] * 2 + [False] * 4)[3] == pytest.approx(-5.0)


def test_run_from_column_1_takes_a_bad_second_neighbour_as_nan():
    """In column 1 a bad pixel beyond the next good one counts as NaN, whatever it holds."""
    bad = [False, True, False, True, False, False]
    assert fill([8.0, 0, 4.0, 1e9, 6.0, 6.0], bad)[1] == 6.0
    elsewhere = fill([8.0, 8.0, 0, 4.0, 1e9, 6.0, 6.0], [False, *bad])
    assert elsewhere[2] == pytest.approx(kriged([0, 1, 3], [8, 8, 4], 2)[0], rel=1e-6)


def test_variance_and_image_are_filled_alike():
    """The variance takes the same weights and the same fallback value; both are changed in place."""
    rng = np.random.default_rng(2)
    image = rng.uniform(1, 2, (9, 33)).astype(np.float32)
    bad = rng.random(image.shape) < 0.6
    variance = image.copy()
    interpolate_rows(image, variance, bad, 11.0)
    np.testing.assert_array_equal(image, variance)
    assert not np.isnan(image).any()


@pytest.mark.parametrize("n", range(1, 28))
def test_without_a_fallback_edges_have_the_weights_of_their_side(n):
    """A run at an edge ends in the mean of the two good pixels; a row without good ones has the fallback."""
    row = np.arange(1.0, 31.0, dtype=np.float32) ** 2
    for bad in (np.arange(30) < n, np.arange(30) >= 30 - n):
        image = row[np.newaxis].copy()
        interpolate_rows(image, None, bad[np.newaxis], 1e6, fallback_at_edge=False)
        near, far = (n, n + 1) if bad[0] else (29 - n, 28 - n)
        for x in np.flatnonzero(bad):
            expected, _ = kriged([0.0, -1.0], [row[near], row[far]], min(abs(float(x) - near), 20.0))
            assert image[0, x] == pytest.approx(expected, rel=1e-4)
    nothing = np.ones((1, 4), dtype=np.float32)
    interpolate_rows(nothing, None, np.ones((1, 4), dtype=bool), 7.0, fallback_at_edge=False)
    assert np.all(nothing == 7.0)


def test_transpose_runs_along_columns():
    """Columns of an image are the rows of its transpose, also for views of a larger array."""
    rng = np.random.default_rng(4)
    parent = rng.uniform(0, 9, (30, 40)).astype(np.float32)
    image = parent[3:24, 5:38]
    bad = rng.random(image.shape) < 0.5
    by_rows = np.ascontiguousarray(image.T)
    interpolate_rows(by_rows, None, np.ascontiguousarray(bad.T), 1.0)
    outside = parent.copy()
    interpolate_rows(image, None, bad, 1.0, transpose=True)
    np.testing.assert_array_equal(image, by_rows.T)
    outside[3:24, 5:38] = image
    np.testing.assert_array_equal(parent, outside)


def test_fallback_is_the_median_of_finite_pixels():
    """The fallback is the median of what is finite, not below 0 unless allowed, NaN if nothing is."""
    image = np.array([[1.0, np.nan, 9.0], [np.inf, 3.0, 2.0]], dtype=np.float32)
    assert fallback_value(image) == 2.5
    assert fallback_value(-image) == 0.0
    assert fallback_value(-image, negative_fallback_allowed=True) == -2.5
    assert math.isnan(fallback_value(np.full((2, 2), np.nan, dtype=np.float32)))


@pytest.mark.parametrize(
    ("image", "bad"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3), dtype=bool)),
        (np.zeros((2, 3), dtype=np.float32), np.zeros((3, 2), dtype=bool)),
        (np.zeros((2, 3), dtype=np.float32), np.zeros((2, 3), dtype=np.int32)),
    ],
)
def test_wrong_arrays_are_refused(image, bad):
    """Planes are float32, the mask is bool, and shapes agree."""
    with pytest.raises(ValueError, match="interpolation needs"):
        interpolate_rows(image, None, bad, 0.0)
