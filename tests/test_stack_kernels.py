"""The stacking kernels: equal to LSST's own results, to a slow oracle, and to themselves in other forms."""

import json
from pathlib import Path

import numba
import numpy as np
import pytest
import stack_oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.kernels import (
    StackResult,
    Statistic,
    clipped_mean,
    mean_and_meanclip_stack,
    statistics_stack,
)
from tasks.kernels.stacking import plane_pixels

REFERENCE = Path(__file__).parents[1] / "../shared/reference/stack"
REFERENCE_CASES = sorted(REFERENCE.glob("*.npz"))

BAD, SAT, INTRP, EDGE, NO_DATA = 1, 2, 4, 16, 256
REJECTED, CLIPPED, SENSOR_EDGE = 2048, 4096, 8192
ASSEMBLE = {
    "and_mask": BAD | SAT | EDGE | NO_DATA,
    "mask_propagation_thresholds": {1: 0.1},
    "clipped": CLIPPED,
    "mask_map": [(BAD | SAT, REJECTED), (EDGE, SENSOR_EDGE), (CLIPPED, CLIPPED)],
}
DEFAULTS = {
    "num_sigma": 3.0,
    "num_iter": 2,
    "and_mask": 0,
    "nan_safe": True,
    "weighted": True,
    "calc_error_from_input_variance": True,
    "mask_propagation_thresholds": {},
    "clipped": 0,
    "mask_map": [],
    "no_good_pixels_mask": NO_DATA,
}


def assert_same(got: StackResult, expected: tuple[np.ndarray, ...]) -> None:
    """Compare the planes that ``expected`` has, NaN equal to NaN."""
    for name, plane, other in zip(StackResult._fields, got, expected, strict=False):
        assert plane.dtype == other.dtype, name
        np.testing.assert_array_equal(plane, other, err_msg=name, strict=True)


