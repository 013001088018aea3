"""Tests of stars, reference catalogs, zero points and quality numbers of exposures."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from ccd_frames import (
    FWHM_OF_SIGMA,
    PIXEL_SCALE,
    ZERO_POINT,
    Frame,
    add_gaussian_star,
    counts_variance,
    make_camera,
    make_frame,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from butler.images import Exposure, ExposureSummaryStats, FilterLabel, GaussianPsf, KernelPsf, VisitInfo
from tasks.errors import TaskError
from tasks.process_ccd import (
    ComputeExposureSummaryStatsConfig,
    ComputeExposureSummaryStatsTask,
    MatchReferenceConfig,
    MatchReferenceTask,
    MeasureStarsTask,
    PhotometricScale,
    ProcessCcdConfig,
    ProcessCcdTask,
    ReferenceZeroPointConfig,
    ReferenceZeroPointTask,
    ScaleInputs,
    StarCatalog,
)
from tasks.struct import Struct

TRUE_SIGMA = math.hypot(4.0 / FWHM_OF_SIGMA, math.sqrt(1 / 12))


def observed(frame: Frame) -> Exposure:
    """Return a frame as processCcd gets it, with filter and visit."""
    visit = VisitInfo(7, exposure_time=120.0, airmass=2.0)
    return replace(frame.exposure(), filter=FilterLabel("r", "R1"), visitInfo=visit)


def subtracted(frame: Frame) -> Exposure:
    """Return a frame in counts with its true background, variance and PSF."""
    exposure = observed(frame)
    exposure.image.array = frame.image - np.float32(frame.sky)
    exposure.variance.array[:] = counts_variance(frame.image)
    stamp = np.zeros((41, 41))
    add_gaussian_star(stamp, 20, 20, 1.0, frame.fwhm)
    exposure.psf = KernelPsf(stamp)
    return exposure


def catalog_of(frame: Frame, zero_point: float, *, shift: float = 0.0, noise: float = 0.0) -> Table:
    """Return the true stars of a frame; positions are shifted and scattered by arcseconds."""
    rng = np.random.default_rng(9)
    ra, dec = frame.wcs.pixelToSky(frame.x, frame.y)
    offsets = rng.normal(0, noise or 1e-9, (2, len(ra))) / 3600.0
    return Table(
        {
            "coord_ra": ra + shift / 3600.0 / np.cos(np.radians(dec)) + offsets[0],
            "coord_dec": dec + offsets[1],
            "r_mag": zero_point - 2.5 * np.log10(frame.flux),
        }
    )


def stars_at(x: Any, y: Any) -> StarCatalog:
    """Make round stars of flux 1000."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    one = np.ones(len(x))
    return StarCatalog(x, y, 1000 * one, one, 4 * one, 4 * one, 0 * one)


@pytest.fixture(scope="module")
def frame() -> Frame:
    return make_frame(1, shape=(400, 400), n_stars=90, fluxes=(1e4, 3e5))


@pytest.fixture(scope="module")
def calexp(frame: Frame) -> Exposure:
    catalog = catalog_of(frame, 25.5, shift=0.2, noise=0.05)
    config = ProcessCcdConfig()
    config.photometricScale.retarget("tasks.process_ccd:ReferenceZeroPointTask")
    task = ProcessCcdTask(config)
    result: Exposure = task.run(observed(frame), make_camera(), referenceCatalog=catalog).outputExposure
    return result


def test_fluxes_of_stars_are_whole(frame: Frame) -> None:
    """Fluxes of stars in parent coordinates are the true ones, with errors that describe their scatter."""
    stars = MeasureStarsTask().run(subtracted(frame))
    assert len(stars) > 15
    distance = np.hypot(stars.x[:, np.newaxis] - frame.x, stars.y[:, np.newaxis] - frame.y)
    nearest = distance.argmin(axis=1)
    assert distance.min(axis=1).max() < 0.2
    error = stars.flux / frame.flux[nearest] - 1
    # Stars with a faint neighbour gain by it.
    assert abs(np.median(error)) < 0.003
    assert np.median(np.abs(error) * frame.flux[nearest] / stars.flux_err) < 2.0
    assert np.median(stars.ixx) == pytest.approx(TRUE_SIGMA**2, rel=0.02)
    assert np.median(np.abs(stars.ixy)) < 0.02 * TRUE_SIGMA**2


