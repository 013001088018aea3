"""The simulated survey: same seed same pixels, and a truth that the pixels obey."""

import math
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.ndimage import binary_dilation, find_objects, label

from butler.images import PhotoCalib, SkyWcs
from tasks.demo import SimulatedSurvey, SurveyConfig, simulate_survey, write_survey
from tasks.demo.artifacts import cosmic_ray_charge, streak_profile
from tasks.demo.scene import add_galaxy, add_star, moffat

CLEAN = {"noise": False, "n_bad_columns": 0, "n_bad_pixels": 0, "n_galaxies": 0}
SMALL = {"n_visits": 2, "n_x": 96, "n_y": 80, "n_stars": 20, "n_galaxies": 4, "dither": 5.0}


@pytest.fixture(scope="module")
def survey() -> SimulatedSurvey:
    """Take the survey as shipped."""
    return simulate_survey(SurveyConfig())


@pytest.fixture(scope="module")
def twin() -> SimulatedSurvey:
    """Take the same survey without artifacts."""
    return simulate_survey(SurveyConfig(), with_artifacts=False)


@pytest.fixture(scope="module")
def clean() -> SimulatedSurvey:
    """Take few stars without noise and artifacts."""
    config = SurveyConfig(n_stars=15, star_magnitudes=(18.0, 20.0), **CLEAN)
    return simulate_survey(config, with_artifacts=False)


def aperture_sum(image: NDArray[np.float32], x: float, y: float, radius: float) -> float:
    """Sum the pixels whose centres lie in a circle."""
    rows, columns = np.indices(image.shape)
    return float(image[np.hypot(columns - x, rows - y) <= radius].sum(dtype=float))


def centroid(image: NDArray[np.float64], x: int, y: int, sigma: float) -> tuple[float, float]:
    """Return the Gaussian-weighted centroid near a pixel, iterated until it stands still."""
    rows, columns = np.indices(image.shape)
    x_mean, y_mean = float(x), float(y)
    for _ in range(30):
        weight = image * np.exp(-((columns - x_mean) ** 2 + (rows - y_mean) ** 2) / (2 * sigma**2))
        # The window pulls the mean half way back to its own centre.
        x_mean += 2 * float((weight * (columns - x_mean)).sum() / weight.sum())
        y_mean += 2 * float((weight * (rows - y_mean)).sum() / weight.sum())
    return x_mean, y_mean


def isolated(survey: SimulatedSurvey, visit: int, radius: float) -> list[tuple[int, float, float]]:
    """Return index and position of the stars farther than ``radius`` from every other and from the edge."""
    n_y, n_x = survey.config.shape
    wcs = survey.visits[visit].observation.wcs
    x, y = wcs.skyToPixel(survey.stars["ra"], survey.stars["dec"])
    found = []
    for i in range(len(x)):
        distance = np.hypot(x - x[i], y - y[i])
        distance[i] = np.inf
        border = min(x[i], y[i], n_x - 1 - x[i], n_y - 1 - y[i])
        if distance.min(initial=np.inf) > radius and border > radius:
            found.append((i, float(x[i]), float(y[i])))
    return found


# --------------------------------------------------------------------------------------------------- sources


@given(x=st.floats(49.5, 50.5), y=st.floats(49.5, 50.5), fwhm=st.floats(2.0, 5.0))
@settings(deadline=None, max_examples=20)
def test_star_is_its_profile_integrated_over_pixels(x: float, y: float, fwhm: float) -> None:
    """A brute-force sum over 400 points a pixel is the oracle."""
    scene = np.zeros((101, 101))
    add_star(scene, x=x, y=y, flux=1.0, fwhm=fwhm)
    steps = (np.arange(20) + 0.5) / 20 - 0.5
    for row, column in [(50, 50), (50, 52), (47, 53), (60, 41)]:
        dx, dy = column + steps - x, row + steps - y
        oracle = moffat(dx**2 + dy[:, np.newaxis] ** 2, fwhm).mean()
        assert scene[row, column] == pytest.approx(oracle, rel=2e-3)
    assert scene.sum() == pytest.approx(1.0, abs=1e-4)


