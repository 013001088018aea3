"""Tests of the kernels with which images are resampled: plain, corrected and stretched taps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from resample_oracle import HALF_LENGTHS, affine, nodes_of, slow_taps
from scipy.optimize import minimize

from tasks.kernels import (
    RESAMPLING_KERNELS,
    ResamplingKernel,
    lanczos_taps,
    resample_image,
    resampling_kernel,
)


def taps_at(kernel: ResamplingKernel, phases: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the taps of a kernel at any phases, linear in between its own."""
    position = np.asarray(phases) * (len(kernel.taps) - 1)
    first = np.minimum(position.astype(int), len(kernel.taps) - 2)
    rest = (position - first)[..., np.newaxis]
    taps: NDArray[np.float64] = (1 - rest) * kernel.taps[first] + rest * kernel.taps[first + 1]
    return taps


# --- plain taps ---


@pytest.mark.parametrize(
    ("order", "fraction", "taps", "total"),
    [
        (3, 0.5, [0.024317, -0.135095, 0.607927, 0.607927, -0.135095, 0.024317], 0.994299),
        (3, 0.25, [0.030021, -0.132871, 0.890067, 0.270190, -0.067791, 0.007356], 0.996972),
    ],
)
def test_raw_taps(order: int, fraction: float, taps: list[float], total: float) -> None:
    """Taps equal values worked out by hand, and come with their sum when not normalised."""
    raw = lanczos_taps(order, fraction, normalized=False)
    np.testing.assert_allclose(raw, taps, atol=5e-7)
    assert raw.sum() == pytest.approx(total, abs=5e-7)


def test_normalized_taps() -> None:
    """Normalised taps equal values worked out by hand and sum to 1 for arrays of fractions."""
    np.testing.assert_allclose(lanczos_taps(2, 0.5), [-0.0625, 0.5625, 0.5625, -0.0625], atol=1e-15)
    np.testing.assert_allclose(lanczos_taps(3, 0.5)[:3], [0.024457, -0.135870, 0.611413], atol=5e-7)
    assert lanczos_taps(5, 0.5, normalized=False).sum() == pytest.approx(0.998746, abs=5e-7)
    fractions = np.linspace(0, 0.99, 12).reshape(3, 4)
    taps = lanczos_taps(4, fractions)
    assert taps.shape == (3, 4, 8)
    np.testing.assert_allclose(taps.sum(axis=-1), 1.0, rtol=1e-15)
    np.testing.assert_array_equal(lanczos_taps(3, 0.0), [0, 0, 1, 0, 0, 0])


@pytest.mark.parametrize(("order", "fraction"), [(0, 0.5), (3, 1.0), (3, -0.1), (3, math.nan)])
def test_taps_refuse_nonsense(order: int, fraction: float) -> None:
    """An order below 1 or a fraction outside [0, 1) is refused."""
    with pytest.raises(ValueError, match=r"order|fraction"):
        lanczos_taps(order, fraction)


@pytest.mark.parametrize("name", RESAMPLING_KERNELS)
def test_table_is_the_plain_kernel(name: str) -> None:
    """Between its phases, too, the table agrees to 5e-7 with taps taken from their definition."""
    kernel = resampling_kernel(name, corrected=False)
    assert kernel.half == HALF_LENGTHS[name]
    for phase in np.random.default_rng(1).uniform(0, 1, 50):
        np.testing.assert_allclose(taps_at(kernel, phase), slow_taps(name, phase), atol=5e-7)


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(RESAMPLING_KERNELS),
    corrected=st.booleans(),
    stretch=st.sampled_from([1.0, 1.5, 2.25]),
    fractions=st.tuples(*[st.floats(1.1e-9, 1 - 1.1e-9)] * 2),
)
def test_compiled_loops_use_the_table(
    name: str, corrected: bool, stretch: float, fractions: tuple[float, float]
) -> None:
    """The compiled kernel applied to a unit impulse reads off the taps, however close to a pixel centre."""
    kernel = resampling_kernel(name, corrected=corrected, stretch=stretch)
    x, y = (kernel.half - 1 + fraction for fraction in fractions)
    nodes = nodes_of(affine((1.0, 0.0, 0.0, 1.0), x, y), (1, 1), 1)
    impulse = np.zeros((2 * kernel.half, 2 * kernel.half))
    taps_x, taps_y = (taps_at(kernel, np.float64(v - (kernel.half - 1))) for v in (x, y))
    for j, k in np.ndindex(impulse.shape):
        impulse[:] = 0.0
        impulse[j, k] = 1.0
        value = resample_image(impulse, **nodes, kernel=kernel)[0, 0]
        assert value == pytest.approx(taps_y[j] * taps_x[k], abs=2e-7)


