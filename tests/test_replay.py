"""A coadd is made again, of warps that were removed, and is the same to the last bit."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

import butler.cli
import tasks.cli
from butler import Butler, DatasetRef
from connections import GraphFile, load_graph
from connections.provenance import provenance
from tasks.demo import SurveyConfig, simulate_survey, write_survey
from tasks.execution import run_graph

SURVEY = SurveyConfig(
    n_visits=2, n_x=200, n_y=200, n_stars=30, n_galaxies=0, star_magnitudes=(17.0, 20.0), seeing=(0.8, 0.9),
    dither=10.0,
)  # fmt: skip


def command(group: click.Command, *words: object) -> Result:
    """Run a command line that succeeds."""
    result = CliRunner().invoke(group, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with exposures, warps and a coadd, each made in a run of its own."""
    root = tmp_path_factory.mktemp("replay")
    write_survey(simulate_survey(SURVEY), root / "survey")
    repo = root / "repo"
    command(butler.cli.main, "create", repo)
    command(butler.cli.main, "ingest-exposures", repo, root / "survey" / "exposures")
    command(
        butler.cli.main,
        *("register-skymap", repo, "--name", "field", "--discrete", "--pixel-scale", 0.3),
        *("--patch-inner-dimensions", 400, 400),
    )
    for labels, inputs, run in (
        ("processCcd,consolidateVisitSummary", "raw/all,skymaps", "calexps"),
        ("makeWarp", "calexps,skymaps", "warps"),
        ("assembleCoadd", "warps,skymaps", "coadd"),
    ):
        command(
            tasks.cli.main, "run", "-b", repo, "-p", f"from-exposures-safeclip#{labels}", "-i", inputs,
            "--output-run", run,
        )  # fmt: skip
    return repo


def coadd(butler: Butler, run: str) -> DatasetRef:
    [ref] = butler.query_datasets("deepCoadd", run)
    return ref


def test_a_coadd_is_made_again(repo: Path, tmp_path: Path) -> None:
    """Image, mask and variance are the same; of its inputs only those that were removed are made again."""
    with Butler(repo, writeable=True) as done:
        ref = coadd(done, "coadd")
        before = done.get(ref)
        graph = provenance(done, ref)
        assert {d.dataset_type for d in graph.sources()} == {"camera", "postISRCCD", "skyMap"}
        assert {record.task.run for record in graph.quanta.values()} == {"calexps", "warps", "coadd"}
        warps = done.query_datasets("deepCoadd_directWarp", "warps")
        done.pruneDatasets(warps, unstore=True, purge=True)
    words = ("--replay", tmp_path / "again.qg", "--output-run", "again")
    said = command(butler.cli.main, "provenance", repo, ref.id, *words).stderr
    assert "makeWarp: 2 quanta" in said
    assert "assembleCoadd: 1 quanta" in said
    assert "processCcd" not in said
    assert "made with another" not in said
    with Butler(repo, writeable=True) as done:
        with GraphFile(tmp_path / "again.qg") as file:
            again = load_graph(file, done)
        assert run_graph(again, done).succeeded
        after = done.get(coadd(done, "again"))
        config, new = (done.get("assembleCoadd_config", collections=run) for run in ("coadd", "again"))
    for plane in ("image", "mask", "variance"):
        np.testing.assert_array_equal(getattr(before, plane).array, getattr(after, plane).array)
    assert config["config"] == new["config"]


def test_mistakes(repo: Path, tmp_path: Path) -> None:
    """A run that exists, options without --replay, and options that say nothing to it are refused."""
    for words, message in (
        (("--replay", tmp_path / "x", "--output-run", "coadd"), "there is a collection 'coadd'"),
        (("--replay", tmp_path / "x"), "needs --output-run"),
        (("--whole",), "belong to it"),
        (("--replay", tmp_path / "x", "--output-run", "new", "--descendants"), "leave --descendants"),
    ):
        given = ["provenance", str(repo), "deepCoadd", "--collections", "coadd", *map(str, words)]
        result = CliRunner().invoke(butler.cli.main, given)
        assert result.exit_code in (1, 2)
        assert message in result.stderr
    assert not (tmp_path / "x").exists()