def test_moffat_has_the_width_it_is_asked_for() -> None:
    """Half of the peak lies at half of the FWHM."""
    peak, half = moffat(np.array([0.0, 1.7**2]), 3.4)
    assert half == pytest.approx(peak / 2)


@pytest.mark.parametrize("position", [(-3.0, 20.0), (20.0, 42.4), (-300.0, 20.0)])
def test_sources_are_cut_at_the_border(position: tuple[float, float]) -> None:
    """What lies on the image is the same as on a larger image; the rest is left out."""
    x, y = position
    scene, larger = np.zeros((40, 50)), np.zeros((140, 150))
    frame = np.diag([0.5, 1.0])
    add_star(scene, x=x, y=y, flux=7.0, fwhm=3.0)
    add_galaxy(scene, x=x, y=y, flux=7.0, fwhm=3.0, frame=frame)
    add_star(larger, x=x + 50, y=y + 50, flux=7.0, fwhm=3.0)
    add_galaxy(larger, x=x + 50, y=y + 50, flux=7.0, fwhm=3.0, frame=frame)
    np.testing.assert_allclose(scene, larger[50:90, 50:100], atol=1e-12)


def test_galaxy_keeps_its_flux_its_place_and_its_direction() -> None:
    """Flux, centroid and the axis of second moments are those asked for."""
    scene = np.zeros((201, 201))
    angle = math.radians(30.0)
    axes = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    add_galaxy(scene, x=100.3, y=99.8, flux=50.0, fwhm=3.0, frame=axes / np.array([[3.0], [1.5]]))
    assert scene.sum() == pytest.approx(50.0, rel=1e-4)
    rows, columns = np.indices(scene.shape)
    dx, dy = columns - 100.3, rows - 99.8
    assert (scene * dx).sum() / scene.sum() == pytest.approx(0.0, abs=0.01)
    assert (scene * dy).sum() / scene.sum() == pytest.approx(0.0, abs=0.01)
    xx, yy, xy = ((scene * product).sum() for product in (dx * dx, dy * dy, dx * dy))
    assert math.degrees(0.5 * math.atan2(2 * xy, xx - yy)) == pytest.approx(30.0, abs=0.5)


def test_galaxies_keep_their_direction_on_the_sky() -> None:
    """The long axis of a galaxy points where its position angle says, through every rotated WCS."""
    turned = {"n_visits": 3, "rotation": 30.0, "dither": 0.0, "seed": 7}
    config = SurveyConfig(n_stars=0, **{**CLEAN, **turned, "n_galaxies": 1})
    survey = simulate_survey(config, with_artifacts=False)
    galaxy = survey.galaxies[0]
    assert galaxy["axis_ratio"] < 0.8
    tip = 1.0 / 3600.0
    angle = math.radians(galaxy["position_angle"])
    tip_ra = galaxy["ra"] + tip * math.sin(angle) / math.cos(math.radians(galaxy["dec"]))
    tip_dec = galaxy["dec"] + tip * math.cos(angle)
    for visit in survey.visits:
        observation = visit.observation
        x, y = (float(v) for v in observation.wcs.skyToPixel(galaxy["ra"], galaxy["dec"]))
        x_tip, y_tip = (float(v) for v in observation.wcs.skyToPixel(tip_ra, tip_dec))
        rows, columns = np.indices(visit.image.shape)
        dx, dy = columns - x, rows - y
        light = np.where(np.hypot(dx, dy) < 12, visit.image - observation.sky, 0.0)
        xx, yy, xy = ((light * product).sum() for product in (dx * dx, dy * dy, dx * dy))
        found = math.degrees(0.5 * math.atan2(2 * xy, xx - yy))
        expected = math.degrees(math.atan2(y_tip - y, x_tip - x))
        assert abs((found - expected + 90) % 180 - 90) < 1.0