# --- corrected taps ---


@pytest.mark.parametrize("name", RESAMPLING_KERNELS)
def test_corrected_taps_reproduce_constants_and_gradients(name: str) -> None:
    """The taps sum to 1 at any phase, and their first moment is 0; on a pixel they are that pixel."""
    kernel = resampling_kernel(name)
    phases = np.linspace(0, 1, 101)
    taps = taps_at(kernel, phases)
    offsets = np.arange(1 - kernel.half, kernel.half + 1) - phases[:, np.newaxis]
    np.testing.assert_allclose(taps.sum(axis=1), 1.0, atol=3e-7)
    np.testing.assert_allclose((taps * offsets).sum(axis=1), 0.0, atol=1e-6)
    one = np.zeros(2 * kernel.half)
    one[kernel.half - 1] = 1.0
    np.testing.assert_array_equal(kernel.taps[0], one)
    np.testing.assert_array_equal(kernel.taps[-1], np.roll(one, 1))


@pytest.mark.parametrize("name", ["lanczos2", "lanczos3"])
@pytest.mark.parametrize("phase", [0.1, 0.5, 0.8])
def test_corrected_taps_are_the_best_for_stars(name: str, phase: float) -> None:
    """A general minimiser of the error in stars at many places finds the same taps."""
    half, sigma = HALF_LENGTHS[name], 3.5 / math.sqrt(8 * math.log(2))
    offsets = np.arange(1.0 - half, half + 1)
    places = np.linspace(-12, 12, 481)
    stars = np.exp(-0.5 * ((offsets - places[:, np.newaxis]) / sigma) ** 2)
    wanted = np.exp(-0.5 * ((phase - places) / sigma) ** 2)
    power = (np.exp(-0.5 * (places / sigma) ** 2) ** 2).sum()
    plain = np.array(slow_taps(name, phase))

    def cost(taps: NDArray[np.float64]) -> float:
        error = ((stars @ taps - wanted) ** 2).sum() / power
        return float(1e3 * (error + 1e-3 * ((taps - plain) ** 2).sum()))

    constraints = [
        {"type": "eq", "fun": lambda taps: taps.sum() - 1.0},
        {"type": "eq", "fun": lambda taps: taps @ (offsets - phase)},
    ]
    best = minimize(cost, plain, constraints=constraints, method="SLSQP", options={"ftol": 1e-14})
    np.testing.assert_allclose(taps_at(resampling_kernel(name), np.float64(phase)), best.x, atol=2e-4)


def flux_and_place(kernel: ResamplingKernel, ratio: float, fwhm: float) -> tuple[float, float]:
    """Return rms errors of flux (relative) and fitted place (px) of stars in one dimension."""
    sigma, rng, half = fwhm / math.sqrt(8 * math.log(2)), np.random.default_rng(3), kernel.half
    fluxes, places = [], []
    for place, start in rng.uniform(39.5, 40.5, (80, 2)):
        star = np.exp(-0.5 * ((np.arange(80) - place) / sigma) ** 2)
        positions = start + ratio * np.arange(int(-25 / ratio), int(25 / ratio) + 1)
        whole = np.floor(positions).astype(int)
        taps = taps_at(kernel, positions - whole)
        warped = (taps * star[whole[:, np.newaxis] + np.arange(1 - half, half + 1)]).sum(axis=1)
        offset = positions - place
        model = np.exp(-0.5 * (offset / sigma) ** 2)
        fit = np.linalg.lstsq(np.stack([model, model * offset / sigma**2], axis=1), warped, rcond=None)[0]
        fluxes.append(ratio * warped.sum() / star.sum() - 1.0)
        places.append(fit[1] / fit[0])
    return float(np.std(fluxes)), float(np.std(places))