def test_aperture_fluxes_do_not_depend_on_the_aperture() -> None:
    """The correction with the PSF makes fluxes of small and large apertures the same."""
    exposure = subtracted(make_frame(1, shape=(400, 400), n_stars=25, fluxes=(1e5, 3e5)))
    fluxes = []
    for radius in (0.8, 1.2, 1.8):
        task = MeasureStarsTask(MeasureStarsTask.ConfigClass().updated({"apertureRadius": radius}))
        fluxes.append(task.run(exposure).flux)
    np.testing.assert_allclose(np.median(fluxes[0] / fluxes[1]), 1.0, atol=0.002)
    np.testing.assert_allclose(np.median(fluxes[2] / fluxes[1]), 1.0, atol=0.002)


def test_an_image_without_stars_has_none(frame: Frame) -> None:
    """Sky alone gives an empty catalog."""
    empty = make_frame(2, n_stars=0)
    assert len(MeasureStarsTask().run(subtracted(empty))) == 0


def matched_by_hand(x: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray, limit: float) -> set[Any]:
    """Compare all distances: pairs that are each other's nearest, within a limit in pixels."""
    distance = np.hypot(x[:, np.newaxis] - u, y[:, np.newaxis] - v)
    return {
        (i, int(distance[i].argmin()))
        for i in range(len(x))
        if distance[i].min() < limit and distance[:, distance[i].argmin()].argmin() == i
    }


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 100))
@settings(deadline=None, max_examples=25)
def test_pairs_are_each_others_nearest(n_stars: int, n_entries: int, seed: int) -> None:
    """The pairs are those that a comparison of all with all finds, also across right ascension 0."""
    rng = np.random.default_rng(seed)
    frame = make_frame(0, n_stars=0, shape=(32, 32))
    header = {**frame.wcs.to_header(), "CRVAL1": 0.0001}
    wcs = type(frame.wcs)(header)
    x, y = rng.uniform(0, 200, (2, n_stars))
    u, v = rng.uniform(0, 200, (2, n_entries))
    ra, dec = wcs.pixelToSky(u, v)
    config = MatchReferenceConfig(matchRadius=20 * PIXEL_SCALE * 3600, nSigma=1e9)
    catalog = Table({"coord_ra": ra, "coord_dec": dec})
    match = MatchReferenceTask(config).run(stars_at(x, y), wcs, catalog)
    pairs = set(zip(match.star.tolist(), match.entry.tolist(), strict=True))
    assert pairs == matched_by_hand(x, y, u, v, 20.0)
    expected = np.hypot(x[match.star] - u[match.entry], y[match.star] - v[match.entry])
    np.testing.assert_allclose(match.separation, expected * PIXEL_SCALE * 3600, atol=1e-3)


def test_pairs_far_off_the_others_are_dropped(frame: Frame) -> None:
    """A wrong pair does not count, and neither does a row without a position."""
    catalog = catalog_of(frame, 25.0)
    catalog["coord_dec"][3] += 1.0 / 3600
    catalog["coord_ra"][5] = np.nan
    match = MatchReferenceTask().run(stars_at(frame.x, frame.y), frame.wcs, catalog)
    assert set(range(len(frame.x))) - set(match.star.tolist()) >= {3, 5}


@pytest.mark.parametrize("n_outliers", [0, 10])
def test_zero_point_withstands_variable_stars(n_outliers: int) -> None:
    """The zero point is the median offset, its error shrinks with the root of the number of stars."""
    rng = np.random.default_rng(0)
    n = 200
    stars = replace(stars_at(np.arange(n), np.arange(n)), flux=10 ** rng.uniform(2, 5, n))
    magnitudes = 26.0 - 2.5 * np.log10(stars.flux) + rng.normal(0, 0.03, n)
    magnitudes[:n_outliers] -= 1.0
    index = np.arange(n)
    match = SimpleNamespace(star=index, entry=index)
    exposure = observed(make_frame(0, n_stars=0, shape=(32, 32)))
    inputs = ScaleInputs(None, stars, Table({"r_mag": magnitudes}), match)  # type: ignore[arg-type]
    scale = ReferenceZeroPointTask().run(exposure, inputs)
    assert scale.zero_point == pytest.approx(26.0, abs=4 * scale.error)
    assert scale.scatter == pytest.approx(0.03, rel=0.2)
    assert scale.error == pytest.approx(1.2533 * scale.scatter / math.sqrt(scale.n_stars), rel=1e-3)
    assert n - n_outliers - 5 <= scale.n_stars <= n - n_outliers