def warps(rng: np.random.Generator, *, n: int, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Draw images with NaN and ties, variances, masks and weights."""
    size = (n, *shape)
    image = np.round(rng.normal(size=size) * 8).astype(np.float32) / 8
    image[rng.random(size) < 0.05] = np.nan
    variance = rng.uniform(0.5, 2, size).astype(np.float32)
    mask = np.where(rng.random(size) < 0.3, rng.integers(0, 1024, size), 0).astype(np.int32)
    return image, variance, mask, rng.uniform(0.2, 3, n)


@pytest.fixture(params=[1, 2])
def n_threads(request: pytest.FixtureRequest):
    """Run on one and on two threads."""
    before = numba.get_num_threads()
    if request.param > numba.config.NUMBA_NUM_THREADS:
        pytest.skip(f"numba has only {numba.config.NUMBA_NUM_THREADS} thread here")
    numba.set_num_threads(request.param)
    yield request.param
    numba.set_num_threads(before)


@pytest.mark.skipif(not REFERENCE_CASES, reason="no ../shared/reference/stack beside the checkout")
def test_there_are_65_reference_cases():
    """The reference is complete, so that the next test cannot pass on a part of it."""
    assert len(REFERENCE_CASES) == 65


@pytest.mark.parametrize(
    "path",
    REFERENCE_CASES or [pytest.param(None, marks=pytest.mark.skip(reason="no ../shared/reference/stack"))],
    ids=lambda path: path.stem if path else "absent",
)
def test_equals_lsst(path: Path, n_threads: int):
    """Image, variance and mask equal in every bit what LSST's compiled stack gave."""
    case = np.load(path)
    options = json.loads(str(case["options"]))
    planes = options.pop("planes")
    del options["weights_are"], options["kind"]
    thresholds = options.pop("mask_propagation_thresholds")
    options["mask_propagation_thresholds"] = {planes[name]: value for name, value in thresholds.items()}
    got = statistics_stack(case["image"], case["variance"], case["mask"], case["weights"], **options)
    assert_same(got, (case["out_image"], case["out_variance"], case["out_mask"]))


NAN = np.nan
X_SPIKE = [0, 0.1, -0.1, 0.05, -0.05, 100]
M_SPIKE = [0, 0, 0, 0, 0, INTRP]


@pytest.mark.parametrize(
    ("statistic", "x", "v", "m", "w", "options", "expected"),
    [
        ("MEAN", [1, 2], [4, 9], [0, 0], [0.5, 3], {}, (1.8571428, 6.6938777, 0)),
        (
            "MEAN",
            [1, 2],
            [4, 9],
            [0, 0],
            [0.5, 3],
            {"calc_error_from_input_variance": False},
            (1.8571428, 0.37755102, 0),
        ),
        ("MEAN", [1, 2], [4, 9], [0, SAT], [0.5, 3], {}, (1, 4, 0x802)),
        ("MEAN", [1, 2], [4, 9], [0, SAT], [0.5, 3], {"mask_propagation_thresholds": None}, (1, 4, 0x800)),
        (
            "MEAN",
            [1, 2],
            [4, 9],
            [0, SAT],
            [0.5, 3],
            {"calc_error_from_input_variance": False},
            (1, NAN, 0x802),
        ),
        ("MEAN", [1, 2], [4, 9], [SAT, SAT], [0.5, 3], {}, (NAN, NAN, 0x900)),
        ("MEAN", [1] * 9, [1] * 9, [SAT] + [0] * 8, [1] * 9, {}, (1, 0.125, 0x802)),
        ("MEAN", [1] * 10, [1] * 10, [SAT] + [0] * 9, [1] * 10, {}, (1, 0.1111111, 0x800)),
        ("MEANCLIP", X_SPIKE, [1] * 6, M_SPIKE, [1] * 6, {}, (0, 0.2, 0x1004)),
        ("MEANCLIP", [1, 1, 1, 1.5], [1] * 4, [0] * 4, [1] * 4, {"num_iter": 1}, (1, 0.3333333, 0x1000)),
        ("MEANCLIP", [1, 1, 1, 1.5], [1] * 4, [0] * 4, [1] * 4, {"num_iter": 2}, (1, 0.3333333, 0x1000)),
        ("MEANCLIP", [0, 10], [1, 1], [0, 0], [1, 1], {"num_sigma": 1.34}, (NAN, NAN, 0x1000)),
        ("MEANCLIP", [0, 10], [1, 1], [0, 0], [1, 1], {"num_sigma": 1.35}, (5, 0.5, 0)),
        ("MEDIAN", [1, 2, 4], [1, 1, 1], [0, 0, 0], [1, 1, 1], {}, (2, 1.2217305, 0)),
        ("MEAN", [1, 2], [1, 4], [0, 0], None, {}, (1.2, 0.8, 0)),
        (
            "MEAN",
            [1, 2, NAN],
            [1, 1, 1],
            [EDGE, 0, 0],
            [1, 1, 1],
            {"and_mask": BAD | SAT | NO_DATA},
            (1.5, 0.5, 0x2010),
        ),
        ("MEAN", [1, 2], [1, NAN], [0, 0], [1, 1], {}, (1.5, NAN, 0)),
        ("MEAN", [1, 2], [1, 1], [0, SAT], [0, 1], {}, (NAN, NAN, 0x802)),
        ("MEAN", [NAN, NAN], [1, 1], [0, 0], [1, 1], {}, (NAN, NAN, 0x100)),
        ("MEAN", [1, NAN], [1, 1], [0, 0], [1, 1], {"nan_safe": False}, (NAN, 0.5, 0)),
        ("MEANCLIP", [1, NAN], [1, 1], [0, 0], [1, 1], {"nan_safe": False}, (NAN, NAN, 0x1000)),
        ("MEAN", [1, 3], [1, 5], [0, 0], [5, 1], {"weighted": False}, (2, 1.5, 0)),
        (
            "MEAN",
            [1.0001, 1.0002, 1.0003],
            [1, 1, 1],
            [0, 0, 0],
            [1e12, 1e12, 1e12],
            {},
            (1.000122, 1 / 3, 0),
        ),
        ("VARIANCE", [1, 2, 4], [1, 1, 1], [0, 0, 0], [1, 1, 1], {}, (7 / 3, 4 * (7 / 3) ** 2 / 9, 0)),
        ("VARIANCECLIP", [0, 10], [1, 1], [0, 0], [1, 1], {}, (50, NAN, 0)),
        ("STDEV", [0, 6, 12], [1, 1, 1], [0, 0, 0], [1, 1, 1], {}, (6, 0, 0)),
        ("STDEVCLIP", [0, 10], [1, 1], [0, 0], [1, 1], {}, (7.0710678, 0, 0)),
        ("MIN", [3, 1, 2], [1, 1, 1], [0, SAT, 0], [1, 1, 1], {}, (2, 0, 0x802)),
        ("MAX", [3, 1, 2], [1, 1, 1], [0, 0, 0], [1, 1, 1], {}, (3, 0, 0)),
        ("SUM", [3, 1, 2], [1, 1, 1], [0, 0, 0], [1, 10, 100], {}, (213, 0, 0)),
        ("IQRANGE", [0, 4, 8], [1, 1, 1], [0, 0, 0], [1, 1, 1], {}, (4, 0, 0)),
        ("MEANSQUARE", [3, 4], [1, 1], [0, 0], [1, 3], {}, ((9 + 3 * 16) / 4, 0, 0)),
        ("NPOINT", [3, 1, NAN], [1, 1, 1], [0, 0, 0], [1, 2, 1], {}, (2, 0, 0)),
        ("NPOINT", [3, 1], [1, 1], [SAT, SAT], [1, 2], {}, (NAN, NAN, 0x900)),
    ],
)
def test_known_values(statistic, x, v, m, w, options, expected):
    """One pixel gives the value, variance and mask that LSST gave or that the definition says."""
    pixels = [np.array(plane, dtype).reshape(-1, 1, 1) for plane, dtype in ((x, "f4"), (v, "f4"), (m, "i4"))]
    got = statistics_stack(*pixels, w, statistic=statistic, **(ASSEMBLE | options))
    assert [got.image[0, 0], got.variance[0, 0]] == pytest.approx(expected[:2], rel=2e-7, nan_ok=True)
    assert got.mask[0, 0] == expected[2]


VALUES = st.sampled_from([0.0, -0.5, 0.5, 1.0, 1.5, 100.0, NAN, np.inf, -np.inf]) | st.floats(-3, 3, width=32)
VARIANCES = st.sampled_from([0.0, 1.0, 2.5, NAN]) | st.floats(0.125, 4, width=32)
WEIGHTS = st.sampled_from([0.0, 1.0, 1.0, 0.1, -0.5, 1e8]) | st.floats(0.0, 4.0)
BITS = st.integers(0, 2**10 - 1) | st.sampled_from([2**31 - 1, 2**31])
OPTIONS = st.fixed_dictionaries(
    {
        "num_sigma": st.sampled_from([0.5, 1.34, 1.5, 2.5, 3.0]),
        "num_iter": st.integers(1, 4),
        "and_mask": BITS,
        "nan_safe": st.booleans() | st.just(True),
        "weighted": st.booleans() | st.just(True),
        "calc_error_from_input_variance": st.booleans(),
        "mask_propagation_thresholds": st.dictionaries(
            st.integers(0, 12) | st.just(31), st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0, 1.5]), max_size=4
        ),
        "clipped": BITS,
        "mask_map": st.lists(st.tuples(BITS, BITS), max_size=3),
        "no_good_pixels_mask": BITS,
    }
)


