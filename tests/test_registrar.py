"""What quanta have written is registered or gone, wherever its registration breaks off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from toy_pipeline import VISITS, make_toy_repo, toy_pipeline

from butler import Butler, RepositoryConfig
from butler.errors import TransactionConflictError
from connections import build_graph
from tasks.execution import QuantumStatus, RunListener, RunOptions, RunReport, run_graph
from tasks.execution.interruption import StopNow


@pytest.fixture(params=["files", "objects"])
def butler(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Butler]:
    """Return a butler whose datasets are local files, or objects that have their names from the start."""
    root = None if request.param == "files" else f"memory://registrar{tmp_path.name}/files"
    settings = None if root is None else RepositoryConfig(datastore={"root": root})
    with make_toy_repo(tmp_path / "repo", settings=settings) as butler:
        yield butler


def execute(
    butler: Butler, monkeypatch: pytest.MonkeyPatch, transaction: Callable[[Butler], Any]
) -> RunReport:
    """Run the toy pipeline; such a transaction registers its quanta, but not what comes before them."""
    graph = build_graph(toy_pipeline(), butler, collections=["in"], run="out")
    listener = RunListener(on_progress=lambda _: monkeypatch.setattr(Butler, "transaction", transaction))
    return run_graph(graph, butler, options=RunOptions(retries=0), listener=listener)


def test_a_stop_after_the_commit_loses_nothing(butler: Butler, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has rows keeps its files, though the run is stopped before it hears of that."""
    transaction = Butler.transaction

    @contextmanager
    def stopped_when_committed(self: Butler) -> Iterator[None]:
        with transaction(self):
            yield
        raise StopNow

    report = execute(butler, monkeypatch, stopped_when_committed)
    assert report.is_interrupted
    assert butler.verify().is_clean
    found = butler.query_datasets("doubled", "out", explain=False)
    assert [butler.get(ref) for ref in found] == [{"value": 20 * ref.dataId["visit"]} for ref in found]
    assert len(found) == len(VISITS)


def test_a_transaction_that_cannot_begin_leaves_no_files(
    butler: Butler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quanta fail, and what they have written is gone."""

    @contextmanager
    def refused(self: Butler) -> Iterator[None]:
        raise TransactionConflictError("the registry is busy")
        yield

    report = execute(butler, monkeypatch, refused)
    assert {r.status for r in report.reports} == {QuantumStatus.FAILED, QuantumStatus.BLOCKED}
    assert "the registry is busy" in report.failures[0].message
    assert not [file.path for file in butler.datastore.store.walk() if "doubled" in file.path]