def test_faults_of_the_reference_are_told(frame: Frame) -> None:
    """No catalog, a wrong column and too few stars are errors that say what to do."""
    exposure, stars = observed(frame), stars_at([1], [1])
    task = ReferenceZeroPointTask()
    with pytest.raises(TaskError, match="no reference catalog; ingest one"):
        task.run(exposure, ScaleInputs(25.0, stars))
    catalog = catalog_of(frame, 25.0)
    match = MatchReferenceTask().run(stars, frame.wcs, catalog)
    with pytest.raises(TaskError, match=r"no column 'r_mg'.*'r_mag'"):
        ReferenceZeroPointTask(ReferenceZeroPointConfig(magnitudeColumn="{band}_mg")).run(
            exposure, ScaleInputs(25.0, stars, catalog, match)
        )
    with pytest.raises(TaskError, match="only 0 of 1 stars have a r_mag"):
        task.run(exposure, ScaleInputs(25.0, stars, catalog, match))


def test_exposures_are_calibrated_to_a_catalog(frame: Frame, calexp: Exposure) -> None:
    """With a reference catalog the header's zero point does not matter; pixels and numbers follow it."""
    stats = calexp.summaryStats
    assert stats is not None
    assert stats.zeroPoint == pytest.approx(25.5, abs=0.005)
    assert calexp.metadata["MAGZP"] == stats.zeroPoint
    assert 0 < stats.zeroPointErr < stats.zeroPointScatter < 0.02
    assert stats.nZeroPointStar > 15
    inside = (
        np.hypot(*(np.indices(frame.image.shape) - np.array([frame.y[0], frame.x[0]])[:, None, None])) < 9
    )
    expected = (frame.truth - frame.sky)[inside].sum() * 10 ** (-0.4 * (25.5 - 31.4))
    assert calexp.image.array[inside].sum() == pytest.approx(expected, rel=0.05)


def test_another_visit_can_be_the_reference(frame: Frame) -> None:
    """Stars of one exposure calibrate another one of the same sky, and tell how far it is off."""
    first = ProcessCcdTask().run(observed(frame), make_camera()).outputExposure
    reference = MeasureStarsTask().run(first).as_reference(first.wcs, first.photoCalib, "r")
    assert (reference["coord_ra"].unit, reference.colnames[2]) == ("deg", "r_mag")
    header = frame.wcs.to_header()
    header["CRVAL2"] += 0.3 / 3600
    other = replace(observed(frame), wcs=type(frame.wcs)(header))
    other.image.array = other.image.array * np.float32(0.5)
    config = ProcessCcdConfig()
    config.photometricScale.retarget("tasks.process_ccd:ReferenceZeroPointTask")
    stats = (
        ProcessCcdTask(config)
        .run(other, make_camera(), referenceCatalog=reference)
        .outputExposure.summaryStats
    )
    assert stats.zeroPoint == pytest.approx(ZERO_POINT - 2.5 * math.log10(2.0), abs=0.002)
    assert (stats.astromOffsetMean, stats.astromOffsetStd) == pytest.approx((0.3, 0.0), abs=0.01)


def test_a_table_of_zero_points_counts_more_than_the_header(frame: Frame) -> None:
    """A given zero point is used; without one, the header's is."""
    task = ProcessCcdTask()
    given = task.run(observed(frame), make_camera(), zeroPoint={"zero_point": 24.0}).outputExposure
    plain = task.run(observed(frame), make_camera()).outputExposure
    assert (given.metadata["MAGZP"], plain.metadata["MAGZP"]) == (24.0, ZERO_POINT)
    ratio = np.median(given.variance.array / plain.variance.array) ** 0.5
    assert ratio == pytest.approx(10 ** (0.4 * (ZERO_POINT - 24.0)), rel=1e-4)


