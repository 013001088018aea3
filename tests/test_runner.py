"""Running graphs: the same expectations for every runner, and what failures leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_pipeline import VISITS, make_toy_repo, toy_pipeline

from butler import Butler, DatasetRef
from butler.errors import ConflictingDefinitionError
from connections import OutputExistsError, build_graph
from tasks.execution import QuantumStatus, RunOptions, RunReport, run_graph


@pytest.fixture
def butler(tmp_path: Path) -> Butler:
    return make_toy_repo(tmp_path / "repo")


def execute(butler: Butler, processes: int = 1, resume: bool = False, **config: Any) -> RunReport:
    graph = build_graph(
        toy_pipeline(**config),
        butler,
        collections=["in"],
        run="out",
        skip_existing=resume,
        clobber_outputs=resume,
    )
    return run_graph(graph, butler, processes=processes, options=RunOptions(retries=0))


@pytest.mark.parametrize("processes", [1, 2])
def test_everything_runs(butler: Butler, processes: int) -> None:
    """All outputs exist, once, with config and metadata beside them."""
    report = execute(butler, processes)
    assert report.succeeded
    assert butler.get("total", instrument="Cam", collections="out") == {
        "value": 2 * sum(10 * v for v in VISITS)
    }
    assert len(butler.query_datasets("doubled", "out")) == len(VISITS)
    assert butler.get("double_config", collections="out")["task"] == "toy_pipeline:DoubleTask"
    metadata = butler.get("double_metadata", instrument="Cam", visit=2, collections="out")
    assert metadata["double.visit"] == 2
    source = butler.find_dataset("number", instrument="Cam", visit=2, collections="in")
    result = butler.find_dataset("doubled", instrument="Cam", visit=2, collections="out")
    assert source is not None
    assert result is not None
    assert metadata.getArray("quantum.inputs.number") == [str(source.id)]
    assert metadata.getArray("quantum.outputs") == [str(result.id)]
    assert butler.verify().is_clean


@pytest.mark.parametrize("processes", [1, 2])
def test_a_failure_does_not_stop_the_others(butler: Butler, processes: int) -> None:
    """The broken quantum fails with its reason, what needs it is blocked, the rest is done."""
    report = execute(butler, processes, fail=[2])
    assert not report.succeeded
    assert [failure.message for failure in report.failures] == ["RuntimeError: visit 2 is broken"]
    assert "raise RuntimeError" in report.failures[0].details
    assert report.counts()["double"] == {QuantumStatus.SUCCEEDED: 3, QuantumStatus.FAILED: 1}
    assert report.counts()["sum"] == {QuantumStatus.BLOCKED: 1}
    assert [ref.dataId["visit"] for ref in butler.query_datasets("doubled", "out")] == [1, 3, 4]
    assert butler.verify().is_clean


def test_no_work_is_a_success_and_what_follows_does_without(butler: Butler) -> None:
    """A quantum with nothing to do leaves no output; the sum is that of the others."""
    report = execute(butler, noWork=[1, 3])
    assert report.succeeded
    assert report.counts()["double"][QuantumStatus.NO_WORK] == 2
    assert butler.get("total", instrument="Cam", collections="out") == {"value": 2 * (20 + 40)}


def test_no_work_everywhere_ends_in_no_work(butler: Butler) -> None:
    """A task none of whose inputs was made has nothing to do."""
    report = execute(butler, noWork=list(VISITS))
    assert report.succeeded
    assert report.counts()["sum"] == {QuantumStatus.NO_WORK: 1}
    assert not butler.query_datasets("total", "out", explain=False)


def test_a_worker_that_dies_is_a_failure_and_the_run_can_be_resumed(butler: Butler, tmp_path: Path) -> None:
    """A killed worker is reported, nothing of it is half there, and a second run does the rest."""
    once = {str(tmp_path / "died"): 1}
    report = execute(butler, 2, dieOnce=once)
    assert any("its worker process died" in failure.message for failure in report.failures)
    butler.verify(repair=True)
    assert butler.verify().is_clean
    again = execute(butler, 2, resume=True, dieOnce=once)
    assert again.succeeded
    assert butler.get("total", instrument="Cam", collections="out") == {
        "value": 2 * sum(10 * v for v in VISITS)
    }


def test_existing_outputs_are_refused_or_skipped(butler: Butler) -> None:
    """A second run into the same collection must say that it means it."""
    execute(butler, fail=[])
    with pytest.raises(OutputExistsError, match="--resume"):
        execute(butler)
    again = execute(butler, resume=True)
    assert again.reports == []
    assert again.succeeded


def test_a_run_keeps_one_config(butler: Butler) -> None:
    """Going on in a run with another config is refused, and the fields that differ are named."""
    execute(butler, fail=[1])
    with pytest.raises(ConflictingDefinitionError, match="double:fail = "):
        execute(butler, resume=True)


def test_run_needs_a_process(butler: Butler) -> None:
    """A runner without processes is refused before anything is written."""
    with pytest.raises(ValueError, match="at least 1"):
        execute(butler, 0)
    assert "out" not in butler.collections.query("*")


def test_what_a_dead_coordinator_left_goes_when_the_run_is_resumed(butler: Butler, tmp_path: Path) -> None:
    """Files without rows of the quanta that run again are removed, whatever name they had got."""
    mended = tmp_path / "mended"
    execute(butler, failUntil={str(mended): 2})
    for ref in refs_of(butler, 1, 2):
        # A worker that was killed while it wrote, and a coordinator that was killed before its commit.
        butler.datastore.stage({"value": 0}, ref)
        butler.datastore.stage({"value": 0}, ref).publish()
    assert len(butler.verify().orphans) == 6
    mended.touch()
    assert execute(butler, resume=True, failUntil={str(mended): 2}).succeeded
    # Visit 1 was done, and nobody looks after it.
    orphans = [str(orphan) for orphan in butler.verify().orphans]
    assert len(orphans) == 3
    assert len(orphans) == 3
    assert all("doubled_Cam_i_Cam-i_1_" in orphan for orphan in orphans)
    assert butler.get("total", instrument="Cam", collections="out") == {"value": 200}


def test_what_has_a_row_is_not_swept_away(butler: Butler) -> None:
    """Of a file that is registered the second name alone goes, which its writer had no time to remove."""
    execute(butler)
    refs = butler.query_datasets("doubled", "out")
    records = butler.registry.files.get([ref.id for ref in refs])
    assert all(butler.datastore.condemn(record) for record in records.values())
    assert len(butler.verify().orphans) == len(VISITS)
    assert butler.datastore.sweep(refs[:1]) == 0
    assert len(butler.verify().orphans) == len(VISITS)
    assert butler.datastore.sweep(refs, butler.registry.files.taken) == 0
    assert butler.verify().is_clean


def refs_of(butler: Butler, *visits: int) -> list[DatasetRef]:
    """Return new datasets of visits, as the quanta of a graph have them."""
    kind = butler.registry.getDatasetType("doubled")
    return butler.registry.expanded(
        [DatasetRef(kind, {"instrument": "Cam", "visit": visit}, "out") for visit in visits]
    )