# ------------------------------------------------------------------------------------------------- artifacts


def test_streak_profile_is_a_blurred_line() -> None:
    """A line drawn point by point and blurred point by point is the oracle."""
    profile = streak_profile((60, 70), x=33.3, y=28.1, angle=0.5, sigma=1.7, length=20.0)
    steps = np.linspace(-10.0, 10.0, 2001)
    rows, columns = np.indices((60, 70))
    for row, column in [(28, 33), (33, 43), (30, 30), (20, 20), (40, 45)]:
        x, y = 33.3 + steps * math.cos(0.5), 28.1 + steps * math.sin(0.5)
        blur = np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * 1.7**2)) / (math.sqrt(2 * math.pi) * 1.7)
        assert profile[row, column] == pytest.approx(np.trapezoid(blur, steps), abs=1e-5)
    endless = streak_profile((60, 70), x=33.3, y=28.1, angle=0.5, sigma=1.7)
    on_axis = np.abs((rows - 28.1) * math.cos(0.5) - (columns - 33.3) * math.sin(0.5)) < 0.05
    assert on_axis.any()
    assert endless[on_axis].min() > 0.99


def test_cosmic_rays_are_short_and_sharp() -> None:
    """Every track is connected, one or two pixels wide, at most 21 pixels long; their number is Poisson."""
    charge = cosmic_ray_charge((2000, 2000), np.random.default_rng(3), 300.0)
    tracks, n_tracks = label(charge > 0, structure=np.ones((3, 3)))
    assert abs(n_tracks - 300) < 5 * math.sqrt(300)
    for track, window in enumerate(find_objects(tracks), start=1):
        rows, columns = np.nonzero(tracks[window] == track)
        length = math.hypot(np.ptp(rows), np.ptp(columns))
        assert length <= 21.5
        assert len(rows) <= 2 * length + 4
    assert np.all(charge == np.rint(charge))


# ---------------------------------------------------------------------------------------------------- survey


