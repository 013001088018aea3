"""The pipeline coadd-comparewarp on a simulated survey, from the command line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

from butler import Butler
from butler.images import Exposure, Image, SkyWcs
from tasks.cli import main
from tasks.coadd import psf_without_clipped
from tasks.demo import SimulatedSurvey, SurveyConfig, first_light, simulate_survey, write_survey
from tasks.demo.measures import clipped_mask, expected_n_image, mapped_mask
from tasks.explain_pixel import explain_pixel
from tasks.ready_pipelines import load_pipeline

KEY = {"tract": 0, "patch": 0, "band": "i"}


@dataclass
class Scene:
    """A small survey with a trail, and its coadd by comparison."""

    survey: SimulatedSurvey
    butler: Butler
    coadd: Exposure
    n_image: Image
    record: Table


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Run the pipeline after the demo, on its calibrated exposures."""
    root = tmp_path_factory.mktemp("compare_warp")
    survey = simulate_survey(SurveyConfig(seed=2, n_visits=6, n_x=260, n_y=260, n_stars=60, dither=15.0))
    write_survey(survey, root / "sky")
    done = first_light(root / "demo", load_pipeline, data=root / "sky" / "exposures", draw=False)
    words = ["run", "-b", str(done.repo), "-p", "coadd-comparewarp", "-i", "safeclip", "-o", "compare"]
    words += ["-c", "assembleCoadd:doWriteArtifactMasks=True"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    butler = Butler(done.repo)
    return Scene(
        survey,
        butler,
        coadd=butler.get("deepCoadd", KEY, collections="compare"),
        n_image=butler.get("deepCoadd_nImage", KEY, collections="compare"),
        record=butler.get("deepCoadd_clipped", KEY, collections="compare"),
    )


def test_trail_is_clipped_and_nothing_else(scene: Scene) -> None:
    """On the trail's visit nine tenths of the trail are clipped; on others next to nothing."""
    wcs = scene.coadd.wcs
    assert wcs is not None
    for visit in scene.survey.visits:
        clipped = clipped_mask(scene.record, visit.visit, scene.coadd.image)
        matched = scene.butler.get("deepCoadd_psfMatchedWarp", KEY, visit=visit.visit, collections="compare")
        there = ~matched.mask.isSet("NO_DATA")
        if visit.trail.any():
            trail = mapped_mask(visit.trail, SkyWcs(visit.cards), wcs, scene.coadd.image) & there
            assert clipped[trail].mean() > 0.9
        else:
            assert clipped.mean() < 0.002


def test_matched_warps_share_their_psf(scene: Scene) -> None:
    """All warps say that they have the model PSF, and how well it was reached."""
    refs = scene.butler.query_datasets("deepCoadd_psfMatchedWarp", "compare")
    warps = [scene.butler.get(ref) for ref in refs]
    assert len(warps) == 6
    assert len({warp.psf for warp in warps}) == 1
    assert max(warp.metadata["MATCHRES"] for warp in warps) < 0.01
    metadata = scene.butler.get("makePsfMatchedWarp_metadata", refs[0].dataId, collections="compare")
    assert metadata.getArray("makePsfMatchedWarp.skippedDetectors") == []


def test_everything_is_accounted_for(scene: Scene) -> None:
    """The number of inputs is that of the warps less masked, clipped and uncompared pixels."""
    refs = scene.butler.query_datasets("deepCoadd_directWarp", "compare")
    expected = np.zeros_like(scene.n_image.array, dtype=np.int64)
    for ref in refs:
        handle = scene.butler.getDeferred(ref)
        matched = scene.butler.get("deepCoadd_psfMatchedWarp", ref.dataId, collections="compare")
        alone = expected_n_image([handle], scene.record, ("BAD", "SAT", "CR"), scene.n_image)
        expected += np.where(matched.mask.isSet("NO_DATA"), 0, alone)
    np.testing.assert_array_equal(scene.n_image.array, expected)
    assert expected.max() == 6


def test_masks_of_warps_are_written(scene: Scene) -> None:
    """Each visit has the mask it was combined with."""
    refs = scene.butler.query_datasets("compare_warp_artifact_mask", "compare")
    assert len(refs) == 6
    for ref in refs:
        mask = scene.butler.get(ref)
        clipped = clipped_mask(scene.record, int(ref.dataId["visit"]), scene.coadd.image)
        np.testing.assert_array_equal(mask.isSet("CLIPPED"), clipped)


def test_psf_without_the_clipped_visit(scene: Scene) -> None:
    """From the record, the PSF on the trail is that of the other visits."""
    trail = next(visit for visit in scene.survey.visits if visit.trail.any())
    clipped = clipped_mask(scene.record, trail.visit, scene.coadd.image)
    rows, columns = np.nonzero(clipped & (scene.n_image.array == 5))
    middle = len(rows) // 2
    x, y = (float(v) for v in (columns[middle] + scene.coadd.xy0.x, rows[middle] + scene.coadd.xy0.y))
    psf = psf_without_clipped(scene.coadd.psf, scene.record)  # type: ignore[arg-type]
    assert trail.visit not in {ccd.visit for ccd in psf.contributors(x=x, y=y)}
    assert len(psf.contributors(x=x, y=y)) == 5


def test_a_pixel_is_explained(scene: Scene) -> None:
    """On the trail one visit is clipped, at the edge some could not be compared; both are recomputed."""
    trail = next(visit for visit in scene.survey.visits if visit.trail.any())
    clipped = clipped_mask(scene.record, trail.visit, scene.coadd.image)
    counts = scene.n_image.array
    for there, state in ((clipped & (counts == 5), "clipped"), (~clipped & (counts == 3), "masked")):
        rows, columns = np.nonzero(there)
        x, y = int(columns[0]) + scene.coadd.xy0.x, int(rows[0]) + scene.coadd.xy0.y
        table = explain_pixel(scene.butler, tract=0, patch=0, x=x, y=y, band="i", collections=["compare"])
        assert table.meta["match"], table.meta
        assert (table["state"] == "used").sum() == counts[rows[0], columns[0]]
        assert state in set(table["state"])


def test_pipeline_explains_itself() -> None:
    """The command that lists pipelines knows it."""
    result = CliRunner().invoke(main, ["pipelines"])
    assert "coadd-comparewarp: From calibrated exposures" in result.stdout
