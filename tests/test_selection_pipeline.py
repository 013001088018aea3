"""From files to a coadd of chosen visits, with a step of one's own, through the documented commands."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click import Command
from click.testing import CliRunner

import butler.cli
import tasks.cli
from butler import Butler
from tasks.demo import SurveyConfig, simulate_survey, write_survey

DOCUMENT = Path(__file__).parents[1] / "docs" / "process_ccd.md"
KEY = {"tract": 0, "patch": 0, "band": "i", "skymap": "field", "instrument": "SIMCAM"}
SURVEY = SurveyConfig(
    n_visits=4, n_x=220, n_y=220, n_stars=40, n_galaxies=0, star_magnitudes=(17.0, 20.0), trail=False,
    seeing=(0.75, 1.3), n_cosmic_rays=0.0,
)  # fmt: skip


def command(group: Command, *words: object) -> str:
    """Run a command line; return what it said."""
    result = CliRunner().invoke(group, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def run(repo: Path, pipeline: str, inputs: str, output: str, *settings: str) -> str:
    """Run a pipeline with some settings."""
    words = [word for setting in settings for word in ("-c", setting)]
    return command(tasks.cli.main, "run", "-b", repo, "-p", pipeline, "-i", inputs, "-o", output, *words)


@pytest.fixture(scope="module")
def own_step(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put the step of the documentation on the Python path."""
    folder = tmp_path_factory.mktemp("own")
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (folder / "row_background.py").write_text(code)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory, own_step: None) -> Path:
    root = tmp_path_factory.mktemp("selection")
    write_survey(simulate_survey(SURVEY), root / "survey")
    repo = root / "repo"
    command(butler.cli.main, "create", repo)
    command(butler.cli.main, "ingest-exposures", repo, root / "survey" / "exposures")
    command(
        butler.cli.main,
        *("register-skymap", repo, "--name", "field", "--discrete", "--pixel-scale", 0.3),
        *("--patch-inner-dimensions", 400, 400),
    )
    run(
        repo,
        "from-exposures-select",
        "raw/all,skymaps",
        "out",
        "processCcd:background.target=row_background:RowBackgroundTask",
        "selectDeepCoaddVisits:nVisitsMax=3",
        # So few stars show the PSF only so well.
        "makeWarp:select.maxEllipResidual=0.1",
        "makeWarp:select.maxScaledSizeScatter=0.1",
        "makeWarp:select.minNPsfStarPerBand={fallback: 3}",
    )
    return repo


@pytest.fixture
def done(repo: Path) -> Butler:
    return Butler(repo, collections="out")


def test_the_step_of_the_documentation_runs(done: Butler) -> None:
    """Its background is what was subtracted: the median of rows is 0, and the config knows it."""
    calexp = done.get("calexp", visit=101, detector=0)
    good = np.where(calexp.mask.isSet(["BAD", "SAT", "NO_DATA", "INTRP"]), np.nan, calexp.image.array)
    noise = np.sqrt(np.median(calexp.variance.array))
    rows = np.abs(np.nanmedian(good, axis=1))
    # Pixels that were found to be bad later on were good then.
    assert np.median(rows) < 1e-4 * noise
    assert rows.max() < 0.3 * noise
    told = str(done.get("processCcd_config"))
    assert "'target': 'row_background:RowBackgroundTask'" in told


def test_visits_are_summarised(done: Butler) -> None:
    """Each visit has a table with one row; its seeing is the simulated one, widened by the wings of stars."""
    seeing = simulate_survey(SURVEY).seeing
    for visit, fwhm in zip(range(101, 105), seeing, strict=True):
        table = done.get("visitSummary", instrument="SIMCAM", visit=visit)
        assert (len(table), table["visit"][0], table["band"][0]) == (1, visit, "i")
        assert 1.0 < table["psfSigma"][0] * 2.355 / fwhm < 1.2
        stats = done.get("calexp.summaryStats", visit=visit, detector=0)
        assert stats.psfSigma == table["psfSigma"][0]


def test_only_chosen_visits_are_warped_and_stacked(done: Butler) -> None:
    """The visit of the worst seeing has no warp, and the coadd has the others."""
    chosen = [int(visit) for visit in done.get("deepCoaddVisits", KEY)]
    seeing = dict(zip(range(101, 105), simulate_survey(SURVEY).seeing, strict=True))
    assert chosen == sorted(seeing, key=lambda visit: seeing[visit])[:3]
    record = done.get("deepCoaddVisits_record", KEY)
    [dropped] = record[~record["selected"]]
    assert dropped["visit"] == max(seeing, key=lambda visit: seeing[visit])
    assert "rank 4 of 4" in dropped["reason"]
    warped = [ref.dataId["visit"] for ref in done.query_datasets("deepCoadd_directWarp")]
    assert sorted(warped) == sorted(chosen)
    coadd = done.get("deepCoadd", {name: KEY[name] for name in ("tract", "patch", "band", "skymap")})
    assert [row.visit for row in coadd.coaddInputs.visits] == sorted(chosen)


def test_a_choice_for_the_coadd_alone(repo: Path) -> None:
    """Warps that exist are filtered by a new choice; what is left out is in the metadata."""
    run(
        repo, "from-exposures-select#selectDeepCoaddVisits", "out,skymaps", "again",
        "selectDeepCoaddVisits:nVisitsMax=2",
    )  # fmt: skip
    run(repo, "coadd-safeclip#assembleCoadd", "again,out,skymaps", "two", "assembleCoadd:doSelectVisits=true")
    done = Butler(repo, collections="two")
    coadd = done.get("deepCoadd", {name: KEY[name] for name in ("tract", "patch", "band", "skymap")})
    chosen = [int(visit) for visit in done.get("deepCoaddVisits", KEY, collections="again")]
    assert [row.visit for row in coadd.coaddInputs.visits] == sorted(chosen)
    assert len(chosen) == 2
    [ref] = done.query_datasets("assembleCoadd_metadata")
    assert len(done.get(ref).getArray("assembleCoadd.unselectedWarps")) == 1


def test_too_strict_limits_are_no_work_and_say_why(repo: Path) -> None:
    """Where no detector image is within the limits nothing is warped, and the reason is told."""
    said = run(
        repo, "from-exposures-select#makeWarp", "out,skymaps", "strict", "makeWarp:select.maxPsfFwhm=0.1"
    )  # fmt: skip
    assert "4 no work" in said or "3 no work" in said
    done = Butler(repo, collections="strict")
    reasons = [done.get(ref)["quantum"]["message"] for ref in done.query_datasets("makeWarp_metadata")]
    assert any("the FWHM in arcseconds is" in reason for reason in reasons)