def test_same_seed_same_pixels_other_seed_other_pixels() -> None:
    """A survey is a function of its settings."""
    first, again = simulate_survey(SurveyConfig(**SMALL)), simulate_survey(SurveyConfig(**SMALL))
    other = simulate_survey(SurveyConfig(seed=2, **SMALL))
    for a, b, c in zip(first.visits, again.visits, other.visits, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        assert a.cards == b.cards
        assert np.mean(a.image != c.image) > 0.9
    assert np.all(first.stars["ra"] == again.stars["ra"])
    assert np.all(first.stars["ra"] != other.stars["ra"])


def test_generation_is_fast_enough_for_a_demonstration() -> None:
    """Ten visits take less than 6 s of processor time."""
    start = time.process_time()
    simulate_survey(SurveyConfig())
    assert time.process_time() - start < 6.0


def test_twins_differ_only_where_artifacts_are(survey: SimulatedSurvey, twin: SimulatedSurvey) -> None:
    """Noise is the same with and without artifacts; artifacts only add light."""
    for visit, clean in zip(survey.visits, twin.visits, strict=True):
        assert visit.cards == clean.cards
        assert not (clean.trail | clean.cosmic_rays | clean.moving_object).any()
        difference = visit.image - clean.image
        # The wings of the trail reach 6 sigma or more beyond the part above a tenth of its axis.
        allowed = visit.cosmic_rays | binary_dilation(visit.trail, iterations=14)
        assert not np.any(difference[~allowed])
        assert difference.min() >= 0
        struck = visit.cosmic_rays & ~survey.bad_pixels
        assert difference[struck].mean() > 200
        assert np.mean(difference[struck] > 0) > 0.98


def test_one_trail_crosses_one_visit(survey: SimulatedSurvey, twin: SimulatedSurvey) -> None:
    """The trail is one straight band from border to border, as bright as asked for."""
    with_trail = [i for i, visit in enumerate(survey.visits) if visit.trail.any()]
    assert len(with_trail) == 1
    visit, clean = survey.visits[with_trail[0]], twin.visits[with_trail[0]]
    assert visit.observation.has_trail
    trail = visit.trail
    assert label(trail)[1] == 1
    assert sum(bool(edge.any()) for edge in (trail[0], trail[-1], trail[:, 0], trail[:, -1])) >= 2
    rows, columns = np.nonzero(trail)
    _, spread, _ = np.linalg.svd(
        np.stack([rows - rows.mean(), columns - columns.mean()]), full_matrices=False
    )
    width = math.sqrt(12.0 / len(rows)) * spread[1]
    sigma = visit.observation.seeing / 2.3548
    assert width == pytest.approx(2 * sigma * math.sqrt(2 * math.log(10)), rel=0.1)
    light = (visit.image - clean.image)[trail & ~visit.cosmic_rays & ~survey.bad_pixels]
    noise = math.sqrt(visit.observation.sky / 1.8 + (6.0 / 1.8) ** 2)
    # Mean of a Gaussian over the range in which it exceeds a tenth.
    edge = math.sqrt(2 * math.log(10))
    mean = math.sqrt(math.pi / 2) * math.erf(edge / math.sqrt(2)) / edge
    assert light.mean() == pytest.approx(15.0 * mean * noise, rel=0.03)


@pytest.mark.parametrize("seed", range(2, 12))
def test_every_seed_has_one_trail_across_the_frame(seed: int) -> None:
    """Nothing about the trail depends on a lucky seed."""
    config = SurveyConfig(seed=seed, **{**SMALL, "n_visits": 4, "n_stars": 0, "n_galaxies": 0})
    trails = [visit.trail for visit in simulate_survey(config).visits if visit.trail.any()]
    assert len(trails) == 1
    (trail,) = trails
    assert sum(bool(edge.any()) for edge in (trail[0], trail[-1], trail[:, 0], trail[:, -1])) >= 2


def test_moving_object_is_a_short_streak_on_another_visit() -> None:
    """It is off by default, and never on the visit of the trail."""
    survey = simulate_survey(SurveyConfig(moving_object=True, **SMALL))
    streaks = [visit for visit in survey.visits if visit.moving_object.any()]
    assert len(streaks) == 1
    assert not streaks[0].trail.any()
    rows, columns = np.nonzero(streaks[0].moving_object)
    assert 28 < math.hypot(np.ptp(rows), np.ptp(columns)) < 45
    quiet = simulate_survey(SurveyConfig(**SMALL))
    assert not any(visit.moving_object.any() for visit in quiet.visits)


def test_seeing_sky_and_zero_point_vary_over_their_whole_range(survey: SimulatedSurvey) -> None:
    """Seeing spreads 1.8 times, sky 4 times and throughput 2 times; every pointing differs."""
    assert max(survey.seeing) / min(survey.seeing) == pytest.approx(1.8)
    assert min(survey.seeing) == pytest.approx(2.5)
    observations = [visit.observation for visit in survey.visits]
    sky = [observation.sky for observation in observations]
    assert max(sky) / min(sky) == pytest.approx(4.0)
    zero_point = [observation.zero_point for observation in observations]
    assert 10 ** (0.4 * np.ptp(zero_point)) == pytest.approx(2.0, rel=0.01)
    x, y = np.array([observations[0].wcs.skyToPixel(*o.wcs.pixelToSky(255.5, 255.5)) for o in observations]).T
    assert np.ptp(x) > 20
    assert np.ptp(y) > 20
    assert len({observation.begin for observation in observations}) == len(observations)
    assert all(observation.wcs.pixel_scale == pytest.approx(0.3) for observation in observations)


def test_fluxes_are_conserved_in_every_visit(clean: SimulatedSurvey) -> None:
    """Large apertures give the catalogued flux to 1e-3, whatever seeing, zero point and dither."""
    n_measured = 0
    for i, visit in enumerate(clean.visits):
        for star, x, y in isolated(clean, i, 50.0):
            adu = aperture_sum(visit.image - np.float32(visit.observation.sky), x, y, 25.0)
            flux = adu * visit.observation.photo_calib.calibrationMean
            assert flux == pytest.approx(clean.stars["flux"][star], rel=1e-3)
            n_measured += 1
    assert n_measured > 20


def test_catalogued_flux_and_magnitude_agree(survey: SimulatedSurvey) -> None:
    """One count of the zero point `magnitude` is the flux; stars fill the range that was asked for."""
    for table in (survey.stars, survey.galaxies):
        for row in table:
            calib = PhotoCalib.from_magnitude_zero_point(float(row["magnitude"]))
            assert row["flux"] == pytest.approx(calib.calibrationMean)
    assert len(survey.stars) == 150
    assert survey.stars["magnitude"].min() >= 17
    assert survey.stars["magnitude"].max() <= 24
    assert 2 * np.sum(survey.stars["magnitude"] < 20) < np.sum(survey.stars["magnitude"] > 21)


def test_stars_are_where_the_header_says(clean: SimulatedSurvey) -> None:
    """The centroid about the brightest pixel agrees with the WCS of the cards to 0.05 pixel."""
    n_measured = 0
    for i, visit in enumerate(clean.visits):
        image = visit.image.astype(float) - visit.observation.sky
        wcs = SkyWcs(visit.cards)
        for star, x, y in isolated(clean, i, 40.0):
            near = image[round(y) - 8 : round(y) + 9, round(x) - 8 : round(x) + 9]
            row, column = np.unravel_index(np.argmax(near), near.shape)
            x_found, y_found = centroid(near, int(column), int(row), sigma=1.5)
            x_true, y_true = wcs.skyToPixel(clean.stars["ra"][star], clean.stars["dec"][star])
            assert x_found + round(x) - 8 == pytest.approx(float(x_true), abs=0.05)
            assert y_found + round(y) - 8 == pytest.approx(float(y_true), abs=0.05)
            n_measured += 1
    assert n_measured > 20


def test_noise_is_that_of_gain_and_read_noise() -> None:
    """Empty sky has the mean of the sky and the variance of its photons, the readout and whole numbers."""
    config = SurveyConfig(n_stars=0, n_galaxies=0, n_bad_columns=0, n_bad_pixels=0, n_visits=2)
    for visit in simulate_survey(config, with_artifacts=False).visits:
        sky = visit.observation.sky
        variance = sky / 1.8 + (6.0 / 1.8) ** 2 + 1.0 / 12.0
        assert visit.image.mean() == pytest.approx(sky, abs=5 * math.sqrt(variance / visit.image.size))
        assert visit.image.var() == pytest.approx(variance, rel=0.015)
        assert np.all(visit.image == np.rint(visit.image))


def test_visits_have_independent_noise() -> None:
    """Two visits of an empty field are uncorrelated."""
    config = SurveyConfig(n_stars=0, n_galaxies=0, n_bad_columns=0, n_bad_pixels=0, n_visits=2)
    first, second = simulate_survey(config, with_artifacts=False).visits
    assert abs(np.corrcoef(first.image.ravel(), second.image.ravel())[0, 1]) < 0.01


def test_bad_pixels_are_bad_on_every_visit(survey: SimulatedSurvey) -> None:
    """One dead column and 40 hot pixels stand out from the sky of all visits."""
    dead = survey.bad_pixels.all(axis=0)
    assert dead.sum() == 1
    hot = survey.bad_pixels & ~dead
    assert 39 <= hot.sum() <= 40
    for visit in survey.visits:
        assert np.median(visit.image[:, dead]) < 10
        assert visit.image[hot].min() > visit.observation.sky + 500
        assert np.all((visit.image >= 0) & (visit.image <= 65535))


def test_cards_describe_the_exposure(survey: SimulatedSurvey) -> None:
    """Everything that ingest and calibration need is in the header."""
    for number, visit in enumerate(survey.visits, start=101):
        cards = visit.cards
        assert (cards["INSTRUME"], cards["DETECTOR"], cards["EXPNUM"]) == ("SIMCAM", 0, number)
        assert (cards["GAIN"], cards["RDNOISE"], cards["SATURATE"]) == (1.8, 6.0, 60000.0)
        assert (cards["FILTER"], cards["EXPTIME"]) == ("i", 120.0)
        assert cards["MAGZERO"] == visit.observation.zero_point
        assert cards["SEEING"] == visit.observation.seeing
        assert 1.0 <= cards["AIRMASS"] <= 1.6
        assert cards["DATE-OBS"].startswith(f"2026-01-{number - 89:02d}T")
        assert cards["CTYPE1"] == "RA---TAN"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_visits": 1, "moving_object": True}, "need 2 visits"),
        ({"seeing": (1.4, 0.7)}, "must ascend"),
        ({"seeing": (0.2, 0.7)}, "finer than a pixel"),
        ({"n_bad_columns": 600}, "do not fit"),
        ({"n_bad_pixels": 10**6}, "do not fit"),
        ({"n_starz": 3}, "n_starz"),
        ({"sky": (-1.0, 5.0)}, "sky"),
        ({"field_center": (10.0, 91.0)}, "field_center"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], message: str) -> None:
    """Each message names the setting or what is wrong with it."""
    with pytest.raises(ValidationError, match=message):
        SurveyConfig.model_validate(settings)