@pytest.mark.parametrize(("name", "flux", "place"), [("lanczos3", 8e-5, 1.5e-3), ("lanczos5", 4e-5, 2.5e-4)])
def test_stars_keep_flux_and_place_on_pixels_of_any_size(name: str, flux: float, place: float) -> None:
    """Taps corrected for it hold limits at every ratio of pixel sizes, which plain ones miss many times."""
    worst, plain = np.zeros(2), resampling_kernel(name, corrected=False)
    for ratio in (1.003, 0.97, 0.93, 0.9, 0.87, 0.84, 0.75, 1.02, 1.05, 1.1):
        # Half a per cent off, as the scale of a detector varies.
        kernel = resampling_kernel(name, sampling=1.005 / ratio)
        for fwhm in (3.0, 4.0):
            worst = np.maximum(worst, flux_and_place(kernel, ratio, fwhm))
    assert worst[0] < flux
    assert worst[1] < place
    assert flux_and_place(plain, 0.97, 4.0)[0] > 10 * flux
    assert flux_and_place(plain, 1.003, 4.0)[1] > 5 * flux_and_place(resampling_kernel(name), 1.003, 4.0)[1]


@pytest.mark.parametrize("name", ["lanczos2", "lanczos3", "lanczos5"])
@pytest.mark.parametrize("sampling", [0.8, 0.95, 1.02, 1.19, 2.5])
def test_no_response_to_the_sampling(name: str, sampling: float) -> None:
    """At that frequency there is none, and all that corrected taps promise they keep."""
    kernel = resampling_kernel(name, sampling=sampling)
    phases = np.linspace(0, 1, 101)
    offsets = np.arange(1 - kernel.half, kernel.half + 1) - phases[:, np.newaxis]
    taps = taps_at(kernel, phases)
    np.testing.assert_allclose(taps.sum(axis=1), 1.0, atol=3e-7)
    np.testing.assert_allclose((taps * offsets).sum(axis=1), 0.0, atol=1e-6)
    np.testing.assert_array_equal(kernel.taps[0], resampling_kernel(name).taps[0])

    def response(of: ResamplingKernel) -> float:
        # The wave that output pixels beat with, over all their places.
        wave = taps_at(of, middles) * np.cos(2 * np.pi * sampling * (near - middles[:, np.newaxis]))
        return abs(float(wave.sum(axis=1).mean()))

    middles, near = (np.arange(4000) + 0.5) / 4000, np.arange(1 - kernel.half, kernel.half + 1)
    assert response(kernel) < 2e-6
    if sampling != 0.95:
        assert response(resampling_kernel(name)) > 1e-5


# --- stretched taps ---


@pytest.mark.parametrize("name", RESAMPLING_KERNELS)
def test_stretched_kernel(name: str) -> None:
    """Stretched by two, a kernel reaches twice as far and keeps constants; a slow star keeps its flux."""
    kernel = resampling_kernel(name, stretch=2.0)
    assert kernel.half == 2 * HALF_LENGTHS[name]
    np.testing.assert_allclose(taps_at(kernel, np.linspace(0, 1, 33)).sum(axis=1), 1.0, atol=3e-7)
    assert flux_and_place(kernel, 2.0, 5.0)[0] < 1e-5


@pytest.mark.parametrize(
    ("name", "factor"),
    [("bilinear", 4 / 9), ("lanczos2", 0.669), ("lanczos3", 0.798), ("lanczos4", 0.836), ("lanczos5", 0.873)],
)
def test_variance_factor(name: str, factor: float) -> None:
    """The mean variance of plain kernels is the known one; a kernel twice as wide averages four pixels."""
    plain = resampling_kernel(name, corrected=False)
    assert plain.variance_factor == pytest.approx(factor, abs=6e-4)
    stretched = resampling_kernel(name, stretch=2.0).variance_factor
    assert stretched == pytest.approx(plain.variance_factor / 4, rel=0.15)


def test_refusals() -> None:
    """Unknown names and senseless stretches are refused with what is allowed."""
    with pytest.raises(ValueError, match=r"'lanczos7'.*bilinear, lanczos2, lanczos3"):
        resampling_kernel("lanczos7")
    for stretch in (0.5, math.nan, 1e6):
        with pytest.raises(ValueError, match="from 1 to 100"):
            resampling_kernel("lanczos3", stretch=stretch)
    for sampling in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="are a positive number"):
            resampling_kernel("lanczos3", sampling=sampling)
