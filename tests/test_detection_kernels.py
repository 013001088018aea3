"""Smoothing, labelling and detection against slow, obvious versions of themselves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.kernels.detect import detect_footprints
from tasks.kernels.label import find_components, label_components
from tasks.kernels.run_counts import count_in_runs
from tasks.kernels.smooth import gaussian_kernel, kernel_width, smooth_gaussian

quick = settings(deadline=None, max_examples=60)
binaries = hnp.arrays(bool, st.tuples(st.integers(1, 10), st.integers(1, 10)))


def slow_smooth(image, variance, sigma, width):
    """Convolve pixel by pixel in float64; NaN where the box leaves the image or is not finite."""
    half = width // 2
    u = np.arange(-half, half + 1)
    kernel = np.exp(-(u[:, np.newaxis] ** 2 + u**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    smooth = np.full(image.shape, np.nan), np.full(image.shape, np.nan)
    for y in range(half, image.shape[0] - half):
        for x in range(half, image.shape[1] - half):
            box = np.s_[y - half : y + half + 1, x - half : x + half + 1]
            for plane, weights, result in zip((image, variance), (kernel, kernel**2), smooth, strict=True):
                if np.isfinite(plane[box]).all():
                    result[y, x] = (plane[box].astype(float) * weights).sum()
    return smooth


def flood(points):
    """Return the 8-connected pieces of a set of pixels (y, x), in raster order of their first pixels."""
    left, pieces = set(points), []
    while left:
        piece, queue = set(), [min(left)]
        left -= {queue[0]}
        while queue:
            y, x = queue.pop()
            piece.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            queue.extend(near)
        pieces.append(piece)
    return pieces


def slow_detect(smooth, limit, *, radius, min_pixels, isotropic=True):
    """Return pieces before and after growth, of pixels at or above a limit."""
    points = [(int(y), int(x)) for y, x in np.argwhere(smooth >= limit)]
    pieces = [piece for piece in flood(points) if len(piece) >= min_pixels]
    shape = [
        (dy, dx)
        for dy in range(-radius, radius + 1)
        for dx in range(-radius, radius + 1)
        if (dy * dy + dx * dx <= radius * radius if isotropic else abs(dy) + abs(dx) <= radius)
    ]
    grown = {(y + dy, x + dx) for piece in pieces for y, x in piece for dy, dx in shape}
    inside = {(y, x) for y, x in grown if 0 <= y < smooth.shape[0] and 0 <= x < smooth.shape[1]}
    return pieces, flood(inside)


def as_labels(pieces, shape):
    """Return the label image of pieces."""
    labels = np.zeros(shape, dtype=np.int32)
    for i, piece in enumerate(pieces):
        for y, x in piece:
            labels[y, x] = i + 1
    return labels


def unit_variance(image):
    """Return a variance plane of ones."""
    return np.ones_like(image)


def with_star(shape=(61, 61), *, sigma=2.0, peak=100.0, at=(30, 30)):
    """Return a noiseless image with one Gaussian star, at (y, x)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (peak * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * sigma**2))).astype(np.float32)


@quick
@given(binaries)
def test_components_areas_and_spans_are_those_of_a_flood_fill(binary):
    """Labels, areas and runs agree with a flood fill over 8 neighbours in raster order."""
    pieces = flood((int(y), int(x)) for y, x in np.argwhere(binary))
    labels, n = label_components(binary)
    assert labels.dtype == np.int32
    assert n == len(pieces)
    np.testing.assert_array_equal(labels, as_labels(pieces, binary.shape))
    found = find_components(binary)
    np.testing.assert_array_equal(found.areas(), [len(piece) for piece in pieces])
    np.testing.assert_array_equal(found.binary(), binary)
    chosen = np.arange(n) % 2 == 0
    np.testing.assert_array_equal(found.binary(chosen), labels % 2 == 1)
    np.testing.assert_array_equal(found.label_at(*np.indices(binary.shape)), labels)
    (y, x0, x1), counts = found.by_label()
    spans = [np.split(array, np.cumsum(counts)[:-1]) for array in (y, x0, x1)] if n else ([], [], [])
    for piece, y, x0, x1 in zip(pieces, *spans, strict=True):
        runs = list(zip(y.tolist(), x0.tolist(), x1.tolist(), strict=True))
        assert runs == sorted(runs)
        covered = [(row, column) for row, first, last in runs for column in range(first, last + 1)]
        assert sorted(covered) == sorted(piece)
        assert len(runs) == len({(row, column) for row, column in piece if (row, column - 1) not in piece})