def test_smallest_survey_is_possible() -> None:
    """One visit of an empty field, with its trail."""
    config = SurveyConfig(n_visits=1, n_x=64, n_y=64, n_stars=0, n_galaxies=0)
    (visit,) = simulate_survey(config).visits
    assert visit.trail.any()


# ----------------------------------------------------------------------------------------------------- files


def test_survey_is_written_with_its_truth(tmp_path: Path) -> None:
    """Exposures and mask are FITS images that astropy opens; the truth comes back as it was."""
    survey = simulate_survey(SurveyConfig(**SMALL))
    paths = write_survey(survey, tmp_path / "sim")
    assert [path.name for path in paths] == ["simcam_0101.fits", "simcam_0102.fits"]
    for path, visit in zip(paths, survey.visits, strict=True):
        with fits.open(path) as hdus:
            np.testing.assert_array_equal(hdus[0].data, visit.image)
            assert {key: hdus[0].header[key] for key in visit.cards} == visit.cards
    with fits.open(tmp_path / "sim" / "bpm.fits") as hdus:
        np.testing.assert_array_equal(hdus[0].data, survey.bad_pixels)
    truth = tmp_path / "sim" / "truth"
    stars = Table.read(truth / "stars.ecsv")
    assert all(np.all(stars[name] == survey.stars[name]) for name in survey.stars.colnames)
    assert len(Table.read(truth / "galaxies.ecsv")) == 4
    visits = Table.read(truth / "visits.ecsv")
    assert list(visits["trail"]) == [visit.trail.any() for visit in survey.visits]
    with np.load(truth / "masks.npz") as masks:
        assert list(masks["visit"]) == [101, 102]
        for i, visit in enumerate(survey.visits):
            for name in ("trail", "moving_object", "cosmic_rays"):
                np.testing.assert_array_equal(masks[name][i], getattr(visit, name))


def test_writing_again_replaces(tmp_path: Path) -> None:
    """A second survey in the same directory leaves nothing of the first under its names."""
    write_survey(simulate_survey(SurveyConfig(**SMALL)), tmp_path)
    second = simulate_survey(SurveyConfig(seed=9, **SMALL))
    write_survey(second, tmp_path)
    stars = Table.read(tmp_path / "truth" / "stars.ecsv")
    assert np.all(stars["flux"] == second.stars["flux"])