@st.composite
def stacks(draw):
    """Draw images, variances, masks and weights of a few pixels."""
    n = draw(st.integers(1, 9))
    size = (n, draw(st.integers(1, 2)), draw(st.integers(1, 4)))
    mask_bits = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 0, 0, 1, 2, 16, 256])
    image = draw(hnp.arrays(np.float32, size, elements=VALUES))
    variance = draw(hnp.arrays(np.float32, size, elements=VARIANCES))
    mask = draw(hnp.arrays(np.int32, size, elements=mask_bits, fill=st.just(0)))
    weights = draw(st.none() | st.lists(WEIGHTS, min_size=n, max_size=n))
    return image, variance, mask, weights


@given(stack=stacks(), options=OPTIONS, statistic=st.sampled_from(Statistic))
@settings(deadline=None, max_examples=600)
def test_equals_the_oracle(stack, options, statistic):
    """All statistics equal the slow oracle for odd masks, NaN, infinities, ties, weights and options."""
    got = statistics_stack(*stack, statistic=statistic, **options)
    assert_same(got, stack_oracle.stack(statistic, *stack, options))


@given(stack=stacks(), options=OPTIONS, statistic=st.sampled_from(["MEAN", "MEANCLIP"]))
@settings(deadline=None, max_examples=150)
def test_quick_means_equal_the_oracle(stack, options, statistic):
    """Means with weights of images and errors from theirs have kernels of their own, and are equal too."""
    options = options | {"nan_safe": True, "weighted": True, "calc_error_from_input_variance": True}
    got = statistics_stack(*stack, statistic=statistic, **options)
    assert_same(got, stack_oracle.stack(statistic, *stack, options))


