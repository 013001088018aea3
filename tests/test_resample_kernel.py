"""Tests of the resampling kernel of direct warps."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from resample_oracle import (
    BAD,
    EDGE,
    HALF_LENGTHS,
    NO_DATA,
    affine,
    gaussian,
    interpolated_map,
    nodes_of,
    rotation,
    slow_pixel,
    warp,
)

from tasks.kernels import (
    MaskedPlanes,
    resample,
    resample_image,
    resample_tiles,
    resampling_kernel,
    threads,
)

LANCZOS3 = resampling_kernel("lanczos3", corrected=False)

# --- values ---


@pytest.mark.parametrize("kernel", HALF_LENGTHS)
def test_constant_stays_constant_times_area(kernel: str) -> None:
    """A constant keeps its value but for the area factor, under rotation and scale."""
    out = warp(np.full((80, 90), 7.5, dtype=np.float32), rotation(0.4, 0.84, 20, 40), (40, 40), kernel=kernel)
    np.testing.assert_allclose(out.image, 7.5 * 0.84**2, rtol=1e-6)
    assert not out.mask.any()


def test_area_factor_of_a_finer_grid() -> None:
    """From 0.2 to 0.168 arcsec pixels the area factor is 0.7056, squared for the variance."""
    image, variance = np.full((20, 20), 100.0, dtype=np.float32), np.full((20, 20), 4.0, dtype=np.float32)
    finer = affine((0.84, 0.0, 0.0, 0.84), 5.0, 5.0)
    out = warp(image, finer, (1, 1), variance=variance, kernel="bilinear")
    assert out.image[0, 0] == pytest.approx(70.56, rel=1e-6)
    assert out.variance[0, 0] == pytest.approx(1.9915, abs=5e-5)


def test_area_factor_of_a_coarser_grid() -> None:
    """Pixels twice as large hold four times a constant; a mirrored map changes nothing about that."""
    image = np.ones((40, 40), dtype=np.float32)
    for xx in (2.0, -2.0):
        out = warp(image, affine((xx, 0.0, 0.0, 2.0), 20.3, 10.2), (3, 3))
        np.testing.assert_allclose(out.image, 4.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("kernel", "half_phase", "mean"),
    [
        ("bilinear", 0.25, 4 / 9),
        ("lanczos2", 0.4104, 0.669),
        ("lanczos3", 0.6174, 0.798),
        ("lanczos4", 0.6866, 0.836),
        ("lanczos5", 0.7539, 0.873),
    ],
)
def test_variance_factors(kernel: str, half_phase: float, mean: float) -> None:
    """Unit variance drops to the known factors at phase one half and on average over phases."""
    image = np.zeros((420, 420), dtype=np.float32)
    out = warp(image, affine((1.0, 0.0, 0.0, 1.0), 10.5, 10.5), (2, 2), kernel=kernel)
    np.testing.assert_allclose(out.variance, half_phase, atol=5e-5)
    out = warp(image, rotation(0.3, 0.84, 150, 210), (300, 300), kernel=kernel)
    assert out.variance.mean() / 0.84**4 == pytest.approx(mean, abs=6e-4)


def test_star_keeps_flux_position_and_variance() -> None:
    """A Gaussian of sigma 1.7 px, turned by 0.3 rad onto finer pixels, keeps its flux and its place."""
    x, y = 60.3, 58.8
    image = gaussian((120, 120), x, y, 1.7, 1000.0).astype(np.float32)
    transform = rotation(0.3, 0.84, 50, 60)
    out = warp(image, transform, (100, 100))
    assert out.image.sum() == pytest.approx(1000.0, rel=1e-5)
    j, i = np.indices(out.image.shape)
    centroid = [np.array((out.image * axis).sum() / out.image.sum()) for axis in (i, j)]
    back_x, back_y = transform(*centroid)
    assert back_x == pytest.approx(x, abs=1e-4)
    assert back_y == pytest.approx(y, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    angle_and_scale=st.sampled_from([(0.0, 1.0), (0.3, 0.84), (-2.5, 0.8), (0.7, 1.0)]),
    x=st.floats(58, 62),
    y=st.floats(58, 62),
    kernel=st.sampled_from(["lanczos3", "lanczos4", "lanczos5"]),
)
def test_stars_anywhere(angle_and_scale: tuple[float, float], x: float, y: float, kernel: str) -> None:
    """A star of FWHM 4 px keeps its flux to 1e-4, weighted centroid to 0.012 px and size to 1e-3."""
    sigma = 4.0 / math.sqrt(8 * math.log(2))
    transform = rotation(*angle_and_scale, 55, 60)
    out = warp(gaussian((120, 120), x, y, sigma, 1.0), transform, (111, 111), kernel=kernel).image
    star = np.where(np.isfinite(out), out, 0.0).astype(np.float64)
    source_x, source_y = transform(*np.indices(out.shape, dtype=np.float64)[::-1])
    dx, dy = source_x - x, source_y - y
    assert star.sum() == pytest.approx(1.0, rel=1e-4)
    # Under a Gaussian weight as wide as the star, the first moment is half the offset.
    weighted = star * np.exp(-(dx**2 + dy**2) / (2 * sigma**2))
    assert 2 * math.hypot((weighted * dx).sum(), (weighted * dy).sum()) < 0.012 * weighted.sum()
    assert math.sqrt((star * (dx**2 + dy**2)).sum() / 2) == pytest.approx(sigma, rel=1e-3)


# --- oracle ---


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kernel=st.sampled_from(list(HALF_LENGTHS)),
    mask_kernel=st.sampled_from(["bilinear", ""]),
    step=st.sampled_from([1, 3, 8, 50]),
    matrix=st.tuples(*[st.one_of(st.floats(-1.5, 1.5), st.sampled_from([-1.0, 0.0, 0.5, 1.0]))] * 4),
    origin=st.tuples(*[st.one_of(st.floats(-2, 20), st.integers(-2, 20).map(float))] * 2),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_against_plain_loops(
    seed: int,
    kernel: str,
    mask_kernel: str,
    step: int,
    matrix: tuple[float, float, float, float],
    origin: tuple[float, float],
    shape: tuple[int, int],
) -> None:
    """Any affine map of an image with holes, infinite variances and masks agrees with the slow oracle."""
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(1, 25)), int(rng.integers(1, 25)))
    image = rng.normal(size=size).astype(np.float32)
    variance = rng.uniform(0.5, 2.0, size=size).astype(np.float32)
    image[rng.random(size) < 0.02] = np.nan
    variance[rng.random(size) < 0.02] = np.inf
    mask = (rng.random(size) < 0.1) * BAD + (rng.random(size) < 0.05) * EDGE
    source = MaskedPlanes(image, variance, mask.astype(np.int32))
    transform = affine(matrix, *origin)
    out = warp(
        image,
        transform,
        shape,
        variance=variance,
        mask=source.mask,
        step=step,
        kernel=kernel,
        mask_kernel=mask_kernel,
    )
    positions = interpolated_map(transform, shape, step)
    j, i = np.indices(shape, dtype=np.float64)
    np.testing.assert_allclose(positions[:2], transform(i, j), atol=1e-11)
    area = abs(matrix[0] * matrix[3] - matrix[1] * matrix[2])
    np.testing.assert_allclose(positions[2], area, atol=1e-12)
    for row, column in np.ndindex(shape):
        x, y = (float(position) for position in positions[:2, row, column])
        value, noise, word = slow_pixel(source, x, y, area, kernel, mask_kernel)
        assert out.image[row, column] == pytest.approx(value, rel=2e-6, abs=2e-6, nan_ok=True)
        assert out.variance[row, column] == pytest.approx(noise, rel=2e-6, abs=1e-12)
        assert out.mask[row, column] == word


def test_long_rows_equal_their_parts() -> None:
    """A wide output holds the same pixels as a narrow one cut from its far end."""
    rng = np.random.default_rng(4)
    image = rng.normal(size=(60, 450)).astype(np.float32)
    mask = rng.integers(0, 32, size=image.shape).astype(np.int32)
    whole = warp(image, affine((0.97, 0.01, 0.05, 1.02), 5.1, 6.3), (20, 400), mask=mask)
    start = affine((0.97, 0.01, 0.05, 1.02), 5.1 + 0.97 * 250, 6.3 + 0.05 * 250)
    part = warp(image, start, (20, 100), mask=mask)
    assert np.isfinite(part.image).all()
    np.testing.assert_allclose(whole.image[:, 250:350], part.image, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(whole.variance[:, 250:350], part.variance, rtol=1e-6)
    np.testing.assert_array_equal(whole.mask[:, 250:350], part.mask)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    angle=st.floats(-3, 3),
    step=st.sampled_from([1, 7, 16]),
    bend=st.sampled_from([0.0, 1e-3, 1e-2]),
    kernel=st.sampled_from([("lanczos3", 1.0), ("lanczos5", 1.0), ("bilinear", 2.5)]),
    n_threads=st.sampled_from([1, 2]),
)
def test_tiles_do_not_show(
    seed: int, angle: float, step: int, bend: float, kernel: tuple[str, float], n_threads: int
) -> None:
    """Made in small tiles by any number of threads, a warp is bit for bit that made in one piece."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(90, 110)).astype(np.float32)
    mask = rng.integers(0, 64, size=image.shape).astype(np.int32)
    turned = rotation(angle, 0.8 * kernel[1], 55, 50)

    def transform(i: NDArray[np.float64], j: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        x, y = turned(i, j)
        return x + bend * (j - 50) ** 2, y - bend * (i - 50) * (j - 30)

    nodes = nodes_of(transform, (100, 120), step)
    nodes["map_x"][rng.random(nodes["map_x"].shape) < 0.01] = np.nan
    arguments = {
        **nodes,
        "kernel": resampling_kernel(kernel[0], stretch=kernel[1]),
        "no_data_bit": NO_DATA,
        "grow_full_mask": EDGE,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resample_tiles, "_SIDE", 1000)
        whole = resample(image, np.abs(image), mask, **arguments)
        patch.setattr(resample_tiles, "_SIDE", 32)
        patch.setattr(threads, "n_threads", lambda: n_threads)
        tiled = resample(image.astype(">f4"), np.abs(image), mask, **arguments)
    for one, other in zip(whole, tiled, strict=True):
        np.testing.assert_array_equal(one, other)


# --- edges, holes, masks ---


@pytest.mark.parametrize("kernel", HALF_LENGTHS)
def test_edge_rule(kernel: str) -> None:
    """Pixels m - 1 to W - 1 - m are defined under the identity; the others are NaN, +inf and NO_DATA."""
    half = HALF_LENGTHS[kernel]
    image = np.ones((60, 100), dtype=np.float32)
    out = warp(image, affine((1.0, 0.0, 0.0, 1.0), 0.0, 0.0), (60, 100), kernel=kernel)
    inside = np.zeros(image.shape, dtype=bool)
    inside[half - 1 : 60 - half, half - 1 : 100 - half] = True
    np.testing.assert_array_equal(np.isfinite(out.image), inside)
    np.testing.assert_array_equal(out.variance == np.inf, ~inside)
    np.testing.assert_array_equal(out.mask, np.where(inside, 0, NO_DATA))
    if kernel == "lanczos3":
        assert list(np.flatnonzero(inside[30])[[0, -1]]) == [2, 96]


def test_source_smaller_than_the_kernel() -> None:
    """A source smaller than the kernel gives only pixels without data, and no error."""
    out = warp(np.ones((3, 4), dtype=np.float32), affine((0.1, 0.0, 0.0, 0.1), 1.0, 1.0), (8, 9))
    assert np.isnan(out.image).all()
    assert np.isposinf(out.variance).all()
    assert (out.mask == NO_DATA).all()


@pytest.mark.parametrize("kernel", HALF_LENGTHS)
def test_integral_shift_copies_and_keeps_holes_small(kernel: str) -> None:
    """A shift by whole pixels copies the planes bit for bit, and a NaN or infinite variance stays put."""
    rng = np.random.default_rng(5)
    image = rng.normal(1e3, 1e3, size=(150, 300)).astype(np.float32)
    variance = rng.uniform(1, 2, size=image.shape).astype(np.float32)
    mask = (rng.random(image.shape) < 0.2).astype(np.int32)
    image[50, 60] = np.nan
    variance[70, 80] = np.inf
    mask[50, 60] = BAD
    shift = affine((1.0, 0.0, 0.0, 1.0), 7.0, 11.0)
    out = warp(image, shift, (130, 280), variance=variance, mask=mask, step=10, kernel=kernel)
    cut = np.s_[11:141, 7:287]
    hole = np.zeros(image.shape, dtype=bool)
    hole[50, 60] = hole[70, 80] = True
    np.testing.assert_array_equal(out.image, np.where(hole, np.float32(np.nan), image)[cut])
    np.testing.assert_array_equal(out.variance, np.where(hole, np.float32(np.inf), variance)[cut])
    np.testing.assert_array_equal(out.mask, np.where(hole, mask | NO_DATA, mask)[cut])


def test_hole_spreads_over_the_support_of_a_true_shift() -> None:
    """With fractions in x only, a NaN reaches the 6 columns of lanczos3 but a single row."""
    image = np.ones((100, 100), dtype=np.float32)
    image[50, 50] = np.nan
    out = warp(image, affine((1.0, 0.0, 0.0, 1.0), 10.3, 10.0), (80, 80))
    rows, columns = np.nonzero(np.isnan(out.image))
    assert set(rows) == {40}
    assert list(columns) == [37, 38, 39, 40, 41, 42]
    assert (out.mask[rows, columns] == NO_DATA).all()
    assert np.isposinf(out.variance[rows, columns]).all()


@pytest.mark.parametrize(("fx", "fy", "n_pixels"), [(0.0, 0.0, 1), (0.3, 0.0, 2), (0.3, 0.7, 4)])
def test_narrow_mask_takes_pixels_with_bilinear_weight(fx: float, fy: float, n_pixels: int) -> None:
    """The bilinear mask kernel ORs 1, 2 or 4 source pixels."""
    mask = (1 << np.arange(4, dtype=np.int32)).reshape(2, 2)
    mask = np.pad(mask, 10).astype(np.int32) * 2**16
    image = np.zeros(mask.shape, dtype=np.float32)
    out = warp(image, affine((1.0, 0.0, 0.0, 1.0), 10 + fx, 10 + fy), (1, 1), mask=mask)
    expected = {1: 0b0001, 2: 0b0011, 4: 0b1111}[n_pixels]
    assert out.mask[0, 0] == expected << 16


def test_grown_bits_cover_the_whole_support() -> None:
    """A BAD pixel shifted by 0.3 px marks 2 x 1 pixels; an EDGE pixel, or an empty mask kernel, 6 x 6."""
    image = np.zeros((100, 100), dtype=np.float32)
    shift = affine((1.0, 0.0, 0.0, 1.0), 10.3, 10.0)
    for bit, mask_kernel, n_rows, n_columns in [
        (BAD, "bilinear", 1, 2),
        (EDGE, "bilinear", 6, 6),
        (BAD, "", 6, 6),
    ]:
        mask = np.zeros(image.shape, dtype=np.int32)
        mask[50, 50] = bit
        rows, columns = np.nonzero(warp(image, shift, (80, 80), mask=mask, mask_kernel=mask_kernel).mask)
        assert (np.unique(rows).size, np.unique(columns).size, rows.size) == (
            n_rows,
            n_columns,
            n_rows * n_columns,
        )


def test_stretched_kernel_loses_no_masked_pixel() -> None:
    """On pixels three times as large, a bad pixel marks those that its value goes into, wherever it lies."""
    coarser = affine((3.0, 0.0, 0.0, 3.0), 30.2, 30.7)
    for place in range(40, 49):
        mask = np.zeros((120, 120), dtype=np.int32)
        mask[place, 110 - place] = BAD
        image = (mask == BAD).astype(np.float32)
        out = warp(image, coarser, (20, 20), mask=mask, kernel="bilinear", stretch=3.0)
        marked = (out.mask & BAD) != 0
        assert marked.any()
        assert marked[np.abs(out.image) > 0.3 * out.image.max()].all()
        assert marked.sum() <= 9


def test_unprojectable_sky_has_no_data() -> None:
    """NaN or infinite nodes leave pixels without data only in the cells that use them."""
    image = np.ones((200, 200), dtype=np.float32)
    nodes = nodes_of(affine((1.0, 0.0, 0.0, 1.0), 10.2, 10.2), (100, 160), 10)
    nodes["map_x"][:, 14:] = np.nan
    nodes["map_y"][:2, :] = np.inf
    out = resample(
        image,
        image,
        np.zeros(image.shape, dtype=np.int32),
        **nodes,
        kernel=LANCZOS3,
        no_data_bit=NO_DATA,
        grow_full_mask=0,
    )
    expected = np.zeros((100, 160), dtype=bool)
    expected[:, 110:] = True
    expected[:20] = True
    np.testing.assert_array_equal(np.isnan(out.image), expected)
    np.testing.assert_array_equal(out.mask, np.where(expected, NO_DATA, 0))


def test_overflow_is_no_data() -> None:
    """A value beyond float32 becomes NO_DATA rather than infinity."""
    image = np.full((20, 20), 3e38, dtype=np.float32)
    out = warp(image, affine((2.0, 0.0, 0.0, 2.0), 8.5, 8.5), (1, 1))
    assert np.isnan(out.image[0, 0])
    assert out.mask[0, 0] == NO_DATA


def test_result_does_not_depend_on_step_or_byte_order() -> None:
    """For an affine map any step gives the same warp; big-endian and strided sources too, left unchanged."""
    rng = np.random.default_rng(9)
    image = rng.normal(size=(90, 90)).astype(np.float32)
    mask = rng.integers(0, 64, size=image.shape).astype(np.int32)
    transform = rotation(0.7, 0.9, 35, 45)
    expected = warp(image, transform, (70, 200), mask=mask, step=1)
    assert np.isfinite(expected.image).any()
    for step in (16, 1000):
        out = warp(
            image.astype(">f4"), transform, (70, 200), mask=np.asfortranarray(mask.astype(">i4")), step=step
        )
        np.testing.assert_allclose(out.image, expected.image, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(out.mask, expected.mask)
        assert out.image.dtype == np.dtype("=f4")
        assert out.mask.dtype == np.dtype("=i4")
    readonly = image.copy()
    readonly.flags.writeable = False
    np.testing.assert_array_equal(
        warp(readonly, transform, (70, 200), mask=mask, step=1).image, expected.image
    )


# --- single planes ---


def test_single_plane_is_zero_outside() -> None:
    """An image moved partly off its array is the same as the image padded with zeros and moved."""
    rng = np.random.default_rng(3)
    image = rng.normal(size=(15, 21))
    transform, far = rotation(0.5, 0.8, 20, 9), affine((1.0, 0.0, 0.0, 1.0), 1e6, -1e300)
    out = resample_image(image, **nodes_of(transform, (40, 40), 8), kernel=LANCZOS3)
    padded = np.pad(image, 30)

    def shifted(i: NDArray[np.float64], j: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        x, y = transform(i, j)
        return x + 30, y + 30

    expected = warp(padded, shifted, (40, 40), step=8)
    assert out.dtype == np.float64
    np.testing.assert_allclose(out, expected.image, rtol=1e-5, atol=1e-6)
    assert out[20, 20] != 0.0
    assert not resample_image(image, **nodes_of(far, (5, 5), 8), kernel=LANCZOS3).any()


def test_single_plane_conserves_sum_or_level() -> None:
    """With the area factor the sum of a PSF is kept, without it a level; float32 stays float32."""
    psf = gaussian((41, 41), 20.0, 20.0, 2.0, 1.0)
    nodes = nodes_of(rotation(0.2, 0.8, 30, 20), (61, 61), 4)
    assert resample_image(psf, **nodes, kernel=LANCZOS3).sum() == pytest.approx(1.0, rel=1e-5)
    level = resample_image(
        np.full((41, 41), 0.25, dtype=np.float32),
        **nodes,
        kernel=resampling_kernel("bilinear"),
        scale_by_area=False,
    )
    assert level.dtype == np.float32
    np.testing.assert_allclose(level[20:40, 20:40], 0.25, rtol=1e-6)


def test_single_plane_where_the_map_is_nan() -> None:
    """Unprojectable positions read the zeros outside."""
    nodes = nodes_of(affine((1.0, 0.0, 0.0, 1.0), 5.0, 5.0), (4, 4), 4)
    nodes["map_x"][:] = np.nan
    assert not resample_image(np.ones((20, 20)), **nodes, kernel=LANCZOS3).any()


# --- refusals ---


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask_kernel": "lanczos3"}, "mask kernel"),
        ({"variance": np.ones((5, 6), dtype=np.float32)}, "one shape"),
        ({"step": 0}, "at least 1"),
        ({"step": 3}, "map_nodes"),
        ({"out_shape": (0, 4)}, "at least 1"),
        ({"out_shape": (40, 4)}, "map_nodes"),
        ({"map_y": np.zeros((2, 2))}, "map_nodes"),
        ({"no_data_bit": 0}, "no_data_bit"),
        ({"no_data_bit": 3}, "no_data_bit"),
        ({"no_data_bit": 1 << 31}, "no_data_bit"),
        ({"grow_full_mask": -1}, "grow_full_mask"),
    ],
)
def test_refuses_bad_values(change: dict, message: str) -> None:
    """A wrong value is refused with a message that says what is allowed."""
    arguments = {
        "image": np.ones((10, 10), dtype=np.float32),
        "variance": np.ones((10, 10), dtype=np.float32),
        "mask": np.zeros((10, 10), dtype=np.int32),
        **nodes_of(affine((1.0, 0.0, 0.0, 1.0), 0.0, 0.0), (4, 4), 4),
        "kernel": LANCZOS3,
        "no_data_bit": NO_DATA,
        "grow_full_mask": EDGE,
    }
    with pytest.raises(ValueError, match=message):
        resample(**(arguments | change))


def test_refuses_bad_types() -> None:
    """Complex images and masks of floats or of 64 bits are refused."""
    good, identity = np.ones((10, 10), dtype=np.float32), affine((1.0, 0.0, 0.0, 1.0), 0.0, 0.0)
    with pytest.raises(TypeError, match="complex"):
        warp(good.astype(complex), identity, (4, 4))
    with pytest.raises(TypeError, match="integers"):
        warp(good, identity, (4, 4), mask=good)
    with pytest.raises(TypeError, match="int64"):
        warp(good, identity, (4, 4), mask=good.astype(np.int64))
    with pytest.raises(TypeError, match="complex"):
        resample_image(good.astype(complex), **nodes_of(identity, (4, 4), 4), kernel=LANCZOS3)
    with pytest.raises(ValueError, match="shape"):
        resample_image(good[0], **nodes_of(identity, (4, 4), 4), kernel=LANCZOS3)
