"""The dataset ``packages``: what a run is made with, and that it stays so."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from toy_pipeline import make_toy_repo, toy_pipeline

from butler import Butler
from butler.errors import ConflictingDefinitionError
from connections import QuantumGraph, build_graph
from tasks.cli import main
from tasks.execution import InitOptions, prepare_run, run_graph
from tasks.records import PACKAGES, version_differences, versions_in_use


@pytest.fixture
def butler(tmp_path: Path) -> Butler:
    return make_toy_repo(tmp_path / "repo")


def plan(butler: Butler) -> QuantumGraph:
    return build_graph(toy_pipeline(), butler, collections=["in"], run="out", skip_existing=True)


def test_versions_of_all_that_is_in_use() -> None:
    """Python, ours, what is imported, and what our tasks need later; not what only lies around."""
    versions = versions_in_use(["tasks.coadd:SafeClipAssembleCoaddTask"])
    assert versions["python"] == platform.python_version()
    assert versions["coadd-butler"] == metadata.version("coadd-butler")
    assert versions["numpy"] == np.__version__
    assert versions["pytest"] == pytest.__version__
    for name in ("sep", "astroscrappy", "lsst-sphgeom"):
        assert versions[name] == metadata.version(name)
    assert list(versions) == sorted(versions)
    assert "coadd-butler" in versions_in_use([])
    assert "pip" not in versions


def test_a_task_without_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own module tells its version itself, if it does."""
    module = ModuleType("my_tasks")
    monkeypatch.setitem(sys.modules, "my_tasks", module)
    assert "my_tasks" not in versions_in_use(["my_tasks.coadd:Mine"])
    module.__version__ = "3.1"  # type: ignore[attr-defined]
    assert versions_in_use(["my_tasks.coadd:Mine"])["my_tasks"] == "3.1"


def test_differences_are_told() -> None:
    """A package that only one of them has is none."""
    assert version_differences({"a": "1", "b": "1"}, {"b": "2", "c": "1"}) == ["b: 1 -> 2"]


def test_a_run_keeps_its_versions(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """New packages are added, others make no run of two kinds, unless nobody is to look."""
    prepare_run(plan(butler), butler)
    known = butler.get(PACKAGES, collections="out")
    assert known["numpy"] == np.__version__
    monkeypatch.setattr("tasks.execution.init_outputs.versions_in_use", lambda _: {"new": "1"})
    prepare_run(plan(butler), butler, InitOptions(save_init_outputs=False))
    assert butler.get(PACKAGES, collections="out") == known
    prepare_run(plan(butler), butler)
    assert butler.get(PACKAGES, collections="out") == {**known, "new": "1"}
    assert butler.verify().is_clean
    monkeypatch.setattr("tasks.execution.init_outputs.versions_in_use", lambda _: {"numpy": "9"})
    with pytest.raises(ConflictingDefinitionError, match=rf"\nnumpy: {np.__version__} -> 9\n.*--no-versions"):
        prepare_run(plan(butler), butler)
    assert run_graph(plan(butler), butler, init=InitOptions(save_versions=False)).succeeded
    assert butler.registry.quanta.in_runs(["out"])[0].task.versions == {}


def test_the_option(butler: Butler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--no-versions keeps none."""
    monkeypatch.chdir(tmp_path)
    task = ("-t", "toy_pipeline:DoubleTask")
    words = ["run", "-b", "repo", *task, "-i", "in", "--output-run", "out", "--no-versions"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert not butler.registry.queryDatasetTypes(PACKAGES.name)