@pytest.mark.parametrize("statistic", Statistic)
def test_rows_longer_than_a_block_and_more_than_a_strip(statistic, n_threads):
    """Cutting the image into blocks and strips changes no pixel."""
    stack = warps(np.random.default_rng(5), n=7, shape=(37, 18))
    wide = [np.tile(plane, (1, 1, 43)) for plane in stack[:3]]
    got = statistics_stack(*wide, stack[3], statistic=statistic, **ASSEMBLE)
    expected = stack_oracle.stack(statistic, *stack, DEFAULTS | ASSEMBLE)
    assert_same(got, tuple(np.tile(plane, (1, 43)) for plane in expected))


@pytest.mark.parametrize("n", [1, 2, 3, 8, 33, 100])
def test_any_number_of_images(n):
    """The sort and the sums work for few and for many images."""
    stack = warps(np.random.default_rng(n), n=n, shape=(2, 9))
    for statistic in ("MEAN", "MEDIAN", "MEANCLIP", "MAX"):
        got = statistics_stack(*stack, statistic=statistic, **ASSEMBLE)
        assert_same(got, stack_oracle.stack(statistic, *stack, DEFAULTS | ASSEMBLE))


def test_mapped_big_endian_planes(tmp_path):
    """Regions of big-endian files are read in place and give what native arrays give."""
    *planes, weights = warps(np.random.default_rng(1), n=5, shape=(20, 31))
    box = np.s_[3:17, 4:27]
    mapped = []
    for kind, stack in enumerate(planes):
        stored = stack.astype(stack.dtype.newbyteorder(">"))
        mapped.append([])
        for i, plane in enumerate(stored):
            path = tmp_path / f"{kind}_{i}"
            path.write_bytes(b"header__" + plane.tobytes())
            mapped[-1].append(np.memmap(path, stored.dtype, "r", offset=8, shape=plane.shape)[box])
    native = [stack[:, *box] for stack in planes]
    got = statistics_stack(*mapped, weights, statistic="MEANCLIP", **ASSEMBLE)
    assert_same(got, statistics_stack(*native, weights, statistic="MEANCLIP", **ASSEMBLE))
    assert_same(got, stack_oracle.stack("MEANCLIP", *native, weights, DEFAULTS | ASSEMBLE))


def test_planes_in_any_layout():
    """Planes that are transposed, mirrored, strided, off the word boundary or mixed give the same."""
    image, variance, mask, weights = warps(np.random.default_rng(2), n=5, shape=(6, 11))
    off_word = np.frombuffer(b"." + image[3].tobytes(), np.float32, offset=1).reshape(6, 11)
    layouts = [
        np.asfortranarray(image[0]),
        image[1][::-1].copy()[::-1],
        np.repeat(image[2], 2, axis=1)[:, ::2],
        off_word,
        image[4].astype(">f4"),
    ]
    assert not off_word.flags.aligned
    got = statistics_stack(layouts, variance, tuple(mask), list(weights), statistic="MEANCLIP", **ASSEMBLE)
    assert_same(got, statistics_stack(image, variance, mask, weights, statistic="MEANCLIP", **ASSEMBLE))


def test_inputs_are_left_alone():
    """The stack writes to its own arrays only."""
    stack = warps(np.random.default_rng(3), n=4, shape=(5, 5))
    before = [plane.copy() for plane in stack]
    for plane in stack:
        plane.setflags(write=False)
    result = statistics_stack(*stack, statistic="MEAN", **ASSEMBLE)
    for plane, copy in zip(stack, before, strict=True):
        np.testing.assert_array_equal(plane, copy)
    assert all(plane.flags.writeable for plane in result)


