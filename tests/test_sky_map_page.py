"""The page on sky maps: its commands and its Python run as they are printed, on the simulated survey."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from skymap_cases import CELLS_V1, CELLS_V2, HSC, survey

from butler.cli import main
from butler.skymaps import make_sky_map
from tasks.demo import SurveyConfig, simulate_survey, write_survey

PAGE = (Path(__file__).parents[1] / "docs" / "sky_maps.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in the order of the page, then its Python; pictures and maps are there afterwards."""
    pytest.importorskip("matplotlib")
    write_survey(
        simulate_survey(SurveyConfig(n_visits=4, n_x=200, n_y=200, n_stars=80)), tmp_path / "demo/survey"
    )
    monkeypatch.chdir(tmp_path)
    (definition,), (assignments,) = blocks("yaml"), blocks("py")
    Path("coarse.yaml").write_text(definition)
    Path("coarse_rings.py").write_text(assignments)
    for line in "".join(blocks("sh")).splitlines():
        program, *words = shlex.split(line)
        assert program == "butler"
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, f"{line}\n{result.output}"
    found: dict[str, Any] = {}
    for block in blocks("python"):
        exec(block, found)
    assert len(found["outlines"]) == 3
    assert found["patch"].sequential_index in found["patches_of"]
    assert [tract.tract_id for tract, _ in found["overlapped"]] == [0]
    for name in ("sky.png", "two_visits.svg", "whole_sky.png", "three_visits.png", "depth.hsp"):
        assert Path(name).stat().st_size > 5000


def test_maps_of_surveys_are_those_of_the_page() -> None:
    """The fields that the page prints make the published maps, hash for hash."""
    published = {
        "hsc_rings_v1": HSC,
        "DC2": survey(0.2),
        "lsst_cells_v1": CELLS_V1,
        "lsst_cells_v2": CELLS_V2,
        "decam_rings_v1": survey(0.262),
    }
    table = PAGE.partition("| sky map | fields besides |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines()[2:]]
    assert {name.strip() for name, _ in rows} == published.keys()
    for name, fields in rows:
        shared = {"name": "rings", "numRings": 120, "projection": "TAN", "tractOverlap": "1/60"}
        own = {k: v for text in re.findall(r"`(.*?)`", fields) for k, v in yaml.safe_load(text).items()}
        assert make_sky_map({**shared, **own}).getSha1() == published[name.strip()].getSha1()