@pytest.mark.parametrize(
    ("sigma", "width"),
    [(0.05, 1), (0.2, 1), (0.214, 1), (0.215, 3), (1.0, 7), (2.0, 15), (2.2, 15), (2.3, 17)],
)
def test_kernel_width(sigma, width):
    """The width is 7 sigma, rounded half up and then to the odd number at or above half of it."""
    assert kernel_width(sigma) == width == 2 * math.floor(math.floor(7 * sigma + 0.5) / 2) + 1


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_kernel_width_needs_a_usable_sigma(sigma):
    """A PSF size that is not positive and finite is refused."""
    with pytest.raises(ValueError, match="positive, finite sigma"):
        kernel_width(sigma)
    with pytest.raises(ValueError, match="positive, finite sigma"):
        detect_footprints(
            np.zeros((9, 9), np.float32),
            np.ones((9, 9), np.float32),
            sigma=sigma,
            threshold=5,
            polarity="both",
            smoothed=False,
        )


def test_gaussian_kernel():
    """The kernel is the sampled Gaussian, normalised over its width, which is odd."""
    kernel = gaussian_kernel(1.5, 11)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_allclose(kernel[5] / kernel, np.exp(np.arange(-5, 6) ** 2 / 4.5))
    with pytest.raises(ValueError, match="not 4"):
        gaussian_kernel(1.0, 4)


@pytest.mark.parametrize(("sigma", "n_sigma"), [(0.8, 7.0), (1.3, 7.0), (1.3, 3.0)])
def test_smoothing_is_the_sum_over_the_box(sigma, n_sigma):
    """Image and variance are sums over the K x K box, with k and k**2; the planes given stay as they were."""
    rng = np.random.default_rng(17)
    image = rng.normal(100.0, 10.0, (24, 31)).astype(np.float32)
    variance = rng.uniform(50.0, 150.0, image.shape).astype(np.float32)
    given_image, given_variance = image.copy(), variance.copy()
    width = kernel_width(sigma, n_sigma)
    smooth = smooth_gaussian(image, variance, sigma, width)
    for result, expected in zip(smooth, slow_smooth(image, variance, sigma, width), strict=True):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, expected, rtol=5e-7)
    np.testing.assert_array_equal(image, given_image)
    np.testing.assert_array_equal(variance, given_variance)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_spreads_over_the_box(value):
    """A NaN or infinity makes NaN of the K x K box about it, in its own plane only."""
    image, variance = np.zeros((30, 30), np.float32), np.ones((30, 30), np.float32)
    image[12, 14], variance[17, 9] = value, value
    width = kernel_width(1.0)
    for result, (y, x) in zip(smooth_gaussian(image, variance, 1.0, width), [(12, 14), (17, 9)], strict=True):
        expected = np.ones((30, 30), dtype=bool)
        expected[3:-3, 3:-3] = False
        expected[y - 3 : y + 4, x - 3 : x + 4] = True
        np.testing.assert_array_equal(np.isnan(result), expected)
        assert not np.isinf(result).any()