@given(stack=stacks(), options=OPTIONS)
@settings(deadline=None, max_examples=100)
def test_fused_equals_separate(stack, options):
    """MEAN and MEANCLIP of one pass equal those of two."""
    mean, meanclip = mean_and_meanclip_stack(*stack, **options)
    assert_same(mean, statistics_stack(*stack, statistic="MEAN", **options))
    assert_same(meanclip, statistics_stack(*stack, statistic="MEANCLIP", **options))


def test_fused_equals_separate_on_many_blocks(n_threads):
    """The one pass keeps MEAN and MEANCLIP apart from block to block."""
    stack = warps(np.random.default_rng(4), n=8, shape=(40, 700))
    options = ASSEMBLE | {"num_sigma": 1.5, "num_iter": 3}
    mean, meanclip = mean_and_meanclip_stack(*stack, **options)
    assert_same(mean, statistics_stack(*stack, statistic="MEAN", **options))
    assert_same(meanclip, statistics_stack(*stack, statistic="MEANCLIP", **options))
    assert not np.array_equal(mean.image, meanclip.image, equal_nan=True)


def test_n_image_counts_masks_only():
    """NaN and clipped inputs count, masked inputs do not."""
    x = np.array([0, 0.1, -0.1, 0.05, -0.05, 100, NAN, 0], np.float32).reshape(-1, 1, 1)
    mask = np.array([0, 0, 0, 0, 0, 0, 0, SAT], np.int32).reshape(-1, 1, 1)
    got = statistics_stack(x, np.ones_like(x), mask, np.ones(8), statistic="MEANCLIP", **ASSEMBLE)
    assert got.mask[0, 0] & CLIPPED
    assert got.n_image[0, 0] == 7


@given(
    values=hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=VALUES),
    seed=st.integers(0, 99),
    num_sigma=st.sampled_from([1.0, 1.5, 3.0]),
    num_iter=st.integers(1, 4),
)
@settings(deadline=None, max_examples=200)
def test_clipped_mean_equals_the_oracle(values, seed, num_sigma, num_iter):
    """The clipped mean of a plane is the MEANCLIP of its pixels as if they were one pixel's inputs."""
    mask = np.random.default_rng(seed).choice(np.array([0, 0, 1, 4], np.int32), values.shape)
    got = clipped_mean(values, mask, num_sigma=num_sigma, num_iter=num_iter, and_mask=BAD)
    column = values.reshape(-1, 1, 1)
    options = {"num_sigma": num_sigma, "num_iter": num_iter, "and_mask": BAD, "weighted": False}
    expected = stack_oracle.stack(
        "MEANCLIP", column, np.ones_like(column), mask.reshape(-1, 1, 1), None, DEFAULTS | options
    )
    assert np.array_equal(np.float32(got), expected[0][0, 0], equal_nan=True)


