"""The README: its Python runs as it is printed, its commands exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from postgres_server import OWNER, PostgresServer, find_binaries

import butler.cli
import tasks.cli
from butler import Butler, DatasetType
from butler.cli.sky_maps import AROUND_EXPOSURES
from butler.errors import ButlerUserError
from tasks.demo import SurveyConfig, simulate_survey, write_survey

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def code_block(language: str, containing: str) -> str:
    """Return the one fenced block of a language that contains a text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (found,) = [block for block in blocks if containing in block]
    return found


def test_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines create, ingest, query, read a box, run a task and put, word for word."""
    survey = simulate_survey(SurveyConfig(n_visits=3))
    write_survey(survey, tmp_path / "demo" / "survey")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code_block("python", "makeRepo"), names)
    assert len(names["refs"]) == 3
    assert names["stamp"].array.shape == (64, 64)
    assert names["butler"].get("calexp", visit=101, detector=0).image.unit == "nJy"


def test_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command lines go from exposures to coadds, pictures and copies of them, in the order printed."""
    survey = simulate_survey(SurveyConfig(n_visits=4, n_x=200, n_y=200, n_stars=80))
    write_survey(survey, tmp_path / "demo" / "survey")
    monkeypatch.chdir(tmp_path)
    # A patch of the usual size would have four hundred times the pixels of these exposures.
    small = {**AROUND_EXPOSURES, "patchInnerDimensions": (600, 600)}
    monkeypatch.setattr("butler.cli.sky_maps.AROUND_EXPOSURES", small)
    programs = {"butler": butler.cli.main, "pipetask": tasks.cli.main}
    section = README.partition("## From the command line")[2].partition("\n## ")[0]
    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()
    ]
    printed = {}
    for line in lines:
        program, *words = shlex.split(line)
        result = CliRunner().invoke(programs[program], words)
        assert result.exit_code == 0, f"{line}\n{result.output}"
        printed[" ".join(words[:1])] = result.stdout
    assert len(lines) == 20
    for name in ("coadd", "cutout", "variance", "n_image"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert printed["query-data-ids"].split()[0] == "count"
    assert printed["collection-chain"] == "[u/me/good, skymaps]\n"
    (copied,) = printed["retrieve-artifacts"].split()
    assert (tmp_path / copied).is_file()
    with Butler("elsewhere") as other:
        assert [ref.datasetType.name for ref in other.query_datasets("deepCoadd", "u/me/first")] == [
            "deepCoadd"
        ]


def test_sharing_as_the_readme_says(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands run word for word but for the name of the host; the owner writes, another role reads."""
    binaries = find_binaries()
    path = f"{Path(sys.executable).parent}:{binaries}:{os.environ['PATH']}"
    for name, value in {"PATH": path, "PGHOST": str(postgres.folder), "PGUSER": OWNER}.items():
        monkeypatch.setenv(name, value)
    script = code_block("sh", "--registry-db").replace("-h db.example.org ", "").replace("db.example.org", "")
    subprocess.run(["bash", "-e", "-c", script], check=True, cwd=tmp_path, timeout=60)
    with Butler(tmp_path / "shared_survey", run="run") as writer:
        writer.registry.registerDatasetType(DatasetType("note", (), "StructuredDataDict"))
        writer.put({"a": 1}, "note")
    with postgres.connect() as server:
        server.execute("CREATE ROLE guest LOGIN")
    monkeypatch.setenv("PGUSER", "guest")
    with Butler(tmp_path / "shared_survey", collections="run") as reader:
        assert reader.get("note") == {"a": 1}
    with pytest.raises(ButlerUserError, match="the database refuses"):
        Butler(tmp_path / "shared_survey", run="other")


def test_camera_page_is_a_valid_mapping() -> None:
    """The mapping printed in the documentation is one that is understood."""
    import yaml

    from butler.ingest import CameraMapping

    page = (ROOT / "docs" / "cameras.md").read_text()
    text = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert text is not None
    mapping = CameraMapping.parse(yaml.safe_load(text[1]), "docs/cameras.md")
    assert mapping.instrument == "MyCam"


def test_make_targets_exist() -> None:
    """The two commands of the README are targets of the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)$", code_block("sh", "make demo\nmake test"), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_butler_command_is_ours() -> None:
    """The installed command is that of this package, also beside LSST's package of the same command."""
    script = Path(sys.executable).parent / "butler"
    assert "from butler.cli import main" in script.read_text()
