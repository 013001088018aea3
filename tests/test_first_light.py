"""First light: the whole way on a simulated survey whose truth is known, with the shipped configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

from butler import Butler
from butler.images import Exposure, Image, SkyWcs
from tasks.cli import main
from tasks.demo import SimulatedSurvey, SurveyConfig, first_light, simulate_survey, write_survey
from tasks.demo.measures import (
    aperture_fluxes,
    clipped_mask,
    expected_n_image,
    line_through,
    mapped_mask,
    strip_excess,
)
from tasks.ready_pipelines import load_pipeline

KEY = {"tract": 0, "patch": 0, "band": "i"}
BAD_PLANES = ("NO_DATA", "BAD", "SAT", "EDGE", "CR")


@dataclass
class Scene:
    """A survey with artifacts, and the coadds of it and of its artifact-free twin."""

    survey: SimulatedSurvey
    butler: Butler
    mean: Exposure
    safeclip: Exposure
    twin_mean: Exposure
    n_image: Image
    record: Table

    @property
    def trail_visit(self) -> Any:
        return next(visit for visit in self.survey.visits if visit.trail.any())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    root = tmp_path_factory.mktemp("first_light")
    config = SurveyConfig(seed=1)
    done = first_light(root / "demo", load_pipeline, seed=1, draw=False)
    twins = simulate_survey(config, with_artifacts=False)
    write_survey(twins, root / "twins")
    twin = first_light(root / "twin_demo", load_pipeline, data=root / "twins" / "exposures", draw=False)
    butler = Butler(done.repo)
    return Scene(
        survey=simulate_survey(config),
        butler=butler,
        mean=butler.get("deepCoadd", KEY, collections="mean"),
        safeclip=butler.get("deepCoadd", KEY, collections="safeclip"),
        twin_mean=Butler(twin.repo).get("deepCoadd", KEY, collections="mean"),
        n_image=butler.get("deepCoadd_nImage", KEY, collections="safeclip"),
        record=butler.get("deepCoadd_clipped", KEY, collections="safeclip"),
    )


def test_the_scene_is_hard_enough(scene: Scene) -> None:
    """Seeing varies by at least 1.6, one visit has a trail, all have cosmic rays."""
    assert max(scene.survey.seeing) / min(scene.survey.seeing) >= 1.6
    assert sum(bool(visit.trail.any()) for visit in scene.survey.visits) == 1
    assert all(visit.cosmic_rays.any() for visit in scene.survey.visits)


def test_trail_is_in_the_mean_and_not_in_safeclip(scene: Scene) -> None:
    """In a strip of 12 pixels the trail is beyond 10 sigma in MEAN, and within 1 sigma in SafeClip."""
    visit = scene.trail_visit
    assert scene.safeclip.wcs is not None
    line = line_through(visit.trail).mapped(SkyWcs(visit.cards), scene.safeclip.wcs)
    assert strip_excess(scene.mean, scene.twin_mean, line) > 10
    assert strip_excess(scene.safeclip, scene.twin_mean, line) < 1


def test_trail_pixels_are_clipped_on_their_visit(scene: Scene) -> None:
    """At least 90 % of the trail's pixels that have data are clipped, on the visit that has the trail."""
    visit = scene.trail_visit
    warp = scene.butler.get("deepCoadd_directWarp", KEY, visit=visit.visit, collections="safeclip")
    truth = mapped_mask(visit.trail, SkyWcs(visit.cards), scene.safeclip.wcs, warp.image)  # type: ignore[arg-type]
    truth &= ~warp.mask.isSet("NO_DATA")
    clipped = clipped_mask(scene.record, visit.visit, warp.image)
    assert np.count_nonzero(truth) > 1000
    assert np.count_nonzero(clipped & truth) >= 0.9 * np.count_nonzero(truth)


def test_no_star_core_is_clipped_for_its_seeing(scene: Scene) -> None:
    """On visits without the trail no star core is clipped, though their seeing differs by 1.8."""
    wcs = scene.safeclip.wcs
    assert wcs is not None
    x, y = wcs.skyToPixel(np.asarray(scene.survey.stars["ra"]), np.asarray(scene.survey.stars["dec"]))
    columns = np.rint(x).astype(int) - scene.safeclip.image.xy0.x
    rows = np.rint(y).astype(int) - scene.safeclip.image.xy0.y
    n_y, n_x = scene.safeclip.image.array.shape
    inside = (rows > 1) & (rows < n_y - 2) & (columns > 1) & (columns < n_x - 2)
    for visit in scene.survey.visits:
        if visit.trail.any():
            continue
        clipped = clipped_mask(scene.record, visit.visit, scene.safeclip.image)
        for row, column in zip(rows[inside], columns[inside], strict=True):
            assert not clipped[row - 1 : row + 2, column - 1 : column + 2].any(), visit.visit


