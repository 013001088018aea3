"""Tasks keep their own records in a run: config, schemas, versions, metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from astropy.table import Column, Table
from toy_pipeline import DoubleTask, make_toy_repo

from butler import Butler
from butler.errors import ConflictingDefinitionError
from tasks import DataRef
from tasks.errors import RunConflictError, TaskError


class CatalogTask(DoubleTask):
    kind: ClassVar[str] = "f8"

    def getSchemaCatalogs(self) -> dict[str, Any]:
        return {"stars": Table([Column(dtype=self.kind, name="flux")])}


@pytest.fixture
def butler(tmp_path: Path) -> Butler:
    make_toy_repo(tmp_path / "repo").registry.registerRun("mine")
    return Butler(tmp_path / "repo", run="mine")


def task(**config: Any) -> CatalogTask:
    return CatalogTask(CatalogTask.ConfigClass(**config))


def test_a_config_is_kept_once_and_compared(butler: Butler) -> None:
    """The same again is nothing new; another one is told, or replaces it, which is kept if wanted."""
    task(fail=[1]).writeConfig(butler)
    task(fail=[1]).writeConfig(butler)
    with pytest.raises(RunConflictError) as caught:
        task(fail=[2]).writeConfig(butler)
    assert str(caught.value).splitlines()[1:4] == [
        "double:fail = [2]",
        "  [1]  # in mine, a script",
        "  [2]  # a script",
    ]
    assert isinstance(caught.value, TaskError)
    assert isinstance(caught.value, ConflictingDefinitionError)
    for number, value in ((1, 2), (2, 3)):
        task(fail=[value]).writeConfig(butler, clobber=True)
        assert butler.get("double_config", collections="mine")["config"]["fail"] == [value]
        kept = butler.get("double_config", collections=f"mine.backup{number}")
        assert kept["config"]["fail"] == [value - 1]
    task(fail=[4]).writeConfig(butler, clobber=True, doBackup=False)
    assert "mine.backup3" not in butler.collections.query("*")
    assert butler.verify().is_clean


def test_schemas_are_kept_and_compared(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns of each catalog that the task makes."""
    task().writeSchemas(butler)
    task().writeSchemas(butler)
    assert butler.get("stars_schema").colnames == ["flux"]
    monkeypatch.setattr(CatalogTask, "kind", "f4")
    with pytest.raises(RunConflictError, match="flux: float64 -> float32"):
        task().writeSchemas(butler)
    task().writeSchemas(butler, clobber=True)
    assert butler.get("stars_schema")["flux"].dtype == "f4"


def test_versions_are_kept_compared_and_extended(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """New packages are added in silence, another version is not."""
    for versions in ({"a": "1"}, {"b": "2"}, {"a": "1", "b": "2"}):
        monkeypatch.setattr("tasks.records.run_records.versions_in_use", lambda _, found=versions: found)
        task().writePackageVersions(butler)
    assert butler.get("packages") == {"a": "1", "b": "2"}
    monkeypatch.setattr("tasks.records.run_records.versions_in_use", lambda _: {"a": "3"})
    with pytest.raises(RunConflictError, match="a: 1 -> 3"):
        task().writePackageVersions(butler)
    task().writePackageVersions(butler, clobber=True)
    assert butler.get("packages") == {"a": "3", "b": "2"}
    assert butler.get("packages", collections="mine.backup1") == {"a": "1", "b": "2"}
    task().writePackageVersions(butler, dataset="own_packages")
    assert butler.get("own_packages") == {"a": "3"}


def test_metadata_are_those_of_the_last_time(butler: Butler) -> None:
    """They have the dimensions of the task's connections, and replace what is there."""
    worker = task()
    for n in (1, 2):
        worker.metadata["n"] = n
        worker.writeMetadata(DataRef(butler, {"instrument": "Cam", "visit": 1}))
    assert butler.get("double_metadata", instrument="Cam", visit=1)["double.n"] == 2


def test_a_butler_without_a_run_is_refused(tmp_path: Path) -> None:
    """There is nowhere to write to."""
    make_toy_repo(tmp_path / "repo")
    with Butler(tmp_path / "repo", writeable=True) as butler, pytest.raises(TaskError, match="no run"):
        task().writeConfig(butler)
    with Butler(tmp_path / "repo", writeable=True) as butler, pytest.raises(TaskError, match="no run"):
        task().writeMetadata(DataRef(butler, {"instrument": "Cam", "visit": 1}))