def test_image_smaller_than_the_kernel_has_nothing_to_search():
    """Where no box fits into the image, everything is NaN and nothing is found."""
    image = np.full((6, 40), 1e6, np.float32)
    smooth, _ = smooth_gaussian(image, unit_variance(image), 1.0, 7)
    assert np.isnan(smooth).all()
    found = detect_footprints(image, unit_variance(image), sigma=1.0, threshold=1, polarity="both")
    assert found.positive.n == found.negative.n == 0
    assert not found.positive.components.label_image().any()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("sigma", "grow", "isotropic", "smoothed", "threshold"),
    [
        (0.9, 2.0, True, True, 1.3),
        (1.3, 0.3, True, True, 1.3),
        (1.3, 2.0, False, True, 1.5),
        (1.0, 2.4, True, False, 1.2),
    ],
)
def test_detection_agrees_with_brute_force(seed, sigma, grow, isotropic, smoothed, threshold):
    """Both signs agree with convolution by loops, a threshold per pixel, flood fill and growth by sets."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0.0, 3.0, (36, 44)).astype(np.float32)
    variance = rng.uniform(8.0, 10.0, image.shape).astype(np.float32)
    image[rng.random(image.shape) < 0.002] = np.nan
    variance[rng.random(image.shape) < 0.002] = np.nan
    width = kernel_width(sigma)
    smooth, smooth_variance = image.astype(float), variance.astype(float)
    if smoothed:
        smooth, smooth_variance = slow_smooth(image, variance, sigma, width)
    limit = threshold * np.sqrt(smooth_variance)
    assert np.nanmin(np.abs(np.abs(smooth) - limit)) > 1e-6, "rounding could decide; take another seed"
    radius = int(grow * sigma + 0.5)

    found = detect_footprints(
        image,
        variance,
        sigma=sigma,
        threshold=threshold,
        polarity="both",
        n_sigma_to_grow=grow,
        isotropic_grow=isotropic,
        min_pixels=4,
        smoothed=smoothed,
    )
    assert found.radius == radius
    assert found.border == (width // 2 if smoothed else 0)
    for result, sign in ((found.positive, 1), (found.negative, -1)):
        parts, pieces = slow_detect(sign * smooth, limit, radius=radius, min_pixels=4, isotropic=isotropic)
        assert result.n == len(pieces) > 0
        np.testing.assert_array_equal(result.components.label_image(), as_labels(pieces, image.shape))
        peaks = []
        for part in parts:
            y, x = max(part, key=lambda p: (sign * smooth[p], (-p[0], -p[1])))
            peaks.append((result.components.label_image()[y, x], -sign * smooth[y, x], y, x))
        peaks.sort()
        np.testing.assert_array_equal(result.peak_labels, [p[0] for p in peaks])
        np.testing.assert_array_equal(result.peak_y, [p[2] for p in peaks])
        np.testing.assert_array_equal(result.peak_x, [p[3] for p in peaks])
        np.testing.assert_allclose(result.peak_values, [-sign * p[1] for p in peaks], rtol=1e-5)


def test_star_is_found_up_to_its_own_significance():
    """A Gaussian star of peak P smoothed with its own shape has P/2 over sqrt(1/(4 pi)) / sigma noise."""
    sigma, peak = 2.0, 10.0
    image = with_star(sigma=sigma, peak=peak)
    significance = peak / 2 * 2 * sigma * math.sqrt(math.pi)
    for threshold, expected in ((0.99 * significance, 1), (1.01 * significance, 0)):
        found = detect_footprints(
            image,
            unit_variance(image),
            sigma=sigma,
            threshold=threshold,
            polarity="positive",
            n_sigma_to_grow=0,
        )
        assert found.positive.n == expected
        assert found.negative is None
    upside_down = detect_footprints(
        -image, unit_variance(image), sigma=sigma, threshold=0.9 * significance, polarity="negative"
    )
    assert upside_down.positive is None
    assert upside_down.negative.n == 1
    assert (upside_down.negative.peak_y[0], upside_down.negative.peak_x[0]) == (30, 30)
    assert upside_down.negative.peak_values[0] == pytest.approx(-peak / 2, rel=2e-3)


def test_threshold_is_inclusive():
    """A pixel exactly at the threshold is found, one below it is not; the same for negative ones."""
    image = np.array([[0, 10, 0, 0, -10, 0, 0, 9.999]], np.float32)
    found = detect_footprints(
        image,
        np.full_like(image, 4),
        sigma=1.0,
        threshold=5,
        polarity="both",
        n_sigma_to_grow=0,
        smoothed=False,
    )
    assert np.flatnonzero(found.positive.components.label_image()).tolist() == [1]
    assert np.flatnonzero(found.negative.components.label_image()).tolist() == [4]


@pytest.mark.parametrize(
    ("sigma", "grow", "radius"),
    [(2.0, 2.0, 4), (2.2, 2.0, 4), (2.25, 2.0, 5), (3.707, 0.4, 1), (3.707, 2.4, 9), (1.0, 0.4, 0)],
)
def test_growth_radius_is_rounded_half_up(sigma, grow, radius):
    """A single pixel grows to the disc of int(n * sigma + 0.5) pixels; a radius of 0 leaves it alone."""
    image = np.zeros((25, 25), np.float32)
    image[12, 12] = 100
    found = detect_footprints(
        image,
        unit_variance(image),
        sigma=sigma,
        threshold=5,
        polarity="positive",
        n_sigma_to_grow=grow,
        smoothed=False,
    )
    y, x = np.mgrid[-12:13, -12:13]
    assert found.radius == radius
    np.testing.assert_array_equal(found.positive.components.label_image(), x * x + y * y <= radius * radius)


def test_few_pixels_are_dropped_before_growth():
    """The number of pixels counts before growth, over 8 neighbours."""
    image = np.zeros((30, 30), np.float32)
    image[5, 5:8] = 10
    image[[20, 21, 22, 23], [20, 21, 22, 23]] = 10
    found = detect_footprints(
        image,
        unit_variance(image),
        sigma=1.0,
        threshold=5,
        polarity="positive",
        n_sigma_to_grow=2,
        min_pixels=4,
        smoothed=False,
    )
    assert found.positive.n == 1
    assert found.positive.components.label_image()[20, 20] == 1
    assert not found.positive.components.label_image()[:12].any()


def test_grown_parts_that_touch_become_one():
    """Parts whose growth overlaps or touches, also by a corner, are one detection with both peaks."""
    for gap, n in ((5, 1), (6, 2)):
        image = np.zeros((20, 30), np.float32)
        image[10, 10], image[10, 10 + gap] = 7, 9
        found = detect_footprints(
            image,
            unit_variance(image),
            sigma=1.0,
            threshold=5,
            polarity="positive",
            n_sigma_to_grow=2,
            smoothed=False,
        )
        assert found.positive.n == n
        assert found.positive.peak_labels.tolist() == ([1, 1] if n == 1 else [1, 2])
        assert found.positive.peak_values.tolist() == ([9, 7] if n == 1 else [7, 9])


def test_growth_enters_the_unsearched_border_and_stops_at_the_image():
    """Nothing is searched within half a kernel of the edge, but growth goes up to the edge."""
    sigma, half = 1.0, 3
    y, x = np.mgrid[:31, :31]
    for row, n in ((half, 1), (half - 2, 0)):
        image = np.where((y == row) & (x == 15), 1000.0, 0.0).astype(np.float32)
        found = detect_footprints(
            image, unit_variance(image), sigma=sigma, threshold=500, polarity="positive", n_sigma_to_grow=5
        )
        assert found.border == half
        assert found.positive.n == n
    image = np.where((y == half) & (x == 15), 1000.0, 0.0).astype(np.float32)
    found = detect_footprints(
        image, unit_variance(image), sigma=sigma, threshold=500, polarity="positive", n_sigma_to_grow=5
    )
    np.testing.assert_array_equal(
        found.positive.components.label_image(), (y - half) ** 2 + (x - 15) ** 2 <= 25
    )


def test_signs_stay_apart():
    """A positive and a negative detection side by side do not become one."""
    image = np.zeros((20, 20), np.float32)
    image[10, 9], image[10, 10] = 10, -10
    found = detect_footprints(
        image,
        unit_variance(image),
        sigma=1.0,
        threshold=5,
        polarity="both",
        n_sigma_to_grow=2,
        smoothed=False,
    )
    assert found.positive.n == found.negative.n == 1
    assert found.positive.components.label_image()[10, 7]
    assert not found.positive.components.label_image()[10, 12]
    assert found.negative.components.label_image()[10, 12]


def slow_clipped_stdev(values, passes=3):
    """Clip at 3 sigma: once about the median with the quartiles, then about the mean."""
    values = sorted(v for v in values if math.isfinite(v))
    q25, median, q75 = np.quantile(values, [0.25, 0.5, 0.75])
    centre, stdev = median, 0.741301109252802 * (q75 - q25)
    for _ in range(passes):
        kept = [v for v in values if abs(v - centre) <= 3 * stdev]
        centre = sum(kept) / len(kept)
        stdev = math.sqrt(sum((v - centre) ** 2 for v in kept) / (len(kept) - 1))
    return stdev


@pytest.mark.parametrize("threshold_type", ["stdev", "variance", "value"])
def test_one_threshold_for_all_pixels(threshold_type):
    """The other threshold types compare with the clipped deviation, its square, or the number itself."""
    image = np.random.default_rng(6).standard_t(1.5, (40, 40)).astype(np.float32)
    image[4, 4], image[9, 9], image[20:22, 20] = np.nan, 5000.0, -800.0
    stdev = slow_clipped_stdev(image.ravel().tolist())
    assert stdev != pytest.approx(slow_clipped_stdev(image.ravel().tolist(), passes=2), rel=1e-3)
    limit = {"stdev": 1.5 * stdev, "variance": 1.5 * stdev**2, "value": 1.5}[threshold_type]
    found = detect_footprints(
        image,
        np.full_like(image, np.nan),
        sigma=1.0,
        threshold=1.5,
        polarity="both",
        threshold_type=threshold_type,
        n_sigma_to_grow=0,
        smoothed=False,
    )
    np.testing.assert_array_equal(found.positive.components.label_image() > 0, image >= limit)
    np.testing.assert_array_equal(found.negative.components.label_image() > 0, image <= -limit)
    assert found.positive.n > 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_finite", [0, 1])
def test_without_two_values_there_is_no_deviation(n_finite):
    """An image of fewer than two finite pixels has no deviation, so nothing exceeds it."""
    image = np.full((5, 5), np.nan, np.float32)
    image.flat[:n_finite] = 1.0
    for threshold_type in ("stdev", "variance"):
        found = detect_footprints(
            image,
            unit_variance(image),
            sigma=1.0,
            threshold=0,
            polarity="both",
            threshold_type=threshold_type,
            smoothed=False,
        )
        assert found.positive.n == found.negative.n == 0


@pytest.mark.filterwarnings("error")
def test_pixels_without_a_variance_are_never_found():
    """NaN, negative and infinite variances keep even a bright pixel out, silently."""
    image = np.full((1, 4), 100.0, np.float32)
    variance = np.array([[np.nan, -1.0, np.inf, 1.0]], np.float32)
    found = detect_footprints(
        image, variance, sigma=1.0, threshold=5, polarity="both", n_sigma_to_grow=0, smoothed=False
    )
    np.testing.assert_array_equal(found.positive.components.label_image(), [[0, 0, 0, 1]])
    assert found.negative.n == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"polarity": "up"}, "polarity 'up' is not one of"),
        ({"threshold_type": "sigma"}, "threshold type 'sigma' is not one of"),
        ({"n_sigma_to_grow": -1.0}, "growth is 0 or more sigma, not -1"),
        ({"variance": np.ones((3, 4), np.float32)}, "need one shape"),
    ],
)
def test_wrong_options_are_refused(options, message):
    """A wrong option is a ValueError that says what is allowed."""
    arguments = {
        "variance": np.ones((4, 4), np.float32),
        "sigma": 1.0,
        "threshold": 5.0,
        "polarity": "both",
    } | options
    with pytest.raises(ValueError, match=message):
        detect_footprints(np.zeros((4, 4), np.float32), **arguments)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pixels_are_counted_along_runs(order):
    """For each label, bits that come first hide the others; pixels outside of runs do not count."""
    rng = np.random.default_rng(4)
    mask = (rng.integers(-(2**31), 2**31, (30, 50)) & 0b10110).astype(f"{order}i4")
    y, x0, label = rng.integers(0, 30, 40), rng.integers(0, 40, 40), rng.integers(0, 4, 40)
    x1 = x0 + rng.integers(0, 10, 40)
    n_first, n_other = count_in_runs(mask, (y, x0, x1, label), 4, 0b10, 0b10100)
    for i in range(4):
        own = np.concatenate([mask[y[j], x0[j] : x1[j] + 1] for j in np.flatnonzero(label == i)])
        assert n_first[i] == np.count_nonzero(own & 0b10)
        assert n_other[i] == np.count_nonzero((own & 0b10100 != 0) & (own & 0b10 == 0))
    with pytest.raises(ValueError, match=r"not inside.*\(20, 50\)"):
        count_in_runs(mask[:20], (y, x0, x1, label), 4, 1, 2)
    with pytest.raises(ValueError, match="labels are 0 to 2"):
        count_in_runs(mask, (y, x0, x1, label), 3, 1, 2)


@quick
@given(hnp.arrays(np.float32, (9, 13), elements=st.integers(-4, 4)), st.sampled_from([0.5, 1.0, 1.5]))
def test_negative_pixels_may_have_a_threshold_of_their_own(image, factor):
    """The factor moves the threshold below zero, that of clear pixels with it, and leaves the other alone."""
    options = {"sigma": 1.0, "smoothed": False, "threshold_type": "value", "n_sigma_to_grow": 0.0}
    options |= {"include_multiplier": 1.5}
    found = detect_footprints(image, image, threshold=2.0, polarity="both", negative_factor=factor, **options)
    above = detect_footprints(image, image, threshold=2.0, polarity="positive", **options)
    below = detect_footprints(image, image, threshold=2.0 * factor, polarity="negative", **options)
    for one, other in ((found.positive, above.positive), (found.negative, below.negative)):
        np.testing.assert_array_equal(one.components.binary(), other.components.binary())
        np.testing.assert_array_equal(one.peak_values, other.peak_values)


def test_a_factor_is_positive():
    """A negative threshold above zero would be met by everything."""
    plane = np.ones((9, 9), np.float32)
    with pytest.raises(ValueError, match="must be positive, not 0"):
        detect_footprints(plane, plane, sigma=1.0, threshold=1.0, polarity="both", negative_factor=0.0)


def slow_peaks(old, new, n_simple):
    """Return the peaks (label, y, x, value) of the detections of one search found by another, by loops."""
    peaks = []
    labels = as_labels(flood((int(y), int(x)) for y, x in np.argwhere(old.components.binary())), (12, 15))
    for label in range(1, old.n + 1):
        own = [
            p
            for p in zip(old.peak_labels, old.peak_y, old.peak_x, old.peak_values, strict=True)
            if p[0] == label
        ]
        others = zip(new.peak_y, new.peak_x, new.peak_values, strict=True)
        inside = [(label, y, x, value) for y, x, value in others if labels[y, x] == label]
        if len(own) <= n_simple:
            peaks += own
        elif inside:
            peaks += sorted(inside, key=lambda peak: -abs(peak[3]))
        else:
            peaks += own[:1]
    return peaks


@quick
@given(
    hnp.arrays(np.float32, (12, 15), elements=st.integers(-9, 9), unique=False),
    hnp.arrays(np.float32, (12, 15), elements=st.integers(-9, 9)),
    st.sampled_from([0, 1, 2]),
    st.sampled_from(["positive", "negative"]),
)
def test_peaks_of_another_search(image, other_image, n_simple, sign):
    """Detections of several peaks get those of the other search; without any they keep their first."""
    options = {"sigma": 1.0, "smoothed": False, "threshold_type": "value", "threshold": 8.0, "polarity": sign}
    old = getattr(detect_footprints(image, image, n_sigma_to_grow=1.0, **options), sign)
    new = getattr(detect_footprints(other_image, image, n_sigma_to_grow=0.0, **options), sign)
    found = old.with_peaks_of(new, n_simple)
    peaks = zip(found.peak_labels, found.peak_y, found.peak_x, found.peak_values, strict=True)
    assert [tuple(peak) for peak in peaks] == [tuple(peak) for peak in slow_peaks(old, new, n_simple)]
    assert found.components is old.components