def test_fluxes_agree_with_the_twins(scene: Scene) -> None:
    """Aperture fluxes in SafeClip and in the MEAN of artifact-free twins agree to 0.2 % in the median."""
    bright = scene.survey.stars[scene.survey.stars["flux"] > 20000]
    fluxes = aperture_fluxes(scene.safeclip, bright, 8.0)
    truth = aperture_fluxes(scene.twin_mean, bright, 8.0)
    ratio = (fluxes / truth - 1)[np.isfinite(fluxes) & np.isfinite(truth)]
    assert len(ratio) >= 20
    assert np.median(np.abs(ratio)) < 0.002


def test_n_image_counts_what_was_used(scene: Scene) -> None:
    """The number of inputs is that of the warps less the masked and clipped ones, at every pixel."""
    warps = [
        scene.butler.getDeferred(ref)
        for ref in scene.butler.query_datasets("deepCoadd_directWarp", "safeclip")
    ]
    expected = expected_n_image(warps, scene.record, BAD_PLANES, scene.n_image)
    assert expected.max() == len(scene.survey.visits)
    np.testing.assert_array_equal(scene.n_image.array, expected)
    assert scene.n_image.array.dtype.kind == "u"


def test_cosmic_rays_do_not_reach_the_coadd(scene: Scene) -> None:
    """Where a bright cosmic ray hit one visit, the coadd is as that of the twins."""
    wcs = scene.safeclip.wcs
    assert wcs is not None
    difference = np.abs(scene.safeclip.image.array - scene.twin_mean.image.array)
    sigma = np.sqrt(scene.twin_mean.variance.array)
    good = ~(scene.safeclip.mask.isSet("NO_DATA") | scene.twin_mean.mask.isSet("NO_DATA"))
    hit = np.zeros_like(good)
    for visit in scene.survey.visits:
        hit |= mapped_mask(visit.cosmic_rays, SkyWcs(visit.cards), wcs, scene.safeclip.image)
    outliers = (difference > 5 * sigma) & hit & good
    assert np.count_nonzero(hit & good) > 1000
    assert np.count_nonzero(outliers) < 0.01 * np.count_nonzero(hit & good)


def test_provenance_names_the_inputs(scene: Scene) -> None:
    """Metadata and coadd inputs say what a coadd was made of."""
    visits = {visit.visit for visit in scene.survey.visits}
    assert scene.safeclip.coaddInputs is not None
    assert {row.visit for row in scene.safeclip.coaddInputs.visits} == visits
    metadata = scene.butler.get("assembleCoadd_metadata", KEY, collections="safeclip")
    warps = scene.butler.query_datasets("deepCoadd_directWarp", "safeclip")
    assert sorted(metadata.getArray("quantum.inputs.inputWarps")) == sorted(str(ref.id) for ref in warps)
    assert scene.butler.get("deepCoadd_inputMap", KEY, collections="safeclip").valid_pixels.size > 0
    assert scene.butler.verify().is_clean


def test_demo_command_draws_and_tells_what_next(tmp_path: Path) -> None:
    """The command makes the picture, prints three commands, can be called again, and spares other files."""
    survey = simulate_survey(SurveyConfig(seed=4, n_visits=4, n_x=200, n_y=200, n_stars=80))
    write_survey(survey, tmp_path / "sky")
    words = ["demo", str(tmp_path / "demo"), "--data", str(tmp_path / "sky" / "exposures")]
    for _ in range(2):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        assert sum(line.startswith("  ") for line in result.stdout.splitlines()) == 3
        picture = tmp_path / "demo" / "first_light.png"
        assert picture.read_bytes().startswith(b"\x89PNG")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("do not lose")
    result = CliRunner().invoke(main, ["demo", str(precious)])
    assert result.exit_code == 1
    assert "holds other files" in result.output
    assert (precious / "thesis.txt").read_text() == "do not lose"
