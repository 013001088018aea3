"""pipetask report, cleanup and purge: what became of runs, and away with what nobody needs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from toy_camera import snapshot
from toy_pipeline import make_toy_repo, toy_pipeline

from butler import Butler, CollectionType
from connections import QuantumGraph, RunCollections, build_graph, save_graph
from connections.provenance import RunHistory
from tasks.cli import main
from tasks.execution import run_graph


@pytest.fixture
def butler(tmp_path: Path) -> Iterator[Butler]:
    with make_toy_repo(tmp_path / "repo") as butler:
        yield butler


def plan(butler: Butler, run: str, **config: Any) -> QuantumGraph:
    return build_graph(toy_pipeline(**config), butler, collections=["in"], run=run)


def pipetask(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def told(*words: object) -> str:
    result = pipetask(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_run_with_failures(butler: Butler) -> None:
    """Counts by task, reasons, and what was not written; what was removed later is told apart."""
    run_graph(plan(butler, "out", fail=[1, 2], noWork=[3]), butler)
    [ref] = butler.query_datasets("doubled", "out")
    history = RunHistory.of(butler, "out")
    assert history.counts() == {
        "double": {"failed": 2, "no work": 1, "succeeded": 1},
        "sum": {"blocked": 1},
    }
    reasons = {f.message: [q.data_id["visit"] for q in f.quanta] for f in history.failures()}
    assert reasons == {"RuntimeError: visit 1 is broken": [1], "RuntimeError: visit 2 is broken": [2]}
    outputs = {o.dataset_type: (o.written, o.missing, o.gone) for o in history.outputs()}
    assert outputs["doubled"] == (1, 3, 0)
    assert outputs["total"] == (0, 1, 0)
    butler.pruneDatasets([ref], unstore=True, purge=True)
    outputs = {o.dataset_type: (o.written, o.missing, o.gone) for o in RunHistory.of(butler, "out").outputs()}
    assert outputs["doubled"] == (0, 3, 1)
    few = RunHistory.of(butler, "out", where="visit < 3")
    assert few.counts()["double"] == {"failed": 2}


def test_the_last_attempt_counts(butler: Butler) -> None:
    """What failed in one run of a chain and succeeded in a later one has succeeded."""
    run_graph(plan(butler, "u/1", fail=[2]), butler)
    run_graph(plan(butler, "u/2"), butler)
    butler.collections.register("u", CollectionType.CHAINED)
    butler.collections.redefine_chain("u", ["u/2", "u/1", "in"])
    history = RunHistory.of(butler, "u")
    assert history.counts() == {"double": {"succeeded": 4}, "sum": {"succeeded": 1}}
    assert not history.failures()
    assert RunHistory.of(butler, "u/1").counts()["sum"] == {"blocked": 1}


def test_a_task_without_work(butler: Butler) -> None:
    """Why nothing at all was to be done is told at once, and later; where others had some it is not."""
    report = run_graph(plan(butler, "out", noWork=[1, 2, 3, 4]), butler)
    [line] = [line for line in report.to_text().splitlines() if line.startswith("no work: double {")]
    assert line.endswith("(and 3 more)")
    assert "4 of double had no work: " in told("report", butler.root, "--collections", "out")
    some = run_graph(plan(butler, "some", noWork=[1]), butler)
    assert "no work: " not in some.to_text()
    assert "had no work" not in told("report", butler.root, "--collections", "some")


def test_report_command(butler: Butler, tmp_path: Path) -> None:
    """The same as a table, CSV and JSON; quanta of a saved graph that nobody ran are counted, too."""
    graph = plan(butler, "out", fail=[2])
    save_graph(graph, tmp_path / "g.qg", RunCollections("out", ("in",)), str(butler.registry.repository_id))
    run_graph(graph, butler)
    words = ("report", butler.root, "--collections", "out")
    lines = told(*words).splitlines()
    assert lines[0].split() == ["task", "succeeded", "no", "work", "failed", "blocked", "expected"]
    assert lines[2].split() == ["double", "3", "0", "1", "0", "4"]
    assert lines[3].split() == ["sum", "0", "0", "0", "1", "1"]
    assert lines[4].startswith("1 of double failed: RuntimeError: visit 2 is broken (double {instrument=Cam,")
    assert "doubled: 3 are there, 1 were not written" in lines
    assert len(told(*words, "--brief").splitlines()) == 4
    rows = list(csv.DictReader(io.StringIO(told(*words, "--format", "csv"))))
    assert rows[0] == {
        "task": "double", "succeeded": "3", "no work": "0", "failed": "1", "blocked": "0", "expected": "4",
    }  # fmt: skip
    values = json.loads(told(*words, "--format", "json", "--full-output-filename", tmp_path / "all.json"))
    assert values["tasks"] == {"double": {"succeeded": 3, "failed": 1}, "sum": {"blocked": 1}}
    assert values["outputs"]["doubled"] == {"written": 3, "missing": 1, "gone": 0}
    whole = json.loads((tmp_path / "all.json").read_text())
    assert sorted(q["status"] for q in whole["quanta"]) == ["blocked", "failed", *["succeeded"] * 3]
    butler.removeRuns("out")
    butler.registry.registerRun("out")
    header, _, *rest = told("report", butler.root, tmp_path / "g.qg", "--collections", "out").splitlines()
    assert header.split()[-3:] == ["never", "run", "expected"]
    assert [line.split()[-2:] for line in rest] == [["4", "4"], ["1", "1"]]
    wrong = pipetask("report", butler.root, "--collections", "nowhere")
    assert wrong.exit_code in (1, 2)
    assert "no collection 'nowhere'" in wrong.stderr


@pytest.fixture
def chains(butler: Butler) -> Butler:
    """Return a butler with a chain ``u`` of two runs and an input, replaced runs, and chains beside it."""
    for run in ("u/1", "u/2", "u/old", "u/shared", "ux/1"):
        butler.registry.registerRun(run)
        butler.put({"value": 1}, "number", instrument="Cam", visit=1, run=run)
    for name, children in (
        ("u", ["u/2", "u/1", "in"]),
        ("u/chain", ["u/old"]),
        ("other", ["u/shared"]),
    ):
        butler.collections.register(name, CollectionType.CHAINED)
        butler.collections.redefine_chain(name, children)
    return butler


def names(butler: Butler) -> set[str]:
    butler.registry.refresh()
    return set(butler.collections.query("*"))


def test_cleanup(chains: Butler) -> None:
    """What is named after the chain and is not in it goes, with its datasets; what others use stays."""
    before = names(chains)
    words = ("cleanup", "u", "-b", chains.root)
    assert "u/old" in told(*words, "--dry-run")
    assert names(chains) == before
    unasked = pipetask(*words)
    assert unasked.exit_code == 2
    assert "--yes" in unasked.stderr
    assert names(chains) == before
    done = pipetask(*words, "--yes")
    assert done.exit_code == 0, done.output
    assert "left alone: u/shared (part of other)" in done.stderr
    assert names(chains) == before - {"u/old", "u/chain"}
    assert chains.verify().is_clean
    assert "nothing to remove" in pipetask(*words, "--yes").stderr


def test_purge(chains: Butler) -> None:
    """The chain and its own runs go; its inputs, and what only has a similar name, stay."""
    before = names(chains)
    words = ("purge", "u", "-b", chains.root)
    assert pipetask(*words).exit_code == 2
    done = pipetask(*words, "--no-confirm")
    assert done.exit_code == 0, done.output
    assert "left alone: in" in done.stderr
    assert names(chains) == before - {"u", "u/1", "u/2"}
    assert len(chains.query_datasets("number", "in")) == 4
    assert chains.verify().is_clean


def test_purge_of_chains_in_chains(chains: Butler) -> None:
    """Members that are chains go only if asked for."""
    chains.collections.prepend_chain("u", "u/chain")
    before = names(chains)
    assert "left alone: u/chain, in" in pipetask("purge", "u", "-b", chains.root, "--dry-run").stderr
    told("purge", "u", "-b", chains.root, "--recursive", "--yes")
    assert names(chains) == before - {"u", "u/1", "u/2", "u/chain", "u/old"}


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ("u", "u/1 is part of u, other; nothing was removed"),
        ("u/1", "'u/1' is a RUN collection, no chain"),
        ("v", "no collection 'v'"),
    ],
)
def test_purge_is_refused(chains: Butler, chain: str, message: str) -> None:
    """Nothing goes if a run is used elsewhere, or if it is no chain."""
    chains.collections.extend_chain("other", "u/1")
    before = snapshot(Path(chains.root))
    result = pipetask("purge", chain, "-b", chains.root, "--yes")
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert snapshot(Path(chains.root)) == before