def test_clipped_mean_of_a_variance_plane():
    """Outliers of a large plane are left out, in either byte order; of no good pixel the mean is NaN."""
    rng = np.random.default_rng(6)
    plane = rng.normal(10, 1, (300, 400)).astype(np.float32)
    plane[:20] = 1e6
    mask = np.zeros(plane.shape, np.int32)
    clip = {"num_sigma": 3.0, "num_iter": 2, "and_mask": BAD}
    mean = clipped_mean(plane, mask, **clip)
    assert isinstance(mean, float)
    assert mean == pytest.approx(10, abs=0.02)
    assert clipped_mean(plane.astype(">f4"), mask.astype(">i4"), **clip) == mean
    assert np.isnan(clipped_mean(plane, mask | BAD, **clip))


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, shape: rng.normal(10, 1, shape),
        lambda rng, shape: rng.choice([1.0, 2.0, 3.0], shape, p=[0.2, 0.6, 0.2]),
        lambda rng, shape: np.ones(shape),
        # Rows and columns of a sample that have nothing to do with the others.
        lambda rng, shape: np.where(np.add.outer(*map(np.arange, shape)) % 2, rng.normal(size=shape), 50.0),
    ],
    ids=["smooth", "ties", "constant", "misleading"],
)
def test_quartiles_are_those_of_all_pixels(draw, monkeypatch):
    """Quartiles looked for near those of a sample are exact, whatever the sample says."""
    monkeypatch.setattr(plane_pixels, "_SAMPLE", 20)
    rng = np.random.default_rng(3)
    values = draw(rng, (200, 240)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    mask = (rng.random(values.shape) < 0.2).astype(np.int32)
    good = values[np.isfinite(values) & (mask == 0)].astype(float)
    found = plane_pixels.PlanePixels(values, mask, BAD).quartiles()
    assert found == (good.size, *np.percentile(good, [25, 50, 75]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"statistic": "ERROR"}, "'ERROR' cannot be stacked.*MEANCLIP"),
        ({"statistic": "NOTHING"}, "'NOTHING' cannot"),
        ({"statistic": "ORMASK"}, "'ORMASK' cannot"),
        ({"statistic": "mean"}, "unknown statistic 'mean'.*MEAN"),
        ({"num_sigma": NAN}, "num_sigma .* nan"),
        ({"num_sigma": -1.0}, "num_sigma .* -1.0"),
        ({"num_iter": 0}, "num_iter .* 0"),
        ({"and_mask": 2**32}, "and_mask .* 4294967296"),
        ({"clipped": -(2**31) - 1}, "clipped .* -2147483649"),
        ({"mask_map": [(1, 2**40)]}, "mask_map .* 1099511627776"),
        ({"mask_map": [(1, 2, 3)]}, r"mask_map .*\(1, 2, 3\)"),
        ({"mask_propagation_thresholds": {32: 0.1}}, "bit 32; bits are 0 to 31"),
        ({"mask_propagation_thresholds": {-1: 0.1}}, "bit -1; bits are 0 to 31"),
        ({"mask_propagation_thresholds": {1: NAN}}, r"thresholds\[1\] .* nan"),
        ({"weights": [1.0, 2.0]}, r"weights .* \(3,\).* \(2,\)"),
        ({"weights": np.ones((3, 1))}, r"weights .* \(3, 1\)"),
        ({"images": []}, "no images"),
        ({"images": np.ones((2, 4, 5), "f4")}, "2 images.*variance.* 3"),
        ({"masks": np.zeros((4, 4, 5), "i4")}, "3 images.*mask.* 4"),
        ({"images": np.ones((3, 4, 5))}, "image 0 has type float64, expected float32"),
        ({"masks": np.zeros((3, 4, 5), "u2")}, "mask 0 has type uint16, expected int32"),
        ({"variances": np.ones((3, 4, 6), "f4")}, r"variance 0 has shape \(4, 6\).*\(4, 5\)"),
        ({"images": [np.ones((4, 5), "f4")] * 2 + [np.ones((4, 4), "f4")]}, r"image 2 has shape \(4, 4\)"),
        ({"images": np.ones((3, 5), "f4")}, r"image 0 must be a 2-d array, got shape \(5,\)"),
        ({"images": np.ones((3, 0, 5), "f4")}, r"no pixels.*\(0, 5\)"),
    ],
)
def test_bad_input_is_refused(change, message):
    """A wrong argument is a ValueError that names the argument and its value."""
    arguments = {
        "images": np.ones((3, 4, 5), "f4"),
        "variances": np.ones((3, 4, 5), "f4"),
        "masks": np.zeros((3, 4, 5), "i4"),
        "weights": [1.0, 2.0, 3.0],
        "statistic": "MEAN",
    } | change
    planes = [arguments.pop(name) for name in ("images", "variances", "masks", "weights")]
    with pytest.raises(ValueError, match=message):
        statistics_stack(*planes, **arguments)


def test_clipped_mean_refuses_bad_input():
    """Shapes and types are checked before anything is computed."""
    plane, mask = np.ones((3, 4), np.float32), np.zeros((3, 4), np.int32)
    clip = {"num_sigma": 3.0, "num_iter": 2, "and_mask": 0}
    with pytest.raises(ValueError, match=r"\(3, 4\).*\(3, 3\)"):
        clipped_mean(plane, mask[:, :3], **clip)
    with pytest.raises(ValueError, match="values 0 has type float64"):
        clipped_mean(plane.astype(float), mask, **clip)
    with pytest.raises(ValueError, match="num_iter"):
        clipped_mean(plane, mask, **(clip | {"num_iter": 0}))


def test_a_statistic_has_one_spelling():
    """The enumeration, its values and LSST's names are the same."""
    assert [Statistic.from_name(name) for name in Statistic] == list(Statistic)
    assert all(str(statistic) == statistic.name for statistic in Statistic)