def test_numbers_of_a_known_exposure(frame: Frame, calexp: Exposure) -> None:
    """Seeing, sky, noise, place, astrometric offsets and depth are those that were simulated."""
    stats = calexp.summaryStats
    assert stats is not None
    noise = math.sqrt(counts_variance(np.array(frame.sky)))
    assert stats.psfSigma == pytest.approx(TRUE_SIGMA, rel=0.02)
    assert stats.psfArea == pytest.approx(4 * math.pi * TRUE_SIGMA**2, rel=0.05)
    assert stats.psfIxx == pytest.approx(stats.psfIyy, rel=0.03)
    assert stats.skyBg == pytest.approx(frame.sky, rel=0.02)
    assert stats.skyNoise == pytest.approx(noise, rel=0.1)
    assert stats.meanVar == pytest.approx(noise**2, rel=0.05)
    assert stats.pixelScale == pytest.approx(PIXEL_SCALE * 3600, rel=1e-3)
    assert (stats.expTime, stats.zenithDistance) == pytest.approx((120.0, 60.0))
    ra, dec = frame.wcs.pixelToSky([-0.5, 399.5, 399.5, -0.5], [-0.5, -0.5, 399.5, 399.5])
    np.testing.assert_allclose(stats.raCorners, ra)
    np.testing.assert_allclose(stats.decCorners, dec)
    assert stats.astromOffsetMean == pytest.approx(0.2, abs=0.03)
    assert stats.astromOffsetStd == pytest.approx(0.05, abs=0.025)
    assert stats.nPsfStar == calexp.metadata["NPSFSTAR"] > 15
    depth = 25.5 - 2.5 * math.log10(5 * noise * math.sqrt(4 * math.pi) * TRUE_SIGMA)
    assert stats.magLim == pytest.approx(depth, abs=0.1)
    assert abs(stats.psfStarDeltaE1Median) < 0.01
    assert abs(stats.psfStarDeltaSizeMedian) < 0.02
    assert stats.psfStarScaledDeltaSizeScatter < 0.02
    assert stats.starEMedian < 0.03
    assert (stats.psfTraceRadiusDelta, stats.psfApFluxDelta) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert 0 < stats.maxDistToNearestPsf < 300
    assert math.isnan(stats.effTime)


def test_depth_is_where_stars_have_a_signal_to_noise_of_five(frame: Frame, calexp: Exposure) -> None:
    """PSF fluxes of a star of that magnitude scatter by a fifth of it over many noise realisations."""
    stats = calexp.summaryStats
    assert stats is not None
    kernel = GaussianPsf(TRUE_SIGMA).computeKernelImage(x=0, y=0)
    flux = 10 ** (0.4 * (25.5 - stats.magLim))
    rng = np.random.default_rng(0)
    noise = math.sqrt(counts_variance(np.array(frame.sky)))
    stamps = flux * kernel + rng.normal(0, noise, (2000, *kernel.shape))
    measured = (stamps * kernel).sum(axis=(1, 2)) / (kernel**2).sum()
    assert measured.mean() / measured.std() == pytest.approx(5.0, rel=0.1)


def compute(config: dict[str, Any], psf_sigma: float, sky: float, zero_point: float) -> ExposureSummaryStats:
    """Compute the numbers of an exposure without stars."""
    exposure = observed(make_frame(0, n_stars=0, shape=(64, 64)))
    exposure.psf = GaussianPsf(psf_sigma)
    exposure.variance.array[:] = 9.0
    task = ComputeExposureSummaryStatsTask(ComputeExposureSummaryStatsConfig().updated(config))
    struct = Struct(level=sky, noise=math.nan)
    return task.run(exposure, stars_at([], []), PhotometricScale(zero_point), sky=struct)


def test_effective_time_is_that_of_the_same_depth() -> None:
    """At reference conditions it is the exposure time; each factor changes it as it changes the depth."""
    at_zenith = 27.0 - 2.5 * math.log10(120.0)
    config = {
        "fiducialPsfSigma": {"r": 2.0},
        "fiducialSkyBackground": {"r": 3.0},
        "fiducialZeroPoint": {"r": at_zenith},
    }
    best = compute(config, 2.0, 360.0, 27.0)
    assert best.effTime == pytest.approx(120.0, rel=1e-3)
    worse = compute(config, 4.0, 720.0, 27.0 - 2.5 * math.log10(2.0))
    factors = (worse.effTimePsfSigmaScale, worse.effTimeSkyBgScale, worse.effTimeZeroPointScale)
    assert factors == pytest.approx((0.25, 0.5, 0.25), rel=1e-3)
    assert worse.effTime == pytest.approx(120.0 * 0.25 * 0.5 * 0.25, rel=2e-3)


def test_what_is_not_known_is_nan() -> None:
    """Without stars and reference conditions their numbers are NaN, and noise comes from the variance."""
    stats = compute({}, 2.0, 360.0, 27.0)
    assert stats.skyNoise == pytest.approx(3.0)
    for name in ("effTime", "psfStarDeltaE1Median", "starEMedian", "maxDistToNearestPsf", "astromOffsetMean"):
        assert math.isnan(getattr(stats, name)), name
    assert stats.nPsfStar == 0


@pytest.mark.parametrize("given", [{}, {"zero_point": "25"}, {"zero_point": math.nan}])
def test_a_zero_point_that_is_no_number_is_refused(frame: Frame, given: dict[str, Any]) -> None:
    """A dataset without a usable number is told with what it holds."""
    with pytest.raises(TaskError, match=r"zero_point, a number|the zero point is nan"):
        ProcessCcdTask().run(observed(frame), make_camera(), zeroPoint=given)
